//! What Azure SQL makes of an administrator: one, by object ID, or by client ID where it is an application. Servers and managed instances alike.

use crate::provider::config::Guid;
use crate::resources::attributes::PrincipalType;
use crate::resources::principal::Principal;

/// The ID by which the server shall know a principal. It takes either ID of an application; the portal writes the client ID.
pub(super) fn sid(principal: &Principal) -> Guid {
    let client_id = principal
        .client_id
        .filter(|_| principal.principal_type == PrincipalType::ServicePrincipal);
    client_id.unwrap_or(principal.object_id)
}
