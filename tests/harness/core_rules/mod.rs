//! What Terraform Core refuses of a provider's answers: each function lists it. Knows no gRPC.
//!
//! The provider that these rules were made for is held to all of them; older SDKs are let off some.

mod compare;
mod schemas;
#[cfg(test)]
mod tests;

use entradb::protocol::path::{Path, Step};
use entradb::protocol::value::{Object, Type, Value};

use crate::harness::schema::{Attribute, Block, NestedBlock, Nesting};

pub use compare::{compatible, conforms, nothing_write_only, wholly_known};
pub use schemas::{identity_schema_valid, schema_valid};

/// What Core would refuse, each with its place; empty when it accepts.
pub type Refused = Vec<String>;

static NULL: Value = Value::Null;

fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.as_object().and_then(|object| object.get(name)).unwrap_or(&NULL)
}

fn element(value: &Value, index: usize) -> &Value {
    value
        .as_list()
        .and_then(|elements| elements.get(index))
        .unwrap_or(&NULL)
}

fn inside(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

/// Whether a plan follows the configuration: a value is what was written, or what the state already has in its stead,
/// or the provider's own where the configuration says nothing.
pub fn plan_valid(block: &Block, prior: &Value, config: &Value, planned: &Value) -> Refused {
    let mut refused = Vec::new();
    plan_block(block, prior, config, planned, "", &mut refused);
    refused
}

fn plan_block(block: &Block, prior: &Value, config: &Value, planned: &Value, at: &str, refused: &mut Refused) {
    match (config, planned) {
        (Value::Null, Value::Null) => {}
        (Value::Null, _) => refused.push(format!("{at}: a block is planned that the configuration does not have")),
        (_, Value::Null) => refused.push(format!("{at}: the block of the configuration is not planned")),
        (Value::Unknown(_), Value::Unknown(_)) => {}
        (Value::Unknown(_), _) => refused.push(format!("{at}: an unknown block is planned as a known one")),
        (_, Value::Unknown(_)) => refused.push(format!("{at}: a known block is planned as unknown")),
        _ => {
            for (name, attribute) in &block.attributes {
                let (prior, config, planned) = (member(prior, name), member(config, name), member(planned, name));
                if let Some(problem) = plan_attribute(attribute, prior, config, planned) {
                    refused.push(format!("{}: {problem}", inside(at, name)));
                }
            }
            for (name, nested) in &block.blocks {
                let (prior, config, planned) = (member(prior, name), member(config, name), member(planned, name));
                plan_nested(nested, prior, config, planned, &inside(at, name), refused);
            }
        }
    }
}

fn plan_attribute(attribute: &Attribute, prior: &Value, config: &Value, planned: &Value) -> Option<String> {
    if attribute.write_only {
        return (!planned.is_null()).then(|| "a write-only value is planned".to_owned());
    }
    let kept = planned == prior && !prior.is_null() && !config.is_null();
    let own = attribute.computed && config.is_null();
    if same(planned, config) || kept || own {
        return None;
    }
    Some(match (config, prior) {
        (Value::Null, _) => format!("planned value {planned:?} for a non-computed attribute"),
        (_, Value::Null) => format!("planned value {planned:?} is not the configured {config:?}"),
        _ => format!("planned value {planned:?} is neither the configured {config:?} nor the prior {prior:?}"),
    })
}

fn plan_nested(nested: &NestedBlock, prior: &Value, config: &Value, planned: &Value, at: &str, refused: &mut Refused) {
    if nested.nesting == Nesting::Single {
        return plan_block(&nested.block, prior, config, planned, at, refused);
    }
    let (Some(configured), Some(elements)) = (config.as_list(), planned.as_list()) else {
        match (config, planned) {
            (Value::Unknown(_), Value::Unknown(_)) => {}
            (_, Value::Null) => refused.push(format!("{at}: blocks are planned as null, where none is an empty list")),
            (_, Value::Unknown(_)) => refused.push(format!("{at}: known blocks are planned as unknown")),
            _ => refused.push(format!("{at}: unknown blocks are planned as known ones")),
        }
        return;
    };
    match nested.nesting {
        Nesting::Set => {
            for (index, _) in elements.iter().enumerate().filter(|(_, element)| element.is_unknown()) {
                refused.push(format!("{at}[{index}]: a block in a set is planned as unknown"));
            }
            // A computed value inside could also come from the state: there is no telling from which element.
            let nothing = Value::Null;
            let follows =
                |config: &Value, planned: &Value| plan_valid(&nested.block, &nothing, config, planned).is_empty();
            let problem = compare::correlate(configured, elements, follows);
            refused.extend(problem.map(|problem| format!("{at}: {problem}")));
        }
        _ if configured.len() != elements.len() => refused.push(format!(
            "{at}: {} blocks are planned, {} are configured",
            elements.len(),
            configured.len()
        )),
        _ => {
            for (index, (config, planned)) in configured.iter().zip(elements).enumerate() {
                let at = format!("{at}[{index}]");
                plan_block(&nested.block, element(prior, index), config, planned, &at, refused);
            }
        }
    }
}

/// Whether both are the same value, whatever is said of the unknown in them.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Unknown(_), Value::Unknown(_)) => true,
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.keys().eq(right.keys()) && left.values().zip(right.values()).all(|(left, right)| same(left, right))
        }
        _ => left == right,
    }
}

