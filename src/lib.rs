//! A Terraform provider for passwordless (Microsoft Entra) access to Azure databases.

pub mod azure;
pub mod lock;
pub mod protocol;
pub mod provider;
pub mod retry;
pub mod wire;
