//! Every configuration that people are shown is one that Terraform takes: in `examples/`, in the README, in the guides.

use std::path::{Path, PathBuf};

use crate::terraform::workspace::Workspace;
use crate::tidy::{files, root};

/// A configuration that is shown: where, and its files.
struct Shown {
    place: String,
    files: Vec<(String, String)>,
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("UTF-8")
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .expect("inside the repository")
        .display()
        .to_string()
}

/// Folders of `examples/` with configurations: each is one, whatever it is for.
fn folders() -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let configurations = files(&root().join("examples"));
    for path in configurations
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "tf"))
    {
        let place = relative(path.parent().expect("in a folder"));
        let file = (
            path.file_name().expect("a file").to_string_lossy().into_owned(),
            read(path),
        );
        match shown.last_mut().filter(|last| last.place == place) {
            Some(folder) => folder.files.push(file),
            None => shown.push(Shown {
                place,
                files: vec![file],
            }),
        }
    }
    shown
}

/// Pages with fenced blocks of configuration, written by hand.
fn pages() -> Vec<PathBuf> {
    let mut pages = files(&root().join("docs/guides"));
    pages.extend(
        files(&root())
            .into_iter()
            .filter(|path| path.file_name().is_some_and(|name| name == "README.md")),
    );
    pages.retain(|path| path.extension().is_some_and(|end| end == "md"));
    pages
}

fn blocks(page: &Path) -> Vec<Shown> {
    let mut shown = Vec::new();
    for (place, text) in fenced(&read(page)) {
        let place = format!("{}:{place}", relative(page));
        shown.push(Shown {
            place,
            files: vec![("main.tf".to_owned(), text)],
        });
    }
    shown
}

/// The line and the text of each block that is fenced as `hcl` or `terraform`.
fn fenced(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match &mut open {
            None => {
                if let Some(language) = line.trim_start().strip_prefix("```") {
                    let shown = ["hcl", "terraform"].contains(&language.trim());
                    open = Some((number + 1, shown, String::new()));
                }
            }
            Some((_, _, text)) if line.trim_start() != "```" => {
                text.push_str(line);
                text.push('\n');
            }
            Some(_) => found.extend(
                open.take()
                    .filter(|(_, shown, _)| *shown)
                    .map(|(line, _, text)| (line, text)),
            ),
        }
    }
    found
}

/// Checks one; answers what is wrong with it.
async fn check(shown: &Shown) -> Option<String> {
    let workspace = Workspace::bare("");
    workspace.remove("main.tf");
    let whole: String = shown.files.iter().map(|(_, text)| text.as_str()).collect();
    if whole.contains("required_providers") {
        workspace.remove("requirements.tf");
    }
    for (file, text) in &shown.files {
        workspace.write(file, text);
    }
    let format = workspace.run(&["fmt", "-check", "-diff"]).await;
    if !format.is_good() {
        return Some(format!("{}: not formatted\n{}", shown.place, format.whole()));
    }
    let valid = workspace.run(&["validate"]).await;
    (!valid.is_good()).then(|| format!("{}: not valid\n{}", shown.place, valid.whole()))
}

async fn expect_all_good(shown: Vec<Shown>) {
    let mut problems = Vec::new();
    for one in &shown {
        problems.extend(check(one).await);
    }
    assert!(
        problems.is_empty(),
        "{} of {}:\n{}",
        problems.len(),
        shown.len(),
        problems.join("\n")
    );
}

#[tokio::test]
async fn every_example_is_valid_and_formatted() {
    let shown = folders();
    assert!(!shown.is_empty());
    expect_all_good(shown).await;
}

#[tokio::test]
async fn every_block_of_a_page_is_valid_and_formatted() {
    expect_all_good(pages().iter().flat_map(|page| blocks(page)).collect()).await;
}

#[tokio::test]
async fn what_is_not_formatted_or_not_valid_is_found() {
    let shown = |text: &str| Shown {
        place: "planted".to_owned(),
        files: vec![("main.tf".to_owned(), text.to_owned())],
    };
    let crooked = check(&shown("provider \"entradb\" {\nuse_cli=true\n}\n")).await;
    assert!(crooked.is_some_and(|problem| problem.contains("not formatted")));
    let invalid = check(&shown(
        "resource \"entradb_managed_identity\" \"app\" {\n  naem = \"app\"\n}\n",
    ))
    .await;
    assert!(invalid.is_some_and(|problem| problem.contains("not valid")));
}

#[test]
fn fenced_blocks_are_found() {
    let page = "# Title\n```hcl\na = 1\n```\n```sh\nb\n```\n  ```terraform\nc = 2\n  ```\n";
    let found = fenced(page);
    assert_eq!(found, [(2, "a = 1\n".to_owned()), (8, "c = 2\n".to_owned())]);
}
