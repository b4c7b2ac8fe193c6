//! `entradb_server`

use crate::azure::administrator::EntraAdministrator;
use crate::azure::authentication::Authentication;
use crate::azure::resource_id::ResourceId;
use crate::azure::server::{Server, ServerKind};
use crate::azure::sql::PUBLIC_PORT;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::{Computed, Record};
use crate::protocol::value::Object;
use crate::provider::context::Context;
use crate::provider::database_server::{DatabaseServer as Found, kind_in};
use crate::provider::resource::DataSource;

model! {
    /// A database server, as Azure Resource Manager shows it: where it is, who may sign in and how, and from where it can be reached. Reading it does not log in to the server.
    pub struct DatabaseServer {
        /// The ARM ID of the server: an Azure Database for PostgreSQL or MySQL flexible server, an Azure SQL Database server or an Azure SQL Managed Instance.
        pub server_id: ResourceId,
        /// What it is: `postgresql`, `mysql`, `mssql` or `mssql_managed_instance`.
        pub kind: Computed<String>,
        /// The name of the server.
        pub name: Computed<String>,
        /// The host name of the server.
        pub host: Computed<String>,
        /// The port of the server: 5432, 3306 or 1433.
        pub port: Computed<i64>,
        /// The host name of the public endpoint, of a managed instance that has one.
        pub public_host: Computed<Option<String>>,
        /// The port of the public endpoint, of a managed instance that has one: 3342.
        pub public_port: Computed<Option<i64>>,
        /// The Azure region, as Azure displays it.
        pub location: Computed<String>,
        /// The state of the server, such as `Ready`, `Updating` or `Stopped`.
        pub state: Computed<String>,
        /// The version of the database. Managed instances say none.
        pub version: Computed<Option<String>>,
        /// The login with a password that the server was created with.
        pub administrator_login: Computed<Option<String>>,
        /// Whether Microsoft Entra authentication is enabled. Other servers than PostgreSQL know it as soon as they have an administrator.
        pub entra_enabled: Computed<bool>,
        /// Whether logins with passwords are enabled.
        pub password_enabled: Computed<bool>,
        /// The tenant whose principals may log in.
        pub tenant_id: Computed<Option<String>>,
        /// The Microsoft Entra administrators of the server, by name.
        pub administrators: Computed<Vec<Record<ServerAdministrator>>>,
        /// The part of the server in a replication, such as `Primary`, `Source`, `AsyncReplica` or `Replica`. Azure SQL says none.
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
        /// The name with which the administrator logs in.
        pub name: String,
        /// The ID by which the server knows it: the object ID; of an application on MySQL or Azure SQL, it may be the client ID.
        pub object_id: String,
        /// What it is: `User`, `Group` or `ServicePrincipal`. MySQL does not say.
        pub principal_type: Option<String>,
    }
}

impl DataSource for DatabaseServer {
    const NAME: &'static str = "entradb_server";

    fn validate(config: &Object) -> Vec<Diagnostic> {
        kind_in(config).err().map(|mistake| *mistake).into_iter().collect()
    }

    async fn read(self, cx: &Context) -> Result<Self> {
        let Some(server) = cx.seen_server(&self.server_id).await? else {
            let detail = format!("Azure knows no server {}.", self.server_id);
            return Err(Diagnostic::error("Server not found", detail).at("server_id"));
        };
        let (azure, kind) = (server.clients.azure(), server.kind());
        let administrators = azure.administrators(&server.id, kind, cx.patience()).await?;
        let open = azure.authentication(&server.id, &server.found, cx.patience()).await?;
        self.with(&server, administrators, open.now)
    }
}

impl DatabaseServer {
    fn with(self, server: &Found<'_>, found: Vec<EntraAdministrator>, open: Authentication) -> Result<Self> {
        let (kind, shown, host) = (server.kind(), &server.found, server.host()?);
        let (private, network) = network(shown);
        let entra = match kind {
            ServerKind::Postgresql => open.entra,
            _ => !found.is_empty(),
        };
        let tenant_id = open.tenant_id.or_else(|| found.first()?.tenant_id.clone());
        let mut administrators: Vec<_> = found.into_iter().map(|one| record(one, shown)).collect();
        administrators.sort_by(|one, other| one.0.name.cmp(&other.0.name));
        let public_port = shown.public_host.as_ref().map(|_| i64::from(PUBLIC_PORT));
        Ok(Self {
            kind: Computed::known(kind.word().to_owned()),
            name: Computed::known(self.server_id.name().to_owned()),
            host: Computed::known(host.name),
            port: Computed::known(i64::from(host.port)),
            public_host: Computed::known(shown.public_host.clone()),
            public_port: Computed::known(public_port),
            location: Computed::known(shown.location.clone()),
            state: Computed::known(shown.state.clone().unwrap_or_default()),
            version: Computed::known(shown.version.clone()),
            administrator_login: Computed::known(shown.administrator_login.clone()),
            entra_enabled: Computed::known(entra),
            password_enabled: Computed::known(open.password),
            tenant_id: Computed::known(tenant_id),
            administrators: Computed::known(administrators),
            replication_role: Computed::known(shown.replication_role.clone()),
            primary_server_id: Computed::known(shown.primary.clone().filter(|_| shown.is_replica())),
            private: Computed::known(private),
            network: Computed::known(network),
            ..self
        })
    }
}

