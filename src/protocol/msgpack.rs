//! Values to and from Terraform's MessagePack, unknowns and their refinements included. The type leads; the bytes follow.

use std::collections::BTreeMap;

use rmp::Marker;
use rmp::decode as read;
use rmp::encode as write;

use crate::protocol::json;
use crate::protocol::number::Number;
use crate::protocol::value::{Object, Refinements, Type, Value};

/// Why bytes are no value of the type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end early, or are no MessagePack.
    #[error("malformed MessagePack: {0}")]
    Malformed(String),
    /// The bytes hold something else.
    #[error("{expected} is required, the bytes hold {found}")]
    Mismatch { expected: String, found: String },
}

type Decoded<T> = Result<T, DecodeError>;

/// Terraform's extension type of a refined unknown.
const REFINED: i8 = 12;
/// Terraform never sends more.
const LONGEST_REFINEMENT: usize = 1024;

/// Reads one value of the type; nothing may follow.
///
/// # Errors
/// When the bytes are not exactly one such value.
pub fn decode(bytes: &[u8], r#type: &Type) -> Decoded<Value> {
    let mut rest = bytes;
    let value = value(&mut rest, r#type)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(malformed("bytes are left over"))
    }
}

fn malformed(what: impl ToString) -> DecodeError {
    DecodeError::Malformed(what.to_string())
}

fn mismatch(expected: impl ToString, marker: Marker) -> DecodeError {
    DecodeError::Mismatch {
        expected: expected.to_string(),
        found: format!("{marker:?}"),
    }
}

fn peek(rest: &[u8]) -> Decoded<Marker> {
    rest.first()
        .map(|byte| Marker::from_u8(*byte))
        .ok_or_else(|| malformed("the bytes end early"))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Decoded<&'a [u8]> {
    let (taken, left) = rest
        .split_at_checked(length)
        .ok_or_else(|| malformed("the bytes end early"))?;
    *rest = left;
    Ok(taken)
}

fn value(rest: &mut &[u8], r#type: &Type) -> Decoded<Value> {
    let marker = peek(rest)?;
    match marker {
        Marker::Null => {
            take(rest, 1)?;
            return Ok(Value::Null);
        }
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => {
            return unknown(rest);
        }
        _ => {}
    }
    match r#type {
        Type::Bool => read::read_bool(rest)
            .map(Value::Bool)
            .map_err(|_| mismatch("a bool", marker)),
        Type::Number => number(rest, marker).map(Value::Number),
        Type::String => string(rest, marker).map(Value::String),
        Type::List(element) => elements(rest, marker, element).map(Value::List),
        Type::Set(element) => {
            let mut elements = elements(rest, marker, element)?;
            elements.sort();
            elements.dedup();
            Ok(Value::List(elements))
        }
        Type::Tuple(types) => {
            let length = array(rest, marker)?;
            if length != types.len() {
                return Err(malformed(format!(
                    "a tuple of {} elements is required, {length} given",
                    types.len()
                )));
            }
            types
                .iter()
                .map(|r#type| value(rest, r#type))
                .collect::<Decoded<_>>()
                .map(Value::List)
        }
        Type::Map(element) => {
            let length = map(rest, marker)?;
            (0..length)
                .map(|_| Ok((key(rest)?, value(rest, element)?)))
                .collect::<Decoded<Object>>()
                .map(Value::Map)
        }
        Type::Object(attributes, _) => object(rest, marker, attributes).map(Value::Map),
        Type::Dynamic => dynamic(rest, marker),
    }
}

