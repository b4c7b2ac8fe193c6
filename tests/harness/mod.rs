//! Speaks the provider protocol as Terraform does, and refuses what Terraform would refuse.

pub mod core_rules;
pub mod schema;
