//! `azureADOnlyAuthentications/Default`: whether passwords are refused. It hangs on the administrator, as Azure's names
//! for its operations and addresses show.

use serde_json::{Value, json};

use super::{VERSIONS, plan};
use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::records::{self, Kind, Record};
use crate::arm::{Call, Outcome, operations};

fn child(kind: Kind) -> String {
    format!("{}/azureADOnlyAuthentications", kind.name())
}

fn json_of(server: &Record, only: bool) -> Value {
    json!({
        "properties": {"azureADOnlyAuthentication": only},
        "id": format!("{}/azureADOnlyAuthentications/Default", server.id), "name": "Default",
        "type": server.kind.name(),
    })
}

pub(super) fn list(call: &Call<'_>, kind: Kind) -> Outcome {
    call.versions(&child(kind), &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(&child(kind));
    }
    let server = records::find(call, kind)?;
    Ok(Answer::json(
        200,
        json!({"value": [json_of(&server, server.entra_only)]}),
    ))
}

pub(super) fn one(call: &Call<'_>, kind: Kind, name: &str) -> Outcome {
    call.versions(&child(kind), &VERSIONS)?;
    let server = records::find(call, kind)?;
    if name != "default" {
        let code = match kind {
            Kind::ManagedInstance => "InvalidManagedServerAADOnlyAuthTypePropertyName",
            _ => "InvalidServerAADOnlyAuthTypePropertyName",
        };
        let message = "Azure Active Directory only authentication type should be Default.";
        return Err(Answer::arm_error(400, code, message));
    }
    match call.ask.method.as_str() {
        "GET" => Ok(Answer::json(200, json_of(&server, server.entra_only))),
        "PUT" => {
            let wanted = read(call)?;
            set(call, &server, wanted, false)
        }
        "DELETE" if !server.entra_only => Ok(Answer::empty(204)),
        "DELETE" => set(call, &server, false, true),
        _ => call.no_such_verb(&child(kind)),
    }
}

fn read(call: &Call<'_>) -> Result<bool, Answer> {
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["properties"])?;
    let properties = fields.object("properties", &["azureADOnlyAuthentication"])?;
    let wanted = properties.value("azureADOnlyAuthentication").and_then(Value::as_bool);
    wanted.ok_or_else(|| body::invalid("The property 'properties.azureADOnlyAuthentication' must be true or false."))
}

fn set(call: &Call<'_>, server: &Record, wanted: bool, removed: bool) -> Outcome {
    if server.administrator.is_none() {
        let code = match server.kind {
            Kind::ManagedInstance => "InvalidManagedServerAADOnlyAuthNoAADAdminPropertyName",
            _ => "InvalidServerAADOnlyAuthNoAADAdminPropertyName",
        };
        let message =
            "AAD Admin is not configured, AAD Admin must be set before enabling/disabling AAD Only Authentication.";
        return Err(Answer::arm_error(400, code, message));
    }
    let turn = records::begin(call)?;
    let answer = (!removed).then(|| json_of(server, wanted));
    let plan = plan(call, server.kind, "UpdateActiveDirectoryAdministrator");
    Ok(operations::start(call, &plan, async move {
        turn.change(|one| one.entra_only = wanted);
        Ok(answer)
    }))
}
