//! How an emulator is set up. It does not know what is done with it.

use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use crate::clouds::Cloud;

/// What the emulator starts with. The default is what most tests want.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tenant; a new one by default.
    pub tenant_id: String,
    /// The only subscription; a new one by default.
    pub subscription_id: String,
    /// The cloud whose names, audiences and token resources are used.
    pub cloud: Cloud,
    /// The resource group that exists from the start.
    pub resource_group: String,
    /// Where that group and everything in it is.
    pub location: String,
    /// The name of the first PostgreSQL flexible server.
    pub postgresql_server: String,
    /// Databases beside `postgres`, `azure_sys` and `azure_maintenance`.
    pub databases: Vec<String>,
    /// Whether the server starts with Entra authentication switched on.
    pub entra_enabled: bool,
    /// Whether the server starts with password authentication switched on. One of both must be.
    pub passwords_enabled: bool,
    /// From PostgreSQL 16 on: `azure_pg_admin` does not get the ADMIN OPTION on every ordinary role, as stock PostgreSQL
    /// would have it. By default it does, as on Azure.
    pub postgresql_strict_roles: bool,
    /// The folder with `initdb` and `postgres`. Found when `None`.
    pub postgresql_binaries: Option<PathBuf>,
    /// Further settings of `postgresql.conf`, such as `("max_locks_per_transaction", "64")`.
    pub postgresql_settings: Vec<(String, String)>,
    /// `Retry-After` of long-running operations, in seconds.
    pub retry_after: u64,
    /// How long a write of a federated credential blocks others under the same identity (409).
    pub federation_write_time: Duration,
    /// Fixed ports instead of free ones, so that what was printed stays true over restarts.
    pub ports: Ports,
}

/// The ports to listen on; 0 takes a free one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// Entra.
    pub authority: u16,
    /// Azure Resource Manager.
    pub resource_manager: u16,
    /// Microsoft Graph.
    pub graph: u16,
    /// The cluster's OpenID issuer.
    pub issuer: u16,
    /// The instance metadata service.
    pub instance_metadata: u16,
    /// The first PostgreSQL server.
    pub postgresql: u16,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            tenant_id: Uuid::new_v4().to_string(),
            subscription_id: Uuid::new_v4().to_string(),
            cloud: Cloud::Public,
            resource_group: "data-platform".to_owned(),
            location: "westeurope".to_owned(),
            postgresql_server: "pg-data".to_owned(),
            databases: vec!["app".to_owned(), "openmetadata_db".to_owned()],
            entra_enabled: true,
            passwords_enabled: true,
            postgresql_strict_roles: false,
            postgresql_binaries: None,
            postgresql_settings: Vec::new(),
            retry_after: 0,
            federation_write_time: Duration::from_millis(25),
            ports: Ports::default(),
        }
    }
}
