//! What the provider looks at: a file each, a line each.

use crate::provider::resource::AnyDataSource;

/// Every data source of the provider.
pub fn all() -> Vec<Box<dyn AnyDataSource>> {
    vec![]
}
