//! What came about beside what was planned: Core's comparison of two values, and its demands on one.

use entradb::protocol::value::{Refinements, Type, Value};

use crate::harness::core_rules::{Refused, inside};
use crate::harness::schema::{Block, Nesting};

/// Whether what came about is what was planned. Where the plan was open, anything of the type is right.
///
/// Holds between the plan and the state after apply, and between the plan and the second plan in the apply walk.
pub fn compatible(block: &Block, planned: &Value, actual: &Value) -> Refused {
    let mut refused = Vec::new();
    if planned.is_null() != actual.is_null() {
        let change = if planned.is_null() { "appears" } else { "is absent" };
        refused.push(format!("the object {change}"));
    } else {
        compare_block(block, planned, actual, "", &mut refused);
    }
    refused
}

fn compare_block(block: &Block, planned: &Value, actual: &Value, at: &str, refused: &mut Refused) {
    let (Some(expected), Some(found)) = (planned.as_object(), actual.as_object()) else {
        compare(&block.r#type(), planned, actual, at, refused);
        return;
    };
    for (name, attribute) in &block.attributes {
        match (expected.get(name), found.get(name)) {
            (Some(planned), Some(actual)) => {
                compare(&attribute.r#type, planned, actual, &inside(at, name), refused);
            }
            _ => refused.push(format!("{}: missing", inside(at, name))),
        }
    }
    for (name, nested) in &block.blocks {
        let (Some(planned), Some(actual)) = (expected.get(name), found.get(name)) else {
            refused.push(format!("{}: missing", inside(at, name)));
            continue;
        };
        let at = inside(at, name);
        match nested.nesting {
            Nesting::Single => compare_block(&nested.block, planned, actual, &at, refused),
            Nesting::List | Nesting::Set => compare(&nested.r#type(), planned, actual, &at, refused),
        }
    }
}

fn compare(r#type: &Type, planned: &Value, actual: &Value, at: &str, refused: &mut Refused) {
    match (r#type, planned, actual) {
        (_, Value::Unknown(known), actual) => {
            refused.extend(broken_promise(known, actual).map(|what| format!("{at}: {what}")));
        }
        (_, planned, Value::Unknown(_)) => refused.push(format!("{at}: was {planned:?}, is now unknown")),
        (Type::Set(inner), Value::List(planned), Value::List(actual)) => {
            let same = |planned: &Value, actual: &Value| {
                let mut differences = Vec::new();
                compare(inner, planned, actual, at, &mut differences);
                differences.is_empty()
            };
            refused.extend(correlate(planned, actual, same).map(|problem| format!("{at}: {problem}")));
        }
        (Type::List(_) | Type::Tuple(_), Value::List(planned), Value::List(actual)) => {
            if planned.len() != actual.len() {
                refused.push(format!(
                    "{at}: {} elements were planned, there are {}",
                    planned.len(),
                    actual.len()
                ));
            }
            for (index, (planned, actual)) in planned.iter().zip(actual).enumerate() {
                let inner = match r#type {
                    Type::Tuple(types) => types.get(index).unwrap_or(&Type::Dynamic),
                    Type::List(inner) => inner,
                    other => other,
                };
                compare(inner, planned, actual, &format!("{at}[{index}]"), refused);
            }
        }
        (Type::Map(_) | Type::Object(..), Value::Map(planned), Value::Map(actual)) => {
            for name in planned
                .keys()
                .chain(actual.keys().filter(|name| !planned.contains_key(*name)))
            {
                let at = inside(at, name);
                match (planned.get(name), actual.get(name)) {
                    (Some(planned), Some(actual)) => {
                        let inner = match r#type {
                            Type::Map(inner) => inner,
                            Type::Object(types, _) => types.get(name).unwrap_or(&Type::Dynamic),
                            other => other,
                        };
                        compare(inner, planned, actual, &at, refused);
                    }
                    (Some(_), None) => refused.push(format!("{at}: vanished")),
                    _ => refused.push(format!("{at}: appeared")),
                }
            }
        }
        (_, planned, actual) if planned == actual => {}
        (_, planned, actual) => refused.push(format!("{at}: was {planned:?}, is now {actual:?}")),
    }
}

/// Whether what was said of an unknown value does not hold of what it became.
fn broken_promise(known: &Refinements, actual: &Value) -> Option<String> {
    let length = actual.as_list().map(<[Value]>::len);
    let length = length.or(actual.as_object().map(|members| members.len()));
    let length = length.map(|length| i64::try_from(length).unwrap_or(i64::MAX));
    let broken = match actual {
        Value::Unknown(_) => false,
        Value::Null => known.nullness == Some(false),
        Value::String(text) => known.prefix.as_ref().is_some_and(|prefix| !text.starts_with(prefix)),
        Value::Number(number) => {
            let below = |(bound, included): &(_, bool)| number < bound || number == bound && !included;
            let above = |(bound, included): &(_, bool)| number > bound || number == bound && !included;
            known.minimum.as_ref().is_some_and(below) || known.maximum.as_ref().is_some_and(above)
        }
        _ => {
            length.is_some_and(|length| known.shortest.is_some_and(|least| length < least))
                || length.is_some_and(|length| known.longest.is_some_and(|most| length > most))
        }
    };
    broken.then(|| format!("is {actual:?}, against what the plan said of it: {known:?}"))
}

/// Elements of a set have no names: each planned one must have its like, each actual one too, and none is added.
pub fn correlate(planned: &[Value], actual: &[Value], like: impl Fn(&Value, &Value) -> bool) -> Option<String> {
    if actual.len() > planned.len() {
        return Some(format!(
            "the set grew from {} to {} elements",
            planned.len(),
            actual.len()
        ));
    }
    let gone = planned
        .iter()
        .find(|planned| !actual.iter().any(|actual| like(planned, actual)));
    if let Some(gone) = gone {
        return Some(format!("the element {gone:?} has vanished"));
    }
    let new = actual
        .iter()
        .find(|actual| !planned.iter().any(|planned| like(planned, actual)));
    new.map(|new| format!("the element {new:?} has appeared"))
}

/// Whether the value is of the type. A block that is left out may be null, but repeated ones are an empty list.
pub fn conforms(block: &Block, value: &Value) -> Refused {
    let mut refused = Vec::new();
    match value {
        Value::Map(members) => {
            of_type(&block.r#type(), value, "", &mut refused);
            for (name, nested) in &block.blocks {
                if nested.nesting != Nesting::Single && members.get(name).is_some_and(Value::is_null) {
                    refused.push(format!("{name}: repeated blocks are null"));
                }
            }
        }
        Value::Null => {}
        other => refused.push(format!("{} in the place of an object", other.kind())),
    }
    refused
}

fn of_type(r#type: &Type, value: &Value, at: &str, refused: &mut Refused) {
    match (r#type, value) {
        (_, Value::Null | Value::Unknown(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Number, Value::Number(_))
        | (Type::String, Value::String(_)) => {}
        (Type::Dynamic, Value::Dynamic(inner)) => of_type(&inner.0, &inner.1, at, refused),
        (Type::List(inner) | Type::Set(inner), Value::List(elements)) => {
            for (index, element) in elements.iter().enumerate() {
                of_type(inner, element, &format!("{at}[{index}]"), refused);
            }
            if matches!(r#type, Type::Set(_)) && (1..elements.len()).any(|end| elements[..end].contains(&elements[end]))
            {
                refused.push(format!("{at}: a set holds an element twice"));
            }
        }
        (Type::Map(inner), Value::Map(members)) => {
            for (key, member) in members {
                of_type(inner, member, &inside(at, key), refused);
            }
        }
        (Type::Tuple(types), Value::List(elements)) if types.len() == elements.len() => {
            for (index, (inner, element)) in types.iter().zip(elements).enumerate() {
                of_type(inner, element, &format!("{at}[{index}]"), refused);
            }
        }
        (Type::Object(types, _), Value::Map(members)) => {
            for (name, inner) in types {
                match members.get(name) {
                    Some(member) => of_type(inner, member, &inside(at, name), refused),
                    None => refused.push(format!("{}: missing", inside(at, name))),
                }
            }
            for name in members.keys().filter(|name| !types.contains_key(*name)) {
                refused.push(format!("{}: unsupported attribute", inside(at, name)));
            }
        }
        (expected, found) => refused.push(format!("{at}: {expected} is required, this is {}", found.kind())),
    }
}

/// Whether nothing is left open: what is stored is known.
pub fn wholly_known(value: &Value) -> Refused {
    match value {
        Value::Map(members) => members
            .iter()
            .filter(|(_, member)| !member.is_wholly_known())
            .map(|(name, _)| format!("{name}: still unknown"))
            .collect(),
        value if value.is_wholly_known() => Vec::new(),
        _ => vec!["the object is still unknown".to_owned()],
    }
}

/// Whether no write-only value is in what would be stored.
pub fn nothing_write_only(block: &Block, value: &Value) -> Refused {
    let stored = |name: &str| {
        value
            .as_object()
            .and_then(|members| members.get(name))
            .is_some_and(|value| !value.is_null())
    };
    let write_only = block.attributes.iter().filter(|(_, attribute)| attribute.write_only);
    write_only
        .filter(|(name, _)| stored(name))
        .map(|(name, _)| format!("{name}: a write-only value is stored"))
        .collect()
}