fn record(found: EntraAdministrator, server: &Server) -> Record<ServerAdministrator> {
    let shown = server.administrator.as_ref();
    let shown = shown.filter(|shown| {
        shown
            .sid
            .as_deref()
            .is_some_and(|sid| sid.eq_ignore_ascii_case(&found.sid))
    });
    let principal_type = found
        .principal_type
        .or_else(|| shown.and_then(|shown| shown.principal_type.clone()));
    Record(ServerAdministrator {
        name: found.name,
        object_id: found.sid,
        principal_type: principal_type.map(|word| match word.as_str() {
            "Application" => "ServicePrincipal".to_owned(),
            _ => word,
        }),
    })
}

/// Whether a server is private, and why.
fn network(server: &Server) -> (bool, String) {
    let reach = &server.reach;
    let is_open = !reach
        .public
        .as_deref()
        .is_some_and(|word| word.eq_ignore_ascii_case("Disabled"));
    if let Some(subnet) = &reach.subnet {
        return in_subnet(server, subnet, is_open);
    }
    let perimeter = reach
        .public
        .as_deref()
        .is_some_and(|word| word.eq_ignore_ascii_case("SecuredByPerimeter"));
    match (is_open, reach.approved_endpoints) {
        _ if perimeter => (
            true,
            "The server stands in a network security perimeter, whose rules say from where it is reached.".to_owned(),
        ),
        (false, 0) => (
            true,
            "Public access is disabled and no private endpoint is approved, so nothing reaches the server.".to_owned(),
        ),
        (false, count) => (
            true,
            format!(
                "Public access is disabled. The server is reached through its approved private endpoints, of which there are {count}."
            ),
        ),
        (true, 0) => (
            false,
            "Public access is enabled. The firewall rules of the server say from which addresses it is reached."
                .to_owned(),
        ),
        (true, count) => (
            false,
            format!(
                "Public access is enabled: the firewall rules of the server say from which addresses it is reached. It is also reached through its approved \
                 private endpoints, of which there are {count}, where their private DNS zone is linked."
            ),
        ),
    }
}

/// The same, of a server that stands in a subnet of its owner's.
fn in_subnet(server: &Server, subnet: &str, is_open: bool) -> (bool, String) {
    let mut why = format!(
        "The server stands in the subnet {subnet}. It is reached from that network and from networks that are peered with it, and its name is known where \
         its private DNS zone is linked."
    );
    if server.kind != ServerKind::ManagedInstance {
        return (true, why);
    }
    why = format!(
        "The instance stands in the subnet {subnet}. It is reached from that network, and from networks that are peered with it."
    );
    if server.reach.approved_endpoints > 0 {
        why.push_str(&format!(
            " It is also reached through its approved private endpoints, of which there are {}.",
            server.reach.approved_endpoints
        ));
    }
    match &server.public_host {
        Some(host) if is_open => {
            why.push_str(&format!(
                " Its public endpoint is open: {host}, port {PUBLIC_PORT}, from wherever the network security group of the subnet allows."
            ));
            (false, why)
        }
        _ => (true, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::server::Reach;

    fn server(kind: ServerKind, public: &str, subnet: Option<&str>, approved_endpoints: usize) -> Server {
        Server {
            kind,
            location: "West Europe".to_owned(),
            host: None,
            public_host: Some("mi.public.zone.database.windows.net".to_owned())
                .filter(|_| kind == ServerKind::ManagedInstance && public == "Enabled"),
            state: None,
            version: None,
            administrator_login: None,
            replication_role: None,
            primary: None,
            auth_config: None,
            administrator: None,
            identities: Vec::new(),
            reach: Reach {
                public: Some(public.to_owned()),
                subnet: subnet.map(str::to_owned),
                approved_endpoints,
            },
        }
    }

    #[test]
    fn what_is_private_is_private_for_a_reason() {
        let check = |kind, public, subnet, endpoints, private, why: &str| {
            let (found, reason) = network(&server(kind, public, subnet, endpoints));
            assert_eq!(found, private, "{reason}");
            assert!(reason.contains(why), "{reason}");
        };
        let (pg, sql, instance) = (ServerKind::Postgresql, ServerKind::Mssql, ServerKind::ManagedInstance);
        check(pg, "Disabled", Some("/subnets/a"), 0, true, "/subnets/a");
        check(pg, "Disabled", None, 0, true, "nothing reaches the server");
        check(pg, "Disabled", None, 1, true, "of which there are 1");
        check(sql, "Enabled", None, 0, false, "firewall rules");
        check(sql, "Enabled", None, 1, false, "private DNS zone");
        check(sql, "SecuredByPerimeter", None, 0, true, "network security perimeter");
        check(
            instance,
            "Disabled",
            Some("/subnets/a"),
            1,
            true,
            "private endpoints, of which there are 1",
        );
        check(
            instance,
            "Enabled",
            Some("/subnets/a"),
            0,
            false,
            "mi.public.zone.database.windows.net, port 3342",
        );
    }
}
