//! Azure SQL servers and managed instances, as Resource Manager shows them.
//!
//! Source: Microsoft.Sql 2021-11-01.

use serde::Deserialize;

use crate::azure::Azure;
use crate::azure::error::Error;
use crate::azure::resource_id::ResourceId;
use crate::azure::server::{PrivateEndpoint, Reach, Server, ServerKind, ShownAdministrator, approved};
use crate::retry::Patience;

/// The version of the API.
pub const API_VERSION: &str = "2021-11-01";

/// The port of a managed instance's public endpoint.
pub const PUBLIC_PORT: u16 = 3342;

/// Makes the answer show the administrator, and what it is.
const EXPAND: (&str, &str) = ("$expand", "administrators/activedirectory");

/// A server or a managed instance; only what is used.
#[derive(Debug, Deserialize)]
struct Found {
    #[serde(default)]
    location: String,
    properties: Properties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    fully_qualified_domain_name: Option<String>,
    administrator_login: Option<String>,
    administrators: Option<ShownAdministrator>,
    state: Option<String>,
    version: Option<String>,
    private_endpoint_connections: Vec<PrivateEndpoint>,
    /// Of a server: `Enabled`, `Disabled` or `SecuredByPerimeter`.
    public_network_access: Option<String>,
    /// Of a managed instance: the subnet that it stands in.
    subnet_id: Option<String>,
    /// Of a managed instance: what comes after its name in host names.
    dns_zone: Option<String>,
    /// Of a managed instance: whether it is also reached from the internet.
    public_data_endpoint_enabled: Option<bool>,
}

impl Found {
    fn into_server(self, kind: ServerKind) -> Server {
        let properties = self.properties;
        let is_open = properties.public_data_endpoint_enabled.unwrap_or(false);
        let public_host = properties
            .fully_qualified_domain_name
            .as_deref()
            .filter(|_| is_open)
            .and_then(|host| public_host(host, properties.dns_zone.as_deref()?));
        let public = match kind {
            ServerKind::ManagedInstance => Some(if is_open { "Enabled" } else { "Disabled" }.to_owned()),
            _ => properties.public_network_access,
        };
        Server {
            kind,
            location: self.location,
            host: properties.fully_qualified_domain_name,
            public_host,
            state: properties.state,
            version: properties.version,
            administrator_login: properties.administrator_login,
            replication_role: None,
            primary: None,
            auth_config: None,
            administrator: properties.administrators,
            identities: Vec::new(),
            reach: Reach {
                public,
                subnet: properties.subnet_id.filter(|id| !id.is_empty()),
                approved_endpoints: approved(&properties.private_endpoint_connections),
            },
        }
    }
}

/// `mi.zone.database…` is `mi.public.zone.database…` on the internet.
fn public_host(host: &str, zone: &str) -> Option<String> {
    let (name, rest) = host.split_once('.')?;
    rest.starts_with(&format!("{zone}."))
        .then(|| format!("{name}.public.{rest}"))
}

impl Azure {
    pub(crate) async fn sql_server(&self, id: &ResourceId, patience: &Patience) -> Result<Option<Server>, Error> {
        let found: Option<Found> = self.find_with(id, &[EXPAND], API_VERSION, patience).await?;
        Ok(found.map(|found| found.into_server(ServerKind::Mssql)))
    }

    pub(crate) async fn managed_instance(&self, id: &ResourceId, patience: &Patience) -> Result<Option<Server>, Error> {
        let found: Option<Found> = self.find_with(id, &[EXPAND], API_VERSION, patience).await?;
        Ok(found.map(|found| found.into_server(ServerKind::ManagedInstance)))
    }
}
