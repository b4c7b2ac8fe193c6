//! Everything that is registered has its example, its import and its test; and nothing else has.

use std::collections::BTreeSet;
use std::path::Path;

use entradb::protocol::page::Import;

use crate::registry::{PREFIX, expect_none, provider};
use crate::tidy::{files, root};

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

/// The folders in a folder.
fn folders(path: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(path)).into_iter().flatten();
    let folders = entries.filter_map(|entry| entry.ok().filter(|entry| entry.path().is_dir()));
    folders
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Which of these are missing, and which are there for nobody.
fn compare(folder: &str, expected: BTreeSet<String>) -> Vec<String> {
    let found = folders(folder);
    let missing = expected
        .difference(&found)
        .map(|name| format!("{folder}/{name} is missing"));
    let spare = found
        .difference(&expected)
        .map(|name| format!("{folder}/{name} is about nothing"));
    missing.chain(spare).collect()
}

#[test]
fn everything_has_an_example() {
    let provider = provider();
    let schemas = provider.schemas();
    let mut problems = compare("examples/resources", schemas.resources.keys().cloned().collect());
    problems.extend(compare(
        "examples/data-sources",
        schemas.data_sources.keys().cloned().collect(),
    ));
    problems.extend(compare(
        "examples/functions",
        schemas.functions.keys().cloned().collect(),
    ));
    let mut look = |path: String, what: String| {
        if !read(&path).is_some_and(|text| text.contains(&what)) {
            problems.push(format!("{path} does not show {what}"));
        }
    };
    for name in schemas.resources.keys() {
        look(
            format!("examples/resources/{name}/resource.tf"),
            format!("resource \"{name}\""),
        );
    }
    for name in schemas.data_sources.keys() {
        look(
            format!("examples/data-sources/{name}/data-source.tf"),
            format!("data \"{name}\""),
        );
    }
    for name in schemas.functions.keys() {
        look(
            format!("examples/functions/{name}/function.tf"),
            format!("provider::entradb::{name}("),
        );
    }
    look(
        "examples/provider/provider.tf".to_owned(),
        "provider \"entradb\"".to_owned(),
    );
    expect_none(problems);
}

#[test]
fn every_import_command_has_the_parts_of_the_identity() {
    let mut problems = Vec::new();
    for resource in entradb::registry().resources {
        let (name, identity) = (resource.name(), resource.identity());
        let path = format!("examples/resources/{name}/import.sh");
        let command = read(&path).unwrap_or_default();
        let import = Import {
            command: &command,
            identity,
        };
        match import.example() {
            Some((address, parts)) if address.starts_with(&format!("{name}.")) && !parts.contains(&String::new()) => {}
            found => problems.push(format!("{path}: {found:?} is not a {name} found by {identity:?}")),
        }
    }
    expect_none(problems);
}

/// Where a type is tried.
fn is_tried(name: &str) -> bool {
    let quoted = format!("\"{name}\"");
    let tests = files(&root().join("tests/resources")).into_iter();
    tests
        .chain(files(&root().join("tests/data_sources")))
        .any(|path| mentions(&path, &quoted))
}

fn mentions(path: &Path, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|read| read.contains(text))
}

#[test]
fn every_type_has_a_test_of_its_life() {
    let provider = provider();
    let schemas = provider.schemas();
    let mut problems = Vec::new();
    for name in schemas.resources.keys() {
        let module = format!("tests/resources/{}", name.trim_start_matches(PREFIX));
        let file = format!("{module}.rs");
        let mut text = read(&file).unwrap_or_default();
        // A long life is told in chapters.
        for chapter in files(&root().join(&module)) {
            text += &std::fs::read_to_string(chapter).unwrap_or_default();
        }
        // The life of a resource: made, settled, imported, gone.
        for step in [name.as_str(), "settled", "import", "destroy"] {
            if !text.contains(step) {
                problems.push(format!("{file} does not try `{step}`"));
            }
        }
    }
    let data_sources = schemas.data_sources.keys().filter(|name| !is_tried(name));
    problems.extend(data_sources.map(|name| format!("no test reads data.{name}")));
    expect_none(problems);
}
