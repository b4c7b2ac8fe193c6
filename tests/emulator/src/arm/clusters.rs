//! Microsoft.ContainerService/managedClusters: read only, as much as workload identity needs.

use serde_json::json;

use crate::answer::Answer;
use crate::arm::{Call, Outcome, resource_not_found};
use crate::journal::hold;

const VERSIONS: [&str; 1] = ["2024-09-01"];
const KIND: &str = "Microsoft.ContainerService/managedClusters";

/// An AKS cluster.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) location: String,
    /// `None`: the issuer is switched off.
    pub(crate) issuer: Option<String>,
}

pub(crate) fn one(call: &Call<'_>) -> Outcome {
    call.versions("managedClusters", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let name = call.part(7);
    let state = hold(&call.world.state);
    let Some(cluster) = state
        .clusters
        .get(&format!("/{}", call.ask.segments.join("/")).to_ascii_lowercase())
    else {
        return Err(resource_not_found(KIND, name, call.part(3)));
    };
    let mut profile = json!({"enabled": cluster.issuer.is_some()});
    if let Some(issuer) = &cluster.issuer {
        profile["issuerURL"] = json!(issuer);
    }
    Ok(Answer::json(
        200,
        json!({
            "id": cluster.id, "name": cluster.name, "type": KIND, "location": cluster.location,
            "sku": {"name": "Base", "tier": "Free"}, "identity": {"type": "SystemAssigned"},
            "properties": {
                "provisioningState": "Succeeded", "powerState": {"code": "Running"}, "kubernetesVersion": "1.30",
                "dnsPrefix": cluster.name, "oidcIssuerProfile": profile,
                "securityProfile": {"workloadIdentity": {"enabled": true}},
            },
        }),
    ))
}
