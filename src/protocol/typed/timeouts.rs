//! How the `timeouts` block is read, checked and described.

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::duration;
use crate::protocol::schema::{Attribute, Block, NestedBlock, Nesting, Presence};
use crate::protocol::typed::{Decoded, Kind, Timeouts, Typed};
use crate::protocol::value::{Object, Type, Value};

const OPERATIONS: [(&str, &str); 4] = [
    ("create", "How long creating may take. Default: `30m`."),
    ("read", "How long reading may take. Default: `5m`."),
    ("update", "How long updating may take. Default: `30m`."),
    ("delete", "How long deleting may take. Default: `30m`."),
];

impl Timeouts {
    fn read_each(given: Object) -> Decoded<Self> {
        let mut mistakes = Vec::new();
        let mut read = |name: &str| match given.get(name).and_then(Value::as_str).map(duration::parse) {
            None => None,
            Some(Ok(duration)) => Some(duration),
            Some(Err(error)) => {
                mistakes.push(Diagnostic::error("Invalid duration", format!("{error}.")).at(name));
                None
            }
        };
        let (create, read_timeout, update, delete) = (read("create"), read("read"), read("update"), read("delete"));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            create,
            read: read_timeout,
            update,
            delete,
            given: Some(given),
        })
    }
}

impl Typed for Timeouts {
    fn r#type() -> Type {
        Type::object(OPERATIONS.map(|(name, _)| (name.to_owned(), Type::String)))
    }

    fn missing() -> Option<Self> {
        Some(Self::default())
    }

    fn from_value(value: Value) -> Decoded<Self> {
        match value {
            Value::Map(given) => Self::read_each(given),
            _ => Ok(Self::default()),
        }
    }

    fn into_value(self) -> Value {
        self.given.map_or(Value::Null, Value::Map)
    }

    fn check(value: &Value) -> Vec<Diagnostic> {
        value
            .as_object()
            .and_then(|given| Self::read_each(given.clone()).err())
            .unwrap_or_default()
    }

    fn kind(name: &str) -> Kind {
        let attributes =
            OPERATIONS.map(|(name, text)| Attribute::new(name, Type::String, Presence::Optional).doc(text));
        let block = Block {
            description: "How long each operation may take, as in `30m` or `1h30m`.".into(),
            attributes: attributes.into(),
            ..Block::default()
        };
        Kind::Block(NestedBlock {
            name: name.to_owned(),
            nesting: Nesting::Single,
            block,
        })
    }
}
