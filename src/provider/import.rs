//! Import IDs and resource identities: the attributes by which a thing is found, in one text or one by one.

use std::collections::BTreeMap;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::Parsed;
use crate::protocol::value::{Object, Value};

/// The attributes by which a thing is found, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts(BTreeMap<&'static str, String>);

impl Parts {
    /// Reads an import ID: the parts joined by `|`, with `|` and `%` inside a part percent-encoded.
    ///
    /// # Errors
    /// When the text has another number of parts.
    pub fn from_id(names: &'static [&'static str], id: &str) -> Result<Self> {
        let parts: Vec<String> = id.split('|').map(decode).collect();
        if parts.len() != names.len() || parts.iter().any(String::is_empty) {
            let form = names
                .iter()
                .map(|name| format!("<{name}>"))
                .collect::<Vec<_>>()
                .join("|");
            return Err(Diagnostic::error(
                "Invalid import ID",
                format!(
                    "The import ID has the form `{form}`; a `|` inside a part is written `%7C`, a `%` is written `%25`."
                ),
            ));
        }
        Ok(Self(names.iter().copied().zip(parts).collect()))
    }

    /// Reads a resource identity, as Terraform 1.12 and later give it.
    ///
    /// # Errors
    /// When an attribute is missing.
    pub fn from_identity(names: &'static [&'static str], identity: &Object) -> Result<Self> {
        let part = |name: &'static str| match identity.get(name).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok((name, text.to_owned())),
            _ => Err(Diagnostic::error(
                "Incomplete identity",
                format!("The identity needs `{name}`."),
            )),
        };
        names.iter().map(|name| part(name)).collect::<Result<_>>().map(Self)
    }

    /// One part, parsed.
    ///
    /// # Errors
    /// When the text is no such thing.
    pub fn parse<T: Parsed>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error| {
            Diagnostic::error(
                "Invalid import ID",
                format!("`{text}` is not a valid {} (`{name}`): {error}.", T::WHAT),
            )
        })
    }

    /// One part as it is.
    ///
    /// # Errors
    /// Only when the name is none of the parts, which is a bug.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| Diagnostic::bug(format!("`{name}` is no part of the identity.")))
    }
}

/// Joins parts to an import ID.
pub fn id<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let encoded = parts
        .into_iter()
        .map(|part| part.replace('%', "%25").replace('|', "%7C"));
    encoded.collect::<Vec<_>>().join("|")
}

fn decode(part: &str) -> String {
    let mut decoded = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        decoded.push_str(before);
        let (character, length) = match escape.get(..3) {
            Some("%7C" | "%7c") => ('|', 3),
            Some("%25") => ('%', 3),
            _ => ('%', 1),
        };
        decoded.push(character);
        rest = &escape[length..];
    }
    decoded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_survive() {
        let id = id(["pg.example", "a|b%7C%"]);
        assert_eq!(id, "pg.example|a%7Cb%257C%25");
        let parts = Parts::from_id(&["server", "name"], &id).expect("two parts");
        assert_eq!(parts.text("name").expect("a part"), "a|b%7C%");
    }

    #[test]
    fn a_wrong_number_of_parts_names_the_form() {
        let error = Parts::from_id(&["server", "name"], "alone").expect_err("one part");
        assert!(error.detail.contains("`<server>|<name>`"), "{}", error.detail);
    }
}
