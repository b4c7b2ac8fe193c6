//! What the provider looks at: a file each, a line each.

pub mod client_config;
pub mod server;

use crate::data_sources::client_config::ClientConfig;
use crate::data_sources::server::DatabaseServer;
use crate::provider::resource::{AnyDataSource, data_source};

/// Every data source of the provider.
pub fn all() -> Vec<Box<dyn AnyDataSource>> {
    vec![data_source::<ClientConfig>(), data_source::<DatabaseServer>()]
}
