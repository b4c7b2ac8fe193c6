//! The `identity` member of a request, held against what a resource has: merging, removing, and what is refused.
//! It does not know when the change takes effect.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::arm::Call;
use crate::arm::assignment::ASSIGN;
use crate::arm::body::{self, Fields};
use crate::arm::linked;
use crate::arm::targets::Target;
use crate::arm::targets::kinds::{Kind, Style};
use crate::directory::{Principal, PrincipalKind, Reader};
use crate::journal::hold;

/// A user-assigned identity on a resource. It stays there when the identity itself is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    /// As whoever assigned it spelt it.
    pub(crate) id: String,
    pub(crate) object_id: String,
    pub(crate) client_id: String,
}

/// The identities of one resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identities {
    /// The system-assigned one's object ID.
    pub(crate) system: Option<String>,
    pub(crate) assigned: Vec<Assigned>,
}

impl Identities {
    pub(crate) fn of(&self, id: &str) -> Option<&Assigned> {
        self.assigned.iter().find(|one| one.id.eq_ignore_ascii_case(id))
    }

    /// The type in the spelling of the kind.
    pub(crate) fn word(&self, kind: &Kind) -> &'static str {
        let wanted = match (self.system.is_some(), self.assigned.is_empty()) {
            (true, true) => "SystemAssigned",
            (false, false) => "UserAssigned",
            (true, false) => "SystemAssigned,UserAssigned",
            (false, true) => "None",
        };
        let known = kind.types.iter().find(|word| word.replace(' ', "") == wanted);
        known.copied().unwrap_or("None")
    }

    /// As an answer shows it; Container Apps say `None`, the others leave it out.
    pub(crate) fn json(&self, kind: &Kind, tenant: &str, fresh: &[String]) -> Option<Value> {
        if self.system.is_none() && self.assigned.is_empty() {
            return (kind.style == Style::App).then(|| json!({"type": "None"}));
        }
        let mut shown = json!({"type": self.word(kind)});
        if let Some(system) = &self.system {
            shown["principalId"] = json!(system);
            shown["tenantId"] = json!(tenant);
        }
        if !self.assigned.is_empty() {
            let entries: Map<String, Value> = self
                .assigned
                .iter()
                .map(|one| {
                    let ids = json!({"principalId": one.object_id, "clientId": one.client_id});
                    let hidden = fresh.contains(&one.id);
                    (one.id.clone(), if hidden { json!({}) } else { ids })
                })
                .collect();
            shown["userAssignedIdentities"] = Value::Object(entries);
        }
        Some(shown)
    }
}

/// Whether the request's map is added to what is there or takes its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Merge,
    Replace,
}

/// What a resource shall have, and what the directory must learn first.
pub(crate) struct Change {
    pub(crate) identities: Identities,
    /// The IDs that were not there before.
    pub(crate) fresh: Vec<String>,
    /// A new system-assigned identity.
    pub(crate) made: Option<Principal>,
    /// The object ID of a system-assigned identity that ends.
    pub(crate) ended: Option<String>,
}

/// What ARM says when the identity service refuses.
fn failed(target: &Target, inner: &str) -> Answer {
    let inner = json!({"error": {"code": "BadRequest", "message": inner}});
    let message = format!(
        "Identity operation for resource '{}' failed with error 'Failed to perform resource identity operation. Status: \
         'BadRequest'. Response: '{inner}'.'.",
        target.id
    );
    Answer::arm_error(400, "FailedIdentityOperation", message)
}

/// Reads `identity` of the request.
pub(crate) fn read(call: &Call<'_>, target: &Target, fields: &Fields<'_>, manner: Manner) -> Result<Change, Answer> {
    let known: &[&str] = match manner {
        Manner::Merge => &["type", "userAssignedIdentities"],
        Manner::Replace => &["type", "userAssignedIdentities", "principalId", "tenantId"],
    };
    let identity = fields.object("identity", known)?;
    let Some(word) = identity.choice("type", target.kind.types)? else {
        return Err(body::invalid("The property 'identity.type' is required."));
    };
    let (system, user) = (word.contains("SystemAssigned"), word.contains("UserAssigned"));
    let entries = match identity.value("userAssignedIdentities") {
        None | Some(Value::Null) => None,
        Some(Value::Object(entries)) => Some(entries),
        Some(_) => return Err(body::invalid("'identity.userAssignedIdentities' must be an object.")),
    };
    let mut assigned = Vec::new();
    if user {
        if manner == Manner::Merge {
            assigned.clone_from(&target.identities.assigned);
        }
        merge(call, target, entries, &mut assigned)?;
        if assigned.is_empty() {
            let message = "The identity ids must not be null or empty for 'UserAssigned' identity type.";
            return Err(Answer::arm_error(400, "MissingIdentityIds", message));
        }
    } else if entries.is_some_and(|entries| !entries.is_empty()) {
        let inner = "The request format was unexpected, a non-UserAssigned identity type should not contain: userAssignedIdentities";
        return Err(failed(target, inner));
    }
    let before = &target.identities;
    let made = (system && before.system.is_none()).then(|| system_principal(target));
    let fresh = assigned
        .iter()
        .filter(|one| before.of(&one.id).is_none())
        .map(|one| one.id.clone())
        .collect();
    let kept = made
        .as_ref()
        .map(|made| made.object_id.clone())
        .or(before.system.clone());
    Ok(Change {
        identities: Identities {
            system: kept.filter(|_| system),
            assigned,
        },
        fresh,
        made,
        ended: before.system.clone().filter(|_| !system),
    })
}

