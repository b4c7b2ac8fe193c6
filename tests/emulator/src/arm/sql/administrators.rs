//! The Entra administrator of a server or managed instance: exactly one. A server takes any `sid` without looking; a
//! managed instance looks it up and fails in the operation. Its `type` says `Microsoft.Sql/servers`, as recorded.

use serde_json::{Value, json};

use super::{VERSIONS, plan};
use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::records::{self, Administrator, Kind, Record};
use crate::arm::{Call, Outcome, operations};
use crate::directory::{PrincipalKind, Reader};
use crate::journal::hold;
use crate::world::World;

fn child(kind: Kind) -> String {
    format!("{}/administrators", kind.name())
}

fn json_of(server: &Record, one: &Administrator) -> Value {
    let shown = match server.kind {
        Kind::ManagedInstance => child(server.kind),
        _ => server.kind.name().to_owned(),
    };
    json!({
        "properties": {
            "administratorType": "ActiveDirectory", "login": one.login, "sid": one.sid, "tenantId": one.tenant,
        },
        "id": format!("{}/administrators/ActiveDirectory", server.id), "name": "ActiveDirectory", "type": shown,
    })
}

pub(super) fn list(call: &Call<'_>, kind: Kind) -> Outcome {
    call.versions(&child(kind), &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(&child(kind));
    }
    let server = records::find(call, kind)?;
    let value: Vec<Value> = server.administrator.iter().map(|one| json_of(&server, one)).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(super) fn one(call: &Call<'_>, kind: Kind, name: &str) -> Outcome {
    call.versions(&child(kind), &VERSIONS)?;
    let server = records::find(call, kind)?;
    if name != "activedirectory" {
        let code = match kind {
            Kind::ManagedInstance => "InvalidManagedServerAdministratorType",
            _ => "InvalidServerAdministratorTypePropertyName",
        };
        let message = "Server active directory administrator type should be ActiveDirectory.";
        return Err(Answer::arm_error(400, code, message));
    }
    match call.ask.method.as_str() {
        "GET" => match &server.administrator {
            Some(one) => Ok(Answer::json(200, json_of(&server, one))),
            None => {
                let message = format!(
                    "The requested resource of type '{}' with name 'ActiveDirectory' was not found.",
                    child(kind)
                );
                Err(Answer::arm_error(404, "ResourceNotFound", message))
            }
        },
        "PUT" => put(call, &server),
        "DELETE" => delete(call, &server),
        _ => call.no_such_verb(&child(kind)),
    }
}

fn read(call: &Call<'_>, server: &Record) -> Result<Administrator, Answer> {
    let bad = |message: String| Answer::arm_error(400, "InvalidParameterValue", message);
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["properties"])?;
    let mut known = vec!["administratorType", "login", "sid", "tenantId"];
    if server.kind == Kind::Sql {
        known.push("azureADOnlyAuthentication");
    }
    let properties = fields.object("properties", &known)?;
    if properties.has("azureADOnlyAuthentication") {
        let message = "AzureADOnlyAuthentication cannot be set here; use the azureADOnlyAuthentications API instead.";
        return Err(Answer::arm_error(
            400,
            "InvalidServerAzureADOnlyAuthenticationParameter",
            message,
        ));
    }
    properties.text("administratorType")?;
    properties.choice("administratorType", &["ActiveDirectory"])?;
    let sid = properties.text("sid")?;
    let tenant = properties
        .optional_text("tenantId")?
        .filter(|tenant| !tenant.is_empty());
    let tenant = tenant.unwrap_or(call.world.tenant());
    for (name, text) in [("sid", sid), ("tenantId", tenant)] {
        if uuid::Uuid::parse_str(text).is_err() {
            return Err(bad(format!(
                "Invalid value given for parameter {name}: '{text}'. Specify a GUID."
            )));
        }
    }
    Ok(Administrator {
        login: properties.text("login")?.to_owned(),
        sid: sid.to_owned(),
        tenant: tenant.to_owned(),
        principal_type: principal_type(call.world, sid).unwrap_or("User").to_owned(),
        identity: None,
    })
}

/// What the directory says about an object ID or client ID, without a look-up that may lag.
fn principal_type(world: &World, sid: &str) -> Option<&'static str> {
    let state = hold(&world.state);
    let found = state.directory.get(sid).or_else(|| state.directory.by_app_id(sid))?;
    Some(match found.kind {
        PrincipalKind::User => "User",
        PrincipalKind::Group => "Group",
        PrincipalKind::Application | PrincipalKind::ManagedIdentity => "Application",
    })
}

fn put(call: &Call<'_>, server: &Record) -> Outcome {
    let wish = read(call, server)?;
    let turn = records::begin(call)?;
    let name = match server.administrator {
        None => "CreateActiveDirectoryAdministrator",
        Some(_) => "UpdateActiveDirectoryAdministrator",
    };
    let answer = json_of(server, &wish);
    let (world, kind, reads_directory) = (call.world.clone(), server.kind, server.reads_directory);
    Ok(operations::start(call, &plan(call, kind, name), async move {
        if kind == Kind::ManagedInstance {
            if !reads_directory {
                return Err(may_not_look_up());
            }
            look_up(&world, &wish)?;
        }
        turn.change(|one| one.administrator = Some(wish));
        Ok(Some(answer))
    }))
}

/// A managed instance asks the directory as itself, with a right that nobody has given it yet when it is new.
fn may_not_look_up() -> operations::Failed {
    let text = "Azure Active Directory look-up of the principal failed: the identity of the managed instance has no permission to read the directory.";
    ("ServicePrincipalLookupInAadFailed".to_owned(), text.to_owned())
}

/// A managed instance asks the directory.
fn look_up(world: &World, wish: &Administrator) -> Result<(), operations::Failed> {
    let mut state = hold(&world.state);
    let by_client_id = state.directory.by_app_id(&wish.sid).map(|one| one.object_id.clone());
    let object_id = by_client_id.unwrap_or_else(|| wish.sid.clone());
    if !wish.tenant.eq_ignore_ascii_case(world.tenant()) {
        let text = format!("Tenant '{}' is not available in active directory.", wish.tenant);
        return Err(("TenantNotFoundInActiveDirectory".to_owned(), text));
    }
    match state.directory.look_up(Reader::ResourceManager, &object_id) {
        Some(_) => Ok(()),
        None => {
            let text = format!(
                "Principal '{}' could not be found: AzureAD Lookup returned no results for this name.",
                wish.login
            );
            Err(("PrincipalNotFoundInTenant".to_owned(), text))
        }
    }
}

fn delete(call: &Call<'_>, server: &Record) -> Outcome {
    if server.administrator.is_none() {
        // The specification has 204 for servers only.
        let status = if server.kind == Kind::Sql { 204 } else { 200 };
        return Ok(Answer::empty(status));
    }
    if server.entra_only {
        let code = match server.kind {
            Kind::ManagedInstance => "InvalidManagedServerAzureADAdminDeleteOperation",
            _ => "InvalidServerAzureADAdminDeleteOperation",
        };
        let message = "The Azure Active Directory administrator cannot be deleted while AzureADOnlyAuthentication is set; use the \
                       azureADOnlyAuthentications API first.";
        return Err(Answer::arm_error(400, code, message));
    }
    let turn = records::begin(call)?;
    let plan = plan(call, server.kind, "DropActiveDirectoryAdministrator");
    Ok(operations::start(call, &plan, async move {
        turn.change(|one| one.administrator = None);
        Ok(None)
    }))
}
