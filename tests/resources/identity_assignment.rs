//! `entradb_identity_assignment`: what its tests share; the life on each kind of resource stands in `lives.rs`.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::Emulator;
use serde_json::Value as Json;

use crate::config;
use crate::harness::plugin::Plugin;

mod at_once;
mod by_hand;
pub(super) mod clusters;
mod lives;
mod refusals;
mod trouble;

const TYPE: &str = "entradb_identity_assignment";

/// An identity for a test: its ARM ID and the object ID of its principal.
async fn identity(plugin: &Plugin, name: &str) -> (String, Value) {
    let identities = plugin.resource("entradb_managed_identity");
    let made = identities.create(config! {
        "name" => name, "resource_group_name" => "data-platform", "location" => "westeurope",
    });
    let made = made.await;
    let id = made.get("id").as_str().expect("a text").to_owned();
    (id, made.get("principal_id").clone())
}

fn user(target: &str, identity: &str) -> Object {
    config! { "target_id" => target, "identity_id" => identity }
}

fn system(target: &str) -> Object {
    config! { "target_id" => target, "system_assigned" => true }
}

/// What a GET of a target shows now.
fn shown(azure: &Emulator, target: &str) -> Json {
    let is_server = ["/flexibleServers/", "/Microsoft.Sql/"]
        .iter()
        .any(|part| target.contains(part));
    match is_server {
        true => azure.server_properties(target),
        false => azure.resource(target),
    }
}

/// The `type` of the identities of a resource, and the names of the user-assigned ones.
fn attached(azure: &Emulator, target: &str) -> (String, Vec<String>) {
    let resource = shown(azure, target);
    let identity = &resource["identity"];
    let kinds = identity["type"].as_str().unwrap_or("None").replace(' ', "");
    let map = identity["userAssignedIdentities"].as_object();
    let names = map.into_iter().flat_map(|map| map.keys());
    let names = names.filter_map(|id| id.rsplit('/').next()).map(str::to_lowercase);
    (kinds, names.collect())
}

fn has(azure: &Emulator, target: &str, name: &str) -> bool {
    attached(azure, target).1.contains(&name.to_owned())
}
