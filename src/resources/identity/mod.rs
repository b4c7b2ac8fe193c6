//! Managed identities and who may sign in as them.

pub mod federated_credential;
pub mod managed_identity;
