//! A value as Terraform sees it: null, unknown, or known and of some type.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::number::Number;

/// A value of any Terraform type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Not set.
    Null,
    /// Known only after apply; what is known of it already stands in the refinements.
    Unknown(Refinements),
    /// `true` or `false`.
    Bool(bool),
    /// An exact number.
    Number(Number),
    /// A text.
    String(String),
    /// A list, a tuple, or a set (then sorted, without duplicates).
    List(Vec<Value>),
    /// A map, an object or a block.
    Map(Object),
    /// A value that carries its own type.
    Dynamic(Box<(Type, Value)>),
}

/// The attributes of an object or block, by name.
pub type Object = BTreeMap<String, Value>;

/// What is known of an unknown value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refinements {
    /// `Some(false)`: it will not be null.
    pub nullness: Option<bool>,
    /// The text begins so.
    pub prefix: Option<String>,
    /// The least number, and whether that number itself is possible.
    pub minimum: Option<(Number, bool)>,
    /// The greatest number, and whether that number itself is possible.
    pub maximum: Option<(Number, bool)>,
    /// The least number of elements.
    pub shortest: Option<i64>,
    /// The greatest number of elements.
    pub longest: Option<i64>,
}

impl Refinements {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A Terraform type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// `bool`
    Bool,
    /// `number`
    Number,
    /// `string`
    String,
    /// Any type; the value says which.
    Dynamic,
    /// `list(T)`
    List(Box<Type>),
    /// `set(T)`
    Set(Box<Type>),
    /// `map(T)`
    Map(Box<Type>),
    /// `tuple([T, …])`
    Tuple(Vec<Type>),
    /// `object({…})`; in a constraint, some attributes may be left out.
    Object(BTreeMap<String, Type>, BTreeSet<String>),
}

impl Type {
    /// `list(self)`
    pub fn list(element: Type) -> Self {
        Self::List(Box::new(element))
    }

    /// `set(self)`
    pub fn set(element: Type) -> Self {
        Self::Set(Box::new(element))
    }

    /// `map(self)`
    pub fn map(element: Type) -> Self {
        Self::Map(Box::new(element))
    }

    /// An object type of which every attribute is present.
    pub fn object(attributes: impl IntoIterator<Item = (String, Type)>) -> Self {
        Self::Object(attributes.into_iter().collect(), BTreeSet::new())
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool => out.write_str("bool"),
            Self::Number => out.write_str("number"),
            Self::String => out.write_str("string"),
            Self::Dynamic => out.write_str("any"),
            Self::List(element) => write!(out, "list({element})"),
            Self::Set(element) => write!(out, "set({element})"),
            Self::Map(element) => write!(out, "map({element})"),
            Self::Tuple(elements) => {
                let inner: Vec<String> = elements.iter().map(Type::to_string).collect();
                write!(out, "tuple([{}])", inner.join(", "))
            }
            Self::Object(attributes, _) => {
                let inner: Vec<String> = attributes
                    .iter()
                    .map(|(name, r#type)| format!("{name} = {}", r#type))
                    .collect();
                write!(out, "object({{ {} }})", inner.join(", "))
            }
        }
    }
}

impl Value {
    /// An unknown value of which nothing is known.
    pub fn unknown() -> Self {
        Self::Unknown(Refinements::default())
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is unknown as a whole.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether neither it nor anything inside is unknown.
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Self::Unknown(_) => false,
            Self::List(elements) => elements.iter().all(Self::is_wholly_known),
            Self::Map(elements) => elements.values().all(Self::is_wholly_known),
            Self::Dynamic(inner) => inner.1.is_wholly_known(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => true,
        }
    }

    /// The text, if it is a known one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth, if it is known.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of a known list, set or tuple.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The attributes of a known object or map.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Map(attributes) => Some(attributes),
            _ => None,
        }
    }

    /// What kind of value it is, for messages: never the value itself.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Unknown(_) => "an unknown value",
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
            Self::Dynamic(_) => "a value of a dynamic type",
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(values: [T; N]) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}
