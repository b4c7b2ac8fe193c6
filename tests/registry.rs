//! What holds for everything that is registered, at once: a new type cannot escape it.

mod coverage;
mod values;

use entradb::protocol::schema::{Attribute, Block, NestedBlock, Presence};
use entradb::protocol::value::{Object, Type, Value};
use entradb::provider::plan::Plan;
use entradb::provider::{Provider, Schemas};

use crate::harness::core_rules::{identity_schema_valid, schema_valid};
use crate::harness::plugin::Plugin;

const PREFIX: &str = "entradb_";

/// The provider's own schemas: they know more than those on the wire.
fn provider() -> Provider {
    Provider::new(entradb::registry())
}

/// Every block with its name, the provider's own too.
fn blocks(schemas: &Schemas) -> Vec<(String, &Block)> {
    let provider = schemas.provider.iter();
    let provider = provider.map(|schema| ("provider".to_owned(), &schema.block));
    let resources = schemas.resources.iter();
    let resources = resources.map(|(name, found)| (name.clone(), &found.schema.block));
    let data_sources = schemas.data_sources.iter();
    let data_sources = data_sources.map(|(name, schema)| (format!("data.{name}"), &schema.block));
    provider.chain(resources).chain(data_sources).collect()
}

/// The block, and those in it, each with its place.
fn with_nested<'a>(place: &str, block: &'a Block) -> Vec<(String, &'a Block)> {
    let mut found = vec![(place.to_owned(), block)];
    for nested in &block.blocks {
        found.extend(with_nested(&format!("{place}.{}", nested.name), &nested.block));
    }
    for attribute in &block.attributes {
        if let Some(fields) = &attribute.fields {
            found.extend(with_nested(&format!("{place}.{}", attribute.name), fields));
        }
    }
    found
}

