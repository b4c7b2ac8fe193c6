//! What PostgreSQL makes of an administrator: several, by object ID, each with a role of its own name in the databases.

use crate::azure::server::AuthConfig;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::config::Guid;
use crate::provider::database_server::DatabaseServer;
use crate::resources::principal::Principal;

/// The ID by which the server knows a principal.
pub(super) fn sid(principal: &Principal) -> Guid {
    principal.object_id
}

/// That administrators can be set: where they cannot, waiting would not help.
pub(super) fn must_take_administrators(server: &DatabaseServer<'_>) -> Result<()> {
    server.must_not_follow("administrator")?;
    server.must_run()?;
    let AuthConfig {
        active_directory_auth, ..
    } = server.found.auth_config.clone().unwrap_or_default();
    if active_directory_auth.is_none_or(|entra| entra.eq_ignore_ascii_case("Enabled")) {
        return Ok(());
    }
    let detail = format!(
        "Microsoft Entra authentication is not enabled on the server {}, so it takes no administrators. Enable it first, with \
         `entradb_entra_authentication` (or `active_directory_auth_enabled` in azurerm's `authentication` block); the server restarts then.",
        server.id
    );
    Err(Diagnostic::error("Microsoft Entra is not enabled on the server", detail).at("server_id"))
}
