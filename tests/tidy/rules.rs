//! The rules of the codebase, each a function from a file to what breaks it.

use crate::tidy::source::Source;

/// What breaks a rule, each with its place.
pub type Broken = Vec<String>;

/// Which module may use which: `src/README.md` says why. Every module may use itself.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("main", &["*"]),
    ("lib", &["*"]),
    ("wire", &["provider", "protocol"]),
    ("resources", &["provider", "protocol", "azure", "sql", "retry", "lock"]),
    (
        "data_sources",
        &["resources", "provider", "protocol", "azure", "sql", "retry"],
    ),
    ("functions", &["provider", "protocol", "azure"]),
    (
        "ephemeral",
        &["resources", "provider", "protocol", "azure", "sql", "retry"],
    ),
    ("command", &["*"]),
    ("provider", &["protocol", "azure", "sql", "retry", "lock"]),
    ("azure", &["retry"]),
    ("sql", &["retry"]),
    ("protocol", &[]),
    ("retry", &[]),
    ("lock", &[]),
];

/// Macros stand at the root of the crate, wherever they are defined.
const MACROS: &[(&str, &str)] = &[("model", "protocol"), ("sql", "sql")];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 70;
/// A test may tell a whole life in its order.
const LONGEST_TEST: usize = 100;

/// Names that say nothing.
const HOLLOW: [&str; 6] = ["utils", "util", "common", "helpers", "errors", "traits"];

/// Where SQL is at home. Elsewhere it stands in a `sql!`, in a constant, or in a call to `query`.
const SQL_AT_HOME: &str = "src/sql/";
const SQL: [&str; 14] = [
    "SELECT ",
    "INSERT INTO ",
    "DELETE FROM ",
    "UPDATE ",
    "CREATE ",
    "ALTER ",
    "DROP ",
    "GRANT ",
    "REVOKE ",
    "REASSIGN ",
    "SET ROLE",
    "SET LOCAL ",
    "EXECUTE AS ",
    "WITH RECURSIVE ",
];

/// The module of the crate that a file belongs to.
fn module(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    let end = inner.find(['/', '.'])?;
    Some(&inner[..end])
}

/// A request flows down; nothing below knows what is above.
pub fn layers(source: &Source) -> Broken {
    let Some(module) = module(&source.path) else {
        return Broken::new();
    };
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{}: the table of layers does not know `{module}`", source.path)];
    };
    let mut broken = Broken::new();
    for (at, _) in source.code.match_indices("crate::") {
        let rest = &source.code[at + "crate::".len()..];
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (name, is_macro) = (
            &rest[..end],
            rest[end..].starts_with('!') || rest[end..].starts_with(';'),
        );
        let home = MACROS.iter().find(|(known, _)| *known == name && is_macro);
        let name = home.map_or(name, |(_, home)| home);
        let foreign_crate = source.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if !foreign_crate && name != module && !allowed.contains(&name) && !allowed.contains(&"*") {
            broken.push(format!(
                "{}:{}: `{module}` must not know `{name}`",
                source.path,
                source.line(at)
            ));
        }
    }
    broken
}

/// One way to name a thing, and files that a reader can hold in mind.
pub fn shape(source: &Source) -> Broken {
    let mut broken = Broken::new();
    let path = &source.path;
    let lines = source.text.lines().count();
    if lines > LONGEST_FILE {
        broken.push(format!("{path}: {lines} lines, where {LONGEST_FILE} are the most"));
    }
    for (name, line, lines, is_test) in source.functions() {
        let most = if is_test { LONGEST_TEST } else { LONGEST_FUNCTION };
        if lines > most {
            broken.push(format!(
                "{path}:{line}: `{name}` has {lines} lines, where {most} are the most"
            ));
        }
    }
    let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
    // What `tests` are for, their parent says.
    if !source.text.starts_with("//! ") && stem != "tests" {
        broken.push(format!("{path}: a module starts with a `//!` line on what it is for"));
    }
    if HOLLOW.contains(&stem) {
        broken.push(format!("{path}: `{stem}` says nothing of what is inside"));
    }
    for (line, code) in (1..).zip(source.code.lines()) {
        if code.contains("super::super") {
            broken.push(format!("{path}:{line}: `crate::` says it better than `super::super`"));
        }
        for mark in ["#[allow(", "#![allow(", "#[ignore"] {
            if code.contains(mark) {
                broken.push(format!("{path}:{line}: `{mark}`: `expect` with a reason, or mend it"));
            }
        }
    }
    for (line, text) in (1..).zip(source.text.lines()) {
        for mark in [concat!("TO", "DO"), concat!("FIX", "ME")] {
            if text.split(|c: char| !c.is_alphanumeric()).any(|word| word == mark) {
                broken.push(format!(
                    "{path}:{line}: {mark}: do it, or say why not in `src/README.md`"
                ));
            }
        }
    }
    broken
}

