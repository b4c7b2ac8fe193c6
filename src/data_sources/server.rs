//! `entradb_server`

use crate::azure::postgresql::{Administrator, FlexibleServer, FlexibleServerProperties};
use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::{Computed, Record};
use crate::protocol::value::{Object, Value};
use crate::provider::context::Context;
use crate::provider::resource::DataSource;
use crate::provider::server::{FLEXIBLE_SERVER, Host};

model! {
    /// A database server, as Azure Resource Manager shows it: where it is, who may sign in how, and from where it can be reached. Nobody logs in to it.
    pub struct DatabaseServer {
        /// The ARM ID of the server: an Azure Database for PostgreSQL flexible server.
        pub server_id: ResourceId,
        /// What it is: `postgresql`.
        pub kind: Computed<String>,
        /// The name of the server.
        pub name: Computed<String>,
        /// The host name of the server.
        pub host: Computed<String>,
        /// The port of the server.
        pub port: Computed<i64>,
        /// The Azure region, as Azure displays it.
        pub location: Computed<String>,
        /// The state of the server, such as `Ready`, `Updating` or `Stopped`.
        pub state: Computed<String>,
        /// The major version of the database.
        pub version: Computed<String>,
        /// Whether Microsoft Entra authentication is enabled.
        pub entra_enabled: Computed<bool>,
        /// Whether logins with passwords are enabled.
        pub password_enabled: Computed<bool>,
        /// The tenant whose principals may log in.
        pub tenant_id: Computed<Option<String>>,
        /// The Microsoft Entra administrators of the server, by name.
        pub administrators: Computed<Vec<Record<ServerAdministrator>>>,
        /// The part of the server in a replication, such as `Primary` or `AsyncReplica`.
        pub replication_role: Computed<Option<String>>,
        /// Of a replica: the ARM ID of its primary, on which administrators are set.
        pub primary_server_id: Computed<Option<String>>,
        /// Whether the server can only be reached from private networks.
        pub private: Computed<bool>,
        /// Why that is so, and what it takes to reach the server.
        pub network: Computed<String>,
    }
}

model! {
    /// A Microsoft Entra administrator.
    pub struct ServerAdministrator {
        /// The name of the administrator, and of its role.
        pub name: String,
        /// The object ID.
        pub object_id: String,
        /// What it is: `User`, `Group` or `ServicePrincipal`.
        pub principal_type: String,
    }
}

impl DataSource for DatabaseServer {
    const NAME: &'static str = "entradb_server";

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let text = config.get("server_id").and_then(Value::as_str);
        let id = text.and_then(|text| text.parse::<ResourceId>().ok());
        let other = id.filter(|id| !id.is_type(FLEXIBLE_SERVER)).map(|_| {
            let detail = format!("The ARM ID of a {FLEXIBLE_SERVER} is required.");
            Diagnostic::error("Invalid value", detail).at("server_id")
        });
        other.into_iter().collect()
    }

    async fn read(self, cx: &Context) -> Result<Self> {
        let clients = cx.clients()?;
        let id = &self.server_id;
        let found = clients.postgresql_server(id, cx.patience()).await?;
        let Some(server) = found.as_ref().as_ref() else {
            let detail = format!("Azure knows no server {id}.");
            return Err(Diagnostic::error("Server not found", detail).at("server_id"));
        };
        let administrators = clients.azure().postgresql_administrators(id, cx.patience()).await?;
        let name = server
            .properties
            .fully_qualified_domain_name
            .as_deref()
            .unwrap_or_default();
        let host: Host = name.parse().map_err(|_| {
            let detail = format!("Azure names no host of the server {id} yet. Apply again when it is ready.");
            Diagnostic::error("Server has no host name", detail)
        })?;
        Ok(self.with(server, administrators, &host))
    }
}

