//! Every attribute of every type is sent what nobody would write: the provider answers, and says where it is wrong.

use std::collections::BTreeMap;

use entradb::protocol::number::Number;
use entradb::protocol::schema::{Attribute, Block, Nesting};
use entradb::protocol::value::{Object, Refinements, Type, Value};
use entradb::wire::proto::tfplugin5 as pb;

use crate::harness::message::{Told, send, tell};
use crate::harness::plugin::Plugin;
use crate::registry::{expect_none, provider};

/// What is validated.
#[derive(Clone, Copy)]
enum Kind {
    Resource,
    DataSource,
    Provider,
}

const BUG: &str = "This is a bug in the provider";

async fn validate(plugin: &Plugin, kind: Kind, name: &str, config: &Value, r#type: &Type) -> Vec<Told> {
    let (type_name, config) = (name.to_owned(), Some(send(config)));
    let told = match kind {
        Kind::Resource => {
            let request = pb::validate_resource_type_config::Request {
                type_name,
                config,
                client_capabilities: None,
            };
            plugin.calls.validate_resource_type_config(request).await.diagnostics
        }
        Kind::DataSource => {
            let request = pb::validate_data_source_config::Request { type_name, config };
            plugin.calls.validate_data_source_config(request).await.diagnostics
        }
        Kind::Provider => {
            let request = pb::prepare_provider_config::Request { config };
            plugin.calls.prepare_provider_config(request).await.diagnostics
        }
    };
    tell(&told, Some(r#type))
}

/// Texts that a parser may stumble over.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "\0",
        "a\0b",
        "%%%",
        "://",
        "/",
        "é𝄞\u{202e}\u{feff}",
        "'; --",
        "\"",
        "${x}",
        "..",
        "|",
        "-1",
        "null",
        "/subscriptions//resourceGroups/",
        "soon",
        "1e999",
        "0",
    ]
    .map(str::to_owned)
    .into();
    texts.push("x".repeat(20_000));
    texts
}

fn numbers() -> Vec<Number> {
    let texts = [
        "0",
        "-1",
        "0.5",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "1e400",
        "1e-400",
    ];
    texts.map(|text| text.parse().expect("a number")).into()
}

/// Values of the type that nobody would write.
fn hostile(r#type: &Type) -> Vec<Value> {
    let mut values = vec![
        Value::Null,
        Value::unknown(),
        Value::Unknown(Refinements {
            nullness: Some(false),
            ..Refinements::default()
        }),
    ];
    match r#type {
        Type::Bool => values.extend([Value::Bool(true), Value::Bool(false)]),
        Type::Number => values.extend(numbers().into_iter().map(Value::Number)),
        Type::String => values.extend(texts().into_iter().map(Value::String)),
        Type::List(inner) | Type::Set(inner) => {
            values.push(Value::List(Vec::new()));
            values.extend(hostile(inner).into_iter().map(|element| Value::List(vec![element])));
        }
        Type::Map(inner) => {
            values.push(Value::Map(Object::new()));
            let keys = ["k".to_owned(), String::new(), "\0".to_owned(), "x".repeat(1_000)];
            let inner = hostile(inner);
            values.extend(
                inner
                    .iter()
                    .map(|member| Value::Map(Object::from([(keys[0].clone(), member.clone())]))),
            );
            values.extend(keys.map(|key| Value::Map(Object::from([(key, inner[0].clone())]))));
        }
        Type::Object(types, _) => values.extend(objects(types)),
        Type::Tuple(_) | Type::Dynamic => {}
    }
    values
}

/// Objects in which one member at a time is strange and the rest is null.
fn objects(types: &BTreeMap<String, Type>) -> Vec<Value> {
    let nothing: Object = types.keys().map(|name| (name.clone(), Value::Null)).collect();
    let mut values = vec![Value::Map(nothing.clone())];
    for (name, r#type) in types {
        values.extend(hostile(r#type).into_iter().map(|member| {
            let mut object = nothing.clone();
            object.insert(name.clone(), member);
            Value::Map(object)
        }));
    }
    values
}

/// Everything that is registered: what it is, its name, its shape.
fn everything() -> Vec<(Kind, String, Block)> {
    let provider = provider();
    let schemas = provider.schemas();
    let resources = schemas.resources.iter();
    let resources = resources.map(|(name, found)| (Kind::Resource, name.clone(), found.schema.block.clone()));
    let data_sources = schemas.data_sources.iter();
    let data_sources = data_sources.map(|(name, schema)| (Kind::DataSource, name.clone(), schema.block.clone()));
    let block = schemas
        .provider
        .as_ref()
        .map(|schema| (Kind::Provider, "provider".to_owned(), schema.block.clone()));
    resources.chain(data_sources).chain(block).collect()
}

/// The whole block null, but for one attribute or nested block.
fn only(block: &Block, name: &str, value: Value) -> Value {
    let attributes = block.attributes.iter().map(|one| (one.name.clone(), Value::Null));
    let blocks = block.blocks.iter().map(|nested| {
        let nothing = match nested.nesting {
            Nesting::Single => Value::Null,
            Nesting::Set => Value::List(Vec::new()),
        };
        (nested.name.clone(), nothing)
    });
    let mut config: Object = attributes.chain(blocks).collect();
    config.insert(name.to_owned(), value);
    Value::Map(config)
}

