//! The rules of the codebase, held to by every file: layers, shape, what may be called where.

mod rules;
mod source;

use std::path::{Path, PathBuf};

use rules::Broken;
use source::Source;

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a directory, sorted, without what is built or hidden.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(directory) else {
        return found;
    };
    for entry in entries {
        let path = entry.expect("readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "target" || name == "Cargo.lock" || name.starts_with('.') && name != ".github" {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("inside the repository");
    path.to_string_lossy().replace('\\', "/")
}

fn sources() -> Vec<Source> {
    let rust = files(&root())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let read = rust.map(|path| Source::new(&relative(&path), &std::fs::read_to_string(&path).expect("UTF-8")));
    let sources: Vec<Source> = read.collect();
    let tests: Vec<String> = sources.iter().flat_map(test_files).collect();
    // A module that only tests see may have modules of its own.
    let (of_tests, shipped): (Vec<Source>, Vec<Source>) = sources
        .into_iter()
        .partition(|source| tests.iter().any(|test| source.path.starts_with(test)));
    let marked = of_tests
        .into_iter()
        .map(|source| Source::test(&source.path, &source.text));
    shipped.into_iter().chain(marked).collect()
}

/// Where the modules stand that a file declares for tests only.
fn test_files(source: &Source) -> Vec<String> {
    let (directory, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let directory = match file {
        "mod.rs" | "lib.rs" | "main.rs" => directory.to_owned(),
        file => format!("{directory}/{}", file.trim_end_matches(".rs")),
    };
    let modules = source.test_modules().into_iter();
    modules
        .flat_map(|module| [format!("{directory}/{module}.rs"), format!("{directory}/{module}/")])
        .collect()
}

#[track_caller]
fn expect_tidy(broken: Broken) {
    assert!(
        broken.is_empty(),
        "{} rules are broken:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn nothing_below_knows_what_is_above() {
    expect_tidy(sources().iter().flat_map(rules::layers).collect());
}

#[test]
fn files_and_functions_can_be_held_in_mind() {
    expect_tidy(sources().iter().flat_map(rules::shape).collect());
}

#[test]
fn everything_is_called_where_it_belongs() {
    expect_tidy(sources().iter().flat_map(rules::calls).collect());
}

#[test]
fn sql_is_never_put_together() {
    expect_tidy(sources().iter().flat_map(rules::sql).collect());
}

#[test]
fn nothing_names_this_machine_or_a_foreign_host() {
    let texts = files(&root()).into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(&path).ok()?;
        Some(rules::foreign_words(&relative(&path), &text))
    });
    expect_tidy(texts.flatten().collect());
}

#[cfg(test)]
mod planted {
    //! Each rule is seen to find what it is there to find, and to leave the rest alone.

    use super::*;

    #[track_caller]
    fn finds(rule: fn(&Source) -> Broken, path: &str, text: &str, what: &str) {
        let broken = rule(&Source::new(path, text));
        assert!(
            broken.iter().any(|one| one.contains(what)),
            "nothing says `{what}` in {broken:?}"
        );
    }

    #[track_caller]
    fn leaves(rule: fn(&Source) -> Broken, path: &str, text: &str) {
        assert_eq!(rule(&Source::new(path, text)), Broken::new());
    }

    #[test]
    fn layers() {
        finds(
            rules::layers,
            "src/azure/arm.rs",
            "use crate::provider::Provider;",
            "`azure` must not know `provider`",
        );
        finds(
            rules::layers,
            "src/protocol/page.rs",
            "fn f() { crate::sql!(\"\") }",
            "must not know `sql`",
        );
        finds(rules::layers, "src/new/a.rs", "", "does not know `new`");
        leaves(
            rules::layers,
            "src/azure/arm.rs",
            "use crate::retry::until; // crate::provider\n",
        );
        leaves(
            rules::layers,
            "src/resources/a.rs",
            "use crate::model;\nuse crate::sql::Name;",
        );
        leaves(rules::layers, "tests/a.rs", "use crate::anything;");
    }

    #[test]
    fn shape() {
        let long = format!("//! A.\n{}", "\n".repeat(400));
        finds(rules::shape, "src/a.rs", &long, "401 lines");
        let long = format!("//! A.\nfn f() {{\n{}}}\n", "    g();\n".repeat(71));
        finds(rules::shape, "src/a.rs", &long, "`f` has 71 lines");
        let short = format!(
            "//! A.\nfn f(a: [u8; 2]) {{\n{}{}}}\nfn g();\n",
            "    g();\n".repeat(70),
            "    // Why.\n".repeat(9)
        );
        leaves(rules::shape, "src/a.rs", &short);
        leaves(
            rules::shape,
            "src/a.rs",
            &long.replace("fn", "#[expect(clippy::too_many_lines, reason = \"a table\")]\nfn"),
        );
        leaves(rules::shape, "src/a.rs", &long.replace("fn", "#[test]\nfn"));
        finds(rules::shape, "src/a.rs", "fn f() {}", "starts with");
        leaves(rules::shape, "src/a/tests.rs", "fn f() {}");
        finds(rules::shape, "src/sql/utils.rs", "//! A.", "says nothing");
        finds(rules::shape, "src/a.rs", "//! A.\nuse super::super::b;", "super::super");
        finds(rules::shape, "src/a.rs", "//! A.\n#[allow(unused)]\n", "#[allow(");
        finds(rules::shape, "src/a.rs", "//! A.\n#[ignore]\n", "#[ignore");
        finds(
            rules::shape,
            "src/a.rs",
            concat!("//! A.\n// TO", "DO: later\n"),
            "do it",
        );
    }

    #[test]
    fn calls() {
        let unwrap = "fn f() { g().unwrap() }\n";
        finds(rules::calls, "src/a.rs", unwrap, ":1: `.unwrap()`");
        leaves(
            rules::calls,
            "src/a.rs",
            &format!("#[cfg(test)]\nmod tests {{\n{unwrap}}}\n"),
        );
        leaves(
            rules::calls,
            "src/a.rs",
            "fn f() -> &'static str { \"g().unwrap()\" } // .unwrap()\n",
        );
        finds(
            rules::calls,
            "src/a.rs",
            &format!("#[cfg(test)]\nmod tests;\n{unwrap}"),
            ":3:",
        );
        let sleep = "async fn f() { tokio::time::sleep(D).await }";
        finds(rules::calls, "src/azure/arm.rs", sleep, "only retry.rs sleeps");
        leaves(rules::calls, "src/retry.rs", sleep);
        finds(
            rules::calls,
            "src/sql/mod.rs",
            "std::env::var(\"PGHOST\")",
            "read the environment",
        );
        finds(
            rules::calls,
            "src/provider/plan.rs",
            "use prost::Message;",
            "stops at the border",
        );
        assert_eq!(
            test_files(&Source::new("src/a/b.rs", "#[cfg(test)]\npub(crate) mod c;")),
            ["src/a/b/c.rs", "src/a/b/c/"]
        );
    }

    #[test]
    fn sql() {
        finds(
            rules::sql,
            "src/resources/a.rs",
            "let s = format!(\"GRANT {a} TO {b}\");",
            "GRANT",
        );
        finds(
            rules::sql,
            "src/resources/a.rs",
            "f(sql!(\"GRANT {}\", a)); let s = \"DROP ROLE x\";",
            "DROP",
        );
        leaves(
            rules::sql,
            "src/resources/a.rs",
            "session.execute(sql!(\"GRANT {} TO {}\", a, b)).await?;",
        );
        leaves(rules::sql, "src/resources/a.rs", "const ALL: &str = \"SELECT 1\";");
        leaves(
            rules::sql,
            "src/resources/a.rs",
            "session.query(\"SELECT 1 FROM x WHERE a = $1\", &[a]).await?;",
        );
        leaves(
            rules::sql,
            "src/resources/a.rs",
            "warn(\"Select one.\"); f(\"GRANTED\")",
        );
        leaves(rules::sql, "src/sql/a.rs", "let s = \"SELECT 1\";");
    }

    #[test]
    fn foreign_words() {
        let found = rules::foreign_words("README.md", concat!("See registry.terra", "form.io.\n"));
        assert_eq!(found.len(), 1);
        assert_eq!(rules::foreign_words("a", "the network/working group\n"), Broken::new());
    }

    #[test]
    fn texts_and_comments_are_no_code() {
        let source = Source::new(
            "src/a.rs",
            "let a = r#\"x \"y\" \\\"#; let b = 'c'; let c: &'a str = \"\\\"/*\"; // d\n/* e */ f",
        );
        let code: Vec<&str> = source.code.split_whitespace().collect();
        assert_eq!(code.join(" "), "let a = \" \"; let b = ; let c: &'a str = \" \"; f");
        let texts: Vec<&str> = source.literals.iter().map(|literal| literal.text.as_str()).collect();
        assert_eq!(texts, ["x \"y\" \\", "\\\"/*"]);
    }
}
