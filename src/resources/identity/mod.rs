//! Managed identities, and who may act as them.

pub mod managed_identity;
