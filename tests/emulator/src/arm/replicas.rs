//! Read replicas of PostgreSQL servers: they show what their primary has, and take identities, but no administrators.
//! It does not know replication: no process stands behind a replica.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::operations::{self, Plan};
use crate::arm::records::{self, Kind};
use crate::arm::servers::{self, VERSIONS};
use crate::arm::{Call, Outcome, administrators, assignment};
use crate::journal::hold;
use crate::world::{State, World};

/// Whether the path is in a replica.
pub(crate) fn is_one(call: &Call<'_>) -> bool {
    hold(&call.world.state).records.contains_key(&records::key(call))
}

/// The body of a replica: its primary's, with its own name, identity and role.
pub(crate) fn json_of(world: &World, state: &State, replica: &records::Record) -> Value {
    let source = replica.source.clone().unwrap_or_default();
    let primary = state.servers.get(&source.to_ascii_lowercase());
    let mut answer = primary.map_or_else(|| json!({}), |primary| servers::plain_json(world, state, primary));
    for (name, value) in [("id", &replica.id), ("name", &replica.name)] {
        answer[name] = json!(value);
    }
    let properties = &mut answer["properties"];
    properties["fullyQualifiedDomainName"] = json!(replica.fqdn);
    properties["replica"] = json!({"role": "AsyncReplica", "capacity": 0});
    properties["replicationRole"] = json!("AsyncReplica");
    properties["replicaCapacity"] = json!(0);
    properties["sourceServerResourceId"] = json!(source);
    if replica.busy {
        properties["state"] = json!("Updating");
    }
    if let Some(map) = answer.as_object_mut() {
        map.remove("identity");
        map.remove("tags");
    }
    records::show_tags(&mut answer, &replica.tags);
    let system = replica.system_identity.as_deref();
    if let Some(identity) = servers::identity_json(world, state, &replica.identities, system) {
        answer["identity"] = identity;
    }
    records::overlaid(state, &replica.id, answer)
}

/// The replicas of the server of the path.
pub(crate) fn list(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/replicas", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb("Microsoft.DBforPostgreSQL/flexibleServers/replicas");
    }
    let server = servers::find(call)?;
    let state = hold(&call.world.state);
    let own = |one: &&records::Record| {
        one.source
            .as_ref()
            .is_some_and(|id| id.eq_ignore_ascii_case(&server.id))
    };
    let replicas = state.records.values().filter(own);
    let value: Vec<Value> = replicas.map(|one| json_of(call.world, &state, one)).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(crate) fn answer(call: &Call<'_>, rest: &[&str]) -> Outcome {
    call.versions("flexibleServers", &VERSIONS)?;
    let replica = records::find(call, Kind::PostgresqlReplica)?;
    match (call.ask.method.as_str(), rest) {
        ("GET", []) => {
            let state = hold(&call.world.state);
            Ok(Answer::json(200, json_of(call.world, &state, &replica)))
        }
        ("PATCH", []) => patch(call),
        ("GET", ["administrators", ..]) => administrators::of_primary(call, &replica),
        _ => {
            let primary = replica.source.unwrap_or_default();
            let message = format!(
                "The operation is not supported on read replica '{}'. Apply it on the primary server '{primary}'.",
                replica.name
            );
            Err(Answer::arm_error(400, "OperationNotAllowed", message))
        }
    }
}

fn patch(call: &Call<'_>) -> Outcome {
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["identity", "tags"])?;
    let tags = fields.tags()?;
    let wish = match fields.has("identity") {
        true => Some(assignment::read(call, &fields, servers::identity_kinds(call))?),
        false => None,
    };
    let turn = records::begin(call)?;
    let plan = Plan {
        name: "UpsertServerManagementOperationV2",
        place: operations::POSTGRESQL,
        location: &call.world.options.location,
    };
    let world = call.world.clone();
    Ok(operations::start(call, &plan, async move {
        if let Some(tags) = tags {
            turn.change(|one| one.tags = tags);
        }
        if let Some(wish) = wish {
            let done = records::assign(&world, &turn, wish).await;
            done.map_err(|error| ("InternalServerError".to_owned(), error.to_string()))?;
        }
        Ok(None)
    }))
}
