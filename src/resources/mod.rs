//! What the provider manages: a file each, a line each.

pub mod attributes;
pub mod identity;
pub mod postgresql;
pub mod principal;

use crate::provider::resource::{AnyResource, resource};
use crate::resources::identity::managed_identity::ManagedIdentity;
use crate::resources::postgresql::ownership::PostgresqlOwnership;

/// Every resource of the provider.
pub fn all() -> Vec<Box<dyn AnyResource>> {
    vec![resource::<ManagedIdentity>(), resource::<PostgresqlOwnership>()]
}
