//! The Terraform types of Rust's own: texts, numbers, options and collections.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::path::{Path, Step};
use crate::protocol::schema::{Block, Presence};
use crate::protocol::typed::{Decoded, Typed, decode_each, mismatch};
use crate::protocol::value::{Type, Value};

impl Typed for String {
    fn r#type() -> Type {
        Type::String
    }

    fn from_value(value: Value) -> Decoded<Self> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(mismatch("A string", &other)),
        }
    }

    fn into_value(self) -> Value {
        Value::String(self)
    }
}

impl Typed for bool {
    fn r#type() -> Type {
        Type::Bool
    }

    fn from_value(value: Value) -> Decoded<Self> {
        value.as_bool().ok_or_else(|| mismatch("A bool", &value))
    }

    fn into_value(self) -> Value {
        Value::Bool(self)
    }
}

impl Typed for i64 {
    fn r#type() -> Type {
        Type::Number
    }

    fn from_value(value: Value) -> Decoded<Self> {
        match &value {
            Value::Number(number) => number.as_i64().ok_or_else(|| {
                vec![Diagnostic::error(
                    "Not a whole number",
                    "A whole number is required, not a fraction nor one beyond 18 digits.",
                )]
            }),
            other => Err(mismatch("A number", other)),
        }
    }

    fn into_value(self) -> Value {
        Value::from(self)
    }
}

impl<T: Typed> Typed for Option<T> {
    const PRESENCE: Presence = Presence::Optional;
    const ALLOWED: &'static [&'static str] = T::ALLOWED;
    const MEANING: Option<&'static str> = T::MEANING;

    fn r#type() -> Type {
        T::r#type()
    }

    fn missing() -> Option<Self> {
        Some(None)
    }

    fn from_value(value: Value) -> Decoded<Self> {
        if value.is_null() {
            Ok(None)
        } else {
            T::from_value(value).map(Some)
        }
    }

    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }

    fn fields() -> Option<Block> {
        T::fields()
    }
}

impl<T: Typed> Typed for Vec<T> {
    const ALLOWED: &'static [&'static str] = T::ALLOWED;
    const MEANING: Option<&'static str> = T::MEANING;

    fn r#type() -> Type {
        Type::list(T::r#type())
    }

    fn from_value(value: Value) -> Decoded<Self> {
        decode_each(value)
    }

    fn into_value(self) -> Value {
        Value::List(self.into_iter().map(T::into_value).collect())
    }

    fn fields() -> Option<Block> {
        T::fields()
    }
}

/// Elements of a set have no address: the path ends at the set, and the words say what follows.
pub(super) fn in_a_set(mistake: Diagnostic) -> Diagnostic {
    let steps = mistake.path.steps();
    let below = match steps {
        [Step::Index(_), below @ ..] | below => below,
    };
    let below = below.iter().cloned().rev().fold(Path::root(), Path::under);
    let detail = if below.steps().is_empty() {
        mistake.detail
    } else {
        format!("`{below}`: {}", mistake.detail)
    };
    Diagnostic {
        path: Path::root(),
        detail,
        ..mistake
    }
}

impl<T: Typed + Ord> Typed for BTreeSet<T> {
    const ALLOWED: &'static [&'static str] = T::ALLOWED;
    const MEANING: Option<&'static str> = T::MEANING;

    fn r#type() -> Type {
        Type::set(T::r#type())
    }

    fn from_value(value: Value) -> Decoded<Self> {
        decode_each(value)
            .map(|elements: Vec<T>| elements.into_iter().collect())
            .map_err(|mistakes| mistakes.into_iter().map(in_a_set).collect())
    }

    fn into_value(self) -> Value {
        let mut elements: Vec<Value> = self.into_iter().map(T::into_value).collect();
        elements.sort();
        Value::List(elements)
    }

    fn fields() -> Option<Block> {
        T::fields()
    }
}

impl<T: Typed> Typed for BTreeMap<String, T> {
    fn r#type() -> Type {
        Type::map(T::r#type())
    }

    fn from_value(value: Value) -> Decoded<Self> {
        let Value::Map(elements) = value else {
            return Err(mismatch("A map", &value));
        };
        let mut mistakes = Vec::new();
        let mut decoded = BTreeMap::new();
        for (key, element) in elements {
            match T::from_value(element) {
                Ok(element) => drop(decoded.insert(key, element)),
                Err(found) => mistakes.extend(
                    found
                        .into_iter()
                        .map(|diagnostic| diagnostic.under(Step::Key(key.clone()))),
                ),
            }
        }
        if mistakes.is_empty() {
            Ok(decoded)
        } else {
            Err(mistakes)
        }
    }

    fn into_value(self) -> Value {
        Value::Map(self.into_iter().map(|(key, value)| (key, value.into_value())).collect())
    }
}
