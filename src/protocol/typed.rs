//! Which Rust type stands for which Terraform type, and how one becomes the other.

mod standard;

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::duration;
use crate::protocol::model::Model;
use crate::protocol::path::Step;
use crate::protocol::schema::{Attribute, Block, NestedBlock, Nesting, Presence};
use crate::protocol::typed::standard::in_a_set;
use crate::protocol::value::{Object, Type, Value};

/// What was decoded, or every mistake in it.
pub type Decoded<T> = Result<T, Vec<Diagnostic>>;

/// What a field becomes in the schema.
pub enum Kind {
    /// An argument or output.
    Attribute(Box<Attribute>),
    /// A nested block.
    Block(NestedBlock),
}

/// A Rust type that stands for a Terraform type.
pub trait Typed: Clone + PartialEq + Send + Sync + 'static {
    /// Who gives the value.
    const PRESENCE: Presence = Presence::Required;
    /// The only texts allowed, where there are only some.
    const ALLOWED: &'static [&'static str] = &[];
    /// What its texts mean, where not every text will do.
    const MEANING: Option<&'static str> = None;

    /// The Terraform type.
    fn r#type() -> Type;
    /// What null means, where null is allowed.
    fn missing() -> Option<Self> {
        None
    }
    /// Reads a known value.
    ///
    /// # Errors
    /// Every mistake, with its path relative to the value.
    fn from_value(value: Value) -> Decoded<Self>;
    /// Writes the value.
    fn into_value(self) -> Value;
    /// The mistakes in what is known so far.
    fn check(value: &Value) -> Vec<Diagnostic> {
        if value.is_wholly_known() && !value.is_null() {
            Self::from_value(value.clone()).err().unwrap_or_default()
        } else {
            Vec::new()
        }
    }
    /// What the elements consist of, where they are objects.
    fn fields() -> Option<Block> {
        None
    }
    /// What a field of the type becomes in the schema.
    fn kind(name: &str) -> Kind {
        let mut attribute = Attribute::new(name, Self::r#type(), Self::PRESENCE);
        attribute.allowed = Self::ALLOWED;
        attribute.meaning = Self::MEANING;
        attribute.fields = Self::fields();
        Kind::Attribute(Box::new(attribute))
    }
}

/// A text that means something: parsed once, at the border. Gives `Typed` for free.
pub trait Parsed: FromStr<Err: Display> + Display + Clone + PartialEq + Send + Sync + 'static {
    /// What it is, for messages: "Azure resource ID".
    const WHAT: &'static str;
    /// The only texts allowed, where there are only some.
    const ALLOWED: &'static [&'static str] = &[];
}

fn mismatch(expected: &str, value: &Value) -> Vec<Diagnostic> {
    vec![Diagnostic::error(
        "Wrong type of value",
        format!("{expected} is required, {} was given.", value.kind()),
    )]
}

impl<P: Parsed> Typed for P {
    const ALLOWED: &'static [&'static str] = P::ALLOWED;
    const MEANING: Option<&'static str> = Some(P::WHAT);

    fn r#type() -> Type {
        Type::String
    }

    fn from_value(value: Value) -> Decoded<Self> {
        let Some(text) = value.as_str() else {
            return Err(mismatch(P::WHAT, &value));
        };
        text.parse().map_err(|error| {
            vec![Diagnostic::error(
                "Invalid value",
                format!("This is not a valid {}: {error}.", P::WHAT),
            )]
        })
    }

    fn into_value(self) -> Value {
        Value::String(self.to_string())
    }
}

/// What the provider finds out; not known before it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed<T>(Option<T>);

impl<T> Computed<T> {
    /// Not known yet.
    pub const UNKNOWN: Self = Self(None);

    /// Found out.
    pub fn known(value: T) -> Self {
        Self(Some(value))
    }

    /// What was found out, if it was.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// What was found out, if it was.
    pub fn into_inner(self) -> Option<T> {
        self.0
    }
}

impl<T> From<T> for Computed<T> {
    fn from(value: T) -> Self {
        Self::known(value)
    }
}

impl<T: Typed> Typed for Computed<T> {
    const PRESENCE: Presence = Presence::Computed;
    const ALLOWED: &'static [&'static str] = T::ALLOWED;
    const MEANING: Option<&'static str> = T::MEANING;

    fn r#type() -> Type {
        T::r#type()
    }

    fn missing() -> Option<Self> {
        Some(Self(T::missing()))
    }

    fn from_value(value: Value) -> Decoded<Self> {
        match value {
            Value::Unknown(_) => Ok(Self(None)),
            Value::Null => Ok(Self(T::missing())),
            known => T::from_value(known).map(|value| Self(Some(value))),
        }
    }

    fn into_value(self) -> Value {
        self.0.map_or_else(Value::unknown, T::into_value)
    }

    fn fields() -> Option<Block> {
        let mut fields = T::fields()?;
        // Nobody else gives a part of it.
        for field in &mut fields.attributes {
            field.presence = Presence::Computed;
        }
        Some(fields)
    }
}

