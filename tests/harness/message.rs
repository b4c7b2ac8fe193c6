//! What goes over the wire and comes back, as Core writes and reads it: values, and what a person is told.

use entradb::protocol::path::{Path, Step};
use entradb::protocol::value::{Type, Value};
use entradb::protocol::{json, msgpack};
use entradb::wire::proto::tfplugin5 as pb;

use crate::harness::core_rules::{self, Refused};

/// What the provider told a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether it ended the operation.
    pub error: bool,
    /// The kind of problem.
    pub summary: String,
    /// What is wrong, why, and what to do.
    pub detail: String,
    /// Where.
    pub path: Path,
}

/// Writes a value as Core does.
pub fn send(value: &Value) -> pb::DynamicValue {
    pb::DynamicValue {
        msgpack: msgpack::encode(value).into(),
        ..pb::DynamicValue::default()
    }
}

/// Reads a value as Core does: an absent one is null.
pub fn receive(value: Option<&pb::DynamicValue>, r#type: &Type) -> Value {
    let Some(value) = value else { return Value::Null };
    let read = if !value.msgpack.is_empty() {
        msgpack::decode(&value.msgpack, r#type).map_err(|error| error.to_string())
    } else if !value.json.is_empty() {
        json::decode(&value.json, r#type).map_err(|error| error.to_string())
    } else {
        Ok(Value::Null)
    };
    read.unwrap_or_else(|error| panic!("Core cannot read a value of {type}: {error}"))
}

/// Reads what a person is told, and holds it to the rules for that.
pub fn tell(diagnostics: &[pb::Diagnostic], r#type: Option<&Type>) -> Vec<Told> {
    use pb::attribute_path::step::Selector;
    let told = diagnostics.iter().map(|one| {
        let steps = one.attribute.iter().flat_map(|path| &path.steps);
        let steps = steps.map(|step| match step.selector.as_ref().expect("a step goes somewhere") {
            Selector::AttributeName(name) => Step::Attribute(name.clone()),
            Selector::ElementKeyString(key) => Step::Key(key.clone()),
            Selector::ElementKeyInt(index) => Step::Index(*index),
        });
        let steps: Vec<Step> = steps.collect();
        Told {
            error: match one.severity() {
                pb::diagnostic::Severity::Error => true,
                pb::diagnostic::Severity::Warning => false,
                pb::diagnostic::Severity::Invalid => panic!("Core panics on a severity of {one:?}"),
            },
            summary: one.summary.clone(),
            detail: one.detail.clone(),
            path: steps.into_iter().rev().fold(Path::root(), Path::under),
        }
    });
    let told: Vec<Told> = told.collect();
    for one in &told {
        assert!(
            !one.summary.is_empty() && !one.detail.is_empty(),
            "nobody understands {one:?}"
        );
        assert!(!one.detail.contains("eyJ"), "a token is told");
        if let Some(r#type) = r#type {
            assert!(
                core_rules::exists(r#type, one.path.steps()),
                "`{}` is nowhere: {one:?}",
                one.path
            );
        }
    }
    told
}

/// Panics with what Core would refuse.
#[track_caller]
pub fn accept(who: &str, what: &str, refused: Refused) {
    assert!(
        refused.is_empty(),
        "{who}: Core refuses {what}:\n  {}",
        refused.join("\n  ")
    );
}

/// Panics when anything is told.
#[track_caller]
pub fn expect_nothing(call: &str, diagnostics: &[pb::Diagnostic]) {
    assert!(diagnostics.is_empty(), "{call} says {diagnostics:?}");
}
