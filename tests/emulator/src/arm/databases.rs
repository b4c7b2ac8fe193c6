//! Databases of a PostgreSQL server, as ARM shows, makes and removes them.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::identities::internal;
use crate::arm::operations::{self, Plan};
use crate::arm::servers::{self, VERSIONS, begin_change};
use crate::arm::{Call, Outcome};
use crate::error::{Context, Result as Done};
use crate::postgres::bootstrap::{create_database, identifier};
use crate::postgres::server::Server;

const KIND: &str = "Microsoft.DBforPostgreSQL/flexibleServers/databases";
const SYSTEM: [&str; 3] = ["azure_maintenance", "azure_sys", "postgres"];

/// Name, encoding and collation of each database that is no template.
async fn read(server: &Server) -> Done<Vec<(String, String, String)>> {
    let rows = server
        .superuser("postgres")
        .await?
        .query(
            "select datname, pg_encoding_to_char(encoding), datcollate::text from pg_catalog.pg_database
             where not datistemplate order by datname",
            &[],
        )
        .await
        .context("the databases cannot be read")?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), row.get::<_, &str>(1).to_owned(), row.get(2)))
        .collect())
}

fn json_of(server: &Server, (name, charset, collation): &(String, String, String)) -> Value {
    json!({
        "properties": {"charset": charset, "collation": collation},
        "id": format!("{}/databases/{name}", server.id), "name": name, "type": KIND,
    })
}

pub(crate) async fn list(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/databases", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let server = servers::find(call)?;
    let all = read(&server).await.map_err(|error| internal(&error))?;
    let value: Vec<Value> = all.iter().map(|database| json_of(&server, database)).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(crate) async fn one(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/databases", &VERSIONS)?;
    let server = servers::find(call)?;
    let name = call.part(9).to_owned();
    let all = read(&server).await.map_err(|error| internal(&error))?;
    let found = all.iter().find(|database| database.0 == name);
    match call.ask.method.as_str() {
        "GET" => match found {
            Some(database) => Ok(Answer::json(200, json_of(&server, database))),
            None => {
                let message = format!("The requested resource of type '{KIND}' with name '{name}' was not found.");
                Err(Answer::arm_error(404, "ResourceNotFound", message))
            }
        },
        "PUT" => put(call, &name, found.is_some()),
        "DELETE" if found.is_none() => Ok(Answer::empty(204)),
        "DELETE" => delete(call, &name),
        _ => call.no_such_verb(KIND),
    }
}

fn put(call: &Call<'_>, name: &str, exists: bool) -> Outcome {
    let server = servers::find(call)?;
    let valid = name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '_' || one == '-');
    if !valid {
        let message = format!("Invalid value given for parameter databaseName: '{name}'.");
        return Err(Answer::arm_error(400, "InvalidParameterValue", message));
    }
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["properties"])?;
    if fields.has("properties") {
        let properties = fields.object("properties", &["charset", "collation"])?;
        properties.choice("charset", &["UTF8"])?;
        properties.optional_text("collation")?;
    }
    let change = begin_change(call, &server)?;
    let plan = Plan {
        name: "UpsertServerDatabaseManagementOperation",
        place: operations::POSTGRESQL,
        location: &call.world.options.location,
    };
    let name = name.to_owned();
    Ok(operations::start(call, &plan, async move {
        let outcome = async {
            if !exists {
                create_database(&change.server.superuser("postgres").await?, &name).await?;
            }
            let all = read(&change.server).await?;
            Ok::<_, crate::Error>(
                all.iter()
                    .find(|one| one.0 == name)
                    .map(|one| json_of(&change.server, one)),
            )
        };
        outcome
            .await
            .map_err(|error| ("InternalServerError".to_owned(), error.to_string()))
    }))
}

fn delete(call: &Call<'_>, name: &str) -> Outcome {
    if SYSTEM.contains(&name) {
        let message = format!("The database '{name}' is a system database and cannot be dropped.");
        return Err(Answer::arm_error(400, "OperationNotAllowed", message));
    }
    let server = servers::find(call)?;
    let change = begin_change(call, &server)?;
    let plan = Plan {
        name: "DropServerDatabaseManagementOperation",
        place: operations::POSTGRESQL,
        location: &call.world.options.location,
    };
    let statement = format!("drop database {} with (force)", identifier(name));
    Ok(operations::start(call, &plan, async move {
        let outcome = async {
            let client = change.server.superuser("postgres").await?;
            client
                .batch_execute(&statement)
                .await
                .context("the database cannot be dropped")
        };
        outcome
            .await
            .map(|()| None)
            .map_err(|error| ("InternalServerError".to_owned(), error.to_string()))
    }))
}
