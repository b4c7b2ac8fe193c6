//! `entradb_identity_assignment`: the life on each kind of resource, beside others' identities

use entradb::protocol::value::{Object, Value};
use entradb_emulator::Emulator;
use serde_json::Value as Json;

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;

mod at_once;
mod clusters;
mod refusals;
mod servers;
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

/// The `type` of the identities of a resource, and the names of the user-assigned ones.
fn attached(azure: &Emulator, target: &str) -> (String, Vec<String>) {
    let resource: Json = azure.resource(target);
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

/// A user-assigned identity from its plan to its end, beside another one that somebody else attached.
async fn life_of_a_user_assigned_one(azure: &Emulator, plugin: &Plugin, target: &str, name: &str) {
    let (id, principal) = identity(plugin, name).await;
    let (other, _) = identity(plugin, &format!("{name}-other")).await;
    azure.attach_identity(target, &other);
    let assignments = plugin.resource(TYPE);
    let planned = assignments.plan_create(user(target, &id)).await;
    assert_eq!(planned.get("identity"), &Value::from(id.as_str()));
    assert!(planned.get("principal_id").is_unknown());
    let mut assignment = assignments.create(user(target, &id)).await;
    assignment.settled().await;
    assert_eq!(assignment.get("principal_id"), &principal);
    assert!(has(azure, target, name) && has(azure, target, &format!("{name}-other")));
    // Another spelling of the IDs is the same.
    assert_eq!(
        assignment
            .update(user(
                &target.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions"),
                &id
            ))
            .await,
        Action::NoOp
    );

    azure.detach_identity(target, &id);
    let elsewhere = azure::provider(azure).await;
    assignment.resource = elsewhere.resource(TYPE);
    assert_eq!(assignment.refresh().await, Found::Gone);
    assert_eq!(assignment.update(user(target, &id)).await, Action::Create);
    assignment.settled().await;
    let mut imported = elsewhere.resource(TYPE).import(&format!("{target}|{id}")).await;
    imported.settled_as(user(target, &id)).await;
    let generated = imported.generated_config().await;
    imported.settled_as(generated).await;

    assignment.destroy().await;
    assert!(!has(azure, target, name) && has(azure, target, &format!("{name}-other")));
    // What is gone already is no failure.
    imported.destroy().await;
    azure.detach_identity(target, &other);
}

/// The resource's own identity, beside a user-assigned one.
async fn life_of_a_system_assigned_one(azure: &Emulator, plugin: &Plugin, target: &str, name: &str) {
    let (other, _) = identity(plugin, &format!("{name}-beside")).await;
    azure.attach_identity(target, &other);
    let mut assignment = plugin.resource(TYPE).create(system(target)).await;
    assignment.settled().await;
    assert_eq!(assignment.get("identity"), &Value::from("system"));
    let shown = azure.resource(target);
    assert_eq!(
        assignment.get("principal_id").as_str(),
        shown["identity"]["principalId"].as_str()
    );
    for known in ["client_id", "tenant_id"] {
        assert_eq!(assignment.get(known).as_str().map(str::len), Some(36), "{known}");
    }
    assert!(has(azure, target, &format!("{name}-beside")));
    let imported = plugin.resource(TYPE).import(&format!("{target}|system")).await;
    assert_eq!(imported.state, assignment.state);
    assignment.destroy().await;
    assert_eq!(attached(azure, target).0, "UserAssigned");
    assert!(has(azure, target, &format!("{name}-beside")));
    azure.detach_identity(target, &other);
}

#[tokio::test]
async fn a_virtual_machine() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let target = &azure.targets().virtual_machine;
    life_of_a_user_assigned_one(azure, &plugin, target, "on-vm").await;
    life_of_a_system_assigned_one(azure, &plugin, target, "on-vm").await;
    made_anew(azure, target).await;
    assert!(plugin.shut_down().await.success());
}

#[tokio::test]
async fn a_function_app() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let target = &azure.targets().function_app;
    life_of_a_user_assigned_one(azure, &plugin, target, "on-func").await;
    life_of_a_system_assigned_one(azure, &plugin, target, "on-func").await;
}

#[tokio::test]
async fn a_web_app_and_its_slot() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    life_of_a_user_assigned_one(azure, &plugin, &azure.targets().web_app, "on-web").await;
    life_of_a_user_assigned_one(azure, &plugin, &azure.targets().web_app_slot, "on-slot").await;
    life_of_a_system_assigned_one(azure, &plugin, &azure.targets().web_app_slot, "on-slot").await;
    // The app has one already: it is adopted, and switched off when it is destroyed.
    let mut adopted = plugin.resource(TYPE).create(system(&azure.targets().web_app)).await;
    adopted.settled().await;
    adopted.destroy().await;
    assert_eq!(attached(azure, &azure.targets().web_app).0, "None");
}

#[tokio::test]
async fn a_container_app_and_a_job() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let targets = azure.targets();
    for (target, name) in [
        (&targets.container_app, "on-app"),
        (&targets.container_app_job, "on-job"),
    ] {
        life_of_a_user_assigned_one(azure, &plugin, target, name).await;
        life_of_a_system_assigned_one(azure, &plugin, target, name).await;
    }
}

/// An identity that was made anew since has another principal; the machine still has the former one.
async fn made_anew(azure: &Emulator, target: &str) {
    let (plugin, elsewhere) = (azure::provider(azure).await, azure::provider(azure).await);
    let (id, former) = identity(&plugin, "on-vm-anew").await;
    let mut assignment = plugin.resource(TYPE).create(user(target, &id)).await;
    elsewhere
        .resource("entradb_managed_identity")
        .import(&id)
        .await
        .destroy()
        .await;
    let (_, now) = identity(&elsewhere, "on-vm-anew").await;
    assignment.resource = elsewhere.resource(TYPE);
    assignment.refresh().await;
    assert_eq!(
        assignment.get("principal_id"),
        &former,
        "the machine still has the former one"
    );
    let planned = assignment.plan(user(target, &id)).await.expect("a plan");
    assert_eq!((planned.action, planned.get("principal_id")), (Action::Update, &now));
    assert_eq!(assignment.update(user(target, &id)).await, Action::Update);
    assignment.settled().await;
    assert_eq!(assignment.get("principal_id"), &now);
    assignment.destroy().await;
}
