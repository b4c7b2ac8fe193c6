//! PostgreSQL flexible servers and their Entra administrators, as Resource Manager shows them.
//!
//! Source: Microsoft.DBforPostgreSQL 2024-08-01.

use serde::{Deserialize, Serialize};

use crate::azure::Azure;
use crate::azure::error::Error;
use crate::azure::resource_id::ResourceId;
use crate::retry::Patience;

/// The version of the API.
pub const API_VERSION: &str = "2024-08-01";

/// A server; only what is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlexibleServer {
    /// The region, as Azure displays it.
    pub location: String,
    /// The rest.
    pub properties: FlexibleServerProperties,
}

/// What Resource Manager says of a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FlexibleServerProperties {
    /// The host name.
    pub fully_qualified_domain_name: Option<String>,
    /// `Ready`, `Updating`, `Stopped`, …
    pub state: Option<String>,
    /// The major version.
    pub version: Option<String>,
    /// `Primary`, `AsyncReplica`, `GeoAsyncReplica`, `None`.
    pub replication_role: Option<String>,
    /// Of a replica: the primary.
    pub source_server_resource_id: Option<String>,
    /// Which ways of signing in are open.
    pub auth_config: Option<AuthConfig>,
    /// How the server is reached.
    pub network: Option<Network>,
    /// Private endpoints.
    pub private_endpoint_connections: Vec<PrivateEndpointConnection>,
}

/// Which ways of signing in are open: `Enabled` or `Disabled`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthConfig {
    /// Microsoft Entra.
    pub active_directory_auth: Option<String>,
    /// Passwords.
    pub password_auth: Option<String>,
    /// The tenant of Entra sign-ins.
    pub tenant_id: Option<String>,
}

/// How a server is reached.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// `Enabled` or `Disabled`.
    pub public_network_access: Option<String>,
    /// The subnet that the server stands in, if it stands in one.
    pub delegated_subnet_resource_id: Option<String>,
}

/// A private endpoint of a server.
#[derive(Clone, Debug, Deserialize)]
pub struct PrivateEndpointConnection {
    /// The rest.
    #[serde(default)]
    pub properties: PrivateEndpointProperties,
}

/// What Resource Manager says of a private endpoint.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PrivateEndpointProperties {
    /// Whether the owner of the server let it in.
    pub private_link_service_connection_state: ConnectionState,
}

/// Whether a private endpoint works.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConnectionState {
    /// `Approved`, `Pending`, `Rejected`.
    pub status: Option<String>,
}

/// An Entra administrator. Neither `name` nor the ID's last part can be relied upon to be the principal's name.
#[derive(Clone, Debug, Deserialize)]
pub struct Administrator {
    /// The rest.
    pub properties: AdministratorProperties,
}

/// What Resource Manager says of an administrator.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdministratorProperties {
    /// The object ID.
    pub object_id: String,
    /// The role's name.
    #[serde(default)]
    pub principal_name: String,
    /// `User`, `Group`, `ServicePrincipal`, `Unknown`.
    #[serde(default)]
    pub principal_type: String,
    /// Absent in the answer to a write.
    pub tenant_id: Option<String>,
}

/// What is sent to set an administrator.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewAdministrator<'a> {
    /// `User`, `Group`, `ServicePrincipal`.
    pub principal_type: &'a str,
    /// The role's name.
    pub principal_name: &'a str,
    /// The tenant.
    pub tenant_id: &'a str,
}

impl FlexibleServer {
    /// Whether it only follows another server.
    pub fn is_replica(&self) -> bool {
        self.properties
            .replication_role
            .as_deref()
            .is_some_and(|role| role.ends_with("Replica"))
    }
}

impl Azure {
    /// Reads a server; nothing when it does not exist.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn postgresql_server(
        &self,
        id: &ResourceId,
        patience: &Patience,
    ) -> Result<Option<FlexibleServer>, Error> {
        self.find(id, API_VERSION, patience).await
    }

    /// Reads a server's Entra administrators.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn postgresql_administrators(
        &self,
        id: &ResourceId,
        patience: &Patience,
    ) -> Result<Vec<Administrator>, Error> {
        self.list(id, "administrators", API_VERSION, patience).await
    }
}
