//! How a creation begins: what is there already decides.

use crate::azure::resource_id::ResourceId;
use crate::azure::server::ServerKind;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::config::Guid;
use crate::provider::import;
use crate::resources::attributes::PrincipalType;
use crate::resources::entra_admin::seated::{Present, Seated, is_same_name};
use crate::resources::entra_admin::{EntraAdmin, Wanted};

/// What to do about an administrator that is to be created.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// There is none like it.
    Set,
    /// It is there, exactly so, under this ID.
    Leave(Guid),
    /// It is there, and differs in what can be changed.
    Adjust,
    /// Another one is there, and gives way.
    Replace(Present),
}

impl EntraAdmin {
    /// What is there already decides how creation begins.
    pub(super) fn start(&self, kind: ServerKind, seated: &Seated, wanted: &Wanted) -> Result<Start> {
        for (replica, one) in &seated.replicas {
            if let Some(stranger) = one
                .as_ref()
                .filter(|one| !wanted.principal.is(one.sid) && !self.replace_existing)
            {
                return Err(kept_by_another(replica, stranger));
            }
        }
        let has_one_seat = kind != ServerKind::Postgresql;
        let same_name = |one: &Present| {
            // On PostgreSQL it is the name of a role, where case counts.
            let user = has_one_seat && wanted.principal.principal_type == PrincipalType::User;
            is_same_name(&one.name, &wanted.name, user && wanted.principal.is(one.sid))
        };
        let in_the_way = |one: &&Present| has_one_seat || wanted.principal.is(one.sid) || same_name(one);
        let Some(found) = seated.own.iter().find(in_the_way) else {
            return Ok(Start::Set);
        };
        if wanted.principal.is(found.sid) && (has_one_seat || same_name(found)) {
            if same_name(found) && !differs(found, wanted) {
                return Ok(Start::Leave(found.sid));
            }
            if self.adopt_existing || self.replace_existing {
                return Ok(Start::Adjust);
            }
        } else if self.replace_existing {
            return Ok(Start::Replace(found.clone()));
        }
        Err(refused(&self.server_id, has_one_seat, found, wanted))
    }

    /// What is told when there was nothing to do.
    pub(super) fn found_already(&self, wanted: &Wanted) -> String {
        format!(
            "The administrator `{}` of {} existed already, exactly as configured; it is managed by Terraform from now on.",
            wanted.name, self.server_id
        )
    }

    /// What is told when another one gave way.
    pub(super) fn replaced(&self, former: &Present, wanted: &Wanted) -> String {
        format!(
            "The administrator `{}` (with the ID {}) of {} gave way to `{}`, as `replace_existing` says.",
            former.name, former.sid, self.server_id, wanted.name
        )
    }
}

/// What is told when another one keeps its place.
pub(super) fn refused(server: &ResourceId, has_one_seat: bool, found: &Present, wanted: &Wanted) -> Diagnostic {
    let kind = found
        .principal_type
        .map_or_else(|| "a principal".to_owned(), |kind| kind.to_string());
    let seat = if has_one_seat {
        "the only administrator that it can have"
    } else {
        "the administrator"
    };
    let server_identity = |id: &Option<_>| match id {
        Some(id) => format!(" (the server asks the directory as {id})"),
        None => String::new(),
    };
    let detail = format!(
        "The server has {seat} already, `{}`: {kind} with the ID {}{}. Configured is `{}`: {} with the object ID {}{}. \
         To manage the one that exists, import it (the next apply then binds it to the configured principal where only that differs):\n\n  \
         terraform import <address> '{}'\n\nTo have it replaced, set `replace_existing = true`.",
        found.name,
        found.sid,
        server_identity(&found.server_identity_id),
        wanted.name,
        wanted.principal.principal_type,
        wanted.principal.object_id,
        server_identity(&wanted.server_identity_id),
        import::id([server.as_str(), found.name.as_str()])
    );
    Diagnostic::error("Already exists in Azure", detail)
}

/// The same, of the seat of a replica.
pub(super) fn kept_by_another(replica: &ResourceId, stranger: &Present) -> Diagnostic {
    let detail = format!(
        "The replica {replica} has the only administrator that it can have already, `{}` with the ID {}, and it gets the same one as the server. To have it \
         replaced, set `replace_existing = true`.",
        stranger.name, stranger.sid
    );
    Diagnostic::error("Already exists in Azure", detail)
}

/// Whether the same principal is there in another way.
fn differs(found: &Present, wanted: &Wanted) -> bool {
    let kind = found
        .principal_type
        .is_some_and(|kind| kind != wanted.principal.principal_type);
    let tenant = found.tenant_id.is_some_and(|tenant| tenant != wanted.tenant_id);
    let identity = wanted.server_identity_id.is_some() && found.server_identity_id != wanted.server_identity_id;
    kind || tenant || identity
}
