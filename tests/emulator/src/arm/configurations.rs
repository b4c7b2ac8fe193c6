//! Server parameters of a PostgreSQL server: read from the real server and set in it. A static one waits for a restart.
//! It does not know which of them Azure keeps to itself, but those that the platform needs.

use std::time::SystemTime;

use serde_json::{Value, json};
use tokio_postgres::Row;

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::identities::internal;
use crate::arm::operations::{self, Plan};
use crate::arm::servers::{self, VERSIONS, begin_change};
use crate::arm::{Call, Outcome};
use crate::error::{Context, Result as Done};
use crate::journal::hold;
use crate::postgres::bootstrap::{identifier, literal};
use crate::postgres::server::Server;

const KIND: &str = "Microsoft.DBforPostgreSQL/flexibleServers/configurations";

/// Azure's own parameter, which no real server has.
const GROUP_SYNC: &str = "pgaadauth.enable_group_sync";

/// What the emulator itself sets: a client that changed it would break the server.
const PLATFORM: [&str; 8] = [
    "listen_addresses",
    "unix_socket_directories",
    "shared_preload_libraries",
    "log_statement",
    "log_line_prefix",
    "data_directory",
    "hba_file",
    "ident_file",
];

const QUERY: &str = "select name, setting, boot_val, vartype, context, source, unit, short_desc, pending_restart,
        case when enumvals is not null then array_to_string(enumvals, ',')
             when vartype = 'bool' then 'on,off'
             when min_val is not null then min_val || '-' || max_val else '' end
    from pg_catalog.pg_settings where context <> 'internal' and name not like 'pgaadauth.%' order by name";

struct Parameter {
    name: String,
    value: String,
    read_only: bool,
    json: Value,
}

fn of_row(server: &Server, row: &Row) -> Parameter {
    let name: String = row.get(0);
    let value: Option<String> = row.get(1);
    let value = value.unwrap_or_default();
    let default: Option<String> = row.get(2);
    let data_type = match row.get::<_, &str>(3) {
        "bool" => "Boolean",
        "integer" => "Integer",
        "real" => "Numeric",
        "enum" => "Enumeration",
        _ => "String",
    };
    let read_only = PLATFORM.contains(&name.as_str());
    let unit: Option<String> = row.get(6);
    let overridden = row.get::<_, &str>(5) == "configuration file" && !read_only;
    let mut properties = json!({
        "value": value, "description": row.get::<_, &str>(7), "defaultValue": default.unwrap_or_default(),
        "dataType": data_type, "allowedValues": row.get::<_, &str>(9),
        "source": if overridden { "user-override" } else { "system-default" },
        "isDynamicConfig": row.get::<_, &str>(4) != "postmaster", "isReadOnly": read_only,
        "isConfigPendingRestart": row.get::<_, bool>(8),
    });
    if let Some(unit) = unit {
        properties["unit"] = json!(unit);
    }
    let json = json!({
        "properties": properties, "id": format!("{}/configurations/{name}", server.id), "name": name, "type": KIND,
    });
    Parameter {
        name,
        value,
        read_only,
        json,
    }
}

fn group_sync(server: &Server) -> Parameter {
    let on = hold(&server.record).group_sync;
    let value = if on { "on" } else { "off" };
    let json = json!({
        "properties": {
            "value": value, "description": "Enables synchronization of Microsoft Entra group members.",
            "defaultValue": "off", "dataType": "Boolean", "allowedValues": "on,off",
            "source": if on { "user-override" } else { "system-default" },
            "isDynamicConfig": true, "isReadOnly": false, "isConfigPendingRestart": false,
        },
        "id": format!("{}/configurations/{GROUP_SYNC}", server.id), "name": GROUP_SYNC, "type": KIND,
    });
    Parameter {
        name: GROUP_SYNC.to_owned(),
        value: value.to_owned(),
        read_only: false,
        json,
    }
}

