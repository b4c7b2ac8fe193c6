//! Microsoft.ManagedIdentity/userAssignedIdentities, with the provider's lower-case `resourcegroups`.
//! It does not know federated credentials.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::{Call, Outcome, resource_not_found};
use crate::directory::{Principal, PrincipalKind};
use crate::journal::hold;

pub(crate) const VERSIONS: [&str; 2] = ["2023-01-31", "2024-11-30"];
pub(crate) const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

/// A user-assigned identity; its object and its federated credentials are in the directory.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: Value,
    pub(crate) isolation: Option<&'static str>,
    pub(crate) object_id: String,
    pub(crate) client_id: String,
}

impl Identity {
    fn json(&self, call: &Call<'_>) -> Value {
        let mut answer = json!({
            "id": self.id, "name": self.name, "type": KIND, "location": self.location, "tags": self.tags,
            "properties": {"tenantId": call.world.tenant(), "principalId": self.object_id, "clientId": self.client_id},
        });
        if call.api_version == "2024-11-30" {
            answer["properties"]["isolationScope"] = json!(self.isolation.unwrap_or("None"));
        }
        answer
    }
}

/// The key under which the identity of a path is kept: the first eight parts, lower case.
pub(crate) fn key(call: &Call<'_>) -> String {
    format!("/{}", call.ask.segments[..8].join("/")).to_ascii_lowercase()
}

pub(crate) fn list(call: &Call<'_>, group: Option<&str>) -> Outcome {
    call.versions("userAssignedIdentities", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let state = hold(&call.world.state);
    let wanted = group.map(|group| format!("/resourcegroups/{group}/"));
    let value: Vec<Value> = state
        .identities
        .iter()
        .filter(|(key, _)| wanted.as_ref().is_none_or(|wanted| key.contains(wanted)))
        .map(|(_, identity)| identity.json(call))
        .collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(crate) async fn one(call: &Call<'_>) -> Outcome {
    call.versions("userAssignedIdentities", &VERSIONS)?;
    match call.ask.method.as_str() {
        "GET" => {
            let state = hold(&call.world.state);
            let identity = state.identities.get(&key(call)).ok_or_else(|| not_found(call))?;
            Ok(Answer::json(200, identity.json(call)))
        }
        "PUT" => put(call).await,
        "PATCH" => patch(call),
        "DELETE" => delete(call).await,
        _ => call.no_such_verb(KIND),
    }
}

/// The system-assigned identity of the resource whose ID stands before `/providers/Microsoft.ManagedIdentity`.
pub(crate) fn of_scope(call: &Call<'_>) -> Outcome {
    call.versions("identities", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb("Microsoft.ManagedIdentity/identities");
    }
    let parts = &call.ask.segments;
    let scope = format!("/{}", parts[..parts.len() - 4].join("/"));
    let state = hold(&call.world.state);
    let found = state.directory.all().find(|one| {
        let resource = one.resource_id.as_deref().unwrap_or_default();
        resource.eq_ignore_ascii_case(&scope) && !state.identities.contains_key(&scope.to_ascii_lowercase())
    });
    let Some(principal) = found else {
        let message = format!("The resource '{scope}' has no system-assigned identity, or does not exist.");
        return Err(Answer::arm_error(404, "ResourceNotFound", message));
    };
    Ok(Answer::json(
        200,
        json!({
            "id": format!("{scope}/providers/Microsoft.ManagedIdentity/identities/default"), "name": "default",
            "type": "Microsoft.ManagedIdentity/identities", "location": call.world.options.location, "tags": {},
            "properties": {
                "tenantId": call.world.tenant(), "principalId": principal.object_id, "clientId": principal.app_id,
                "clientSecretUrl": "https://control-westeurope.identity.azure.net/",
            },
        }),
    ))
}

fn not_found(call: &Call<'_>) -> Answer {
    resource_not_found(KIND, call.part(7), call.part(3))
}

fn is_valid_name(name: &str) -> bool {
    (3..=128).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '_')
}

fn isolation(call: &Call<'_>, fields: &Fields<'_>) -> Result<Option<&'static str>, Answer> {
    if !fields.has("properties") {
        return Ok(None);
    }
    let known: &[&str] = if call.api_version == "2024-11-30" {
        &["isolationScope"]
    } else {
        &[]
    };
    fields
        .object("properties", known)?
        .choice("isolationScope", &["None", "Regional"])
}