impl DatabaseServer {
    fn with(self, server: &FlexibleServer, administrators: Vec<Administrator>, host: &Host) -> Self {
        let properties = &server.properties;
        let authentication = properties.auth_config.clone().unwrap_or_default();
        let enabled = |word: &Option<String>, default: bool| {
            Computed::known(
                word.as_deref()
                    .map_or(default, |word| word.eq_ignore_ascii_case("Enabled")),
            )
        };
        let text = |text: &Option<String>| Computed::known(text.clone().unwrap_or_default());
        let (private, network) = network(properties);
        let mut administrators: Vec<Record<ServerAdministrator>> = administrators.into_iter().map(record).collect();
        administrators.sort_by(|one, other| one.0.name.cmp(&other.0.name));
        Self {
            kind: Computed::known("postgresql".to_owned()),
            name: Computed::known(self.server_id.name().to_owned()),
            host: Computed::known(host.name.clone()),
            port: Computed::known(i64::from(host.port)),
            location: Computed::known(server.location.clone()),
            state: text(&properties.state),
            version: text(&properties.version),
            entra_enabled: enabled(&authentication.active_directory_auth, false),
            password_enabled: enabled(&authentication.password_auth, true),
            tenant_id: Computed::known(authentication.tenant_id.filter(|id| !id.is_empty())),
            administrators: Computed::known(administrators),
            replication_role: Computed::known(properties.replication_role.clone()),
            primary_server_id: Computed::known(
                properties
                    .source_server_resource_id
                    .clone()
                    .filter(|_| server.is_replica()),
            ),
            private: Computed::known(private),
            network: Computed::known(network),
            ..self
        }
    }
}

fn record(found: Administrator) -> Record<ServerAdministrator> {
    Record(ServerAdministrator {
        name: found.properties.principal_name,
        object_id: found.properties.object_id,
        principal_type: found.properties.principal_type,
    })
}

/// Whether a server is private, and why.
fn network(properties: &FlexibleServerProperties) -> (bool, String) {
    let network = properties.network.clone().unwrap_or_default();
    if let Some(subnet) = network.delegated_subnet_resource_id.filter(|id| !id.is_empty()) {
        let why = format!(
            "The server stands in the subnet {subnet}. It is reached from that network and from networks that are peered with it, and its name is \
             known where its private DNS zone is linked."
        );
        return (true, why);
    }
    let status = |status: Option<&str>| status.is_some_and(|status| status.eq_ignore_ascii_case("Approved"));
    let connections = &properties.private_endpoint_connections;
    let approved = connections
        .iter()
        .filter(|one| status(one.properties.private_link_service_connection_state.status.as_deref()))
        .count();
    let public = network.public_network_access.as_deref().unwrap_or("Enabled");
    match (public.eq_ignore_ascii_case("Disabled"), approved) {
        (true, 0) => (
            true,
            "Public access is disabled and no private endpoint is approved, so nothing reaches the server.".to_owned(),
        ),
        (true, count) => (
            true,
            format!(
                "Public access is disabled. The server is reached through its approved private endpoints, of which there are {count}."
            ),
        ),
        (false, 0) => (
            false,
            "Public access is enabled. The firewall rules of the server say from which addresses it is reached."
                .to_owned(),
        ),
        (false, count) => (
            false,
            format!(
                "Public access is enabled: the firewall rules of the server say from which addresses it is reached. It is also reached through its approved \
                 private endpoints, of which there are {count}, where their private DNS zone is linked."
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::postgresql::{ConnectionState, Network, PrivateEndpointConnection, PrivateEndpointProperties};

    fn properties(public: &str, subnet: Option<&str>, endpoints: &[&str]) -> FlexibleServerProperties {
        let endpoint = |status: &&str| PrivateEndpointConnection {
            properties: PrivateEndpointProperties {
                private_link_service_connection_state: ConnectionState {
                    status: Some((*status).to_owned()),
                },
            },
        };
        FlexibleServerProperties {
            network: Some(Network {
                public_network_access: Some(public.to_owned()),
                delegated_subnet_resource_id: subnet.map(str::to_owned),
            }),
            private_endpoint_connections: endpoints.iter().map(endpoint).collect(),
            ..FlexibleServerProperties::default()
        }
    }

    #[test]
    fn what_is_private_is_private_for_a_reason() {
        let check = |public, subnet, endpoints: &[&str], private, why: &str| {
            let (found, reason) = network(&properties(public, subnet, endpoints));
            assert_eq!(found, private, "{reason}");
            assert!(reason.contains(why), "{reason}");
        };
        check("Disabled", Some("/subnets/a"), &[], true, "/subnets/a");
        check("Disabled", None, &["Pending"], true, "nothing reaches the server");
        check(
            "Disabled",
            None,
            &["Approved", "Rejected"],
            true,
            "of which there are 1",
        );
        check("Enabled", None, &[], false, "firewall rules");
        check("Enabled", None, &["Approved"], false, "private DNS zone");
    }
}
