//! What the provider manages: a file each, a line each.

pub mod attributes;

use crate::provider::resource::AnyResource;

/// Every resource of the provider.
pub fn all() -> Vec<Box<dyn AnyResource>> {
    vec![]
}
