//! Microsoft.DBforPostgreSQL/flexibleServers: reading, and the changes to identity, tags and authentication.
//! It does not make or remove servers.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::assignment::{self, Assignment};
use crate::arm::body::{self, Fields};
use crate::arm::operations::{self, Plan};
use crate::arm::records::{self, Kind};
use crate::arm::{Call, Outcome, busy, replicas, resource_not_found};
use crate::journal::hold;
use crate::postgres::server::Server;
use crate::world::{State, World};

pub(crate) const VERSIONS: [&str; 5] = [
    "2023-12-01-preview",
    "2024-08-01",
    "2025-08-01",
    "2026-01-01-preview",
    "2026-10-01",
];
pub(crate) const KIND: &str = "Microsoft.DBforPostgreSQL/flexibleServers";

/// The server of the path; its group is known to exist.
pub(crate) fn find(call: &Call<'_>) -> Result<Arc<Server>, Answer> {
    let key = format!("/{}", call.ask.segments[..8].join("/")).to_ascii_lowercase();
    let found = hold(&call.world.state).servers.get(&key).cloned();
    found.ok_or_else(|| resource_not_found(KIND, call.part(7), call.part(3)))
}

/// 409 while another change is under way.
pub(crate) fn begin_change(call: &Call<'_>, server: &Arc<Server>) -> Result<Change, Answer> {
    let mut record = hold(&server.record);
    if record.state != "Ready" {
        return Err(busy::answer(call));
    }
    record.state = "Updating";
    drop(record);
    Ok(Change { server: server.clone() })
}

/// A change that is under way; the server is `Updating` until it is dropped.
pub(crate) struct Change {
    pub(crate) server: Arc<Server>,
}

impl Drop for Change {
    fn drop(&mut self) {
        hold(&self.server.record).state = "Ready";
    }
}

/// Azure answers with the display form of a location.
pub(crate) fn display_location(name: &str) -> String {
    match name {
        "westeurope" => "West Europe".to_owned(),
        "northeurope" => "North Europe".to_owned(),
        "eastus" => "East US".to_owned(),
        "germanywestcentral" => "Germany West Central".to_owned(),
        other => other.to_owned(),
    }
}

/// The body of a GET.
pub(crate) fn json_of(world: &World, state: &State, server: &Server) -> Value {
    records::overlaid(state, &server.id, plain_json(world, state, server))
}

/// The body without what was changed past this API.
pub(crate) fn plain_json(world: &World, state: &State, server: &Server) -> Value {
    let record = hold(&server.record);
    let mut authentication = json!({
        "activeDirectoryAuth": switch(record.entra), "passwordAuth": switch(record.password),
    });
    if let Some(tenant) = &record.tenant {
        authentication["tenantId"] = json!(tenant);
    }
    let (major, minor) = server
        .binaries
        .version
        .split_once('.')
        .unwrap_or((&server.binaries.version, "0"));
    let mut answer = json!({
        "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
        "systemData": {"createdAt": "2026-01-01T00:00:00.0000000Z"},
        "properties": {
            "replica": {"role": "Primary", "capacity": 5},
            "storage": {"type": "", "iops": 500, "tier": "P10", "storageSizeGB": 128, "autoGrow": "Disabled"},
            "network": {"publicNetworkAccess": "Enabled"},
            "privateEndpointConnections": [],
            "dataEncryption": {"type": "SystemManaged"},
            "authConfig": authentication,
            "fullyQualifiedDomainName": server.fqdn,
            "version": major, "minorVersion": minor,
            "administratorLogin": crate::postgres::bootstrap::ADMINISTRATOR,
            "state": record.state, "availabilityZone": "1",
            "backup": {"backupRetentionDays": 7, "geoRedundantBackup": "Disabled"},
            "highAvailability": {"mode": "Disabled", "state": "NotEnabled"},
            "maintenanceWindow": {"customWindow": "Disabled", "dayOfWeek": 0, "startHour": 0, "startMinute": 0},
            "replicationRole": "Primary", "replicaCapacity": 5,
        },
        "location": display_location(&world.options.location),
        "id": server.id, "name": server.name, "type": KIND,
    });
    records::show_tags(&mut answer, &record.tags);
    if let Some(identity) = identity_json(world, state, &record.identities, record.system_identity.as_deref()) {
        answer["identity"] = identity;
    }
    answer
}

