//! What a server had before the resource was created. It stands in the state and not beside it: Terraform keeps nothing private of a creation that
//! failed, and destroys what is left of it before it creates it anew.

use crate::azure::authentication::Authentication;
use crate::model;

model! {
    /// What a server had before.
    pub struct Previous {
        /// Whether Microsoft Entra was enabled.
        pub entra_enabled: bool,
        /// Whether passwords were enabled.
        pub password_enabled: bool,
        /// The tenant whose principals could log in, where the server said it.
        pub tenant_id: Option<String>,
    }
}

impl From<Authentication> for Previous {
    fn from(found: Authentication) -> Self {
        Self {
            entra_enabled: found.entra,
            password_enabled: found.password,
            tenant_id: found.tenant_id,
        }
    }
}

impl From<Previous> for Authentication {
    fn from(previous: Previous) -> Self {
        Self {
            entra: previous.entra_enabled,
            password: previous.password_enabled,
            tenant_id: previous.tenant_id,
        }
    }
}
