//! An AKS cluster takes one identity of one kind, by a PUT of the whole.

use entradb::protocol::value::Value;
use entradb_emulator::{Emulator, Options};
use serde_json::{Value as Json, json};

use crate::harness::azure;
use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::resources::identity_assignment::by_hand::ask;
use crate::resources::identity_assignment::{TYPE, attached, identity, system, user};
use crate::resources::world::next_command;
use crate::terraform::workspace::until;

/// The service principal of a cluster that has no identity.
pub const PRINCIPAL: &str = "9f1d6e6e-0000-4000-8000-1f6f1b7d0001";

/// Takes a cluster's identity away, as nothing but ARM itself can.
pub async fn without_identity(azure: &Emulator, id: &str, principal: Option<&str>) {
    let mut body: Json = azure.resource(id);
    body["identity"] = json!({ "type": "None" });
    if let Some(principal) = principal {
        body["properties"]["servicePrincipalProfile"] = json!({ "clientId": principal });
    }
    ask(azure, "PUT", &format!("{id}?api-version=2024-09-01"), &body).await;
    until("the cluster has no identity", || attached(azure, id).0 == "None").await;
}

#[tokio::test]
async fn what_a_cluster_has_is_never_pushed_out() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let target = &azure.targets().cluster;
    let (id, _) = identity(&plugin, "on-aks").await;
    let Err(refused) = plugin.resource(TYPE).try_create(user(target, &id)).await else {
        panic!("it has a system-assigned one")
    };
    assert_eq!(refused.told[0].path.to_string(), "target_id");
    assert!(
        refused.told[0]
            .detail
            .contains("has a system-assigned identity already"),
        "{:?}",
        refused.told
    );

    let mut own = plugin.resource(TYPE).create(system(target)).await;
    own.settled().await;
    own.destroy().await;
    assert_eq!(
        attached(&azure, target).0,
        "SystemAssigned",
        "a cluster cannot be without one"
    );
}

#[tokio::test]
async fn a_cluster_without_one_gets_it_and_keeps_everything_else() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let target = &azure.targets().cluster;
    without_identity(&azure, target, Some(PRINCIPAL)).await;
    let before = azure.resource(target);
    let (id, principal) = identity(&plugin, "on-aks").await;
    let mut assignment = plugin.resource(TYPE).create(user(target, &id)).await;
    assignment.settled().await;
    assert_eq!(assignment.get("principal_id"), &principal);
    let after = azure.resource(target);
    assert_eq!(after["properties"], before["properties"]);
    assert_eq!((&after["tags"], &after["sku"]), (&before["tags"], &before["sku"]));
    let Err(refused) = plugin.resource(TYPE).try_create(system(target)).await else {
        panic!("it has a user-assigned one")
    };
    assert!(refused.told[0].detail.contains("on-aks already"), "{:?}", refused.told);
    assert_eq!(assignment.get("identity"), &Value::from(id.as_str()));
    assignment.destroy().await;
    assert_eq!(attached(&azure, target).0, "None");
}

#[tokio::test]
async fn a_cluster_lives_the_same_life() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let target = &azure.targets().cluster;
    without_identity(&azure, target, Some(PRINCIPAL)).await;
    let assignments = plugin.resource(TYPE);
    let (id, _) = identity(&plugin, "on-aks").await;
    let mut assignment = assignments.create(user(target, &id)).await;
    without_identity(&azure, target, Some(PRINCIPAL)).await;
    next_command(&plugin).await;
    assert_eq!(assignment.refresh().await, Found::Gone);
    assert_eq!(assignment.update(user(target, &id)).await, Action::Create);
    assignment.settled().await;
    let mut imported = assignments.import(&format!("{target}|{id}")).await;
    imported.settled_as(user(target, &id)).await;

    let (next, _) = identity(&plugin, "on-aks-next").await;
    assert_eq!(assignment.update(user(target, &next)).await, Action::Replace);
    assignment.settled().await;
    azure
        .faults()
        .fail_operation(target, "InternalServerError", "It broke.");
    assignment.try_destroy().await.expect_err("it broke");
    assignment.destroy().await;
    assert_eq!(attached(&azure, target).0, "None");

    let mut own = assignments.create(system(target)).await;
    own.settled().await;
    let imported = assignments.import(&format!("{target}|system")).await;
    assert_eq!(imported.state, own.state);
    without_identity(&azure, target, Some(PRINCIPAL)).await;
    next_command(&plugin).await;
    assert_eq!(own.refresh().await, Found::Gone);
    assert_eq!(own.update(system(target)).await, Action::Create);
    own.destroy().await;
    assert_eq!(attached(&azure, target).0, "None");
}

#[tokio::test]
async fn the_new_identity_takes_the_place_of_the_former_one_or_says_why_not() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let target = &azure.targets().cluster;
    // A cluster that is nothing without its identity cannot be without it for a moment.
    for principal in [Some(PRINCIPAL), None] {
        without_identity(&azure, target, Some(principal.unwrap_or("msi"))).await;
        let (id, _) = identity(&plugin, "on-aks").await;
        let mut assignment = plugin.resource(TYPE).create(user(target, &id)).await;
        let identities = plugin.resource("entradb_managed_identity");
        identities.import(&id).await.destroy().await;
        let (_, now) = identity(&plugin, "on-aks").await;
        next_command(&plugin).await;
        assignment.refresh().await;
        let renewed = assignment.try_update(user(target, &id)).await;
        match principal {
            Some(_) => {
                assert_eq!(renewed.expect("it is renewed"), Action::Update);
                assignment.settled().await;
                assert_eq!(assignment.get("principal_id"), &now);
                assignment.destroy().await;
            }
            None => assert_eq!(renewed.expect_err("it stays")[0].summary, "Identity cannot be renewed"),
        }
    }
}