fn object(rest: &mut &[u8], marker: Marker, attributes: &BTreeMap<String, Type>) -> Decoded<Object> {
    let length = map(rest, marker)?;
    let mut object = Object::new();
    for _ in 0..length {
        let name = key(rest)?;
        let r#type = attributes
            .get(&name)
            .ok_or_else(|| malformed(format!("unsupported attribute `{name}`")))?;
        object.insert(name, value(rest, r#type)?);
    }
    if object.len() != attributes.len() {
        return Err(malformed(format!(
            "an object with {} attributes is required ({} given)",
            attributes.len(),
            object.len()
        )));
    }
    Ok(object)
}

fn dynamic(rest: &mut &[u8], marker: Marker) -> Decoded<Value> {
    if array(rest, marker)? != 2 {
        return Err(malformed("a dynamic value is a pair of type and value"));
    }
    let inner = peek(rest)?;
    let length = read::read_bin_len(rest).map_err(|_| mismatch("a type", inner))? as usize;
    let r#type = json::decode_type(take(rest, length)?).map_err(malformed)?;
    let value = value(rest, &r#type)?;
    Ok(Value::Dynamic(Box::new((r#type, value))))
}

fn elements(rest: &mut &[u8], marker: Marker, element: &Type) -> Decoded<Vec<Value>> {
    let length = array(rest, marker)?;
    (0..length).map(|_| value(rest, element)).collect()
}

fn array(rest: &mut &[u8], marker: Marker) -> Decoded<usize> {
    read::read_array_len(rest)
        .map(|length| length as usize)
        .map_err(|_| mismatch("a list", marker))
}

fn map(rest: &mut &[u8], marker: Marker) -> Decoded<usize> {
    read::read_map_len(rest)
        .map(|length| length as usize)
        .map_err(|_| mismatch("an object", marker))
}

fn key(rest: &mut &[u8]) -> Decoded<String> {
    let marker = peek(rest)?;
    string(rest, marker)
}

fn string(rest: &mut &[u8], marker: Marker) -> Decoded<String> {
    let length = match marker {
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            read::read_bin_len(rest).map_err(|_| mismatch("a string", marker))?
        }
        _ => read::read_str_len(rest).map_err(|_| mismatch("a string", marker))?,
    };
    String::from_utf8(take(rest, length as usize)?.to_vec()).map_err(malformed)
}

fn number(rest: &mut &[u8], marker: Marker) -> Decoded<Number> {
    match marker {
        Marker::F32 => float(f64::from(read::read_f32(rest).map_err(malformed)?)),
        Marker::F64 => float(read::read_f64(rest).map_err(malformed)?),
        Marker::U64 => read::read_u64(rest).map(Number::from).map_err(malformed),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            string(rest, marker)?.parse().map_err(malformed)
        }
        _ => read::read_int::<i64, _>(rest)
            .map(Number::from)
            .map_err(|_| mismatch("a number", marker)),
    }
}

/// Core sends a float only where it is the exact value; the shortest text is then the same number to it.
fn float(number: f64) -> Decoded<Number> {
    format!("{number}").parse().map_err(malformed)
}

fn unknown(rest: &mut &[u8]) -> Decoded<Value> {
    let meta = read::read_ext_meta(rest).map_err(malformed)?;
    let length = meta.size as usize;
    let payload = take(rest, length)?;
    if length <= 1 {
        return Ok(Value::unknown());
    }
    if meta.typeid != REFINED || length > LONGEST_REFINEMENT {
        return Err(malformed("an extension that is no unknown value"));
    }
    let mut payload = payload;
    refinements(&mut payload).map(Value::Unknown)
}

fn refinements(rest: &mut &[u8]) -> Decoded<Refinements> {
    let mut refinements = Refinements::default();
    let length = read::read_map_len(rest).map_err(malformed)?;
    for _ in 0..length {
        match read::read_int::<i64, _>(rest).map_err(malformed)? {
            1 => refinements.nullness = Some(read::read_bool(rest).map_err(malformed)?),
            2 => refinements.prefix = Some(key(rest)?),
            3 => refinements.minimum = bound(rest)?,
            4 => refinements.maximum = bound(rest)?,
            5 => refinements.shortest = Some(read::read_int(rest).map_err(malformed)?),
            6 => refinements.longest = Some(read::read_int(rest).map_err(malformed)?),
            // What a newer Terraform adds may be ignored, and what follows it cannot be told apart.
            _ => return Ok(refinements),
        }
    }
    Ok(refinements)
}

/// An infinite bound says nothing.
fn bound(rest: &mut &[u8]) -> Decoded<Option<(Number, bool)>> {
    let marker = peek(rest)?;
    if read::read_array_len(rest).map_err(malformed)? != 2 {
        return Err(malformed("a bound is a pair"));
    }
    let before = *rest;
    let inner = peek(rest).unwrap_or(marker);
    let number = if inner == Marker::F64 && !read::read_f64(rest).map_err(malformed)?.is_finite() {
        None
    } else {
        *rest = before;
        Some(number(rest, inner)?)
    };
    let inclusive = read::read_bool(rest).map_err(malformed)?;
    Ok(number.map(|number| (number, inclusive)))
}

/// Writes a value. A `Vec` never refuses bytes, so this cannot fail.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, value).expect("a vector takes every byte");
    out
}

type Written = std::io::Result<()>;

fn put(out: &mut Vec<u8>, value: &Value) -> Written {
    match value {
        Value::Null => write::write_nil(out),
        Value::Bool(value) => write::write_bool(out, *value),
        Value::Number(number) => put_number(out, number),
        Value::String(text) => Ok(write::write_str(out, text)?),
        Value::List(elements) => {
            write::write_array_len(out, length(elements.len()))?;
            elements.iter().try_for_each(|element| put(out, element))
        }
        Value::Map(attributes) => {
            write::write_map_len(out, length(attributes.len()))?;
            attributes.iter().try_for_each(|(name, value)| {
                write::write_str(out, name)?;
                put(out, value)
            })
        }
        Value::Dynamic(inner) => {
            write::write_array_len(out, 2)?;
            write::write_bin(out, json::encode_type(&inner.0).as_bytes())?;
            put(out, &inner.1)
        }
        Value::Unknown(refinements) if refinements.is_empty() => {
            out.extend([0xd4, 0, 0]);
            Ok(())
        }
        Value::Unknown(refinements) => {
            let mut payload = Vec::new();
            put_refinements(&mut payload, refinements)?;
            write::write_ext_meta(out, length(payload.len()), REFINED)?;
            out.extend(payload);
            Ok(())
        }
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// As text, whole numbers too. Core keeps the number as it was sent, and what it reads back from its state it parsed
/// from text: where the two forms differ, `plan -refresh-only -detailed-exitcode` reports changes and shows none.
fn put_number(out: &mut Vec<u8>, number: &Number) -> Written {
    write::write_str(out, &number.to_string())?;
    Ok(())
}

fn put_refinements(out: &mut Vec<u8>, refinements: &Refinements) -> Written {
    let Refinements {
        nullness,
        prefix,
        minimum,
        maximum,
        shortest,
        longest,
    } = refinements;
    let count = [
        nullness.is_some(),
        prefix.is_some(),
        minimum.is_some(),
        maximum.is_some(),
        shortest.is_some(),
        longest.is_some(),
    ];
    write::write_map_len(out, length(count.iter().filter(|given| **given).count()))?;
    if let Some(nullness) = nullness {
        write::write_pfix(out, 1)?;
        write::write_bool(out, *nullness)?;
    }
    if let Some(prefix) = prefix {
        write::write_pfix(out, 2)?;
        write::write_str(out, prefix)?;
    }
    for (key, bound) in [(3, minimum), (4, maximum)] {
        if let Some((number, inclusive)) = bound {
            write::write_pfix(out, key)?;
            write::write_array_len(out, 2)?;
            put_number(out, number)?;
            write::write_bool(out, *inclusive)?;
        }
    }
    for (key, bound) in [(5, shortest), (6, longest)] {
        if let Some(length) = bound {
            write::write_pfix(out, key)?;
            write::write_sint(out, *length)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
