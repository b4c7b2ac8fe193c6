//! The `identity` member of a PATCH: one entry added with `{}`, one removed with `null`, the rest untouched.
//! It does not know whose identity it is.

use serde_json::Value;

use crate::answer::Answer;
use crate::arm::Call;
use crate::arm::body::{self, Fields};
use crate::arm::linked;
use crate::journal::hold;

/// What whoever assigns an identity must be allowed to do with it.
pub(crate) const ASSIGN: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";

/// What a PATCH asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assignment {
    /// IDs as Azure shows them, and whether each is to be assigned.
    pub(crate) user_assigned: Vec<(String, bool)>,
    /// Every user-assigned identity goes.
    pub(crate) none: bool,
    /// Whether the resource has a system-assigned identity afterwards.
    pub(crate) system: bool,
}

/// Reads `identity`; `kinds` are the spellings that the resource knows.
pub(crate) fn read(call: &Call<'_>, fields: &Fields<'_>, kinds: &[&'static str]) -> Result<Assignment, Answer> {
    let identity = fields.object("identity", &["type", "userAssignedIdentities"])?;
    let Some(kind) = identity.choice("type", kinds)? else {
        return Err(body::invalid("The property 'identity.type' is required."));
    };
    let system = kind.contains("SystemAssigned");
    let map = identity.value("userAssignedIdentities");
    if !kind.contains("UserAssigned") {
        if map.is_some_and(|map| map.as_object().is_none_or(|map| !map.is_empty())) {
            let text = format!("The property 'identity.userAssignedIdentities' is not allowed with type '{kind}'.");
            return Err(body::invalid(text));
        }
        return Ok(Assignment {
            none: true,
            system,
            ..Assignment::default()
        });
    }
    Ok(Assignment {
        user_assigned: entries(call, map)?,
        none: false,
        system,
    })
}

fn entries(call: &Call<'_>, value: Option<&Value>) -> Result<Vec<(String, bool)>, Answer> {
    let Some(map) = value.and_then(Value::as_object) else {
        return Err(body::invalid(
            "The property 'identity.userAssignedIdentities' is required.",
        ));
    };
    for (id, _) in map.iter().filter(|(_, wanted)| wanted.is_object()) {
        linked::authorize(call, ASSIGN, &call.ask.path, id)?;
    }
    let state = hold(&call.world.state);
    map.iter()
        .map(|(id, wanted)| {
            let known = state.identities.get(&id.to_ascii_lowercase());
            match (wanted, known) {
                (Value::Null, _) => Ok((id.clone(), false)),
                (Value::Object(_), Some(identity)) => Ok((identity.id.clone(), true)),
                (Value::Object(_), None) => Err(Answer::arm_error(
                    400,
                    "FailedIdentityOperation",
                    format!("Identity operation failed: the identity '{id}' was not found."),
                )),
                _ => Err(body::invalid(format!("The value of '{id}' must be an object or null."))),
            }
        })
        .collect()
}
