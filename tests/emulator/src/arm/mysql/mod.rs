//! Microsoft.DBforMySQL/flexibleServers: reading, and the changes to identity and tags. It makes and removes no servers.

mod administrators;
mod configurations;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::operations::{Place, Plan};
use crate::arm::records::{self, Kind, Record};
use crate::arm::servers::display_location;
use crate::arm::{Call, Outcome, assignment, operations};
use crate::journal::hold;
use crate::world::{State, World};

const VERSIONS: [&str; 4] = ["2022-01-01", "2023-06-30", "2023-12-30", "2024-12-30"];
const KIND: &str = "Microsoft.DBforMySQL/flexibleServers";

const PLACE: Place = Place {
    namespace: "Microsoft.DBforMySQL",
    in_group: false,
    poll: "azureAsyncOperation",
    result: "operationResults",
    signed: true,
    dated: false,
};

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

pub(crate) fn of_subscription(call: &Call<'_>, rest: &[&str]) -> Outcome {
    match rest {
        ["flexibleservers"] => list(call, None),
        _ => call.no_such_type(call.part(3), call.part(4)),
    }
}

pub(crate) fn of_group(call: &Call<'_>, group: &str, rest: &[&str]) -> Outcome {
    match rest {
        ["flexibleservers"] => list(call, Some(group)),
        ["flexibleservers", _] => one(call),
        ["flexibleservers", _, "replicas"] => replicas(call),
        ["flexibleservers", _, "administrators"] => administrators::list(call),
        ["flexibleservers", _, "administrators", name] => administrators::one(call, name),
        ["flexibleservers", _, "configurations"] => configurations::list(call),
        ["flexibleservers", _, "configurations", name] => configurations::one(call, name),
        ["flexibleservers", _, "updateconfigurations"] => configurations::update(call),
        _ => call.no_such_type(call.part(5), call.part(6)),
    }
}

fn plan<'a>(call: &Call<'a>, name: &'a str) -> Plan<'a> {
    Plan {
        name,
        place: PLACE,
        location: &call.world.options.location,
    }
}

/// The body of a GET. The identity shows zeros for itself and no client IDs, as recorded.
pub(crate) fn json_of(world: &World, state: &State, server: &Record) -> Value {
    let role = match &server.source {
        Some(_) => "Replica",
        None if has_replicas(state, server) => "Source",
        None => "None",
    };
    let mut answer = json!({
        "sku": {"name": "Standard_D4ds_v4", "tier": "GeneralPurpose"},
        "systemData": {"createdAt": "2026-01-01T00:00:00.0000000Z"},
        "properties": {
            "administratorLogin": "mysqladmin",
            "storage": {
                "storageSizeGB": 128, "iops": 684, "autoGrow": "Enabled", "autoIoScaling": "Disabled",
                "storageSku": "Premium_LRS", "logOnDisk": "Disabled",
            },
            "version": "8.0.21", "fullVersion": "8.0.46", "state": if server.busy { "Updating" } else { "Ready" },
            "fullyQualifiedDomainName": server.fqdn, "availabilityZone": "3",
            "maintenanceWindow": {"customWindow": "Disabled", "dayOfWeek": 0, "startHour": 0, "startMinute": 0},
            "replicationRole": role, "replicaCapacity": if server.source.is_some() { 0 } else { 10 },
            "network": {"publicNetworkAccess": "Enabled"},
            "backup": {
                "backupRetentionDays": 7, "geoRedundantBackup": "Disabled",
                "earliestRestoreDate": "2026-01-01T00:00:00.0000000+00:00",
            },
            "highAvailability": {"mode": "Disabled", "state": "NotEnabled", "standbyAvailabilityZone": ""},
            "privateEndpointConnections": [],
        },
        "location": display_location(&world.options.location),
        "id": server.id, "name": server.name, "type": KIND,
    });
    records::show_tags(&mut answer, &server.tags);
    if let Some(source) = &server.source {
        answer["properties"]["sourceServerResourceId"] = json!(source);
    }
    if !server.identities.is_empty() {
        let form = |object_id: &str, _: &str| json!({"principalId": object_id, "tenantId": world.tenant()});
        answer["identity"] = json!({
            "userAssignedIdentities": records::identity_map(state, &server.identities, form),
            "principalId": NOBODY, "type": "UserAssigned", "tenantId": NOBODY,
        });
    }
    records::overlaid(state, &server.id, answer)
}

