//! A text that is never printed.

use secrecy::{ExposeSecret, SecretString};

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::typed::{Decoded, Typed};
use crate::protocol::value::{Type, Value};

/// A text that is never printed.
#[derive(Clone, Debug)]
pub struct Secret(pub SecretString);

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Typed for Secret {
    fn r#type() -> Type {
        Type::String
    }

    fn from_value(value: Value) -> Decoded<Self> {
        match value {
            Value::String(text) => Ok(Self(text.into())),
            other => {
                let detail = format!("A string is required, {} was given.", other.kind());
                Err(vec![Diagnostic::error("Wrong type of value", detail)])
            }
        }
    }

    fn into_value(self) -> Value {
        Value::String(self.0.expose_secret().to_owned())
    }
}
