//! The Entra administrator of a MySQL server: one, looked up through an identity that the server already has.
//! As recorded, Azure takes any `sid`, and lets the administrator go while `aad_auth_only` is ON.

use serde_json::{Value, json};

use super::{VERSIONS, plan};
use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::records::{self, Administrator, Kind, Record};
use crate::arm::{Call, Outcome, operations};

const KIND: &str = "Microsoft.DBforMySQL/flexibleServers/administrators";

fn json_of(server: &Record, one: &Administrator) -> Value {
    let mut properties = json!({
        "administratorType": "ActiveDirectory", "login": one.login, "sid": one.sid, "tenantId": one.tenant,
    });
    if let Some(identity) = &one.identity {
        properties["identityResourceId"] = json!(identity);
    }
    json!({
        "properties": properties, "id": format!("{}/administrators/ActiveDirectory", server.id), "name": "ActiveDirectory",
        "type": KIND,
    })
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/administrators", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let server = records::find(call, Kind::Mysql)?;
    let value: Vec<Value> = server.administrator.iter().map(|one| json_of(&server, one)).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(super) fn one(call: &Call<'_>, name: &str) -> Outcome {
    call.versions("flexibleServers/administrators", &VERSIONS)?;
    let server = records::find(call, Kind::Mysql)?;
    if name != "activedirectory" {
        let message =
            format!("Invalid value given for parameter administratorName: '{name}'. Specify ActiveDirectory.");
        return Err(Answer::arm_error(400, "InvalidParameterValue", message));
    }
    match call.ask.method.as_str() {
        "GET" => match &server.administrator {
            Some(one) => Ok(Answer::json(200, json_of(&server, one))),
            None => {
                let message =
                    format!("The requested resource of type '{KIND}' with name 'ActiveDirectory' was not found.");
                Err(Answer::arm_error(404, "ResourceNotFound", message))
            }
        },
        "PUT" => put(call, &server),
        "DELETE" => delete(call, &server),
        _ => call.no_such_verb(KIND),
    }
}

fn read(call: &Call<'_>, server: &Record) -> Result<Administrator, Answer> {
    let bad = |message: String| Answer::arm_error(400, "InvalidParameterValue", message);
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["name", "properties"])?;
    let known = ["administratorType", "login", "sid", "tenantId", "identityResourceId"];
    let properties = fields.object("properties", &known)?;
    properties.choice("administratorType", &["ActiveDirectory"])?;
    properties.text("administratorType")?;
    let (sid, tenant) = (properties.text("sid")?, properties.text("tenantId")?);
    for (name, text) in [("sid", sid), ("tenantId", tenant)] {
        if uuid::Uuid::parse_str(text).is_err() {
            return Err(bad(format!(
                "Invalid value given for parameter {name}: '{text}'. Specify a GUID."
            )));
        }
    }
    if !tenant.eq_ignore_ascii_case(call.world.tenant()) {
        return Err(bad("The tenantId is not the tenant of the subscription.".to_owned()));
    }
    let identity = properties.text("identityResourceId")?;
    let attached = server.identities.iter().find(|id| id.eq_ignore_ascii_case(identity));
    let Some(attached) = attached else {
        return Err(bad(format!(
            "The identity '{identity}' is not assigned to server '{}'. Assign it to the server before it is used for Azure AD \
             authentication.",
            server.name
        )));
    };
    Ok(Administrator {
        login: properties.text("login")?.to_owned(),
        sid: sid.to_owned(),
        tenant: tenant.to_owned(),
        principal_type: String::new(),
        identity: Some(attached.clone()),
    })
}

fn put(call: &Call<'_>, server: &Record) -> Outcome {
    let wish = read(call, server)?;
    let turn = records::begin(call)?;
    let answer = json_of(server, &wish);
    let plan = plan(call, "UpsertActiveDirectoryAdministratorManagementOperation");
    Ok(operations::start(call, &plan, async move {
        turn.change(|one| one.administrator = Some(wish));
        Ok(Some(answer))
    }))
}

fn delete(call: &Call<'_>, server: &Record) -> Outcome {
    if server.administrator.is_none() {
        return Ok(Answer::empty(204));
    }
    let turn = records::begin(call)?;
    let plan = plan(call, "DropActiveDirectoryAdministratorManagementOperation");
    Ok(operations::start(call, &plan, async move {
        turn.change(|one| one.administrator = None);
        Ok(None)
    }))
}
