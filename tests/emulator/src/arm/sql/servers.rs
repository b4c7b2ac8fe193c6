//! Servers and managed instances themselves: reading, with `$expand`, and the changes to identity and tags.

use serde_json::{Value, json};

use super::{VERSIONS, server_plan};
use crate::answer::Answer;
use crate::arm::assignment::{self, Assignment};
use crate::arm::body::{self, Fields};
use crate::arm::records::{self, Kind, Record};
use crate::arm::{Call, Outcome, operations};
use crate::journal::hold;
use crate::world::{State, World};

/// The body of a GET.
pub(super) fn json_of(world: &World, state: &State, server: &Record, expanded: bool) -> Value {
    let mut answer = match server.kind {
        Kind::ManagedInstance => instance(world, server),
        _ => logical(world, server),
    };
    records::show_tags(&mut answer, &server.tags);
    if let Some(kind) = records::identity_type(!server.identities.is_empty(), server.system_identity.is_some()) {
        let mut identity = json!({"type": kind, "tenantId": world.tenant()});
        if let Some(system) = &server.system_identity {
            identity["principalId"] = json!(system);
        }
        if !server.identities.is_empty() {
            let form = |object_id: &str, client_id: &str| json!({"principalId": object_id, "clientId": client_id});
            let map = records::identity_map(state, &server.identities, form);
            identity["userAssignedIdentities"] = Value::Object(map);
        }
        answer["identity"] = identity;
    }
    if let Some(primary) = &server.primary_identity {
        answer["properties"]["primaryUserAssignedIdentityId"] = json!(primary);
    }
    if let Some(one) = server.administrator.as_ref().filter(|_| expanded) {
        answer["properties"]["administrators"] = json!({
            "administratorType": "ActiveDirectory", "principalType": one.principal_type, "login": one.login,
            "sid": one.sid, "tenantId": one.tenant, "azureADOnlyAuthentication": server.entra_only,
        });
    }
    records::overlaid(state, &server.id, answer)
}

fn logical(world: &World, server: &Record) -> Value {
    json!({
        "kind": "v12.0",
        "properties": {
            "administratorLogin": "sqladmin", "version": "12.0", "state": "Ready",
            "fullyQualifiedDomainName": server.fqdn, "privateEndpointConnections": [], "minimalTlsVersion": "1.2",
            "publicNetworkAccess": "Enabled", "restrictOutboundNetworkAccess": "Disabled",
            "externalGovernanceStatus": "Disabled",
        },
        "location": world.options.location, "id": server.id, "name": server.name,
        "type": server.kind.name(),
    })
}

fn instance(world: &World, server: &Record) -> Value {
    let network = format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/virtualNetworks/vnet-data/subnets/instances",
        world.subscription(),
        world.options.resource_group
    );
    json!({
        "sku": {"name": "GP_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 8},
        "properties": {
            "fullyQualifiedDomainName": server.fqdn, "administratorLogin": "sqladmin", "subnetId": network,
            "state": "Ready", "provisioningState": "Succeeded", "licenseType": "LicenseIncluded", "vCores": 8,
            "storageSizeInGB": 256, "collation": "SQL_Latin1_General_CP1_CI_AS", "dnsZone": DNS_ZONE,
            "publicDataEndpointEnabled": true, "proxyOverride": "Proxy", "minimalTlsVersion": "1.2",
            "timezoneId": "UTC", "zoneRedundant": false, "privateEndpointConnections": [],
        },
        "location": world.options.location, "id": server.id, "name": server.name,
        "type": server.kind.name(),
    })
}

/// The zone in every managed instance's host name.
pub(crate) const DNS_ZONE: &str = "a1b2c3d4e5f6";

fn expanded(call: &Call<'_>) -> Result<bool, Answer> {
    match call.ask.parameter("$expand") {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("administrators/activedirectory") => Ok(true),
        Some(value) => {
            let message =
                format!("The value '{value}' of $expand is not supported. Specify administrators/activedirectory.");
            Err(Answer::arm_error(400, "InvalidQueryParameter", message))
        }
    }
}

pub(super) fn list(call: &Call<'_>, kind: Kind, group: Option<&str>) -> Outcome {
    call.versions(kind.name(), &VERSIONS)?;
    if !call.is("GET") {
        return call.no_such_verb(kind.name());
    }
    let expanded = expanded(call)?;
    let servers = records::all(call, kind, group);
    let state = hold(&call.world.state);
    let shown = servers.iter().map(|one| json_of(call.world, &state, one, expanded));
    Ok(Answer::json(200, json!({"value": shown.collect::<Vec<Value>>()})))
}

