//! What is wrong with the configuration of a federated credential, as far as it is known.

use crate::azure::federation::CLUSTER;
use crate::azure::managed_identity::USER_ASSIGNED;
use crate::azure::resource_id::ResourceId;
use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::value::{Object, Value};

/// The longest issuer, subject and audience.
const LONGEST: usize = 600;

pub(super) fn mistakes(config: &Object) -> Vec<Diagnostic> {
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    let checks: [(&str, Option<&str>, Check); 8] = [
        ("name", text("name"), name),
        ("managed_identity_id", text("managed_identity_id"), identity),
        ("aks_cluster_id", text("aks_cluster_id"), cluster),
        ("issuer", text("issuer"), issuer),
        ("subject", text("subject"), free_text),
        ("audience", text("audience"), free_text),
        ("namespace", text("namespace"), namespace),
        ("service_account", text("service_account"), service_account),
    ];
    let found = checks.into_iter().filter_map(|(attribute, text, check)| {
        let detail = check(text?)?;
        Some(Diagnostic::error("Invalid value", detail).at(attribute))
    });
    found.collect()
}

/// What is wrong with a text, if something is.
type Check = fn(&str) -> Option<String>;

fn unless(fine: bool, detail: impl Into<String>) -> Option<String> {
    (!fine).then(|| detail.into())
}

fn name(text: &str) -> Option<String> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let fine = (3..=120).contains(&text.len()) && text.chars().all(plain) && !text.starts_with(['-', '_']);
    unless(
        fine,
        "The name of a federated credential has 3 to 120 characters: letters, digits, `-` and `_`; the first is a letter or a digit.",
    )
}

fn of_type(text: &str, resource_type: &str, advice: &str) -> Option<String> {
    // What is no ID at all is told by its type already.
    let id: ResourceId = text.parse().ok()?;
    unless(
        id.is_type(resource_type),
        format!("The ARM ID of a {resource_type} is required.{advice}"),
    )
}

fn identity(text: &str) -> Option<String> {
    of_type(
        text,
        USER_ASSIGNED,
        " System-assigned identities have no federated credentials.",
    )
}

fn cluster(text: &str) -> Option<String> {
    of_type(text, CLUSTER, "")
}

fn issuer(text: &str) -> Option<String> {
    let host = text
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    unless(host, "An issuer begins with `https://` and a host name.").or_else(|| free_text(text))
}

fn free_text(text: &str) -> Option<String> {
    let fine = (1..=LONGEST).contains(&text.len()) && text.trim() == text && !text.contains(char::is_control);
    unless(
        fine,
        format!("A text of 1 to {LONGEST} characters is required, without spaces around it."),
    )
}

fn label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}

fn namespace(text: &str) -> Option<String> {
    unless(
        label(text),
        "The name of a Kubernetes namespace has 1 to 63 characters: lower-case letters, digits and `-`.",
    )
}

fn service_account(text: &str) -> Option<String> {
    let fine = text.len() <= 253 && text.split('.').all(label);
    unless(
        fine,
        "The name of a Kubernetes service account has at most 253 characters: lower-case letters, digits, `-` and `.`.",
    )
}
