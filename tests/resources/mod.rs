//! The life of each resource, on the emulated Azure: a file each.

mod client_config;
mod entra_admin;
mod federated_credential;
mod managed_identity;
mod postgresql_access;
mod server;
