//! Whether a resource is already what a write says it shall be. It does not know who wrote it.
//!
//! The answer may err to one side only: a "no" costs a second write that says the same; a "yes" is exact.

use serde_json::{Map, Value};

/// Whether everything that was sent is there. What was not sent may be anything; what was sent as null must be absent.
pub(crate) fn is_fulfilled(sent: &Value, found: &Value) -> bool {
    match (sent, found) {
        (Value::Object(sent), Value::Object(found)) => sent.iter().all(|(name, sent)| field(name, sent, found)),
        (Value::Array(sent), Value::Array(found)) => {
            sent.len() == found.len() && sent.iter().zip(found).all(|(sent, found)| is_fulfilled(sent, found))
        }
        (Value::String(sent), Value::String(found)) => {
            sent == found || (is_id(sent) && sent.eq_ignore_ascii_case(found))
        }
        _ => sent == found,
    }
}

fn field(name: &str, sent: &Value, found: &Map<String, Value>) -> bool {
    let found = found
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value);
    match (name, sent, found) {
        (_, Value::Null, found) => found.is_none_or(Value::is_null),
        (_, _, None) => false,
        // A change replaces all of them.
        ("tags", sent, Some(found)) => sent == found,
        // Azure gives back its own spelling: `West Europe`, `SystemAssigned, UserAssigned`.
        ("location" | "type", Value::String(sent), Some(Value::String(found))) => bare(sent) == bare(found),
        (_, sent, Some(found)) => is_fulfilled(sent, found),
    }
}

/// IDs are compared without case everywhere in Azure.
fn is_id(text: &str) -> bool {
    text.starts_with("/subscriptions/")
}

fn bare(text: &str) -> String {
    let text = text.chars().filter(|character| !character.is_whitespace());
    text.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_sent_must_be_there_exactly() {
        let id = "/subscriptions/S/resourceGroups/g/providers/P/identities/one";
        let other = id.to_lowercase();
        let table = [
            (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
            (json!({"a": 1}), json!({"a": "1"}), false),
            (json!({"a": {"b": [1, 2]}}), json!({"A": {"b": [1, 2]}}), true),
            (json!({"a": [1]}), json!({"a": [1, 2]}), false),
            (json!({"issuer": "https://X/"}), json!({"issuer": "https://x/"}), false),
            (
                json!({"location": "westeurope"}),
                json!({"location": "West Europe"}),
                true,
            ),
            (json!({"tags": {}}), json!({"tags": {"a": "b"}}), false),
            (json!({"tags": {"a": "b"}}), json!({"tags": {"a": "b"}}), true),
            (json!({"tags": {"a": "b"}}), json!({}), false),
            (json!({"id": id}), json!({"id": other}), true),
            (
                json!({"identity": {"type": "SystemAssigned,UserAssigned", "map": {id: {}}}}),
                json!({"identity": {"type": "SystemAssigned, UserAssigned", "map": {other.clone(): {"clientId": "c"}}}}),
                true,
            ),
            (json!({"map": {id: null}}), json!({"map": {other.clone(): {}}}), false),
            (json!({"map": {id: null}}), json!({"map": {}}), true),
        ];
        for (sent, found, expected) in table {
            assert_eq!(is_fulfilled(&sent, &found), expected, "{sent} in {found}");
        }
    }
}
