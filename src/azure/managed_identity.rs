//! User-assigned and system-assigned identities, as Resource Manager shows them.
//!
//! Source: Microsoft.ManagedIdentity 2023-01-31.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::azure::Azure;
use crate::azure::error::Error;
use crate::azure::resource_id::{InvalidResourceId, ResourceId};
use crate::retry::Patience;

/// The version of the API.
pub const API_VERSION: &str = "2023-01-31";

/// The resource type of a user-assigned identity.
pub const USER_ASSIGNED: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

/// A user-assigned identity.
#[derive(Clone, Debug, Deserialize)]
pub struct Identity {
    /// Azure writes `resourcegroups` in lower case here.
    pub id: String,
    /// Its name; `default` for a system-assigned one.
    #[serde(default)]
    pub name: String,
    /// The region.
    #[serde(default)]
    pub location: String,
    /// The tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The IDs that the directory gave it.
    pub properties: IdentityProperties,
}

/// The IDs that the directory gave an identity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityProperties {
    /// The client (application) ID.
    pub client_id: String,
    /// The object ID of its service principal.
    pub principal_id: String,
    /// The tenant.
    pub tenant_id: String,
}

/// What is sent to create an identity, or to change its tags.
#[derive(Clone, Debug, Serialize)]
pub struct NewIdentity<'a> {
    /// The region; absent in a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<&'a str>,
    /// All the tags.
    pub tags: &'a BTreeMap<String, String>,
}

/// The ID of a user-assigned identity.
///
/// # Errors
/// When a part contains what no ID may contain.
pub fn user_assigned(subscription: &str, group: &str, name: &str) -> Result<ResourceId, InvalidResourceId> {
    ResourceId::resource_group_of(subscription, group)?.extension(USER_ASSIGNED, name)
}

impl Azure {
    /// The identity behind an ID: a user-assigned identity itself, or the system-assigned identity of any other resource.
    /// Nothing when there is none. Needs no permission in the directory.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn identity(&self, id: &ResourceId, patience: &Patience) -> Result<Option<Identity>, Error> {
        if id.is_type(USER_ASSIGNED) {
            return self.find(id, API_VERSION, patience).await;
        }
        let own = id
            .extension("Microsoft.ManagedIdentity/identities", "default")
            .expect("two plain words are fit for an ID");
        self.find(&own, API_VERSION, patience).await
    }
}
