//! Terraform's side: how the provider is started, spoken to and stopped. Knows nothing of Azure or SQL.

pub mod ending;
pub mod handshake;
pub mod host;
pub mod listen;
pub mod log;
pub mod proto;
pub mod redact;
pub mod tls;
