//! PostgreSQL flexible servers and their Entra administrators, as Resource Manager shows them.
//!
//! Source: Microsoft.DBforPostgreSQL 2024-08-01.

use serde::{Deserialize, Serialize};

use crate::azure::Azure;
use crate::azure::error::Error;
use crate::azure::resource_id::ResourceId;
use crate::azure::server::{AuthConfig, Network, PrivateEndpoint, Server, ServerKind};
use crate::retry::Patience;

/// The version of the API.
pub const API_VERSION: &str = "2024-08-01";

/// A server; only what is used.
#[derive(Debug, Deserialize)]
struct FlexibleServer {
    #[serde(default)]
    location: String,
    properties: Properties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    fully_qualified_domain_name: Option<String>,
    administrator_login: Option<String>,
    state: Option<String>,
    version: Option<String>,
    /// `Primary`, `AsyncReplica`, `GeoAsyncReplica`, `None`.
    replication_role: Option<String>,
    source_server_resource_id: Option<String>,
    auth_config: Option<AuthConfig>,
    network: Option<Network>,
    private_endpoint_connections: Vec<PrivateEndpoint>,
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

impl From<FlexibleServer> for Server {
    fn from(found: FlexibleServer) -> Self {
        let properties = found.properties;
        let network = properties.network.unwrap_or_default();
        Self {
            kind: ServerKind::Postgresql,
            location: found.location,
            host: properties.fully_qualified_domain_name,
            public_host: None,
            state: properties.state,
            version: properties.version,
            administrator_login: properties.administrator_login,
            replication_role: properties.replication_role,
            primary: properties.source_server_resource_id,
            auth_config: properties.auth_config,
            administrator: None,
            identities: Vec::new(),
            reach: network.reach(&properties.private_endpoint_connections),
        }
    }
}

impl Azure {
    pub(crate) async fn postgresql_server(
        &self,
        id: &ResourceId,
        patience: &Patience,
    ) -> Result<Option<Server>, Error> {
        let found: Option<FlexibleServer> = self.find(id, API_VERSION, patience).await?;
        Ok(found.map(Server::from))
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