/// What may be called where, in what is shipped.
pub fn calls(source: &Source) -> Broken {
    // What, where it may stand nevertheless, and why it may not elsewhere.
    let table: [(&str, &[&str], &str); 11] = [
        (".unwrap()", &[], "say why it holds with `expect`, or hand the error on"),
        ("tokio::time::sleep", &["src/retry.rs"], "only retry.rs sleeps"),
        ("thread::sleep", &[], "only retry.rs sleeps"),
        ("batch_execute", &[], "SQL goes through a Session"),
        ("reqwest::", &["src/azure/"], "REST goes through azure/http.rs"),
        (
            "env::var",
            &["src/main.rs", "src/provider/settings.rs", "src/provider/config.rs"],
            "only main and the provider block read the environment",
        ),
        ("prost::", &["src/wire/"], "protobuf stops at the border"),
        ("tonic::", &["src/wire/"], "gRPC stops at the border"),
        ("tfplugin5", &["src/wire/"], "protobuf stops at the border"),
        ("wire::proto", &["src/wire/"], "protobuf stops at the border"),
        (
            "std::process::exit",
            &["src/main.rs", "src/wire/"],
            "only the program ends itself",
        ),
    ];
    let mut broken = Broken::new();
    if !source.path.starts_with("src/") {
        return broken;
    }
    for (line, code) in source.shipped() {
        for (call, places, why) in &table {
            let at_home = places.iter().any(|place| source.path.starts_with(place));
            if code.contains(call) && !at_home {
                broken.push(format!("{}:{line}: `{call}`: {why}", source.path));
            }
        }
    }
    broken
}

/// SQL is a template with parts, never a text that was put together.
pub fn sql(source: &Source) -> Broken {
    if !source.path.starts_with("src/") || source.path.starts_with(SQL_AT_HOME) {
        return Broken::new();
    }
    let foreign = source.literals.iter().filter(|literal| {
        let is_sql = SQL.iter().any(|word| literal.text.trim_start().starts_with(word));
        is_sql && !source.is_test(literal.line) && !is_template(&source.code[..literal.at])
    });
    let broken = foreign.map(|literal| {
        let first = literal.text.trim_start().chars().take(30).collect::<String>();
        format!(
            "{}:{}: `{first}…` outside of `sql!`, a constant or a query",
            source.path, literal.line
        )
    });
    broken.collect()
}

/// Whether what comes before a text says that it is a template: a `sql!(`, a constant, or a call to a query.
fn is_template(before: &str) -> bool {
    let statement = before.rfind([';', '}']).map_or(0, |at| at + 1);
    let before = &before[statement..];
    let called = |name: &str| {
        before.rfind(name).is_some_and(|at| {
            let open = &before[at + name.len()..];
            open.matches('(').count() + 1 > open.matches(')').count()
        })
    };
    called("sql!(") || called("query(") || called("query_one(") || called("rows(") || before.contains("const ")
}

/// Nothing names this machine, or a host that is none of ours.
pub fn foreign_words(path: &str, text: &str) -> Broken {
    let words = [
        concat!("/wo", "rk/"),
        concat!("registry.terra", "form.io"),
        concat!("registry.open", "tofu.org"),
        concat!("crates", ".io"),
        concat!("npmjs", ".org"),
        concat!("pypi", ".org"),
    ];
    let mut broken = Broken::new();
    for (line, text) in (1..).zip(text.lines()) {
        for word in words.iter().filter(|word| text.contains(**word)) {
            broken.push(format!("{path}:{line}: names {word}"));
        }
    }
    broken
}