#[tokio::test]
async fn whatever_is_written_is_answered() {
    let plugin = Plugin::start(&[]).await;
    let mut problems = Vec::new();
    for (kind, name, block) in everything() {
        let r#type = block.r#type();
        let Type::Object(types, _) = &r#type else { continue };
        let everything_unknown = types.keys().map(|name| (name.clone(), Value::unknown())).collect();
        let told = validate(&plugin, kind, &name, &Value::Map(everything_unknown), &r#type).await;
        if told.iter().any(|one| one.error) {
            problems.push(format!("{name}: what is unknown is refused: {told:?}"));
        }
        let members: Vec<(&String, Vec<Value>)> = types.iter().map(|(name, inner)| (name, hostile(inner))).collect();
        let rounds = members.iter().map(|(_, values)| values.len()).max().unwrap_or_default();
        for round in 0..rounds {
            // Each attribute has its turn with each of its values, beside ever other ones of the rest.
            let chosen = members.iter().enumerate().map(|(position, (name, values))| {
                let value = &values[(round + 7 * position) % values.len()];
                ((*name).clone(), value.clone())
            });
            let config = Value::Map(chosen.collect());
            let told = validate(&plugin, kind, &name, &config, &r#type).await;
            if told.iter().any(|one| one.summary == BUG) {
                let config: String = format!("{config:?}").chars().take(2000).collect();
                problems.push(format!("{name}: {config}: {told:?}"));
            }
        }
    }
    expect_none(problems);
}

/// Wrong values of a limited attribute, of which at least one must be refused; none when everything will do.
fn wrong(attribute: &Attribute) -> Vec<Value> {
    let mut wrong = Vec::new();
    if !attribute.allowed.is_empty() {
        wrong.push(Value::from("no-such-word"));
    } else if attribute.meaning.is_some() {
        wrong.extend(texts().into_iter().map(Value::String));
    }
    if let Some((least, greatest)) = attribute.between {
        wrong.extend([
            Value::from(least.saturating_sub(1)),
            Value::from(greatest.saturating_add(1)),
        ]);
    }
    let wrapped = wrong.into_iter().map(|value| match &attribute.r#type {
        Type::List(_) | Type::Set(_) => Value::List(vec![value]),
        Type::Map(_) => Value::Map(Object::from([("k".to_owned(), value)])),
        _ => value,
    });
    wrapped.collect()
}

#[tokio::test]
async fn a_wrong_value_is_told_where_it_stands() {
    let plugin = Plugin::start(&[]).await;
    let mut problems = Vec::new();
    for (kind, name, block) in everything() {
        let r#type = block.r#type();
        let given = block
            .attributes
            .iter()
            .filter(|one| one.presence != entradb::protocol::schema::Presence::Computed);
        let mut places: Vec<(String, Vec<Value>, bool)> = given
            .map(|one| {
                (
                    one.name.clone(),
                    wrong(one),
                    one.between.is_some() || !one.allowed.is_empty(),
                )
            })
            .collect();
        for nested in &block.blocks {
            for attribute in &nested.block.attributes {
                let inside = wrong(attribute).into_iter().map(|value| {
                    let inner = only(&nested.block, &attribute.name, value);
                    match nested.nesting {
                        Nesting::Single => inner,
                        Nesting::Set => Value::List(vec![inner]),
                    }
                });
                let every = attribute.between.is_some() || !attribute.allowed.is_empty();
                places.push((nested.name.clone(), inside.collect(), every));
            }
        }
        for (place, values, every) in places {
            let (mut refused, tried) = (0, values.len());
            for value in values {
                let told = validate(&plugin, kind, &name, &only(&block, &place, value), &r#type).await;
                let here = |one: &Told| one.error && one.path.to_string().starts_with(&place);
                refused += usize::from(told.iter().any(here));
            }
            if tried > 0 && (refused == 0 || every && refused < tried) {
                problems.push(format!(
                    "{name}.{place}: of {tried} wrong values {refused} are refused there"
                ));
            }
        }
    }
    expect_none(problems);
}

#[tokio::test]
async fn a_timeout_that_is_no_duration_is_told() {
    let plugin = Plugin::start(&[]).await;
    let mut problems = Vec::new();
    for (kind, name, block) in everything() {
        let Some(timeouts) = block.blocks.iter().find(|nested| nested.name == "timeouts") else {
            continue;
        };
        for operation in &timeouts.block.attributes {
            let value = only(&timeouts.block, &operation.name, Value::from("soon"));
            let told = validate(&plugin, kind, &name, &only(&block, "timeouts", value), &block.r#type()).await;
            let place = format!("timeouts.{}", operation.name);
            if !told.iter().any(|one| one.error && one.path.to_string() == place) {
                problems.push(format!("{name}.{place}"));
            }
        }
    }
    expect_none(problems);
}

#[tokio::test]
async fn functions_answer_whatever_they_are_asked() {
    let plugin = Plugin::start(&[]).await;
    let provider = provider();
    for (name, signature) in &provider.schemas().functions {
        let types: Vec<&Type> = signature.parameters.iter().map(|parameter| &parameter.r#type).collect();
        let ordinary: Vec<Value> = types.iter().map(|r#type| super::sample(r#type, false)).collect();
        for (position, r#type) in types.iter().enumerate() {
            // Core itself answers for what is null or unknown.
            let strange = hostile(r#type)
                .into_iter()
                .filter(|value| !value.is_null() && value.is_wholly_known());
            for value in strange {
                let mut arguments = ordinary.clone();
                arguments[position] = value;
                if let Err(error) = plugin.call(name, &arguments).await {
                    assert!(!error.text.contains("bug"), "{name}: {}", error.text);
                    let position = error.function_argument.map(usize::try_from);
                    assert!(
                        position.is_none_or(|position| position.is_ok_and(|position| position < types.len())),
                        "{name} blames an argument that it does not have"
                    );
                }
            }
        }
    }
}
