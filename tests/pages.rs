//! Writes `docs/` from the schemas and the examples, and fails when it changed. `docs/guides/` is written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use entradb::protocol::page::{FunctionPage, Import, Kind, Page};
use entradb::protocol::schema::Block;
use entradb::protocol::value::Type;
use entradb::provider::Provider;

use crate::tidy::{files, root};

const PROVIDER: &str = "entradb";

/// The headings in the registry's list.
fn subcategory(type_name: &str) -> &'static str {
    let families = [
        ("entradb_postgresql_", "PostgreSQL"),
        ("entradb_mysql_", "MySQL"),
        ("entradb_mssql_", "Azure SQL"),
        ("entradb_", "Azure"),
    ];
    let family = families.iter().find(|(prefix, _)| type_name.starts_with(prefix));
    family.map_or("", |(_, heading)| heading)
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

fn page(kind: Kind, name: &str, block: &Block, example: Option<&str>, import: Option<Import<'_>>) -> String {
    let page = Page {
        kind,
        provider: PROVIDER,
        name,
        subcategory: if kind == Kind::Provider { "" } else { subcategory(name) },
        block,
        example,
        import,
    };
    page.markdown()
}

/// Every page by its path below `docs/`.
fn pages() -> BTreeMap<String, String> {
    let registry = entradb::registry();
    let identities: BTreeMap<&str, &[&str]> = registry
        .resources
        .iter()
        .map(|resource| (resource.name(), resource.identity()))
        .collect();
    let provider = Provider::new(entradb::registry());
    let schemas = provider.schemas();
    let mut pages = BTreeMap::new();
    // What follows the provider's prefix.
    let file = |folder: &str, name: &str| format!("{folder}/{}.md", name.trim_start_matches("entradb_"));
    if let Some(schema) = &schemas.provider {
        let example = read("examples/provider/provider.tf");
        let text = page(Kind::Provider, PROVIDER, &schema.block, example.as_deref(), None);
        pages.insert("index.md".to_owned(), text);
    }
    for (name, found) in &schemas.resources {
        let example = read(&format!("examples/resources/{name}/resource.tf"));
        let command = read(&format!("examples/resources/{name}/import.sh"));
        let import = command.as_deref().map(|command| Import {
            command,
            identity: identities[name.as_str()],
        });
        let text = page(Kind::Resource, name, &found.schema.block, example.as_deref(), import);
        pages.insert(file("resources", name), text);
    }
    for (name, schema) in &schemas.data_sources {
        let example = read(&format!("examples/data-sources/{name}/data-source.tf"));
        let text = page(Kind::DataSource, name, &schema.block, example.as_deref(), None);
        pages.insert(file("data-sources", name), text);
    }
    for (name, signature) in &schemas.functions {
        let example = read(&format!("examples/functions/{name}/function.tf"));
        let parameters = signature.parameters.iter();
        let parameters: Vec<(&str, &Type, &str)> = parameters
            .map(|parameter| (parameter.name, &parameter.r#type, parameter.description))
            .collect();
        let page = FunctionPage {
            provider: PROVIDER,
            name,
            summary: signature.summary,
            description: signature.description,
            parameters: &parameters,
            r#return: &signature.r#return,
            example: example.as_deref(),
        };
        pages.insert(format!("functions/{name}.md"), page.markdown());
    }
    pages
}

/// What is there now, without what is written by hand.
fn written() -> BTreeMap<String, PathBuf> {
    let docs = root().join("docs");
    let found = files(&docs).into_iter().filter_map(|path| {
        let name = path.strip_prefix(&docs).ok()?.to_string_lossy().replace('\\', "/");
        (!name.starts_with("guides/")).then_some((name, path))
    });
    found.collect()
}

#[test]
fn the_pages_say_what_the_schemas_say() {
    let (pages, written) = (pages(), written());
    let mut changed = Vec::new();
    for (name, text) in &pages {
        let path = root().join("docs").join(name);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == *text) {
            continue;
        }
        std::fs::create_dir_all(path.parent().expect("below docs/")).expect("a folder");
        std::fs::write(&path, text).expect("a page");
        changed.push(format!("docs/{name} was written"));
    }
    for (name, path) in written.iter().filter(|(name, _)| !pages.contains_key(*name)) {
        std::fs::remove_file(path).expect("a page");
        changed.push(format!("docs/{name} was removed"));
    }
    assert!(
        changed.is_empty(),
        "docs/ was not what the schemas say. It is now: look at the changes, and commit them.\n{}",
        changed.join("\n")
    );
}

/// What is written for people: pages, guides, and every README.
fn texts() -> Vec<PathBuf> {
    let all = files(&root()).into_iter();
    all.filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect()
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let (mut broken, mut seen) = (Vec::new(), 0);
    for page in texts() {
        let text = std::fs::read_to_string(&page).expect("UTF-8");
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            seen += 1;
            if !page.parent().expect("in a folder").join(target).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(seen > 10, "the links are not seen: {seen}");
}

/// What azurerm's users know, and is named to say that it is not needed.
const NOT_READ: &str = "ARM_MSI_API_VERSION";

/// The variables of the environment that a text names, azurerm's and ours.
fn variables(text: &str) -> BTreeSet<&str> {
    let words = text.split(|character: char| !(character.is_ascii_uppercase() || character == '_'));
    let begins = |word: &str| {
        ["ARM_", "ENTRADB_"]
            .iter()
            .any(|begin| word.len() > begin.len() && word.starts_with(begin))
    };
    words.filter(|word| begins(word)).collect()
}

#[test]
fn every_variable_that_is_read_is_on_the_page_and_no_other_is_named() {
    let settings = read("src/provider/settings.rs").expect("the settings");
    let known = variables(&settings);
    let index = read("docs/index.md").expect("the provider's page");
    let unnamed: Vec<_> = known.difference(&variables(&index)).copied().collect();
    assert!(unnamed.is_empty(), "read, and not on the provider's page: {unnamed:?}");
    for page in texts() {
        let name = page.strip_prefix(root()).expect("inside").display().to_string();
        if name.starts_with("docs/") || name == "README.md" {
            let text = std::fs::read_to_string(&page).expect("UTF-8");
            let unknown: Vec<_> = variables(&text)
                .into_iter()
                .filter(|variable| !known.contains(variable) && *variable != NOT_READ)
                .collect();
            assert!(unknown.is_empty(), "{name} names what nobody reads: {unknown:?}");
        }
    }
}

#[test]
fn every_link_inside_a_page_leads_somewhere() {
    let mut broken = Vec::new();
    for (name, text) in pages() {
        for (at, _) in text.match_indices("](#") {
            let anchor = text[at + 3..].split(')').next().unwrap_or_default();
            if !text.contains(&format!("<a id=\"{anchor}\">")) {
                broken.push(format!("docs/{name}: #{anchor}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
