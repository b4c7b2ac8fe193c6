//! What Azure SQL makes of an administrator: one, by object ID, or by client ID where it is an application. Servers and managed instances alike.

use crate::azure::error::Error;
use crate::azure::resource_id::ResourceId;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::config::Guid;
use crate::resources::attributes::PrincipalType;
use crate::resources::entra_admin::seated::Seated;
use crate::resources::principal::Principal;

/// How the codes begin with which a managed instance says that it could not ask the directory.
const LOOK_UP_FAILED: &str = "ServicePrincipalLookupInAadFailed";

/// The ID by which the server shall know a principal. It takes either ID of an application; the portal writes the client ID.
pub(super) fn sid(principal: &Principal) -> Guid {
    let client_id = principal
        .client_id
        .filter(|_| principal.principal_type == PrincipalType::ServicePrincipal);
    client_id.unwrap_or(principal.object_id)
}

/// That a principal is what it is called. Azure SQL is not told and finds out by itself, so another word would never come true.
pub(super) fn must_be(called: PrincipalType, sid: Guid, seated: &Seated) -> Result<()> {
    let found = seated.own.iter().find(|one| one.sid == sid);
    match found.and_then(|found| found.principal_type) {
        Some(known) if known != called => {
            let detail = format!(
                "The directory knows {sid} as a `{known}`, not as a `{called}`. Set `principal_type = \"{known}\"`."
            );
            Err(Diagnostic::error("Another kind of principal", detail).at("principal_type"))
        }
        _ => Ok(()),
    }
}

/// What a failure to set the administrator means. A managed instance looks it up as itself.
pub(super) fn explained(error: Error, server: &ResourceId) -> Diagnostic {
    let cannot_look_up = error.code().is_some_and(|code| code.starts_with(LOOK_UP_FAILED));
    let told = Diagnostic::from(error);
    if !cannot_look_up {
        return told;
    }
    let detail = format!(
        "{}\n\nThe managed instance {} looks the administrator up as itself, and its own identity may not read the directory. Give that identity (the primary \
         one, where it has several) the directory role `Directory Readers`, or the application permissions `User.Read.All`, `GroupMember.Read.All` and \
         `Application.Read.All` of Microsoft Graph. It takes some minutes to show; then apply again.",
        told.detail,
        server.name()
    );
    Diagnostic::error("The instance may not read the directory", detail).at("server_id")
}
