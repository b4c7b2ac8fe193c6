//! What a plan says of a federated credential. A plan to create asks nobody.

use crate::azure::federation::COLLECTION;
use crate::azure::resource_id::ResourceId;
use crate::protocol::diagnostic::Result;
use crate::provider::context::Context;
use crate::provider::plan::Plan;
use crate::resources::identity::federated_credential::service_account_subject;

/// The ID follows from what is given.
pub(super) fn id(plan: &mut Plan) {
    if !plan.is_create() {
        return;
    }
    let identity = plan
        .planned("managed_identity_id")
        .as_str()
        .and_then(|text| text.parse::<ResourceId>().ok());
    let Some((identity, name)) = identity.zip(plan.planned("name").as_str()) else {
        return;
    };
    if let Ok(id) = identity.child(COLLECTION, name) {
        plan.set("id", id.to_string());
    }
}

/// The subject follows from the service account.
pub(super) fn subject(plan: &mut Plan) {
    if !plan.config("subject").is_null() {
        return;
    }
    let (namespace, account) = (plan.planned("namespace"), plan.planned("service_account"));
    match (namespace.as_str(), account.as_str()) {
        (Some(namespace), Some(account)) => plan.set("subject", service_account_subject(namespace, account)),
        _ => plan.unknown("subject"),
    }
}

/// The audience is the cloud's where none is given.
pub(super) async fn audience(plan: &mut Plan, cx: &Context) -> Result<()> {
    // Without the provider block, or before its metadata host was asked, the general rules say: known after apply.
    let Ok(clients) = cx.clients() else { return Ok(()) };
    let asks = clients.settings().azure.metadata_host.is_some();
    if plan.config("audience").is_null() && !(asks && plan.is_create()) {
        let audience = clients.azure().cloud().await?.federated_audience.clone();
        plan.set("audience", audience);
    }
    Ok(())
}

/// The issuer is that of the cluster, also when the cluster was made anew since.
pub(super) async fn issuer(plan: &mut Plan, cx: &Context) -> Result<()> {
    if !plan.config("issuer").is_null() || plan.is_create() {
        return Ok(());
    }
    let cluster = plan
        .planned("aks_cluster_id")
        .as_str()
        .and_then(|text| text.parse::<ResourceId>().ok());
    let Some(cluster) = cluster else {
        plan.unknown("issuer");
        return Ok(());
    };
    let found = cx.clients()?.cluster(&cluster, cx.patience()).await;
    let found = found.map_err(|error| error.at("aks_cluster_id"))?;
    match found.as_ref().as_ref().and_then(|cluster| cluster.issuer()) {
        Some(issuer) => plan.set("issuer", issuer.to_owned()),
        // Another cluster, which is yet to be made: apply will find its issuer, or say that there is none.
        None if plan.changes("aks_cluster_id") => plan.unknown("issuer"),
        None => plan.keep("issuer"),
    }
    Ok(())
}
