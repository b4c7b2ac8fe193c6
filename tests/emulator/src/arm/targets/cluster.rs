//! AKS clusters are replaced as a whole: what a PUT may carry and may not change, and what is kept whatever it says.
//! It does not know which pods run.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::targets::Target;
use crate::arm::targets::assignment::{self, Manner};
use crate::arm::targets::changes;
use crate::arm::{Call, Outcome};

const MEMBERS: [&str; 11] = [
    "id",
    "name",
    "type",
    "systemData",
    "eTag",
    "location",
    "tags",
    "sku",
    "identity",
    "properties",
    "extendedLocation",
];

/// What 2026-08-01 has beside.
const NEWER_MEMBERS: [&str; 1] = ["kind"];

/// Members of `properties` in every version.
const PROPERTIES: [&str; 41] = [
    "provisioningState",
    "powerState",
    "maxAgentPools",
    "kubernetesVersion",
    "currentKubernetesVersion",
    "dnsPrefix",
    "fqdnSubdomain",
    "fqdn",
    "privateFQDN",
    "azurePortalFQDN",
    "agentPoolProfiles",
    "linuxProfile",
    "windowsProfile",
    "servicePrincipalProfile",
    "addonProfiles",
    "podIdentityProfile",
    "oidcIssuerProfile",
    "nodeResourceGroup",
    "nodeResourceGroupProfile",
    "enableRBAC",
    "supportPlan",
    "networkProfile",
    "aadProfile",
    "autoUpgradeProfile",
    "upgradeSettings",
    "autoScalerProfile",
    "apiServerAccessProfile",
    "diskEncryptionSetID",
    "identityProfile",
    "privateLinkResources",
    "disableLocalAccounts",
    "httpProxyConfig",
    "securityProfile",
    "storageProfile",
    "ingressProfile",
    "publicNetworkAccess",
    "workloadAutoScalerProfile",
    "azureMonitorProfile",
    "serviceMeshProfile",
    "resourceUID",
    "metricsProfile",
];

/// What 2024-09-01 has beside.
const OLDER: [&str; 1] = ["enablePodSecurityPolicy"];

/// What 2026-08-01 has beside.
const NEWER: [&str; 7] = [
    "enableFIPS",
    "nodeProvisioningProfile",
    "bootstrapProfile",
    "aiToolchainOperatorProfile",
    "schedulerProfile",
    "hostedSystemProfile",
    "status",
];

/// Read-only: what a request says about them is not looked at.
const KEPT: [&str; 8] = [
    "provisioningState",
    "powerState",
    "currentKubernetesVersion",
    "fqdn",
    "privateFQDN",
    "azurePortalFQDN",
    "maxAgentPools",
    "resourceUID",
];

/// Set once and never changed.
const FIXED: [&str; 3] = ["dnsPrefix", "nodeResourceGroup", "enableRBAC"];

fn is_newer(version: &str) -> bool {
    version == "2026-08-01"
}

/// Takes out what a version does not have.
pub(super) fn keep(body: &mut Value, version: &str) {
    let gone: &[&str] = if is_newer(version) { &OLDER } else { &NEWER };
    if let Some(properties) = body["properties"].as_object_mut() {
        properties.retain(|name, _| !gone.contains(&name.as_str()));
    }
}

pub(crate) async fn put(call: &Call<'_>, target: Target) -> Outcome {
    changes::check_tag(call, &target)?;
    let value = body::parse(call.ask)?;
    let newer = is_newer(&call.api_version);
    let beside: &[&str] = if newer { &NEWER_MEMBERS } else { &[] };
    let fields = Fields::of(&value, "", &[&MEMBERS, beside].concat())?;
    if !fields.text("location")?.eq_ignore_ascii_case(&target.location) {
        let message = format!(
            "The resource '{}' already exists in location '{}'. A resource with the same name cannot be created in another \
             location.",
            target.name(),
            target.location
        );
        return Err(Answer::arm_error(409, "InvalidResourceLocation", message));
    }
    let change = match fields.has("identity") {
        true => assignment::read(call, &target, &fields, Manner::Replace)?,
        false => {
            let message = "Required parameter identity is missing (null).";
            return Err(Answer::arm_error(400, "InvalidParameter", message));
        }
    };
    if change.identities.assigned.len() > 1 {
        let message = "Only one user assigned identity is allowed for a managed cluster.";
        return Err(Answer::arm_error(400, "InvalidUserAssignedIdentities", message));
    }
    let mut after = target.clone();
    after.tags = fields.tags()?.unwrap_or_else(|| json!({}));
    let beside: &[&str] = if newer { &NEWER } else { &OLDER };
    fields.object("properties", &[&PROPERTIES, beside].concat())?;
    after.body = replaced(&target, &fields)?;
    changes::begin(call, after, Some(change)).await
}

/// The new body: what the request says, and what it cannot say.
fn replaced(target: &Target, fields: &Fields<'_>) -> Result<Value, Answer> {
    let mut properties = fields.value("properties").cloned().unwrap_or_default();
    let before = &target.body["properties"];
    if properties["agentPoolProfiles"].as_array().is_none_or(Vec::is_empty) {
        let message = "Required parameter agentPoolProfiles is missing (null).";
        return Err(Answer::arm_error(400, "InvalidParameter", message));
    }
    for name in FIXED {
        match properties.get(name) {
            None | Some(Value::Null) => properties[name] = before[name].clone(),
            Some(value) if *value != before[name] => {
                let message = format!("Changing property 'properties.{name}' is not allowed.");
                return Err(Answer::arm_error(400, "PropertyChangeNotAllowed", message));
            }
            Some(_) => {}
        }
    }
    for name in KEPT {
        match before.get(name) {
            Some(value) => properties[name] = value.clone(),
            None => {
                if let Some(properties) = properties.as_object_mut() {
                    properties.remove(name);
                }
            }
        }
    }
    // The issuer cannot be switched off once it is on, and its address is the platform's.
    let issuer = &before["oidcIssuerProfile"];
    if issuer["enabled"] == true && properties["oidcIssuerProfile"]["enabled"] == false {
        let message = "OIDC issuer feature cannot be disabled.";
        return Err(Answer::arm_error(400, "OIDCIssuerFeatureCannotBeDisabled", message));
    }
    properties["oidcIssuerProfile"] = issuer.clone();
    let mut whole = json!({"properties": properties});
    whole["sku"] = match fields.value("sku") {
        None | Some(Value::Null) => target.body["sku"].clone(),
        Some(sku) => sku.clone(),
    };
    Ok(whole)
}
