//! Which Rust type stands for which Terraform type, and how one becomes the other.

mod collections;
mod timeouts;

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::model::Model;
use crate::protocol::schema::{Attribute, Block, NestedBlock, Nesting, Presence};
use crate::protocol::typed::collections::decode_each;
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
        T::fields()
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
        let elements: Vec<Record<T>> = decode_each(value)?;
        Ok(Self(elements.into_iter().map(|record| record.0).collect()))
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
        blocks.flat_map(|block| T::check(block)).collect()
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
