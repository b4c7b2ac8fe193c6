//! MySQL flexible servers, as Resource Manager shows them: the server, its replicas, its identities.
//!
//! Source: Microsoft.DBforMySQL 2023-12-30.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::azure::Azure;
use crate::azure::arm::Change;
use crate::azure::error::{Error, Kind};
use crate::azure::identity_target::{Assigned, Refusal, Target};
use crate::azure::resource_id::ResourceId;
use crate::azure::server::{Network, PrivateEndpoint, Server, ServerKind};
use crate::retry::Patience;

/// The version of the API.
pub const API_VERSION: &str = "2023-12-30";

/// A server; only what is used.
#[derive(Debug, Deserialize)]
struct FlexibleServer {
    #[serde(default)]
    location: String,
    #[serde(default)]
    identity: Option<Identities>,
    properties: Properties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    fully_qualified_domain_name: Option<String>,
    administrator_login: Option<String>,
    state: Option<String>,
    version: Option<String>,
    /// `None`, `Source`, `Replica`.
    replication_role: Option<String>,
    source_server_resource_id: Option<String>,
    network: Option<Network>,
    private_endpoint_connections: Vec<PrivateEndpoint>,
}

/// Only the keys are of use: the values hold zeros.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identities {
    user_assigned_identities: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Replica {
    id: String,
}

impl From<FlexibleServer> for Server {
    fn from(found: FlexibleServer) -> Self {
        let properties = found.properties;
        let identities = found.identity.unwrap_or_default().user_assigned_identities;
        let network = properties.network.unwrap_or_default();
        Self {
            kind: ServerKind::Mysql,
            location: found.location,
            host: properties.fully_qualified_domain_name,
            public_host: None,
            state: properties.state,
            version: properties.version,
            administrator_login: properties.administrator_login,
            replication_role: properties.replication_role,
            primary: properties.source_server_resource_id,
            auth_config: None,
            administrator: None,
            identities: identities.unwrap_or_default().into_keys().collect(),
            reach: network.reach(&properties.private_endpoint_connections),
        }
    }
}

impl Azure {
    pub(crate) async fn mysql_server(&self, id: &ResourceId, patience: &Patience) -> Result<Option<Server>, Error> {
        let found: Option<FlexibleServer> = self.find(id, API_VERSION, patience).await?;
        Ok(found.map(Server::from))
    }

    /// The replicas of a server.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn mysql_replicas(&self, id: &ResourceId, patience: &Patience) -> Result<Vec<ResourceId>, Error> {
        let found: Vec<Replica> = self.list(id, "replicas", API_VERSION, patience).await?;
        let parse = |replica: Replica| {
            replica.id.parse().map_err(|error| {
                let message = format!("a replica has the ID {:?}: {error}", replica.id);
                Error::new(Kind::Unexpected, message)
            })
        };
        found.into_iter().map(parse).collect()
    }

    /// Attaches a user-assigned identity to a server; those that it has stay.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn attach_to_mysql(
        &self,
        server: &ResourceId,
        identity: &ResourceId,
        patience: &Patience,
    ) -> Result<(), Error> {
        let assigned = Assigned::User(identity.clone());
        let target = Target::of(server);
        let decide = |found: &serde_json::Value| match target.map(|target| target.attaching(found, &assigned)) {
            Some(Ok(body)) => Ok(body),
            Some(Err(Refusal(why))) => Err(Error::new(Kind::InvalidRequest, why)),
            None => Err(Error::new(
                Kind::InvalidRequest,
                format!("{server} takes no identities"),
            )),
        };
        let change = Change {
            id: server,
            api_version: API_VERSION,
            whole: false,
            versioned: false,
        };
        self.modify(change, patience, decide, || {}).await?;
        Ok(())
    }
}
