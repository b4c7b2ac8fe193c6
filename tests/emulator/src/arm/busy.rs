//! What each resource provider answers while a server is changed by somebody else. It does not know who that is.

use crate::answer::Answer;
use crate::arm::{Call, targets};

/// The answer of the provider of this path.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    let name = call.part(7);
    let namespace = call.part(5).to_ascii_lowercase();
    let child = call.part(8).to_ascii_lowercase();
    let (status, code, message) = match (namespace.as_str(), child.as_str()) {
        ("microsoft.dbforpostgresql", "administrators") => (
            409,
            "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible",
            format!("Azure AD authentication operations cannot be performed while server '{name}' is not accessible."),
        ),
        ("microsoft.sql", _) if call.part(6).eq_ignore_ascii_case("managedInstances") => (
            400,
            "ManagedInstanceIsBusy",
            format!("Managed Instance '{name}' is busy with another request."),
        ),
        ("microsoft.sql", _) => (
            409,
            "ConflictingServerOperation",
            format!("An operation is currently in progress for the server '{name}'."),
        ),
        _ => (
            409,
            "ServerIsBusy",
            format!(
                "Cannot complete operation while server '{name}' is busy processing another operation. Try again later."
            ),
        ),
    };
    Answer::arm_error(status, code, message)
}

/// The refusal of a write while `Faults::busy` has the server.
pub(crate) fn refusal(call: &Call<'_>, parts: &[&str]) -> Option<Answer> {
    let writes = !call.is("GET") && !call.is("HEAD");
    let server = parts.get(..8).map(|parts| format!("/{}", parts.join("/")))?;
    let busy = || targets::busy(call).unwrap_or_else(|| answer(call));
    (writes && call.world.faults.keeps_busy(&server)).then(busy)
}
