//! Managed identities and who may sign in as them.

pub mod assignment;
pub mod federated_credential;
pub mod managed_identity;
