//! A Terraform provider for passwordless (Microsoft Entra) access to Azure databases.

pub mod azure;
pub mod data_sources;
pub mod functions;
pub mod lock;
pub mod protocol;
pub mod provider;
pub mod resources;
pub mod retry;
pub mod sql;
pub mod wire;

/// Everything that the provider can do.
pub fn registry() -> provider::Registry {
    provider::Registry {
        resources: resources::all(),
        data_sources: data_sources::all(),
        functions: functions::all(),
    }
}
