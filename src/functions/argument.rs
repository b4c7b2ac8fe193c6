//! Reads the arguments of functions: each mistake is told with its argument, in a whole sentence.

use crate::protocol::typed::Parsed;
use crate::protocol::value::{Object, Value};
use crate::provider::function::FunctionError;

/// What an argument came to.
pub(crate) type Read<T> = Result<T, FunctionError>;

/// An argument that means nothing.
pub(crate) fn mistake<T>(argument: usize, text: impl Into<String>) -> Read<T> {
    Err(FunctionError {
        text: text.into(),
        argument: Some(argument),
    })
}

/// The attributes of an argument that is an object.
pub(crate) struct Fields {
    argument: usize,
    given: Object,
}

impl Fields {
    /// Reads an object that has no other attributes than these.
    pub(crate) fn of(argument: usize, value: Value, known: &[&str]) -> Read<Self> {
        let given = match value {
            Value::Dynamic(inner) => inner.1,
            other => other,
        };
        let Value::Map(given) = given else {
            return mistake(
                argument,
                format!("An object with the attributes {} is required.", list(known)),
            );
        };
        match given.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => mistake(
                argument,
                format!("The attribute `{unknown}` is not supported; use {}.", list(known)),
            ),
            None => Ok(Self { argument, given }),
        }
    }

    /// A text, where it is given.
    pub(crate) fn optional(&self, name: &str) -> Read<Option<String>> {
        match self.given.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => mistake(
                self.argument,
                format!("The attribute `{name}` must be a text, and not empty."),
            ),
        }
    }

    /// A text.
    pub(crate) fn required(&self, name: &str) -> Read<String> {
        match self.optional(name)? {
            Some(text) => Ok(text),
            None => mistake(self.argument, format!("The attribute `{name}` is required.")),
        }
    }

    /// A text that means something.
    pub(crate) fn parsed<T: Parsed>(&self, name: &str) -> Read<T> {
        parse(self.argument, &format!("The attribute `{name}`"), &self.required(name)?)
    }

    /// A port.
    pub(crate) fn port(&self, default: u16) -> Read<u16> {
        match self.optional("port")? {
            None => Ok(default),
            Some(text) => match text.parse() {
                Ok(port) if port > 0 => Ok(port),
                _ => mistake(
                    self.argument,
                    format!("The attribute `port` is `{text}`, which is no port."),
                ),
            },
        }
    }
}

/// A text that means something.
pub(crate) fn parse<T: Parsed>(argument: usize, what: &str, text: &str) -> Read<T> {
    T::from_str(text).or_else(|error| mistake(argument, format!("{what} is not a valid {}: {error}.", T::WHAT)))
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
