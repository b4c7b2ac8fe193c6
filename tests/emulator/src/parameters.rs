//! Server parameters of MySQL, past ARM's HTTP. It does not know which there are.

use serde_json::json;

use crate::Emulator;
use crate::journal::hold;

impl Emulator {
    /// Whether a parameter of a MySQL server works only after a restart, as Azure would say of it from now on.
    pub fn set_pending_restart(&self, server_id: &str, parameter: &str, pending: bool) {
        let key = format!("{server_id}/configurations/{parameter}").to_ascii_lowercase();
        let word = if pending { "True" } else { "False" };
        let change = ("/properties/isConfigPendingRestart".to_owned(), json!(word));
        hold(&self.world.state).overlays.insert(key, vec![change]);
    }
}
