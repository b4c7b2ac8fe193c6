//! A configuration that describes an existing object: its state without what only the provider may
//! say. Knows schemas and values, no resource in particular.

use crate::protocol::schema::{Attribute, Block, Presence, Rule};
use crate::protocol::value::{Object, Value};

/// The configuration of an object in this state.
#[must_use]
pub fn config(block: &Block, state: Value) -> Value {
    match state {
        Value::Map(state) => Value::Map(of_block(block, state)),
        other => other,
    }
}

fn of_block(block: &Block, mut state: Object) -> Object {
    for attribute in &block.attributes {
        if let Some(value) = state.get_mut(&attribute.name)
            && !belongs(attribute, value)
        {
            *value = Value::Null;
        }
    }
    for nested in &block.blocks {
        let inner = |value| config(&nested.block, value);
        if let Some(value) = state.get_mut(&nested.name) {
            *value = match std::mem::replace(value, Value::Null) {
                Value::List(elements) => Value::List(elements.into_iter().map(inner).collect()),
                single => inner(single),
            };
        }
    }
    block.rules.iter().for_each(|rule| obey(rule, &mut state));
    state
}

/// Whether a person would write it: not what only the provider says, what is deprecated, or what holds
/// anyway.
fn belongs(attribute: &Attribute, value: &Value) -> bool {
    let given = attribute.presence != Presence::Computed && !attribute.write_only;
    let required = attribute.presence == Presence::Required;
    let needless = attribute.deprecated.is_some() || attribute.default.as_ref() == Some(value);
    given && (required || !needless)
}

/// State holds every spelling of a thing; a configuration may hold one. The first named is preferred.
fn obey(rule: &Rule, state: &mut Object) {
    let (Rule::ExactlyOneOf(names) | Rule::AtMostOneOf(names)) = rule else {
        return;
    };
    let given = names
        .iter()
        .filter(|name| state.get(**name).is_some_and(|value| !value.is_null()));
    let needless: Vec<&str> = given.skip(1).copied().collect();
    for name in needless {
        state.insert(name.to_owned(), Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::schema::{NestedBlock, Nesting};
    use crate::protocol::value::Type;

    fn attribute(name: &str, presence: Presence) -> Attribute {
        Attribute::new(name, Type::String, presence)
    }

    fn object<const N: usize>(attributes: [(&str, Value); N]) -> Value {
        Value::Map(
            attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    #[test]
    fn only_what_a_person_would_write_is_left() {
        let mut inner = Block::default();
        inner.attributes.push(attribute("name", Presence::Required));
        inner.attributes.push(attribute("oid", Presence::Computed));
        let block = Block {
            attributes: vec![
                attribute("id", Presence::Computed),
                attribute("name", Presence::Required),
                attribute("mode", Presence::Optional).default("soft"),
                attribute("old", Presence::Optional).deprecated("Use `name`."),
                attribute("issuer", Presence::Optional),
                attribute("cluster", Presence::OptionalComputed),
            ],
            blocks: vec![NestedBlock {
                name: "schema".into(),
                nesting: Nesting::Set,
                block: inner,
            }],
            rules: vec![Rule::ExactlyOneOf(&["issuer", "cluster"])],
            ..Block::default()
        };
        let text = |text: &str| Value::from(text);
        let state = object([
            ("id", text("1")),
            ("name", text("n")),
            ("mode", text("soft")),
            ("old", text("o")),
            ("issuer", text("i")),
            ("cluster", text("c")),
            (
                "schema",
                Value::List(vec![object([("name", text("s")), ("oid", text("7"))])]),
            ),
        ]);
        let expected = object([
            ("id", Value::Null),
            ("name", text("n")),
            ("mode", Value::Null),
            ("old", Value::Null),
            ("issuer", text("i")),
            ("cluster", Value::Null),
            (
                "schema",
                Value::List(vec![object([("name", text("s")), ("oid", Value::Null)])]),
            ),
        ]);
        assert_eq!(config(&block, state), expected);
        assert_eq!(config(&block, Value::Null), Value::Null);
    }
}
