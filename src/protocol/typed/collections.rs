//! Lists, sets and maps of whatever has a Terraform type.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::path::Step;
use crate::protocol::schema::Block;
use crate::protocol::typed::{Decoded, Typed, mismatch};
use crate::protocol::value::{Type, Value};

pub(super) fn decode_each<T: Typed>(value: Value) -> Decoded<Vec<T>> {
    let Value::List(elements) = value else {
        return Err(mismatch("A list", &value));
    };
    let mut decoded = Vec::with_capacity(elements.len());
    let mut mistakes = Vec::new();
    for (index, element) in (0_i64..).zip(elements) {
        match T::from_value(element) {
            Ok(element) => decoded.push(element),
            Err(found) => mistakes.extend(found.into_iter().map(|diagnostic| diagnostic.under(Step::Index(index)))),
        }
    }
    if mistakes.is_empty() {
        Ok(decoded)
    } else {
        Err(mistakes)
    }
}

impl<T: Typed> Typed for Vec<T> {
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

impl<T: Typed + Ord> Typed for BTreeSet<T> {
    const ALLOWED: &'static [&'static str] = T::ALLOWED;

    fn r#type() -> Type {
        Type::set(T::r#type())
    }

    fn from_value(value: Value) -> Decoded<Self> {
        // A set's elements have no address of their own.
        let anonymous = |mistakes: Vec<Diagnostic>| {
            mistakes
                .into_iter()
                .map(|mistake| Diagnostic {
                    path: Default::default(),
                    ..mistake
                })
                .collect::<Vec<_>>()
        };
        decode_each(value)
            .map(|elements: Vec<T>| elements.into_iter().collect())
            .map_err(anonymous)
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
