//! Entra administrators of a PostgreSQL server: ARM's record, and the role in the real server.
//! `name` is the principal's name, the ID ends in the object ID, and a list has no names: as Azure does it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::operations::{self, End, Plan};
use crate::arm::records::Record;
use crate::arm::servers::{self, VERSIONS, begin_change};
use crate::arm::{Call, Outcome, resource_not_found};
use crate::directory::{PrincipalKind, Reader};
use crate::journal::hold;
use crate::postgres::server::{Administrator, Server};
use crate::world::World;

const KIND: &str = "Microsoft.DBforPostgreSQL/flexibleServers/administrators";

fn json_of(server: &Server, one: &Administrator) -> Value {
    json!({
        "properties": {
            "principalType": one.kind, "principalName": one.name, "objectId": one.object_id, "tenantId": one.tenant,
        },
        "id": format!("{}/administrators/{}", server.id, one.object_id),
        "name": one.name, "type": KIND,
    })
}

pub(crate) fn list(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/administrators", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let server = servers::find(call)?;
    Ok(Answer::json(200, json!({"value": items(&server)})))
}

/// The items of a list: they have no name.
fn items(server: &Server) -> Vec<Value> {
    let record = hold(&server.record);
    record
        .administrators
        .iter()
        .map(|one| {
            let mut item = json_of(server, one);
            if let Some(map) = item.as_object_mut() {
                map.remove("name");
            }
            item
        })
        .collect()
}

/// A replica shows its primary's administrators under its own ID.
pub(crate) fn of_primary(call: &Call<'_>, replica: &Record) -> Outcome {
    let source = replica.source.clone().unwrap_or_default();
    let primary = hold(&call.world.state)
        .servers
        .get(&source.to_ascii_lowercase())
        .cloned();
    let Some(primary) = primary else {
        return Err(resource_not_found(servers::KIND, &source, call.part(3)));
    };
    let own = |mut item: Value| {
        let id = item["id"]
            .as_str()
            .unwrap_or_default()
            .replacen(&primary.id, &replica.id, 1);
        item["id"] = json!(id);
        item
    };
    let object_id = call.part(9).to_ascii_lowercase();
    if object_id.is_empty() {
        let value: Vec<Value> = items(&primary).into_iter().map(own).collect();
        return Ok(Answer::json(200, json!({"value": value})));
    }
    let record = hold(&primary.record);
    let found = record.administrators.iter().find(|one| one.object_id == object_id);
    let missing = || resource_not_found(KIND, &format!("{}/{object_id}", replica.name), call.part(3));
    Ok(Answer::json(200, own(json_of(&primary, found.ok_or_else(missing)?))))
}

pub(crate) fn one(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/administrators", &VERSIONS)?;
    let server = servers::find(call)?;
    let object_id = call.part(9).to_ascii_lowercase();
    match call.ask.method.as_str() {
        "GET" => {
            let record = hold(&server.record);
            let found = record.administrators.iter().find(|one| one.object_id == object_id);
            let missing = || resource_not_found(KIND, &format!("{}/{object_id}", server.name), call.part(3));
            Ok(Answer::json(200, json_of(&server, found.ok_or_else(missing)?)))
        }
        "PUT" => put(call, &server, &object_id),
        "DELETE" => delete(call, &server, &object_id),
        _ => call.no_such_verb(KIND),
    }
}

