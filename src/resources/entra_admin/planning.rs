//! What a plan says beyond the marks: the name of a new administrator, what stays, what is replaced, and what is refused.

use crate::azure::resource_id::ResourceId;
use crate::azure::server::ServerKind;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::Parsed;
use crate::protocol::value::Value;
use crate::provider::config::Guid;
use crate::provider::plan::Plan;
use crate::resources::entra_admin::ours::Ours;
use crate::resources::entra_admin::seated::is_same_name;

/// A new administrator is called as its identity.
pub(super) fn name(plan: &mut Plan) {
    let identity = parsed::<ResourceId>(plan.planned("identity_id"));
    if let (true, Some(id)) = (plan.is_create() && plan.config("name").is_null(), identity) {
        plan.set("name", id.name().to_owned());
    }
}

/// What stays, and what makes a new object, by the kind of server.
pub(super) fn changes(plan: &mut Plan) {
    if plan.is_create() {
        return;
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let names = text(plan.planned("name")).zip(text(plan.prior("name")));
    let user = plan.planned("principal_type").as_str() == Some("User");
    if names.is_some_and(|(planned, prior)| user && is_same_name(&planned, &prior, true)) {
        plan.keep("name");
    }
    let kind = parsed::<ResourceId>(plan.planned("server_id")).and_then(|id| ServerKind::of(&id));
    if kind == Some(ServerKind::Postgresql) {
        for name in ["name", "tenant_id"] {
            if plan.changes(name) {
                plan.replace(name);
            }
        }
    }
    // An identity that is not found now may be another one by the time of apply.
    let is_certain = !plan.config("object_id").is_null() || plan.is_settled("object_id");
    if is_certain && !plan.changes("object_id") {
        if !plan.changes("client_id") && plan.config("client_id").is_null() {
            plan.keep("client_id");
        }
        if !plan.prior("sid").is_null() {
            plan.keep("sid");
        }
    }
}

/// An adopted administrator is not ours: it follows its identity, and goes to another principal only when told so.
pub(super) fn adopted(plan: &mut Plan, ours: Option<&Ours>) -> Result<()> {
    if plan.prior("adopted").as_bool() != Some(true) || !plan.changes("object_id") {
        return Ok(());
    }
    if plan.planned("replace_existing").as_bool() == Some(true) {
        plan.unknown("adopted");
        return Ok(());
    }
    let planned = parsed::<ResourceId>(plan.planned("identity_id"));
    let follows = planned.is_some() && planned == parsed(plan.prior("identity_id"));
    // Another one is in its place: it gets that back.
    let is_ours = |id: Guid| ours.is_some_and(|ours| ours.is(id));
    if follows || plan.planned("object_id").is_unknown() || parsed(plan.planned("object_id")).is_some_and(is_ours) {
        return Ok(());
    }
    Err(not_taken(plan.prior("name").as_str().unwrap_or_default()))
}

pub(super) fn not_taken(name: &str) -> Diagnostic {
    let detail = format!(
        "The administrator `{name}` existed before it was adopted, so it is not taken from its principal for another one. Where several principals run \
         Terraform, make a group the administrator and put them into it. Otherwise set `replace_existing = true` if that is meant, or manage the other \
         principal by a resource of its own."
    );
    Diagnostic::error("Adopted administrator would be replaced", detail).at("object_id")
}

fn parsed<T: Parsed>(value: &Value) -> Option<T> {
    value.as_str().and_then(|text| text.parse().ok())
}
