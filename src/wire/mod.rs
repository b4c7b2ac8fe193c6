//! Terraform's side: how the provider is started, spoken to and stopped. Knows nothing of Azure or SQL.

pub mod proto;
