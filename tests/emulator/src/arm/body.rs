//! Request bodies: only known members are taken. It does not know which members a resource has.

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::http::Ask;

/// One object of a body, with its place for messages.
pub(crate) struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

/// The body as JSON.
pub(crate) fn parse(ask: &Ask) -> Result<Value, Answer> {
    ask.json()
        .filter(Value::is_object)
        .ok_or_else(|| invalid("The request content was invalid and could not be deserialized."))
}

pub(crate) fn invalid(message: impl Into<String>) -> Answer {
    Answer::arm_error(400, "InvalidRequestContent", message)
}

impl<'a> Fields<'a> {
    /// The object at this place; refuses members that are not named here.
    pub(crate) fn of(value: &'a Value, path: &str, known: &[&str]) -> Result<Fields<'a>, Answer> {
        let Some(map) = value.as_object() else {
            return Err(invalid(format!(
                "The request content was invalid and could not be deserialized: an object was expected at path '{path}'."
            )));
        };
        if let Some(unknown) = map.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(invalid(format!(
                "The request content was invalid and could not be deserialized: 'Could not find member '{unknown}' on this \
                 object. Path '{}', known members are: {}.'",
                at(path, unknown),
                known.join(", ")
            )));
        }
        Ok(Fields {
            path: path.to_owned(),
            map,
        })
    }

    pub(crate) fn object(&self, name: &str, known: &[&str]) -> Result<Fields<'a>, Answer> {
        match self.map.get(name) {
            Some(value) => Fields::of(value, &at(&self.path, name), known),
            None => Err(missing(&at(&self.path, name))),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    /// A text that must be there; an empty one counts as missing.
    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Answer> {
        match self.optional_text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(missing(&at(&self.path, name))),
        }
    }

    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, Answer> {
        match self.map.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(format!(
                "The request content was invalid and could not be deserialized: a string was expected at path '{}'.",
                at(&self.path, name)
            ))),
        }
    }

    /// A text out of a closed list.
    pub(crate) fn choice(&self, name: &str, values: &[&'static str]) -> Result<Option<&'static str>, Answer> {
        let Some(given) = self.optional_text(name)? else {
            return Ok(None);
        };
        match values.iter().find(|value| value.eq_ignore_ascii_case(given)) {
            Some(value) => Ok(Some(value)),
            None => Err(Answer::arm_error(
                400,
                "InvalidParameterValue",
                format!(
                    "Invalid value given for parameter {name}: '{given}'. Specify one of {}.",
                    values.join(", ")
                ),
            )),
        }
    }

    /// Tags: names and texts.
    pub(crate) fn tags(&self) -> Result<Option<Value>, Answer> {
        match self.map.get("tags") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(tags)) if tags.values().all(Value::is_string) => Ok(Some(Value::Object(tags.clone()))),
            Some(_) => Err(invalid(
                "The request content was invalid: 'tags' must map names to strings.",
            )),
        }
    }
}

fn missing(path: &str) -> Answer {
    Answer::arm_error(
        400,
        "InvalidParameterValue",
        format!("The required property '{path}' is missing or empty."),
    )
}

fn at(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
