//! What talks to Azure and to the databases, built once for each provider block.

use crate::lock::Locks;
use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::value::Object;

/// The clients of one provider block.
#[derive(Debug, Default)]
pub struct Clients {
    /// One writer at a time for each key, within this process.
    pub locks: Locks,
}

impl Clients {
    /// Reads the provider block and the environment. Does no IO beyond files that the block names.
    ///
    /// # Errors
    /// Every mistake in the block.
    pub fn configure(_config: &Object) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self::default())
    }
}