#[track_caller]
fn expect_none(problems: Vec<String>) {
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// Whether a text can stand on a page as it is.
fn is_sentence(text: &str) -> bool {
    let first = text.trim_start_matches(['`', '*', '[', '(']).chars().next();
    let begins = first.is_some_and(|c| c.is_uppercase() || c.is_numeric() || text.starts_with('`'));
    begins && text.trim_end().ends_with(['.', '`', ')', ':', '|']) && text.contains('.')
}

#[test]
fn everything_is_documented_in_whole_sentences() {
    let provider = provider();
    let mut problems = Vec::new();
    let mut look = |place: String, text: &str| {
        if !is_sentence(text) {
            problems.push(format!("{place}: {text:?}"));
        }
    };
    for (name, block) in blocks(provider.schemas()) {
        for (place, block) in with_nested(&name, block) {
            look(place.clone(), &block.description);
            for attribute in &block.attributes {
                look(format!("{place}.{}", attribute.name), &attribute.description);
            }
        }
    }
    for (name, signature) in &provider.schemas().functions {
        look(format!("{name}()"), signature.description);
        for parameter in &signature.parameters {
            look(format!("{name}({})", parameter.name), parameter.description);
        }
        if signature.summary.is_empty() || signature.summary.contains('\n') {
            look(format!("{name}() summary"), "");
        }
    }
    expect_none(problems);
}

#[test]
fn a_data_source_has_no_timeouts_but_of_reading() {
    let provider = provider();
    let mut problems = Vec::new();
    for (name, schema) in &provider.schemas().data_sources {
        let timeouts = schema.block.blocks.iter().find(|nested| nested.name == "timeouts");
        let operations = timeouts.into_iter().flat_map(|nested| &nested.block.attributes);
        let others = operations.filter(|operation| operation.name != "read");
        problems.extend(others.map(|operation| format!("data.{name}: a timeout for `{}`", operation.name)));
    }
    expect_none(problems);
}

#[test]
fn rules_speak_of_what_there_is() {
    let provider = provider();
    let mut problems = Vec::new();
    for (name, block) in blocks(provider.schemas()) {
        for (place, block) in with_nested(&name, block) {
            let known = |name: &str| block.attribute(name).is_some() || block.blocks.iter().any(|one| one.name == name);
            for rule in &block.rules {
                let names = rule.names();
                let unknown = names.iter().filter(|name| !known(name));
                problems.extend(unknown.map(|name| format!("{place}: a rule speaks of `{name}`")));
                if names.len() < 2 {
                    problems.push(format!("{place}: a rule over {names:?} alone"));
                }
                // A rule over what must be given anyway, or over outputs, says nothing.
                let idle = names.iter().filter_map(|name| block.attribute(name));
                let idle = idle.filter(|one| matches!(one.presence, Presence::Required | Presence::Computed));
                problems
                    .extend(idle.map(|one| format!("{place}: a rule speaks of `{}`, which is no choice", one.name)));
            }
        }
    }
    expect_none(problems);
}

/// What the planning rules never look at inside a nested block must not be promised there.
fn nested_problems(place: &str, nested: &NestedBlock) -> Vec<String> {
    let marked = |one: &Attribute| one.replace || one.stable || one.drift || one.write_only || one.default.is_some();
    let computed = |one: &Attribute| matches!(one.presence, Presence::Computed | Presence::OptionalComputed);
    let wrong = nested
        .block
        .attributes
        .iter()
        .filter(|one| marked(one) || computed(one));
    let mut problems: Vec<String> = wrong
        .map(|one| {
            format!(
                "{place}.{}.{}: computed or marked inside a nested block",
                nested.name, one.name
            )
        })
        .collect();
    let place = format!("{place}.{}", nested.name);
    problems.extend(
        nested
            .block
            .blocks
            .iter()
            .flat_map(|inner| nested_problems(&place, inner)),
    );
    problems
}

#[test]
fn marks_stand_where_they_mean_something() {
    let provider = provider();
    let mut problems = Vec::new();
    for (name, block) in blocks(provider.schemas()) {
        problems.extend(block.blocks.iter().flat_map(|nested| nested_problems(&name, nested)));
        let managed = provider.schemas().resources.contains_key(&name);
        for attribute in &block.attributes {
            let wrong = match attribute {
                one if one.drift && one.presence != Presence::Computed => "drift is written by Read alone",
                one if one.stable && one.presence == Presence::Required => "what must be given is not kept",
                one if one.replace && one.presence == Presence::Computed => "an output is never changed",
                one if (one.replace || one.stable || one.drift) && !managed => "only resources are planned",
                one if one.drift && one.stable => "drift comes and goes",
                _ => continue,
            };
            problems.push(format!("{name}.{}: {wrong}", attribute.name));
        }
    }
    expect_none(problems);
}

#[tokio::test]
async fn core_accepts_every_schema() {
    let plugin = Plugin::start(&[]).await;
    let schemas = &plugin.schemas;
    let mut problems = Vec::new();
    let mut add = |name: &str, refused: Vec<String>| {
        problems.extend(refused.into_iter().map(|one| format!("{name}: {one}")));
    };
    for (name, resource) in &schemas.resources {
        add(name, schema_valid(&resource.block));
        add(
            name,
            identity_schema_valid(resource.identity_version, &resource.identity, &resource.block),
        );
    }
    for (name, block) in schemas
        .data_sources
        .iter()
        .chain([(&"provider".to_owned(), &schemas.provider)])
    {
        add(name, schema_valid(block));
    }
    for name in schemas.resources.keys().chain(schemas.data_sources.keys()) {
        if !name.starts_with(PREFIX) {
            add(name, vec![format!("does not begin with {PREFIX}")]);
        }
    }
    expect_none(problems);
}

#[test]
fn what_a_resource_is_found_by_is_among_its_attributes() {
    let mut problems = Vec::new();
    for resource in entradb::registry().resources {
        let (name, block) = (resource.name(), resource.schema().block.clone());
        let identity = resource.identity();
        for part in identity {
            // The import ID is made of texts.
            if block.attribute(part).is_none_or(|one| one.r#type != Type::String) {
                problems.push(format!("{name}: `{part}` is no text among its attributes"));
            }
        }
        if identity.is_empty() {
            problems.push(format!("{name}: cannot be imported"));
        }
    }
    expect_none(problems);
}

/// Some value of the type.
fn sample(r#type: &Type, variant: bool) -> Value {
    let text = if variant { "b" } else { "a" };
    match r#type {
        Type::Bool => Value::Bool(variant),
        Type::Number => Value::from(i64::from(variant)),
        Type::String | Type::Dynamic => Value::from(text),
        Type::List(inner) | Type::Set(inner) => Value::List(vec![sample(inner, variant)]),
        Type::Map(inner) => Value::Map(Object::from([(text.to_owned(), sample(inner, variant))])),
        Type::Tuple(types) => Value::List(types.iter().map(|inner| sample(inner, variant)).collect()),
        Type::Object(types, _) => {
            let members = types.iter().map(|(name, inner)| (name.clone(), sample(inner, variant)));
            Value::Map(members.collect())
        }
    }
}

#[test]
fn a_change_of_what_is_marked_makes_a_new_object() {
    let mut problems = Vec::new();
    for resource in entradb::registry().resources {
        let schema = resource.schema();
        let Value::Map(prior) = sample(&schema.r#type(), false) else {
            continue;
        };
        for attribute in schema.block.attributes.iter().filter(|one| one.replace) {
            let mut config = prior.clone();
            for output in schema
                .block
                .attributes
                .iter()
                .filter(|one| one.presence == Presence::Computed)
            {
                config.insert(output.name.clone(), Value::Null);
            }
            config.insert(attribute.name.clone(), sample(&attribute.r#type, true));
            let mut proposed = prior.clone();
            proposed.insert(attribute.name.clone(), sample(&attribute.r#type, true));
            let decided = Plan::new(schema, Some(prior.clone()), proposed, config).decide(schema);
            if !decided.replace.iter().any(|path| path.to_string() == attribute.name) {
                problems.push(format!("{}.{} reaches update", resource.name(), attribute.name));
            }
        }
    }
    expect_none(problems);
}
