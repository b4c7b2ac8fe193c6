//! What the provider looks at: a file each, a line each.

pub mod client_config;
pub mod managed_identity;
pub mod postgresql_objects;
pub mod principal;
pub mod server;

use crate::data_sources::client_config::ClientConfig;
use crate::data_sources::managed_identity::FoundIdentity;
use crate::data_sources::postgresql_objects::PostgresqlObjects;
use crate::data_sources::principal::FoundPrincipal;
use crate::data_sources::server::DatabaseServer;
use crate::provider::resource::{AnyDataSource, data_source};

/// Every data source of the provider.
pub fn all() -> Vec<Box<dyn AnyDataSource>> {
    vec![
        data_source::<ClientConfig>(),
        data_source::<DatabaseServer>(),
        data_source::<FoundIdentity>(),
        data_source::<PostgresqlObjects>(),
        data_source::<FoundPrincipal>(),
    ]
}
