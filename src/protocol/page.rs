//! A schema as a page of the registry, in the layout of its documentation tool. Knows no file: examples come as text.

use std::fmt::Write as _;

use crate::protocol::schema::{Attribute, Block, NestedBlock, Nesting, Presence};
use crate::protocol::value::{Type, Value};

/// What a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The provider block.
    Provider,
    /// A thing that is managed.
    Resource,
    /// A thing that is only looked at.
    DataSource,
}

/// A page about a block.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What it is about.
    pub kind: Kind,
    /// The provider's own name.
    pub provider: &'a str,
    /// The type name; the provider's own name on its page.
    pub name: &'a str,
    /// The heading in the registry's list.
    pub subcategory: &'a str,
    /// What it describes.
    pub block: &'a Block,
    /// A configuration.
    pub example: Option<&'a str>,
    /// How to import it, where it can be.
    pub import: Option<Import<'a>>,
}

/// How a resource is imported.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// A shell command whose last word is an import ID.
    pub command: &'a str,
    /// The attributes that the import ID consists of.
    pub identity: &'a [&'a str],
}

/// A page about a function.
#[derive(Clone, Copy, Debug)]
pub struct FunctionPage<'a> {
    /// The provider's own name.
    pub provider: &'a str,
    /// Its name in a configuration.
    pub name: &'a str,
    /// One line: what it gives.
    pub summary: &'a str,
    /// Markdown.
    pub description: &'a str,
    /// What it takes: name, type, Markdown.
    pub parameters: &'a [(&'a str, &'a Type, &'a str)],
    /// What it gives.
    pub r#return: &'a Type,
    /// A configuration.
    pub example: Option<&'a str>,
}

