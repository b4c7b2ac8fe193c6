//! What a plan says of an assignment. A plan to create asks nobody.

use crate::azure::resource_id::ResourceId;
use crate::protocol::diagnostic::Result;
use crate::provider::context::Context;
use crate::provider::plan::Plan;

/// Which identity it is follows from what is given.
pub(super) fn identity(plan: &mut Plan) {
    if !plan.is_create() {
        return;
    }
    let given = plan.planned("identity_id").as_str().map(str::to_owned);
    let system = plan.planned("system_assigned").as_bool() == Some(true) && plan.planned("identity_id").is_null();
    if let Some(which) = given.or_else(|| system.then(|| "system".to_owned())) {
        plan.set("identity", which);
    }
}

/// An identity that was made anew keeps its ARM ID, and what is attached is still the former one: that becomes an update in place.
pub(super) async fn rebinding(plan: &mut Plan, cx: &Context) -> Result<()> {
    let id = plan
        .planned("identity_id")
        .as_str()
        .and_then(|text| text.parse::<ResourceId>().ok());
    let Some(id) = id.filter(|_| !plan.is_create() && !plan.changes("identity_id") && !plan.changes("target_id"))
    else {
        return Ok(());
    };
    let now = match &*cx.clients()?.identity(&id, cx.patience()).await? {
        Some(found) => found.properties.clone(),
        // It is about to be made again, or apply will say that it is missing.
        None => return Ok(()),
    };
    let prior = plan.prior("principal_id").as_str();
    if prior.is_some_and(|prior| prior.eq_ignore_ascii_case(&now.principal_id)) {
        return Ok(());
    }
    plan.set("principal_id", now.principal_id);
    plan.set("client_id", now.client_id);
    plan.set("tenant_id", now.tenant_id);
    Ok(())
}
