//! Terraform's side: how the provider is started, spoken to and stopped. Knows nothing of Azure or SQL.

pub mod call;
pub mod convert;
pub mod ending;
pub mod generate;
pub mod handshake;
pub mod host;
pub mod listen;
pub mod log;
pub mod proto;
pub mod redact;
pub mod serve;
pub mod service;
#[cfg(test)]
mod tests;
pub mod tls;

/// Where the provider is found, without the registry's host: Terraform and OpenTofu each add their own.
pub const SOURCE_ADDRESS: &str = "entradb/entradb";
/// The version of the protocol that is served, minor version included.
pub const MINOR_VERSION: &str = "5.11";