fn put(call: &Call<'_>, server: &Arc<Server>, object_id: &str) -> Outcome {
    let bad = |message: String| Err(Answer::arm_error(400, "InvalidParameterValue", message));
    if uuid::Uuid::parse_str(object_id).is_err() {
        return bad(format!(
            "Invalid value given for parameter objectId: '{object_id}'. Specify a GUID."
        ));
    }
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["properties"])?;
    let properties = fields.object("properties", &["principalType", "principalName", "tenantId"])?;
    let Some(kind) = properties.choice("principalType", &["User", "Group", "ServicePrincipal", "Unknown"])? else {
        return bad("The required property 'properties.principalType' is missing or empty.".to_owned());
    };
    let name = properties.text("principalName")?.to_owned();
    let tenant = properties.text("tenantId")?.to_owned();
    if !tenant.eq_ignore_ascii_case(call.world.tenant()) {
        return bad(format!("The tenant '{tenant}' is not the tenant of the server."));
    }
    if !hold(&server.record).entra {
        let message = "Azure AD authentication is not enabled on the server; enable it before administrators are set.";
        return Err(Answer::arm_error(
            400,
            "AadAuthOperationCannotBePerformedWhenAadAuthIsDisabled",
            message,
        ));
    }
    let renamed = {
        let record = hold(&server.record);
        record
            .administrators
            .iter()
            .any(|one| one.object_id == object_id && one.name != name)
    };
    if renamed {
        let message =
            "The emulator does not know what Azure does when an administrator is put again under another name.";
        return Err(Answer::arm_error(400, "InvalidParameterValue", message));
    }
    let administrator = Administrator {
        object_id: object_id.to_owned(),
        name,
        kind,
        tenant,
    };
    let change = begin_change(call, server)?;
    let plan = Plan {
        name: "UpsertAadAuthPrincipalManagementOperation",
        place: operations::POSTGRESQL,
        location: &call.world.options.location,
    };
    let world = call.world.clone();
    Ok(operations::start(call, &plan, async move {
        let outcome = create(&world, &change.server, administrator).await;
        drop(change);
        outcome
    }))
}

fn unvalidated() -> operations::Failed {
    let text = "Failed to create Azure AD Principal. Reason - 0LP01: An unexpected error occurred while trying to validate user.";
    ("AadAuthPrincipalCreationFailed".to_owned(), text.to_owned())
}

async fn create(world: &World, server: &Server, mut administrator: Administrator) -> End {
    let principal = hold(&world.state)
        .directory
        .look_up(Reader::ResourceManager, &administrator.object_id);
    let principal = principal.ok_or_else(unvalidated)?;
    let actual = match principal.kind {
        PrincipalKind::User => "User",
        PrincipalKind::Group => "Group",
        PrincipalKind::Application | PrincipalKind::ManagedIdentity => "ServicePrincipal",
    };
    if administrator.kind == "Unknown" {
        administrator.kind = actual;
    }
    if administrator.kind != actual {
        let text = format!(
            "Failed to create Azure AD Principal. Reason - XX000: incorrect object type provided for principal, given object \
             type: '{}', actual object type: '{}'",
            administrator.kind, actual
        );
        return Err(("AadAuthPrincipalCreationFailed".to_owned(), text));
    }
    let outcome = server
        .put_administrator(&administrator.name, &administrator.object_id, principal.kind.label())
        .await;
    outcome.map_err(|error| {
        let cause = std::error::Error::source(&error)
            .map(ToString::to_string)
            .unwrap_or_default();
        (
            "AadAuthPrincipalCreationFailed".to_owned(),
            format!("Failed to create Azure AD Principal. Reason - {cause}"),
        )
    })?;
    let mut answer = json_of(server, &administrator);
    if let Some(properties) = answer["properties"].as_object_mut() {
        properties.remove("tenantId");
    }
    let mut record = hold(&server.record);
    record
        .administrators
        .retain(|one| one.object_id != administrator.object_id);
    record.administrators.push(administrator);
    Ok(Some(answer))
}

fn delete(call: &Call<'_>, server: &Arc<Server>, object_id: &str) -> Outcome {
    let name = {
        let record = hold(&server.record);
        record
            .administrators
            .iter()
            .find(|one| one.object_id == object_id)
            .map(|one| one.name.clone())
    };
    let Some(name) = name else {
        return Ok(Answer::empty(204));
    };
    let change = begin_change(call, server)?;
    let plan = Plan {
        name: "DropAadAuthPrincipalManagementOperation",
        place: operations::POSTGRESQL,
        location: &call.world.options.location,
    };
    let object_id = object_id.to_owned();
    Ok(operations::start(call, &plan, async move {
        let outcome = change.server.remove_administrator(&name).await;
        if outcome.is_ok() {
            hold(&change.server.record)
                .administrators
                .retain(|one| one.object_id != object_id);
        }
        drop(change);
        outcome
            .map(|()| None)
            .map_err(|error| ("InternalServerError".to_owned(), error.to_string()))
    }))
}
