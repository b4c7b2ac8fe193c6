//! The provider block.

use crate::model;
use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::value::Object;

model! {
    /// Passwordless (Microsoft Entra) access to Azure databases, declared from end to end.
    pub struct ProviderBlock {
        /// The tenant to sign in to. Environment: `ARM_TENANT_ID`.
        pub tenant_id: Option<String>,
    }
}

impl ProviderBlock {
    /// What conflicts, of what is known so far.
    pub fn validate(_config: &Object) -> Vec<Diagnostic> {
        Vec::new()
    }
}
