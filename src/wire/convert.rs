//! Protobuf to and from the provider's vocabulary: the only file that knows both.

use prost::bytes::Bytes;

use crate::protocol::diagnostic::{self, Diagnostic, Severity};
use crate::protocol::path::{Path, Step};
use crate::protocol::schema::{Attribute, Block, NestedBlock, Nesting, Presence, Schema};
use crate::protocol::value::{Object, Type, Value};
use crate::protocol::{json, msgpack};
use crate::provider::function::{FunctionError, Parameter, Signature};
use crate::provider::{IdentitySchema, ResourceSchema};
use crate::wire::proto::tfplugin5 as pb;
use crate::wire::redact::redact;

/// Reads a value of a type. An absent or empty message is null.
///
/// # Errors
///
/// The bytes are no value of the type: a mistake of Terraform's or of ours.
pub fn value(wire: Option<&pb::DynamicValue>, r#type: &Type) -> diagnostic::Result<Value> {
    let Some(wire) = wire else { return Ok(Value::Null) };
    let read = if !wire.msgpack.is_empty() {
        msgpack::decode(&wire.msgpack, r#type).map_err(|error| diagnostic::chain(&error))
    } else if !wire.json.is_empty() {
        json::decode(&wire.json, r#type).map_err(|error| diagnostic::chain(&error))
    } else {
        Ok(Value::Null)
    };
    read.map_err(|reason| Diagnostic::bug(format!("Terraform sent a value that cannot be read: {reason}.")))
}

/// Reads stored state or a stored identity as what it was written: JSON.
///
/// # Errors
///
/// It is from before Terraform 0.12, or there is none.
pub fn raw_json(raw: Option<&pb::RawState>) -> diagnostic::Result<&Bytes> {
    match raw {
        Some(raw) if !raw.json.is_empty() => Ok(&raw.json),
        Some(raw) if !raw.flatmap.is_empty() => Err(Diagnostic::error(
            "State of an unknown form",
            "The state has the form of Terraform 0.11, which this provider never wrote.",
        )),
        _ => Err(Diagnostic::bug("Terraform asked to upgrade a state that is empty.")),
    }
}

/// Reads the identity that came with a state, if one came.
///
/// # Errors
///
/// The bytes are no identity of the resource.
pub fn identity(wire: Option<&pb::ResourceIdentityData>, schema: &IdentitySchema) -> diagnostic::Result<Option<Value>> {
    let wire = wire.and_then(|wire| wire.identity_data.as_ref());
    let read = value(wire, &identity_type(schema))?;
    Ok(Some(read).filter(|read| !read.is_null()))
}

/// The type of an identity.
#[must_use]
pub fn identity_type(schema: &IdentitySchema) -> Type {
    let attributes = schema.attributes.iter();
    Type::object(attributes.map(|attribute| (attribute.name.clone(), attribute.r#type.clone())))
}

/// Writes a value.
#[must_use]
pub fn dynamic(value: &Value) -> pb::DynamicValue {
    pb::DynamicValue {
        msgpack: msgpack::encode(value).into(),
        json: Bytes::new(),
    }
}

/// Writes a state, or null where there is nothing.
#[must_use]
pub fn state(state: Option<Object>) -> pb::DynamicValue {
    dynamic(&state.map_or(Value::Null, Value::Map))
}

/// Writes an identity.
#[must_use]
pub fn identity_data(identity: &Value) -> pb::ResourceIdentityData {
    pb::ResourceIdentityData {
        identity_data: Some(dynamic(identity)),
    }
}

/// Writes what a person is told.
#[must_use]
pub fn diagnostics(diagnostics: Vec<Diagnostic>) -> Vec<pb::Diagnostic> {
    diagnostics.into_iter().map(diagnostic).collect()
}

/// Writes one thing that a person is told.
#[must_use]
pub fn diagnostic(diagnostic: Diagnostic) -> pb::Diagnostic {
    let severity = match diagnostic.severity {
        Severity::Error => pb::diagnostic::Severity::Error,
        Severity::Warning => pb::diagnostic::Severity::Warning,
    };
    pb::Diagnostic {
        severity: severity.into(),
        summary: diagnostic.summary.to_owned(),
        detail: redact(&diagnostic.detail).into_owned(),
        attribute: Some(path(&diagnostic.path)).filter(|path| !path.steps.is_empty()),
    }
}

/// Writes where a value stands.
#[must_use]
pub fn path(path: &Path) -> pb::AttributePath {
    use pb::attribute_path::step::Selector;
    let steps = path.steps().iter().map(|step| pb::attribute_path::Step {
        selector: Some(match step {
            Step::Attribute(name) => Selector::AttributeName(name.clone()),
            Step::Key(key) => Selector::ElementKeyString(key.clone()),
            Step::Index(index) => Selector::ElementKeyInt(*index),
        }),
    });
    pb::AttributePath { steps: steps.collect() }
}

/// Writes why a function gave nothing.
#[must_use]
pub fn function_error(error: FunctionError) -> pb::FunctionError {
    pb::FunctionError {
        text: redact(&error.text).into_owned(),
        function_argument: error.argument.and_then(|argument| argument.try_into().ok()),
    }
}

/// Writes a schema.
#[must_use]
pub fn schema(schema: &Schema) -> pb::Schema {
    pb::Schema {
        version: schema.version,
        block: Some(block(&schema.block)),
    }
}

fn block(block: &Block) -> pb::schema::Block {
    pb::schema::Block {
        attributes: block.attributes.iter().map(attribute).collect(),
        block_types: block.blocks.iter().map(nested_block).collect(),
        description: block.description.clone(),
        description_kind: pb::StringKind::Markdown.into(),
        ..pb::schema::Block::default()
    }
}

fn attribute(attribute: &Attribute) -> pb::schema::Attribute {
    let (required, optional, computed) = match attribute.presence {
        Presence::Required => (true, false, false),
        Presence::Optional => (false, true, false),
        Presence::OptionalComputed => (false, true, true),
        Presence::Computed => (false, false, true),
    };
    pb::schema::Attribute {
        name: attribute.name.clone(),
        r#type: json::encode_type(&attribute.r#type).into_bytes(),
        description: attribute.description.clone(),
        required,
        optional,
        computed,
        sensitive: attribute.sensitive,
        description_kind: pb::StringKind::Markdown.into(),
        deprecated: attribute.deprecated.is_some(),
        write_only: attribute.write_only,
        deprecation_message: attribute.deprecated.unwrap_or_default().to_owned(),
    }
}

fn nested_block(nested: &NestedBlock) -> pb::schema::NestedBlock {
    let nesting = match nested.nesting {
        Nesting::Single => pb::schema::nested_block::NestingMode::Single,
        Nesting::Set => pb::schema::nested_block::NestingMode::Set,
    };
    // Zero and zero: a single block may be left out, and of others there may be any number.
    pb::schema::NestedBlock {
        type_name: nested.name.clone(),
        block: Some(block(&nested.block)),
        nesting: nesting.into(),
        min_items: 0,
        max_items: 0,
    }
}

/// Writes the shape of an identity.
#[must_use]
pub fn identity_schema(resource: &ResourceSchema) -> pb::ResourceIdentitySchema {
    let attributes = resource.identity.attributes.iter();
    pb::ResourceIdentitySchema {
        version: resource.identity.version,
        identity_attributes: attributes
            .map(|attribute| pb::resource_identity_schema::IdentityAttribute {
                name: attribute.name.clone(),
                r#type: json::encode_type(&attribute.r#type).into_bytes(),
                required_for_import: true,
                optional_for_import: false,
                description: attribute.description.clone(),
            })
            .collect(),
    }
}

/// Writes what a function takes and gives.
#[must_use]
pub fn function(signature: &Signature) -> pb::Function {
    pb::Function {
        parameters: signature.parameters.iter().map(parameter).collect(),
        variadic_parameter: None,
        r#return: Some(pb::function::Return {
            r#type: json::encode_type(&signature.r#return).into_bytes(),
        }),
        summary: signature.summary.to_owned(),
        description: signature.description.to_owned(),
        description_kind: pb::StringKind::Markdown.into(),
        deprecation_message: String::new(),
    }
}

fn parameter(parameter: &Parameter) -> pb::function::Parameter {
    pb::function::Parameter {
        name: parameter.name.to_owned(),
        r#type: json::encode_type(&parameter.r#type).into_bytes(),
        allow_null_value: false,
        allow_unknown_values: false,
        description: parameter.description.to_owned(),
        description_kind: pb::StringKind::Markdown.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_value_is_null_and_nonsense_is_a_diagnostic() {
        let r#type = Type::object([("a".to_owned(), Type::String)]);
        assert_eq!(value(None, &r#type), Ok(Value::Null));
        assert_eq!(value(Some(&pb::DynamicValue::default()), &r#type), Ok(Value::Null));
        let nonsense = pb::DynamicValue {
            msgpack: Bytes::from_static(b"\xc1"),
            json: Bytes::new(),
        };
        assert_eq!(
            value(Some(&nonsense), &r#type).map_err(|error| error.is_error()),
            Err(true)
        );
    }

    #[test]
    fn values_survive_the_way_there_and_back() {
        let r#type = Type::object([
            ("a".to_owned(), Type::Number),
            ("b".to_owned(), Type::list(Type::String)),
        ]);
        let json = pb::DynamicValue {
            json: Bytes::from_static(br#"{"a":0.12345678901234567890,"b":["x"]}"#),
            msgpack: Bytes::new(),
        };
        let read = value(Some(&json), &r#type).expect("of the type");
        assert_eq!(value(Some(&dynamic(&read)), &r#type), Ok(read));
    }

    #[test]
    fn a_path_keeps_its_steps_and_the_root_is_no_path() {
        let told = Diagnostic::error("Kind", "Detail.").under(Step::Index(2)).at("members");
        let wire = diagnostic(told);
        assert_eq!(wire.attribute.expect("a path").steps.len(), 2);
        assert_eq!(diagnostic(Diagnostic::warning("Kind", "Detail.")).attribute, None);
    }

    #[test]
    fn a_token_in_a_message_does_not_reach_the_person() {
        let told = Diagnostic::error("Kind", "The server said eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln.");
        assert_eq!(diagnostic(told).detail, "The server said (token).");
    }

    #[test]
    fn what_terraform_0_11_wrote_is_refused() {
        let raw = pb::RawState {
            flatmap: [("a".to_owned(), "b".to_owned())].into(),
            json: Bytes::new(),
        };
        assert_eq!(
            raw_json(Some(&raw)).map_err(|error| error.summary),
            Err("State of an unknown form")
        );
        assert!(raw_json(None).is_err());
    }
}
