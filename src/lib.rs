//! A Terraform provider for passwordless (Microsoft Entra) access to Azure databases.

pub mod protocol;
pub mod wire;
