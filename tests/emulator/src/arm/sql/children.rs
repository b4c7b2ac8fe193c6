//! What hangs on a server or managed instance and is only read here: databases and connection policies.

use serde_json::{Value, json};

use super::VERSIONS;
use crate::answer::Answer;
use crate::arm::records::{self, Kind, Record};
use crate::arm::{Call, Outcome};

pub(super) fn databases(call: &Call<'_>, kind: Kind) -> Outcome {
    let child = format!("{}/databases", kind.name());
    call.versions(&child, &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(&child);
    }
    let server = records::find(call, kind)?;
    let names = match kind {
        // Azure lists `master` of a server, and no system databases of an instance.
        Kind::Sql => [vec!["master".to_owned()], server.databases.clone()].concat(),
        _ => server.databases.clone(),
    };
    let value: Vec<Value> = names.iter().map(|name| database(call, &server, name)).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

fn database(call: &Call<'_>, server: &Record, name: &str) -> Value {
    let mut answer = json!({
        "properties": {
            "collation": "SQL_Latin1_General_CP1_CI_AS", "status": "Online", "creationDate": "2026-01-01T00:00:00.000Z",
        },
        "location": call.world.options.location, "id": format!("{}/databases/{name}", server.id), "name": name,
        "type": format!("{}/databases", server.kind.name()),
    });
    if server.kind == Kind::Sql {
        let system = name == "master";
        answer["sku"] = json!({"name": if system { "System" } else { "GP_Gen5" }, "tier": if system { "System" } else { "GeneralPurpose" }});
        answer["kind"] = json!(if system { "v12.0,system" } else { "v12.0,user,vcore" });
    }
    answer
}

fn policy(call: &Call<'_>, server: &Record) -> Value {
    json!({
        "id": format!("{}/connectionPolicies/default", server.id), "name": "default",
        "type": "Microsoft.Sql/servers/connectionPolicies", "location": call.world.options.location, "kind": null,
        "properties": {"connectionType": "Default"},
    })
}

pub(super) fn connection_policies(call: &Call<'_>) -> Outcome {
    call.versions("servers/connectionPolicies", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb("Microsoft.Sql/servers/connectionPolicies");
    }
    let server = records::find(call, Kind::Sql)?;
    Ok(Answer::json(200, json!({"value": [policy(call, &server)]})))
}

pub(super) fn connection_policy(call: &Call<'_>, name: &str) -> Outcome {
    call.versions("servers/connectionPolicies", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb("Microsoft.Sql/servers/connectionPolicies");
    }
    let server = records::find(call, Kind::Sql)?;
    if name != "default" {
        let message = format!("Invalid value given for parameter connectionPolicyName: '{name}'. Specify default.");
        return Err(Answer::arm_error(400, "InvalidParameterValue", message));
    }
    Ok(Answer::json(200, policy(call, &server)))
}