/// The directory object of a resource's own identity.
pub(crate) fn system_principal(target: &Target) -> Principal {
    let mut principal = Principal::new(PrincipalKind::ManagedIdentity, &target.name());
    principal.resource_id = Some(target.id.clone());
    principal
}

fn merge(
    call: &Call<'_>,
    target: &Target,
    entries: Option<&Map<String, Value>>,
    assigned: &mut Vec<Assigned>,
) -> Result<(), Answer> {
    for (id, wanted) in entries.into_iter().flatten() {
        if !is_identity_id(id) {
            let message = format!(
                "Property id '{id}' at path 'identity.userAssignedIdentities' is invalid. Expect fully qualified resource Id \
                 that start with '/subscriptions/{{subscriptionId}}' or '/providers/{{resourceProviderNamespace}}/'."
            );
            return Err(Answer::arm_error(400, "LinkedInvalidPropertyId", message));
        }
        let held = target.identities.of(id);
        let same =
            held.is_some_and(|held| *wanted == json!({"principalId": held.object_id, "clientId": held.client_id}));
        match wanted {
            Value::Null => assigned.retain(|one| !one.id.eq_ignore_ascii_case(id)),
            Value::Object(members) if members.is_empty() || same => {
                let one = match held {
                    Some(held) => held.clone(),
                    None => resolve(call, target, id)?,
                };
                if !assigned.iter().any(|other| other.id.eq_ignore_ascii_case(id)) {
                    assigned.push(one);
                }
            }
            _ => {
                let message = "The 'UserAssignedIdentities' property keys should only be empty json objects, null or the \
                               resource exisiting property.";
                return Err(Answer::arm_error(400, "InvalidIdentityValues", message));
            }
        }
    }
    Ok(())
}

fn is_identity_id(id: &str) -> bool {
    let parts: Vec<String> = id.split('/').map(str::to_ascii_lowercase).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    matches!(
        parts.as_slice(),
        ["", "subscriptions", _, "resourcegroups", _, "providers", "microsoft.managedidentity", "userassignedidentities", name]
            if !name.is_empty()
    )
}

/// An identity that is to be assigned: the caller may, it exists, and the directory has heard of it.
fn resolve(call: &Call<'_>, target: &Target, id: &str) -> Result<Assigned, Answer> {
    linked::authorize(call, ASSIGN, &target.id, id)?;
    if call.world.faults.forbids_assignment(id) {
        return Err(forbidden(call, target, id));
    }
    let mut state = hold(&call.world.state);
    let known = state.identities.get(&id.to_ascii_lowercase()).cloned();
    let seen = known.filter(|one| {
        state
            .directory
            .look_up(Reader::ResourceManager, &one.object_id)
            .is_some()
    });
    match seen {
        Some(one) => Ok(Assigned {
            id: id.to_owned(),
            object_id: one.object_id,
            client_id: one.client_id,
        }),
        None => Err(failed(target, &format!("Resource '{id}' was not found."))),
    }
}

fn forbidden(call: &Call<'_>, target: &Target, id: &str) -> Answer {
    let state = hold(&call.world.state);
    let caller = state.directory.get(&call.caller);
    let client = caller.and_then(|caller| caller.app_id.clone().or_else(|| caller.user_principal_name.clone()));
    let message = format!(
        "The client '{}' with object id '{}' has permission to perform action '{}/write' on scope '{}'; however, it does not \
         have permission to perform action 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked \
         scope(s) '{id}' or the linked scope(s) are invalid.",
        client.unwrap_or_default(),
        call.caller,
        target.kind.name,
        target.id
    );
    Answer::arm_error(403, "LinkedAuthorizationFailed", message)
}