fn has_replicas(state: &State, server: &Record) -> bool {
    let mut sources = state.records.values().filter_map(|one| one.source.as_deref());
    sources.any(|source| source.eq_ignore_ascii_case(&server.id))
}

/// The replicas of the server of the path.
fn replicas(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers/replicas", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb("Microsoft.DBforMySQL/flexibleServers/replicas");
    }
    let server = records::find(call, Kind::Mysql)?;
    let state = hold(&call.world.state);
    let own = |one: &&Record| {
        let source = one.source.as_ref();
        source.is_some_and(|id| id.eq_ignore_ascii_case(&server.id))
    };
    let replicas = state.records.values().filter(own);
    let value: Vec<Value> = replicas.map(|one| json_of(call.world, &state, one)).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

fn list(call: &Call<'_>, group: Option<&str>) -> Outcome {
    call.versions("flexibleServers", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let servers = records::all(call, Kind::Mysql, group);
    let state = hold(&call.world.state);
    let value: Vec<Value> = servers.iter().map(|one| json_of(call.world, &state, one)).collect();
    Ok(Answer::json(200, json!({"value": value})))
}

fn one(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers", &VERSIONS)?;
    let server = records::find(call, Kind::Mysql)?;
    match call.ask.method.as_str() {
        "GET" => Ok(Answer::json(
            200,
            json_of(call.world, &hold(&call.world.state), &server),
        )),
        "PATCH" => patch(call, &server),
        "PUT" | "DELETE" => {
            let message = "The emulator does not make or remove servers; it starts with the ones it has.";
            Err(Answer::arm_error(405, "UnsupportedHttpVerb", message))
        }
        _ => call.no_such_verb(KIND),
    }
}

fn patch(call: &Call<'_>, server: &Record) -> Outcome {
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["identity", "tags"])?;
    let tags = fields.tags()?;
    // The specification knows `UserAssigned` only; Azure's own command line removes with `None`.
    let wish = match fields.has("identity") {
        true => Some(assignment::read(call, &fields, &["UserAssigned", "None"])?),
        false => None,
    };
    if let Some(wish) = &wish
        && let Some(used) = server.administrator.as_ref().and_then(|one| one.identity.clone())
    {
        let removed = |(id, wanted): &(String, bool)| !wanted && id.eq_ignore_ascii_case(&used);
        if wish.none || wish.user_assigned.iter().any(removed) {
            let message =
                format!("The identity '{used}' is used by the server's Azure AD administrator. Remove that first.");
            return Err(Answer::arm_error(400, "InvalidParameterValue", message));
        }
    }
    let turn = records::begin(call)?;
    let (world, id) = (call.world.clone(), server.id.clone());
    let plan = plan(call, "UpsertServerManagementOperationV2");
    Ok(operations::start(call, &plan, async move {
        if let Some(tags) = tags {
            turn.change(|one| one.tags = tags);
        }
        if let Some(wish) = wish {
            let done = records::assign(&world, &turn, wish).await;
            done.map_err(|error| ("InternalServerError".to_owned(), error.to_string()))?;
            records::forget_overlay(&mut hold(&world.state), &id, &["/identity"]);
        }
        // The final state is behind `Location`: clients take the server from there.
        let state = hold(&world.state);
        let server = state.records.get(&id.to_ascii_lowercase());
        Ok(server.map(|server| json_of(&world, &state, server)))
    }))
}
