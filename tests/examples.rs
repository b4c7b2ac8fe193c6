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
    let configurations = fenced(&read(page))
        .into_iter()
        .filter(|block| ["hcl", "terraform"].contains(&block.language.as_str()));
    let shown = configurations.map(|block| Shown {
        place: format!("{}:{}", relative(page), block.line),
        files: vec![("main.tf".to_owned(), block.text)],
    });
    shown.collect()
}

/// A fenced block of a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Fenced {
    /// The line that it begins in.
    pub line: usize,
    /// What the fence says.
    pub language: String,
    /// What stands in it.
    pub text: String,
}

/// Every fenced block of a page, in order.
pub fn fenced(page: &str) -> Vec<Fenced> {
    let mut found = Vec::new();
    let mut open: Option<Fenced> = None;
    for (number, line) in (1..).zip(page.lines()) {
        match &mut open {
            None => {
                open = line.trim_start().strip_prefix("```").map(|language| Fenced {
                    line: number,
                    language: language.trim().to_owned(),
                    text: String::new(),
                });
            }
            Some(block) if line.trim_start() != "```" => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            Some(_) => found.extend(open.take()),
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
    let found = fenced(page).into_iter();
    let found: Vec<_> = found.map(|block| (block.line, block.language, block.text)).collect();
    let expected = [(2, "hcl", "a = 1\n"), (5, "sh", "b\n"), (8, "terraform", "c = 2\n")];
    let expected = expected.map(|(line, language, text)| (line, language.to_owned(), text.to_owned()));
    assert_eq!(found, expected);
}