pub(super) fn one(call: &Call<'_>, kind: Kind) -> Outcome {
    call.versions(kind.name(), &VERSIONS)?;
    let server = records::find(call, kind)?;
    let expanded = expanded(call)?;
    match call.ask.method.as_str() {
        "GET" => {
            let state = hold(&call.world.state);
            Ok(Answer::json(200, json_of(call.world, &state, &server, expanded)))
        }
        "PATCH" => patch(call, &server),
        "PUT" | "DELETE" => {
            let message = "The emulator does not make or remove servers; it starts with the ones it has.";
            Err(Answer::arm_error(405, "UnsupportedHttpVerb", message))
        }
        _ => call.no_such_verb(kind.name()),
    }
}

/// What a PATCH asks for.
struct Wish {
    tags: Option<Value>,
    identity: Option<Assignment>,
    /// The identity to act with afterwards.
    primary: Option<String>,
}

fn patch(call: &Call<'_>, server: &Record) -> Outcome {
    let wish = read(call, server)?;
    let turn = records::begin(call)?;
    let (world, id, kind) = (call.world.clone(), server.id.clone(), server.kind);
    let plan = server_plan(call, kind);
    Ok(operations::start(call, &plan, async move {
        if let Some(tags) = wish.tags {
            turn.change(|one| one.tags = tags);
        }
        if let Some(identity) = wish.identity {
            let done = records::assign(&world, &turn, identity).await;
            done.map_err(|error| ("InternalServerError".to_owned(), error.to_string()))?;
        }
        let touched = ["/identity", "/properties/primaryUserAssignedIdentityId"];
        records::forget_overlay(&mut hold(&world.state), &id, &touched);
        turn.change(|one| one.primary_identity = wish.primary);
        let state = hold(&world.state);
        let after = state.records.get(&id.to_ascii_lowercase());
        Ok(after.map(|one| json_of(&world, &state, one, false)))
    }))
}

fn read(call: &Call<'_>, server: &Record) -> Result<Wish, Answer> {
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", &["identity", "properties", "tags"])?;
    let tags = fields.tags()?;
    let kinds = ["None", "SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned"];
    let identity = match fields.has("identity") {
        true => Some(assignment::read(call, &fields, &kinds)?),
        false => None,
    };
    let mut asked = None;
    if fields.has("properties") {
        let properties = fields.object("properties", &["primaryUserAssignedIdentityId"])?;
        asked = properties.optional_text("primaryUserAssignedIdentityId")?;
    }
    let primary = primary(server, identity.as_ref(), asked.filter(|id| !id.is_empty()))?;
    Ok(Wish {
        tags,
        identity,
        primary,
    })
}

/// A server with user-assigned identities acts with one of them, and says with which.
fn primary(server: &Record, wish: Option<&Assignment>, asked: Option<&str>) -> Result<Option<String>, Answer> {
    let mut after = server.clone();
    if let Some(wish) = wish {
        if wish.none {
            after.identities.clear();
        }
        for (id, wanted) in &wish.user_assigned {
            after.identities.retain(|other| !other.eq_ignore_ascii_case(id));
            if *wanted {
                after.identities.push(id.clone());
            }
        }
        let names_users = !wish.none;
        if names_users && after.identities.is_empty() {
            let message = "No user assigned identity is provided when the identity type is set to UserAssigned.";
            return Err(Answer::arm_error(400, "MissingIdentityId", message));
        }
    }
    if after.identities.is_empty() && asked.is_none() {
        return Ok(None);
    }
    let chosen = asked.or(server.primary_identity.as_deref());
    match chosen {
        Some(id) if after.has_identity(id) => Ok(Some(id.to_owned())),
        Some(id) => {
            let message = format!(
                "The primary user assigned identity '{id}' is not among the user assigned identities of server '{}'.",
                server.name
            );
            Err(Answer::arm_error(400, "InvalidPrimaryIdentityId", message))
        }
        None => {
            let message =
                "The property 'primaryUserAssignedIdentityId' must be set when user assigned identities are assigned.";
            Err(Answer::arm_error(400, "MissingPrimaryIdentity", message))
        }
    }
}
