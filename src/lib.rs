//! A Terraform provider for passwordless access to Azure databases.

pub mod sql;
