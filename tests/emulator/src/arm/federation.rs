//! Federated credentials of user-assigned identities: their limits, and the conflict of writes that overlap.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::identities::{self, VERSIONS};
use crate::arm::{Call, Outcome, parent_not_found};
use crate::directory::Federation;
use crate::journal::hold;
use crate::world::State;

const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";
const MOST: usize = 20;
const LONGEST: usize = 600;

fn credential_json(identity: &str, federation: &Federation) -> Value {
    json!({
        "id": format!("{identity}/federatedIdentityCredentials/{}", federation.name),
        "name": federation.name, "type": KIND,
        "properties": {"issuer": federation.issuer, "subject": federation.subject, "audiences": [federation.audience]},
    })
}

/// The ID and the object ID of the identity in the path.
fn parent(call: &Call<'_>, state: &State) -> Result<(String, String), Answer> {
    let key = identities::key(call);
    match state.identities.get(&key) {
        Some(identity) => Ok((identity.id.clone(), identity.object_id.clone())),
        None => Err(parent_not_found(
            &format!("/{}", call.ask.segments[..8].join("/")),
            KIND,
        )),
    }
}

fn credentials<'a>(state: &'a mut State, object_id: &str) -> Option<&'a mut Vec<Federation>> {
    state
        .directory
        .get_mut(object_id)
        .map(|principal| &mut principal.federations)
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    call.versions("userAssignedIdentities/federatedIdentityCredentials", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let state = hold(&call.world.state);
    let (id, object_id) = parent(call, &state)?;
    let all = state
        .directory
        .get(&object_id)
        .map(|principal| principal.federations.as_slice())
        .unwrap_or_default();
    let value: Vec<Value> = all.iter().map(|federation| credential_json(&id, federation)).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(crate) async fn one(call: &Call<'_>) -> Outcome {
    call.versions("userAssignedIdentities/federatedIdentityCredentials", &VERSIONS)?;
    match call.ask.method.as_str() {
        "GET" => get(call),
        "PUT" => {
            let federation = read(call)?;
            let _writing = Writing::begin(call).await?;
            put(call, federation)
        }
        "DELETE" => {
            let _writing = Writing::begin(call).await?;
            delete(call)
        }
        _ => call.no_such_verb(KIND),
    }
}

fn get(call: &Call<'_>) -> Outcome {
    let name = call.part(9);
    let state = hold(&call.world.state);
    let (id, object_id) = parent(call, &state)?;
    let found = state.directory.get(&object_id).and_then(|principal| {
        principal
            .federations
            .iter()
            .find(|federation| federation.name.eq_ignore_ascii_case(name))
    });
    match found {
        Some(federation) => Ok(Answer::json(200, credential_json(&id, federation))),
        None => Err(Answer::arm_error(
            404,
            "NotFound",
            format!("The federated identity credential '{name}' of the managed identity '{id}' could not be found."),
        )),
    }
}

/// A write that is under way; another one under the same identity meets 409 until it ends.
struct Writing<'a> {
    call: &'a Call<'a>,
    key: String,
}

impl<'a> Writing<'a> {
    async fn begin(call: &'a Call<'a>) -> Result<Writing<'a>, Answer> {
        let key = identities::key(call);
        let id = {
            let mut state = hold(&call.world.state);
            let (id, _) = parent(call, &state)?;
            if state.federation_writes.insert(key.clone()) {
                None
            } else {
                Some(id)
            }
        };
        if let Some(id) = id {
            let message = format!(
                "Too many Federated Identity Credentials are written concurrently for the managed identity '{id}'. Concurrent \
                 Federated Identity Credentials writes under the same managed identity are not supported."
            );
            let code = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity";
            return Err(Answer::arm_error(409, code, message));
        }
        let writing = Writing { call, key };
        tokio::time::sleep(call.world.options.federation_write_time).await;
        Ok(writing)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        hold(&self.call.world.state).federation_writes.remove(&self.key);
    }
}

fn bad(message: impl Into<String>) -> Answer {
    Answer::arm_error(400, "BadRequest", message)
}

/// The credential that the body describes.
fn read(call: &Call<'_>) -> Result<Federation, Answer> {
    let name = call.part(9);
    let valid = (3..=120).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '_');
    if !valid {
        return Err(bad(format!("Federated Identity Credential name '{name}' is invalid.")));
    }
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["properties", "name", "id", "type"])?;
    if !fields.value("properties").is_some_and(Value::is_object) {
        return Err(bad("Federated Identity Credential from HTTP body has empty properties"));
    }
    let properties = fields.object("properties", &["issuer", "subject", "audiences"])?;
    let audiences = properties
        .value("audiences")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let [Value::String(audience)] = audiences.as_slice() else {
        return Err(bad("Federated identity credentials must have exactly one audience."));
    };
    let issuer = properties.text("issuer")?;
    let subject = properties.text("subject")?;
    if !issuer.starts_with("https://") || url::Url::parse(issuer).is_err() {
        return Err(bad(format!("The issuer '{issuer}' is not an absolute https address.")));
    }
    for (what, text) in [
        ("issuer", issuer),
        ("subject", subject),
        ("audience", audience.as_str()),
    ] {
        if text.len() > LONGEST {
            return Err(bad(format!("The {what} is longer than {LONGEST} characters.")));
        }
    }
    Ok(Federation {
        name: name.to_owned(),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        audience: audience.clone(),
        invisible: call.world.faults.invisible_federations(),
    })
}

fn put(call: &Call<'_>, federation: Federation) -> Outcome {
    let mut state = hold(&call.world.state);
    let (id, object_id) = parent(call, &state)?;
    let Some(all) = credentials(&mut state, &object_id) else {
        return Err(parent_not_found(&id, KIND));
    };
    let same_name = |other: &Federation| other.name.eq_ignore_ascii_case(&federation.name);
    if all
        .iter()
        .any(|other| !same_name(other) && other.issuer == federation.issuer && other.subject == federation.subject)
    {
        return Err(bad(
            "Issuer and subject combination already exists for this Managed Identity.",
        ));
    }
    let answer = credential_json(&id, &federation);
    if let Some(position) = all.iter().position(same_name) {
        all[position] = federation;
        return Ok(Answer::json(200, answer));
    }
    if all.len() >= MOST {
        return Err(bad(format!(
            "Too many Federated Identity Credentials: the maximum of {MOST} for '{id}' is reached."
        )));
    }
    let location = format!(
        "{id}/federatedIdentityCredentials/{}?api-version={}",
        federation.name, call.api_version
    );
    all.push(federation);
    Ok(Answer::json(201, answer).header("location", location))
}

fn delete(call: &Call<'_>) -> Outcome {
    let name = call.part(9);
    let mut state = hold(&call.world.state);
    let (id, object_id) = parent(call, &state)?;
    let Some(all) = credentials(&mut state, &object_id) else {
        return Err(parent_not_found(&id, KIND));
    };
    let before = all.len();
    all.retain(|federation| !federation.name.eq_ignore_ascii_case(name));
    Ok(Answer::empty(if all.len() < before { 200 } else { 204 }))
}