impl Page<'_> {
    /// The page, in Markdown.
    pub fn markdown(&self) -> String {
        let (title, heading) = match self.kind {
            Kind::Provider => ("Provider".to_owned(), format!("{} Provider", self.name)),
            Kind::Resource => (
                format!("Resource - {}", self.provider),
                format!("{} (Resource)", self.name),
            ),
            Kind::DataSource => (
                format!("Data Source - {}", self.provider),
                format!("{} (Data Source)", self.name),
            ),
        };
        let description = &self.block.description;
        let mut page = front_matter(&format!("{} {title}", self.name), self.subcategory, description);
        page += &format!("# {heading}\n\n{}\n", paragraphs(description));
        page += &example(self.example);
        page += "\n## Schema\n";
        page += &self.schema(self.block, "");
        if let Some(import) = &self.import {
            page += &import_section(self.block, import);
        }
        page
    }

    /// The arguments and outputs of a block, and of the blocks in it.
    fn schema(&self, block: &Block, path: &str) -> String {
        let mut text = String::new();
        for (title, presences) in [
            ("Required", &[Presence::Required][..]),
            ("Optional", &[Presence::Optional, Presence::OptionalComputed]),
            ("Read-Only", &[Presence::Computed]),
        ] {
            let attributes = block.attributes.iter().filter(|one| presences.contains(&one.presence));
            let mut lines: Vec<String> = attributes.map(|one| self.attribute(one, path)).collect();
            if title == "Optional" {
                lines.extend(block.blocks.iter().map(|nested| nested_line(nested, path)));
            }
            text += &section(title, &lines, path);
        }
        let rules: Vec<String> = block
            .rules
            .iter()
            .map(|rule| format!("- {}", rule.sentence()))
            .collect();
        text += &section("Combinations", &rules, path);
        let records = block
            .attributes
            .iter()
            .filter_map(|one| Some((&one.name, "att", one.fields.as_ref()?)));
        let nested = block.blocks.iter().map(|nested| (&nested.name, "block", &nested.block));
        for (name, what, inner) in records.chain(nested) {
            let (path, anchor) = (join(path, name, "."), join(path, name, "--").replace('.', "--"));
            text += &format!("\n<a id=\"nested{what}--{anchor}\"></a>\n### Nested Schema for `{path}`\n");
            text += &self.schema(inner, &path);
        }
        text
    }

    fn attribute(&self, attribute: &Attribute, path: &str) -> String {
        let mut kind = type_name(&attribute.r#type);
        for (marked, word) in [
            (attribute.sensitive, "Sensitive"),
            (attribute.write_only, "Write-only"),
            (attribute.deprecated.is_some(), "Deprecated"),
        ] {
            if marked {
                kind += &format!(", {word}");
            }
        }
        let mut remarks = Vec::new();
        // What an output is, it says itself.
        if !attribute.allowed.is_empty() && attribute.presence != Presence::Computed {
            let many = matches!(attribute.r#type, Type::List(_) | Type::Set(_) | Type::Map(_));
            let who = if many { "Each is one of" } else { "One of" };
            let texts: Vec<String> = attribute.allowed.iter().map(|text| format!("`{text}`")).collect();
            remarks.push(format!("{who} {}.", texts.join(", ")));
        }
        if let Some((least, greatest)) = attribute.between {
            remarks.push(format!("From {least} to {greatest}."));
        }
        if let Some(default) = &attribute.default {
            remarks.push(format!("Default: `{}`.", written(default, false)));
        }
        if attribute.replace {
            remarks.push(format!("Changing this creates a new `{}`.", self.name));
        }
        if let Some(instead) = attribute.deprecated {
            remarks.push(format!("Deprecated: {instead}"));
        }
        if attribute.fields.is_some() {
            remarks.push(below("att", &join(path, &attribute.name, ".")));
        }
        item(&attribute.name, &kind, &attribute.description, &remarks)
    }
}

impl FunctionPage<'_> {
    /// The page, in Markdown.
    pub fn markdown(&self) -> String {
        let title = format!("{} function - {}", self.name, self.provider);
        let mut page = front_matter(&title, "", self.summary);
        page += &format!("# function: {}\n\n{}\n", self.name, paragraphs(self.description));
        page += &example(self.example);
        let parameters = self.parameters.iter();
        let parameters: Vec<String> = parameters
            .map(|(name, r#type, _)| format!("{name} {}", r#type))
            .collect();
        let signature = format!("{}({}) {}", self.name, parameters.join(", "), self.r#return);
        page += &format!("\n## Signature\n\n```text\n{signature}\n```\n\n## Arguments\n\n");
        for (position, (name, r#type, description)) in (1..).zip(self.parameters) {
            let description = paragraphs(description).replace('\n', "\n   ");
            page += &format!("{position}. `{name}` ({}) {description}\n", type_name(r#type));
        }
        page
    }
}

fn front_matter(title: &str, subcategory: &str, description: &str) -> String {
    let first = paragraphs(description);
    let first = first.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    format!("---\npage_title: \"{title}\"\nsubcategory: \"{subcategory}\"\ndescription: |-\n  {first}\n---\n\n")
}

fn example(example: Option<&str>) -> String {
    example.map_or_else(String::new, |text| {
        format!("\n## Example Usage\n\n```terraform\n{}\n```\n", text.trim_end())
    })
}

/// Headings stand on the page itself only: in a nested block they would look like a new chapter.
fn section(title: &str, lines: &[String], path: &str) -> String {
    match (lines, path) {
        ([], _) => String::new(),
        (lines, "") => format!("\n### {title}\n\n{}\n", lines.join("\n")),
        (lines, _) => format!("\n{title}:\n\n{}\n", lines.join("\n")),
    }
}

fn import_section(block: &Block, import: &Import<'_>) -> String {
    let form: Vec<String> = import.identity.iter().map(|part| format!("<{part}>")).collect();
    let mut text = format!("\n## Import\n\nThe import ID has the form `{}`", form.join("|"));
    if import.identity.len() > 1 {
        text += "; a `|` inside a part is written `%7C`, a `%` is written `%25`";
    }
    text += &format!(".\n\n```shell\n{}\n```\n", import.command.trim_end());
    if let Some((address, parts)) = import.example() {
        text += "\nTerraform 1.12 and later can import by **resource identity**:\n\n```terraform\nimport {\n";
        text += &format!("  to = {address}\n  identity = {{\n");
        let width = import.identity.iter().map(|name| name.len()).max().unwrap_or_default();
        for (name, part) in import.identity.iter().zip(parts) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {name:width$} = {}", written(&Value::String(part), true));
        }
        text += "  }\n}\n```\n";
    }
    text += "\n### Resource identity\n\nThe resource identity consists of:\n\n";
    for attribute in import.identity.iter().filter_map(|name| block.attribute(name)) {
        text += &item(
            &attribute.name,
            &type_name(&attribute.r#type),
            &attribute.description,
            &[],
        );
        text += "\n";
    }
    text
}

impl Import<'_> {
    /// The resource address and the parts of the import ID in the command; none when the command has another form.
    pub fn example(&self) -> Option<(String, Vec<String>)> {
        let command = self
            .command
            .lines()
            .find(|line| line.starts_with("terraform import "))?;
        let (address, id) = command.strip_prefix("terraform import ")?.trim().split_once(' ')?;
        let id = id.trim().trim_matches(['\'', '"']);
        let plain = |part: &str| part.replace("%7C", "|").replace("%7c", "|").replace("%25", "%");
        let parts: Vec<String> = id.split('|').map(plain).collect();
        (parts.len() == self.identity.len()).then(|| (address.to_owned(), parts))
    }
}

/// A paragraph stays on lines as they were written, without trailing blanks.
fn paragraphs(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn item(name: &str, kind: &str, description: &str, remarks: &[String]) -> String {
    let description = paragraphs(description);
    let mut words = vec![format!("- `{name}` ({kind})")];
    words.extend(Some(description.replace('\n', "\n  ")).filter(|text| !text.is_empty()));
    words.extend(remarks.iter().cloned());
    words.join(" ")
}

fn nested_line(nested: &NestedBlock, path: &str) -> String {
    let kind = match nested.nesting {
        Nesting::Single => "Block",
        Nesting::Set => "Block Set",
    };
    let below = below("block", &join(path, &nested.name, "."));
    item(&nested.name, kind, &nested.block.description, &[below])
}

fn below(what: &str, path: &str) -> String {
    format!(
        "(see [below for nested schema](#nested{what}--{}))",
        path.replace('.', "--")
    )
}

fn join(path: &str, name: &str, between: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}{between}{name}")
    }
}

/// A type as the registry writes it.
fn type_name(r#type: &Type) -> String {
    match r#type {
        Type::Bool => "Boolean".to_owned(),
        Type::Number => "Number".to_owned(),
        Type::String => "String".to_owned(),
        Type::Dynamic => "Dynamic".to_owned(),
        Type::List(element) => format!("List of {}", type_name(element)),
        Type::Set(element) => format!("Set of {}", type_name(element)),
        Type::Map(element) => format!("Map of {}", type_name(element)),
        Type::Tuple(_) => "Tuple".to_owned(),
        Type::Object(..) => "Object".to_owned(),
    }
}

/// A value as one writes it in a configuration; a text alone needs no quotes in a sentence.
fn written(value: &Value, quoted: bool) -> String {
    match value {
        Value::Null | Value::Unknown(_) => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if quoted || text.is_empty() => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{}\"", escaped.replace("${", "$${").replace("%{", "%%{"))
        }
        Value::String(text) => text.clone(),
        Value::List(elements) => {
            let elements: Vec<String> = elements.iter().map(|element| written(element, true)).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Map(members) => {
            let members = members
                .iter()
                .map(|(name, member)| format!("{name} = {}", written(member, true)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Dynamic(inner) => written(&inner.1, quoted),
    }
}

#[cfg(test)]
mod tests;