async fn read(server: &Server) -> Done<Vec<Parameter>> {
    let client = server.superuser("postgres").await?;
    let rows = client
        .query(QUERY, &[])
        .await
        .context("the parameters cannot be read")?;
    let mut all: Vec<Parameter> = rows.iter().map(|row| of_row(server, row)).collect();
    all.push(group_sync(server));
    Ok(all)
}

pub(crate) async fn list(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/configurations", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let server = servers::find(call)?;
    let all = read(&server).await.map_err(|error| internal(&error))?;
    let value: Vec<Value> = all.into_iter().map(|one| one.json).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(crate) async fn one(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/configurations", &VERSIONS)?;
    let server = servers::find(call)?;
    let name = call.part(9);
    let all = read(&server).await.map_err(|error| internal(&error))?;
    let Some(found) = all.into_iter().find(|one| one.name.eq_ignore_ascii_case(name)) else {
        let message = format!("The requested resource of type '{KIND}' with name '{name}' was not found.");
        return Err(Answer::arm_error(404, "ResourceNotFound", message));
    };
    match call.ask.method.as_str() {
        "GET" => Ok(Answer::json(200, found.json)),
        "PUT" | "PATCH" => set(call, &found),
        _ => call.no_such_verb(KIND),
    }
}

fn set(call: &Call<'_>, parameter: &Parameter) -> Outcome {
    let bad = |message: String| Answer::arm_error(400, "InvalidParameterValue", message);
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["properties"])?;
    let properties = fields.object("properties", &["value", "source"])?;
    properties.choice("source", &["system-default", "user-override"])?;
    let value = properties.text("value")?.to_owned();
    let name = parameter.name.clone();
    if parameter.read_only && value != parameter.value {
        return Err(bad(format!("The server parameter '{name}' is read-only.")));
    }
    if name == GROUP_SYNC && !["on", "off"].contains(&value.as_str()) {
        return Err(bad(format!(
            "Invalid value given for parameter {name}: '{value}'. Specify on or off."
        )));
    }
    let server = servers::find(call)?;
    let change = begin_change(call, &server)?;
    let plan = Plan {
        name: "UpdateServerParameterManagementOperationV2",
        place: operations::POSTGRESQL,
        location: &call.world.options.location,
    };
    Ok(operations::start(call, &plan, async move {
        if name == GROUP_SYNC {
            hold(&change.server.record).group_sync = value == "on";
        } else {
            let done = alter(&change.server, &name, &value).await;
            done.map_err(|text| ("InvalidParameterValue".to_owned(), text))?;
        }
        let after = read(&change.server).await;
        let after = after.map_err(|error| ("InternalServerError".to_owned(), error.to_string()))?;
        Ok(after.into_iter().find(|one| one.name == name).map(|one| one.json))
    }))
}

/// Sets a parameter in the real server; the error is the server's own text.
async fn alter(server: &Server, name: &str, value: &str) -> Result<(), String> {
    let client = server.superuser("postgres").await.map_err(|error| error.to_string())?;
    let statement = format!("alter system set {} = {}", identifier(name), literal(value));
    let text = |error: tokio_postgres::Error| match error.as_db_error() {
        Some(error) => error.message().to_owned(),
        None => error.to_string(),
    };
    let loaded = async || {
        let client = server.superuser("postgres").await.map_err(|error| error.to_string())?;
        let row = client.query_one("select pg_catalog.pg_conf_load_time()", &[]).await;
        Ok::<SystemTime, String>(row.map_err(text)?.get(0))
    };
    let before = loaded().await?;
    client.batch_execute(&statement).await.map_err(text)?;
    let reload = "select pg_catalog.pg_reload_conf()";
    client.batch_execute(reload).await.map_err(text)?;
    // The server reads its file a moment later; only sessions that begin after that see it.
    for _ in 0..500 {
        if loaded().await? != before {
            return Ok(());
        }
    }
    Err("the server does not load its settings".to_owned())
}