fn decode_each<T: Typed>(value: Value) -> Decoded<Vec<T>> {
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

/// An object inside an attribute: what data sources list.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<T>(pub T);

impl<T: Model> Typed for Record<T> {
    fn r#type() -> Type {
        T::block().r#type()
    }

    fn from_value(value: Value) -> Decoded<Self> {
        let Value::Map(attributes) = value else {
            return Err(mismatch("An object", &value));
        };
        T::from_object(attributes).map(Self)
    }

    fn into_value(self) -> Value {
        Value::Map(self.0.into_object())
    }

    fn fields() -> Option<Block> {
        Some(T::block())
    }
}

/// Nested blocks of one kind, in no order.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocks<T>(pub Vec<T>);

impl<T: Model> Typed for Blocks<T> {
    fn r#type() -> Type {
        Type::set(T::block().r#type())
    }

    fn missing() -> Option<Self> {
        Some(Self(Vec::new()))
    }

    fn from_value(value: Value) -> Decoded<Self> {
        match decode_each::<Record<T>>(value) {
            Ok(elements) => Ok(Self(elements.into_iter().map(|record| record.0).collect())),
            Err(mistakes) => Err(mistakes.into_iter().map(in_a_set).collect()),
        }
    }

    fn into_value(self) -> Value {
        let mut elements: Vec<Value> = self
            .0
            .into_iter()
            .map(|block| Value::Map(block.into_object()))
            .collect();
        elements.sort();
        elements.dedup();
        Value::List(elements)
    }

    fn check(value: &Value) -> Vec<Diagnostic> {
        let blocks = value.as_list().unwrap_or_default().iter().filter_map(Value::as_object);
        blocks.flat_map(|block| T::check(block)).map(in_a_set).collect()
    }

    fn kind(name: &str) -> Kind {
        Kind::Block(NestedBlock {
            name: name.to_owned(),
            nesting: Nesting::Set,
            block: T::block(),
        })
    }
}

/// How long each operation may take. Only the framework looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// 30 minutes where not given.
    pub create: Option<Duration>,
    /// 5 minutes where not given.
    pub read: Option<Duration>,
    /// 30 minutes where not given.
    pub update: Option<Duration>,
    /// 30 minutes where not given.
    pub delete: Option<Duration>,
    given: Option<Object>,
}

const READ: (&str, &str) = ("read", "How long reading may take. Default: `5m`.");
const OPERATIONS: [(&str, &str); 4] = [
    ("create", "How long creating may take. Default: `30m`."),
    READ,
    ("update", "How long updating may take. Default: `30m`."),
    ("delete", "How long deleting may take. Default: `30m`."),
];

impl Timeouts {
    /// What is given for an operation, by its name in the block.
    pub fn of(&self, operation: &str) -> Option<Duration> {
        match operation {
            "create" => self.create,
            "read" => self.read,
            "update" => self.update,
            _ => self.delete,
        }
    }

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

/// The part of the block that offers these operations.
fn timeouts_kind(name: &str, operations: &[(&str, &str)]) -> Kind {
    let attribute = |(name, text): &(&str, &str)| Attribute::new(name, Type::String, Presence::Optional).doc(text);
    let block = Block {
        description: "How long each operation may take, as in `30m` or `1h30m`.".into(),
        attributes: operations.iter().map(attribute).collect(),
        ..Block::default()
    };
    Kind::Block(NestedBlock {
        name: name.to_owned(),
        nesting: Nesting::Single,
        block,
    })
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
        timeouts_kind(name, &OPERATIONS)
    }
}

/// How long a data source may take, which can only be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadTimeout(Timeouts);

impl Typed for ReadTimeout {
    fn r#type() -> Type {
        Type::object([(READ.0.to_owned(), Type::String)])
    }

    fn missing() -> Option<Self> {
        Some(Self::default())
    }

    fn from_value(value: Value) -> Decoded<Self> {
        Timeouts::from_value(value).map(Self)
    }

    fn into_value(self) -> Value {
        self.0.into_value()
    }

    fn check(value: &Value) -> Vec<Diagnostic> {
        Timeouts::check(value)
    }

    fn kind(name: &str) -> Kind {
        timeouts_kind(name, &[READ])
    }
}
