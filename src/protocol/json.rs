//! Values and types to and from JSON: the form of stored state and of type constraints.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use crate::protocol::value::{Object, Type, Value};

/// Why JSON is no value of the type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

fn refuse(expected: &str, found: &Json) -> DecodeError {
    let found = match found {
        Json::Null => "null",
        Json::Bool(_) => "a bool",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    };
    DecodeError(format!("{expected} is required, the JSON holds {found}"))
}

/// Reads a value of the type from JSON text. A missing attribute is null, as in stored state; an unknown one is an error.
///
/// # Errors
/// When the text is not JSON, or not of the type.
pub fn decode(text: &[u8], r#type: &Type) -> Result<Value, DecodeError> {
    let json: Json = serde_json::from_slice(text).map_err(|error| DecodeError(format!("malformed JSON: {error}")))?;
    value(&json, r#type)
}

fn value(json: &Json, r#type: &Type) -> Result<Value, DecodeError> {
    if json.is_null() {
        return Ok(Value::Null);
    }
    Ok(match r#type {
        Type::Bool => Value::Bool(json.as_bool().ok_or_else(|| refuse("a bool", json))?),
        Type::Number => {
            let Json::Number(number) = json else {
                return Err(refuse("a number", json));
            };
            Value::Number(
                number
                    .to_string()
                    .parse()
                    .map_err(|error| DecodeError(format!("{error}")))?,
            )
        }
        Type::String => Value::String(json.as_str().ok_or_else(|| refuse("a string", json))?.to_owned()),
        Type::List(element) => Value::List(
            array(json)?
                .iter()
                .map(|json| value(json, element))
                .collect::<Result<_, _>>()?,
        ),
        Type::Set(element) => Value::List(
            array(json)?
                .iter()
                .map(|json| value(json, element))
                .collect::<Result<BTreeSet<_>, _>>()?
                .into_iter()
                .collect(),
        ),
        Type::Tuple(types) => {
            let elements = array(json)?;
            if elements.len() != types.len() {
                return Err(DecodeError(format!("a tuple of {} elements is required", types.len())));
            }
            Value::List(
                elements
                    .iter()
                    .zip(types)
                    .map(|(json, r#type)| value(json, r#type))
                    .collect::<Result<_, _>>()?,
            )
        }
        Type::Map(element) => Value::Map(
            members(json)?
                .iter()
                .map(|(key, json)| Ok((key.clone(), value(json, element)?)))
                .collect::<Result<_, _>>()?,
        ),
        Type::Object(attributes, _) => Value::Map(object(json, attributes)?),
        Type::Dynamic => {
            let members = members(json)?;
            let (Some(inner), Some(r#type)) = (members.get("value"), members.get("type")) else {
                return Err(DecodeError("a dynamic value has the members `type` and `value`".into()));
            };
            let r#type = self::r#type(r#type)?;
            let inner = value(inner, &r#type)?;
            Value::Dynamic(Box::new((r#type, inner)))
        }
    })
}

fn object(json: &Json, attributes: &BTreeMap<String, Type>) -> Result<Object, DecodeError> {
    let members = members(json)?;
    if let Some(name) = members.keys().find(|name| !attributes.contains_key(*name)) {
        return Err(DecodeError(format!("unsupported attribute `{name}`")));
    }
    attributes
        .iter()
        .map(|(name, r#type)| {
            Ok((
                name.clone(),
                members.get(name).map_or(Ok(Value::Null), |json| value(json, r#type))?,
            ))
        })
        .collect()
}

fn array(json: &Json) -> Result<&Vec<Json>, DecodeError> {
    json.as_array().ok_or_else(|| refuse("an array", json))
}

fn members(json: &Json) -> Result<&Map<String, Json>, DecodeError> {
    json.as_object().ok_or_else(|| refuse("an object", json))
}

/// Writes a value as JSON; an unknown becomes null, since JSON has no unknowns.
pub fn encode(value: &Value) -> Json {
    match value {
        Value::Null | Value::Unknown(_) => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => serde_json::from_str(&number.to_string()).unwrap_or(Json::Null),
        Value::String(text) => Json::String(text.clone()),
        Value::List(elements) => Json::Array(elements.iter().map(encode).collect()),
        Value::Map(attributes) => Json::Object(
            attributes
                .iter()
                .map(|(name, value)| (name.clone(), encode(value)))
                .collect(),
        ),
        Value::Dynamic(inner) => Json::Object(Map::from_iter([
            ("type".into(), type_json(&inner.0)),
            ("value".into(), encode(&inner.1)),
        ])),
    }
}

/// Reads a type constraint.
///
/// # Errors
/// When the text is no type.
pub fn decode_type(text: &[u8]) -> Result<Type, DecodeError> {
    let json: Json = serde_json::from_slice(text).map_err(|error| DecodeError(format!("malformed JSON: {error}")))?;
    r#type(&json)
}

fn r#type(json: &Json) -> Result<Type, DecodeError> {
    let unknown = || DecodeError(format!("unknown type {json}"));
    if let Some(name) = json.as_str() {
        return match name {
            "string" => Ok(Type::String),
            "number" => Ok(Type::Number),
            "bool" => Ok(Type::Bool),
            "dynamic" => Ok(Type::Dynamic),
            _ => Err(unknown()),
        };
    }
    let parts = json.as_array().ok_or_else(unknown)?;
    let (Some(kind), Some(inner)) = (parts.first().and_then(Json::as_str), parts.get(1)) else {
        return Err(unknown());
    };
    match kind {
        "list" => Ok(Type::list(r#type(inner)?)),
        "set" => Ok(Type::set(r#type(inner)?)),
        "map" => Ok(Type::map(r#type(inner)?)),
        "tuple" => Ok(Type::Tuple(array(inner)?.iter().map(r#type).collect::<Result<_, _>>()?)),
        "object" => {
            let attributes = members(inner)?
                .iter()
                .map(|(name, json)| Ok((name.clone(), r#type(json)?)))
                .collect::<Result<_, DecodeError>>()?;
            let optional = parts
                .get(2)
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect();
            Ok(Type::Object(attributes, optional))
        }
        _ => Err(unknown()),
    }
}

/// Writes a type constraint.
pub fn encode_type(r#type: &Type) -> String {
    type_json(r#type).to_string()
}

fn type_json(r#type: &Type) -> Json {
    let collection = |kind: &str, element: &Type| Json::Array(vec![kind.into(), type_json(element)]);
    match r#type {
        Type::Bool => "bool".into(),
        Type::Number => "number".into(),
        Type::String => "string".into(),
        Type::Dynamic => "dynamic".into(),
        Type::List(element) => collection("list", element),
        Type::Set(element) => collection("set", element),
        Type::Map(element) => collection("map", element),
        Type::Tuple(types) => Json::Array(vec!["tuple".into(), Json::Array(types.iter().map(type_json).collect())]),
        Type::Object(attributes, optional) => {
            let attributes = attributes
                .iter()
                .map(|(name, r#type)| (name.clone(), type_json(r#type)))
                .collect();
            let mut parts = vec!["object".into(), Json::Object(attributes)];
            if !optional.is_empty() {
                parts.push(optional.iter().map(String::as_str).collect());
            }
            Json::Array(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_back_as_they_were_written() {
        for text in [
            r#""string""#,
            r#"["list","number"]"#,
            r#"["tuple",["bool","dynamic"]]"#,
            r#"["object",{"a":"string","b":["set","bool"]},["b"]]"#,
        ] {
            assert_eq!(encode_type(&decode_type(text.as_bytes()).expect("a type")), text);
        }
        for text in ["", "1", r#""strung""#, r#"["list"]"#, r#"["bag","string"]"#, "[]"] {
            assert!(decode_type(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn stored_state_may_lack_attributes_but_not_know_others() {
        let r#type = Type::object([
            ("a".to_owned(), Type::Number),
            ("b".to_owned(), Type::set(Type::String)),
        ]);
        let value = decode(br#"{"a": 0.12345678901234567890}"#, &r#type).expect("a value");
        assert_eq!(encode(&value).to_string(), r#"{"a":0.1234567890123456789,"b":null}"#);
        assert!(decode(br#"{"c": 1}"#, &r#type).is_err());
        assert!(decode(br#"{"a": "1"}"#, &r#type).is_err());
    }
}