/// What Core proposes to plan: the configuration, and the state's value where that is left to the provider.
pub fn proposed(block: &Block, prior: &Value, config: &Value) -> Value {
    let Some(written) = config.as_object() else {
        return config.clone();
    };
    let mut proposed = Object::new();
    for (name, attribute) in &block.attributes {
        let config = written.get(name).unwrap_or(&NULL);
        let value = if attribute.computed && config.is_null() {
            member(prior, name)
        } else {
            config
        };
        proposed.insert(name.clone(), value.clone());
    }
    for (name, nested) in &block.blocks {
        let value = proposed_nested(nested, member(prior, name), written.get(name).unwrap_or(&NULL));
        proposed.insert(name.clone(), value);
    }
    Value::Map(proposed)
}

fn proposed_nested(nested: &NestedBlock, prior: &Value, config: &Value) -> Value {
    let Some(elements) = config.as_list() else {
        return proposed(&nested.block, prior, config);
    };
    let mut former: Vec<&Value> = prior.as_list().unwrap_or_default().iter().collect();
    let elements = elements.iter().enumerate().map(|(index, config)| {
        let prior = if nested.nesting == Nesting::List {
            element(prior, index)
        } else {
            let found = former
                .iter()
                .position(|prior| may_come_of(&nested.block, prior, config));
            found.map_or(&NULL, |found| former.remove(found))
        };
        proposed(&nested.block, prior, config)
    });
    let mut elements: Vec<Value> = elements.collect();
    if nested.nesting == Nesting::Set {
        elements.sort();
        elements.dedup();
    }
    Value::List(elements)
}

/// Whether an element of a set may be what this configuration once became: equal but for what is computed.
fn may_come_of(block: &Block, prior: &Value, config: &Value) -> bool {
    let attributes = block.attributes.iter().all(|(name, attribute)| {
        let (prior, config) = (member(prior, name), member(config, name));
        prior == config || attribute.computed && config.is_null()
    });
    attributes
        && block
            .blocks
            .keys()
            .all(|name| member(prior, name) == member(config, name))
}

/// The paths that force a replacement: each exists in the state or the plan. Gives those that count, since Core takes
/// only those where something differs.
pub fn replaced<'a>(
    r#type: &Type,
    prior: &Value,
    planned: &Value,
    paths: &'a [Path],
) -> Result<Vec<&'a Path>, Refused> {
    let mut refused = Vec::new();
    let mut counted = Vec::new();
    for path in paths {
        if !exists(r#type, path.steps()) || path.steps().is_empty() {
            refused.push(format!("requires_replace: there is no `{path}`"));
            continue;
        }
        match (follow(prior, path.steps()), follow(planned, path.steps())) {
            (None, None) => refused.push(format!(
                "requires_replace: `{path}` is neither in the state nor in the plan"
            )),
            (Some(before), Some(after)) if before == after => {}
            _ => counted.push(path),
        }
    }
    if refused.is_empty() { Ok(counted) } else { Err(refused) }
}

/// Whether a value of the type may have something there.
pub fn exists(r#type: &Type, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return true;
    };
    match (step, r#type) {
        (Step::Attribute(name), Type::Object(attributes, _)) => {
            attributes.get(name).is_some_and(|inner| exists(inner, rest))
        }
        (Step::Index(_), Type::List(inner)) | (Step::Key(_), Type::Map(inner)) => exists(inner, rest),
        (Step::Index(index), Type::Tuple(types)) => usize::try_from(*index)
            .ok()
            .and_then(|index| types.get(index))
            .is_some_and(|inner| exists(inner, rest)),
        _ => false,
    }
}

fn follow<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(value);
    };
    let inner = match step {
        Step::Attribute(name) | Step::Key(name) => value.as_object()?.get(name)?,
        Step::Index(index) => value.as_list()?.get(usize::try_from(*index).ok()?)?,
    };
    follow(inner, rest)
}
