//! Microsoft.Resources: the subscription and its resource groups. Groups can be made; they cannot be removed here.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::{Call, Outcome};
use crate::journal::hold;

const VERSIONS: [&str; 4] = ["2020-06-01", "2021-04-01", "2022-09-01", "2025-04-01"];
const KIND: &str = "Microsoft.Resources/resourceGroups";

/// A resource group.
#[derive(Clone, Debug)]
pub(crate) struct ResourceGroup {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: Value,
}

impl ResourceGroup {
    fn json(&self, subscription: &str) -> Value {
        json!({
            "id": format!("/subscriptions/{subscription}/resourceGroups/{}", self.name),
            "name": self.name, "type": KIND, "location": self.location, "tags": self.tags,
            "properties": {"provisioningState": "Succeeded"},
        })
    }
}

pub(crate) fn subscription(call: &Call<'_>) -> Outcome {
    call.versions("subscriptions", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb("subscriptions");
    }
    let id = call.world.subscription();
    Ok(Answer::json(
        200,
        json!({
            "id": format!("/subscriptions/{id}"), "subscriptionId": id, "tenantId": call.world.tenant(),
            "displayName": "Emulated subscription", "state": "Enabled", "authorizationSource": "RoleBased",
        }),
    ))
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    call.versions("resourceGroups", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let groups: Vec<Value> = hold(&call.world.state)
        .groups
        .values()
        .map(|group| group.json(call.world.subscription()))
        .collect();
    Ok(Answer::json(200, json!({"value": groups})))
}

pub(crate) fn one(call: &Call<'_>) -> Outcome {
    call.versions("resourceGroups", &VERSIONS)?;
    let name = call.part(3);
    match call.ask.method.as_str() {
        "GET" => {
            call.group(name)?;
            let state = hold(&call.world.state);
            let group = state
                .groups
                .get(&name.to_ascii_lowercase())
                .map(|group| group.json(call.world.subscription()));
            Ok(Answer::json(200, group.unwrap_or_default()))
        }
        "HEAD" => {
            let exists = hold(&call.world.state).groups.contains_key(&name.to_ascii_lowercase());
            Ok(Answer::empty(if exists { 204 } else { 404 }))
        }
        "PUT" => put(call, name),
        _ => call.no_such_verb(KIND),
    }
}

fn put(call: &Call<'_>, name: &str) -> Outcome {
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["location", "tags"])?;
    let group = ResourceGroup {
        name: name.to_owned(),
        location: fields.text("location")?.to_owned(),
        tags: fields.tags()?.unwrap_or_else(|| json!({})),
    };
    let answer = group.json(call.world.subscription());
    let before = hold(&call.world.state).groups.insert(name.to_ascii_lowercase(), group);
    Ok(Answer::json(if before.is_some() { 200 } else { 201 }, answer))
}