/// What `identity` shows. As recorded, `clientId` carries the tenant's ID: nobody may rely on it.
pub(crate) fn identity_json(world: &World, state: &State, ids: &[String], system: Option<&str>) -> Option<Value> {
    let kind = records::identity_type(!ids.is_empty(), system.is_some())?;
    let mut identity = json!({"type": kind, "tenantId": world.tenant()});
    if !ids.is_empty() {
        let form = |object_id: &str, _: &str| json!({"principalId": object_id, "clientId": world.tenant()});
        identity["userAssignedIdentities"] = Value::Object(records::identity_map(state, ids, form));
    }
    if let Some(system) = system {
        identity["principalId"] = json!(system);
    }
    Some(identity)
}

/// The spellings of `identity.type` that a version knows.
pub(crate) fn identity_kinds(call: &Call<'_>) -> &'static [&'static str] {
    match call.api_version.as_str() {
        "2023-12-01-preview" | "2024-08-01" => &["None", "UserAssigned"],
        _ => &["None", "UserAssigned", "SystemAssigned", "SystemAssigned,UserAssigned"],
    }
}

fn switch(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}

pub(crate) fn list(call: &Call<'_>, group: Option<&str>) -> Outcome {
    call.versions("flexibleServers", &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(KIND);
    }
    let state = hold(&call.world.state);
    let wanted = group.map(|group| format!("/resourcegroups/{group}/"));
    let of_group = |key: &str| wanted.as_ref().is_none_or(|wanted| key.contains(wanted));
    let servers = state.servers.iter().filter(|(key, _)| of_group(key));
    let replicas = state
        .records
        .iter()
        .filter(|(key, one)| one.kind == Kind::PostgresqlReplica && of_group(key));
    let value: Vec<Value> = servers
        .map(|(_, server)| json_of(call.world, &state, server))
        .chain(replicas.map(|(_, one)| replicas::json_of(call.world, &state, one)))
        .collect();
    Ok(Answer::json(200, json!({"value": value})))
}

pub(crate) fn one(call: &Call<'_>) -> Outcome {
    call.versions("flexibleServers", &VERSIONS)?;
    match call.ask.method.as_str() {
        "GET" => {
            let server = find(call)?;
            let state = hold(&call.world.state);
            Ok(Answer::json(200, json_of(call.world, &state, &server)))
        }
        "PATCH" => patch(call),
        "PUT" | "DELETE" => {
            let message = "The emulator does not make or remove servers; it starts with the ones it has.";
            Err(Answer::arm_error(405, "UnsupportedHttpVerb", message))
        }
        _ => call.no_such_verb(KIND),
    }
}

/// What a PATCH asks for.
#[derive(Default)]
struct Wish {
    entra: Option<bool>,
    password: Option<bool>,
    tenant: Option<String>,
    tags: Option<Value>,
    identity: Option<Assignment>,
}

fn patch(call: &Call<'_>) -> Outcome {
    let server = find(call)?;
    let value = body::parse(call.ask)?;
    let wish = read(call, &server, &value)?;
    let change = begin_change(call, &server)?;
    let plan = Plan {
        name: "UpsertServerManagementOperationV2",
        place: operations::POSTGRESQL,
        location: &call.world.options.location,
    };
    let world = call.world.clone();
    Ok(operations::start(call, &plan, async move {
        let outcome = apply(&world, &change, wish).await;
        drop(change);
        outcome.map(|()| None)
    }))
}

fn read(call: &Call<'_>, server: &Server, value: &Value) -> Result<Wish, Answer> {
    let fields = Fields::of(value, "", &["properties", "identity", "tags"])?;
    let mut wish = Wish {
        tags: fields.tags()?,
        ..Wish::default()
    };
    if fields.has("properties") {
        let properties = fields.object("properties", &["authConfig", "createMode"])?;
        properties.choice("createMode", &["Default", "Update"])?;
        if properties.has("authConfig") {
            let config = properties.object("authConfig", &["activeDirectoryAuth", "passwordAuth", "tenantId"])?;
            let enabled = |name: &str| {
                Ok::<_, Answer>(
                    config
                        .choice(name, &["Enabled", "Disabled"])?
                        .map(|word| word == "Enabled"),
                )
            };
            wish.entra = enabled("activeDirectoryAuth")?;
            wish.password = enabled("passwordAuth")?;
            wish.tenant = config
                .optional_text("tenantId")?
                .filter(|text| !text.is_empty())
                .map(str::to_owned);
            check_authentication(call, server, &wish)?;
        }
    }
    if fields.has("identity") {
        wish.identity = Some(assignment::read(call, &fields, identity_kinds(call))?);
    }
    Ok(wish)
}

fn check_authentication(call: &Call<'_>, server: &Server, wish: &Wish) -> Result<(), Answer> {
    let record = hold(&server.record);
    let entra = wish.entra.unwrap_or(record.entra);
    let password = wish.password.unwrap_or(record.password);
    let refused = |message: &str| Err(Answer::arm_error(400, "InvalidParameterValue", message));
    if !entra && !password {
        return refused("At least one of activeDirectoryAuth and passwordAuth must be Enabled.");
    }
    match &wish.tenant {
        Some(tenant) if !tenant.eq_ignore_ascii_case(call.world.tenant()) => {
            refused("The tenantId in authConfig is not the tenant of the subscription.")
        }
        None if entra && record.tenant.is_none() => {
            refused("authConfig.tenantId is required to enable activeDirectoryAuth.")
        }
        _ => Ok(()),
    }
}

async fn apply(world: &Arc<World>, change: &Change, wish: Wish) -> Result<(), operations::Failed> {
    let server = &change.server;
    let switched = {
        let mut record = hold(&server.record);
        let before = record.entra;
        record.entra = wish.entra.unwrap_or(before);
        record.password = wish.password.unwrap_or(record.password);
        record.tenant = match record.entra {
            true => wish.tenant.or(record.tenant.take()),
            false => None,
        };
        if let Some(tags) = wish.tags {
            record.tags = tags;
        }
        (record.entra != before).then_some(record.entra)
    };
    let internal = |error: crate::Error| ("InternalServerError".to_owned(), error.to_string());
    if let Some(wish) = wish.identity {
        assign(world, server, wish).await.map_err(internal)?;
    }
    if let Some(enabled) = switched {
        let outcome = server.switch_entra(enabled, world.tenant()).await;
        outcome.map_err(internal)?;
    }
    Ok(())
}

async fn assign(world: &Arc<World>, server: &Server, wish: Assignment) -> crate::error::Result<()> {
    let system = {
        let mut record = hold(&server.record);
        if wish.none {
            record.identities.clear();
        }
        for (id, wanted) in wish.user_assigned {
            record.identities.retain(|other| !other.eq_ignore_ascii_case(&id));
            if wanted {
                record.identities.push(id);
            }
        }
        record.system_identity.clone()
    };
    let system = records::switch_system(world, &server.id, &server.name, system, wish.system).await?;
    hold(&server.record).system_identity = system;
    records::forget_overlay(&mut hold(&world.state), &server.id, &["/identity"]);
    Ok(())
}

pub(crate) fn zone_suffix(call: &Call<'_>) -> Outcome {
    call.versions("getPrivateDnsZoneSuffix", &VERSIONS)?;
    if !call.is("POST") {
        return call.no_such_verb("getPrivateDnsZoneSuffix");
    }
    Ok(Answer::json(
        200,
        json!(call.world.options.cloud.facts().postgresql_suffix),
    ))
}
