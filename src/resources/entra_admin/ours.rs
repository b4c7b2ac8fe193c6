//! Whom this resource has seated. The state shows whoever is there by now, so that a plan can say so; this is kept beside it, and tells who may be
//! taken away, and to whom an adopted administrator may be given back.

use serde::{Deserialize, Serialize};

use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::resources::entra_admin::EntraAdmin;

/// The administrator that was set, adopted or imported last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ours {
    object_id: String,
    sid: String,
}

impl Ours {
    pub(super) fn new(object_id: Guid, sid: Guid) -> Self {
        let [object_id, sid] = [object_id, sid].map(|id| id.to_string());
        Self { object_id, sid }
    }

    pub(super) fn sid(&self) -> &str {
        &self.sid
    }

    pub(super) fn keep(&self, cx: &Context) {
        cx.keep_record(self);
    }

    /// The one that is remembered; before anything was, the one of the state.
    pub(super) fn of(admin: &EntraAdmin, cx: &Context) -> Option<Self> {
        cx.record().or_else(|| {
            let object_id = admin.object_id.get().copied();
            let sid = admin.sid.get().copied().or(object_id)?;
            Some(Self::new(object_id.unwrap_or(sid), sid))
        })
    }

    /// Whether an ID of a server's or of a person's is its.
    pub(super) fn is(&self, id: &str) -> bool {
        [&self.object_id, &self.sid]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(id))
    }

    /// Whether whoever a server knows by this ID is ours; as long as the state shows ours, by each of its IDs.
    pub(super) fn includes(&self, sid: Guid, admin: &EntraAdmin) -> bool {
        let shown = admin.object_id.get().map(Guid::to_string);
        self.is(&sid.to_string()) || shown.is_some_and(|shown| self.is(&shown)) && admin.is(sid)
    }
}
