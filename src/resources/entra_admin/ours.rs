//! Whom this resource has seated. The state shows whoever is there by now, so that a plan can say so; this is kept beside it, and tells who may be
//! taken away, and to whom an adopted administrator may be given back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::resources::entra_admin::EntraAdmin;

/// The administrator that was set, adopted or imported last, by each ID that a server may know it by; while a change of it is under way, the
/// former one too.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ours {
    /// Object IDs and client IDs, which never coincide.
    ids: BTreeSet<String>,
}

impl Ours {
    pub(super) fn new(ids: [Guid; 2]) -> Self {
        Self {
            ids: ids.map(|id| id.to_string()).into(),
        }
    }

    pub(super) fn keep(&self, cx: &Context) {
        cx.keep_record(self);
    }

    /// What is remembered; before anything was, the one of the state.
    pub(super) fn of(admin: &EntraAdmin, cx: &Context) -> Option<Self> {
        cx.record().or_else(|| {
            let sid = admin.sid.get().or(admin.object_id.get()).copied()?;
            Some(Self::new([admin.object_id.get().copied().unwrap_or(sid), sid]))
        })
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// The same, with these IDs.
    pub(super) fn with(mut self, ids: [Guid; 2]) -> Self {
        self.ids.extend(ids.map(|id| id.to_string()));
        self
    }

    /// Whether an ID is among them.
    pub(super) fn is(&self, id: Guid) -> bool {
        self.ids.contains(&id.to_string())
    }

    /// Whether whoever a server knows by this ID is ours; as long as the state shows ours, by each of its IDs.
    pub(super) fn includes(&self, sid: Guid, admin: &EntraAdmin) -> bool {
        let shown = admin.object_id.get().copied();
        self.is(sid) || shown.is_some_and(|shown| self.is(shown)) && admin.is(sid)
    }
}