async fn put(call: &Call<'_>) -> Outcome {
    let name = call.part(7);
    if !is_valid_name(name) {
        let message = format!(
            "The resource name '{name}' is invalid: 3 to 128 letters, digits, '-' and '_', starting with a letter or digit."
        );
        return Err(Answer::arm_error(400, "InvalidResourceName", message));
    }
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["location", "tags", "properties"])?;
    let location = fields.text("location")?.to_owned();
    let tags = fields.tags()?.unwrap_or_else(|| json!({}));
    let isolation = isolation(call, &fields)?;
    let id = format!(
        "/subscriptions/{}/resourcegroups/{}/providers/{KIND}/{name}",
        call.world.subscription(),
        call.part(3)
    );
    let known = hold(&call.world.state).identities.get(&key(call)).cloned();
    if let Some(mut identity) = known {
        if !identity.location.eq_ignore_ascii_case(&location) {
            let message = format!(
                "The resource '{name}' already exists in location '{}' in resource group '{}'. A resource with the same name \
                 cannot be created in location '{location}'. Please select a new resource name.",
                identity.location,
                call.part(3)
            );
            return Err(Answer::arm_error(409, "InvalidResourceLocation", message));
        }
        identity.tags = tags;
        identity.isolation = isolation.or(identity.isolation);
        let answer = identity.json(call);
        hold(&call.world.state).identities.insert(key(call), identity);
        return Ok(Answer::json(200, answer));
    }
    let mut principal = Principal::new(PrincipalKind::ManagedIdentity, name);
    principal.resource_id = Some(id.clone());
    let identity = Identity {
        id: id.clone(),
        name: name.to_owned(),
        location,
        tags,
        isolation,
        object_id: principal.object_id.clone(),
        client_id: principal.app_id.clone().unwrap_or_default(),
    };
    let answer = identity.json(call);
    hold(&call.world.state).identities.insert(key(call), identity);
    call.world
        .add_principal(principal)
        .await
        .map_err(|error| internal(&error))?;
    Ok(Answer::json(201, answer).header("location", format!("{id}?api-version={}", call.api_version)))
}

/// The emulator itself failed: said as such, with the chain of causes.
pub(crate) fn internal(error: &crate::Error) -> Answer {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        message = format!("{message}: {source}");
        cause = source.source();
    }
    Answer::arm_error(500, "InternalServerError", message)
}

fn patch(call: &Call<'_>) -> Outcome {
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["location", "tags", "properties"])?;
    let tags = fields.tags()?;
    let isolation = isolation(call, &fields)?;
    let mut state = hold(&call.world.state);
    let identity = state.identities.get_mut(&key(call)).ok_or_else(|| not_found(call))?;
    if let Some(location) = fields.optional_text("location")?
        && !location.eq_ignore_ascii_case(&identity.location)
    {
        return Err(Answer::arm_error(
            400,
            "InvalidRequestContent",
            "The location of an identity cannot be changed.",
        ));
    }
    if let Some(tags) = tags {
        identity.tags = tags;
    }
    identity.isolation = isolation.or(identity.isolation);
    Ok(Answer::json(200, identity.json(call)))
}

async fn delete(call: &Call<'_>) -> Outcome {
    let removed = hold(&call.world.state).identities.remove(&key(call));
    let Some(identity) = removed else {
        return Ok(Answer::empty(204));
    };
    hold(&call.world.state)
        .machine_identities
        .retain(|object_id| *object_id != identity.object_id);
    call.world
        .remove_principal(&identity.object_id)
        .await
        .map_err(|error| internal(&error))?;
    Ok(Answer::empty(200))
}
