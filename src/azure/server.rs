//! A database server of any kind, in one form. It does not know who administers it or how people sign in to it.
//!
//! Each kind's own form stands in `postgresql.rs`, `mysql.rs` and `sql.rs`.

use serde::Deserialize;

use crate::azure::error::{Error, Kind};
use crate::azure::resource_id::ResourceId;
use crate::azure::{Azure, mysql, postgresql, sql};
use crate::retry::Patience;

/// What kind of server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// Azure Database for PostgreSQL flexible server.
    Postgresql,
    /// Azure Database for MySQL flexible server.
    Mysql,
    /// Azure SQL logical server.
    Mssql,
    /// Azure SQL Managed Instance.
    ManagedInstance,
}

/// A server, whatever its kind; only what is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What kind of server it is.
    pub kind: ServerKind,
    /// The region, as Azure displays it.
    pub location: String,
    /// The host name; absent until the server is ready.
    pub host: Option<String>,
    /// The host name of the public endpoint, of a managed instance that has one.
    pub public_host: Option<String>,
    /// `Ready`, `Updating`, `Stopped`, …
    pub state: Option<String>,
    /// The version of the database.
    pub version: Option<String>,
    /// The login with a password that the server was made with.
    pub administrator_login: Option<String>,
    /// `Primary`, `Source`, `AsyncReplica`, `Replica`, …
    pub replication_role: Option<String>,
    /// Of a replica: the ID of its primary.
    pub primary: Option<String>,
    /// Which ways of signing in are open, where the server itself says so (PostgreSQL).
    pub auth_config: Option<AuthConfig>,
    /// The administrator, where the server itself shows it (SQL), which is the only place that says what it is.
    pub administrator: Option<ShownAdministrator>,
    /// The IDs of its user-assigned identities.
    pub identities: Vec<String>,
    /// From where it is reached.
    pub reach: Reach,
}

/// From where a server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// `Enabled`, `Disabled` or `SecuredByPerimeter`.
    pub public: Option<String>,
    /// The subnet that the server stands in, if it stands in one.
    pub subnet: Option<String>,
    /// How many private endpoints are approved.
    pub approved_endpoints: usize,
}

/// Which ways of signing in are open: `Enabled` or `Disabled`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthConfig {
    /// Microsoft Entra.
    pub active_directory_auth: Option<String>,
    /// Passwords.
    pub password_auth: Option<String>,
    /// The tenant of Entra sign-ins.
    pub tenant_id: Option<String>,
}

/// An administrator as the server itself shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShownAdministrator {
    /// `User`, `Group` or `Application`.
    pub principal_type: Option<String>,
    /// The object ID, or of an application its client ID.
    pub sid: Option<String>,
}

/// How a flexible server is reached.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Network {
    pub(crate) public_network_access: Option<String>,
    pub(crate) delegated_subnet_resource_id: Option<String>,
}

/// A private endpoint of a server.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PrivateEndpoint {
    #[serde(default)]
    properties: PrivateEndpointProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PrivateEndpointProperties {
    private_link_service_connection_state: ConnectionState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ConnectionState {
    status: Option<String>,
}

impl ServerKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Postgresql, Self::Mysql, Self::Mssql, Self::ManagedInstance];

    /// The kind of the server with this ID; none where it is no server.
    pub fn of(id: &ResourceId) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| id.is_type(kind.resource_type()))
    }

    /// Its resource type.
    pub const fn resource_type(self) -> &'static str {
        match self {
            Self::Postgresql => "Microsoft.DBforPostgreSQL/flexibleServers",
            Self::Mysql => "Microsoft.DBforMySQL/flexibleServers",
            Self::Mssql => "Microsoft.Sql/servers",
            Self::ManagedInstance => "Microsoft.Sql/managedInstances",
        }
    }

    /// The version of the API.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Postgresql => postgresql::API_VERSION,
            Self::Mysql => mysql::API_VERSION,
            Self::Mssql | Self::ManagedInstance => sql::API_VERSION,
        }
    }

    /// The port, inside a network.
    pub const fn port(self) -> u16 {
        match self {
            Self::Postgresql => 5432,
            Self::Mysql => 3306,
            Self::Mssql | Self::ManagedInstance => 1433,
        }
    }

    /// The word for it in configurations.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Mssql => "mssql",
            Self::ManagedInstance => "mssql_managed_instance",
        }
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Postgresql => "Azure Database for PostgreSQL",
            Self::Mysql => "Azure Database for MySQL",
            Self::Mssql => "Azure SQL Database",
            Self::ManagedInstance => "Azure SQL Managed Instance",
        }
    }
}

impl Server {
    /// Whether it only follows another server.
    pub fn is_replica(&self) -> bool {
        self.replication_role
            .as_deref()
            .is_some_and(|role| role.ends_with("Replica"))
    }
}

impl Network {
    pub(crate) fn reach(self, endpoints: &[PrivateEndpoint]) -> Reach {
        Reach {
            public: self.public_network_access,
            subnet: self.delegated_subnet_resource_id.filter(|id| !id.is_empty()),
            approved_endpoints: approved(endpoints),
        }
    }
}

/// How many private endpoints the owner of the server has let in.
pub(crate) fn approved(endpoints: &[PrivateEndpoint]) -> usize {
    let is_approved = |endpoint: &&PrivateEndpoint| {
        let status = &endpoint.properties.private_link_service_connection_state.status;
        status
            .as_deref()
            .is_some_and(|status| status.eq_ignore_ascii_case("Approved"))
    };
    endpoints.iter().filter(is_approved).count()
}

impl Azure {
    /// Reads a server of whatever kind; nothing when it does not exist.
    ///
    /// # Errors
    /// Of Resource Manager, and when the ID is not that of a server.
    pub async fn server(&self, id: &ResourceId, patience: &Patience) -> Result<Option<Server>, Error> {
        match ServerKind::of(id) {
            Some(ServerKind::Postgresql) => self.postgresql_server(id, patience).await,
            Some(ServerKind::Mysql) => self.mysql_server(id, patience).await,
            Some(ServerKind::Mssql) => self.sql_server(id, patience).await,
            Some(ServerKind::ManagedInstance) => self.managed_instance(id, patience).await,
            None => Err(Error::new(
                Kind::InvalidRequest,
                format!("{id} is not the ID of a database server"),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
