//! The same life on each kind of resource that takes identities by PATCH, beside somebody else's identity.

use entradb::protocol::value::Value;
use entradb_emulator::{Emulator, Options};
use serde_json::json;

use crate::harness::azure;
use crate::harness::instance::{Found, Instance};
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::identity_assignment::by_hand::Target;
use crate::resources::identity_assignment::{TYPE, attached, has, identity, shown, system, user};
use crate::resources::world::next_command;

fn machines(azure: &Emulator) -> [Target; 2] {
    let targets = azure.targets();
    [
        Target::spaced(&targets.virtual_machine, "on-vm", "2024-07-01"),
        Target::spaced(&targets.scale_set, "on-vmss", "2024-07-01"),
    ]
}

fn apps(azure: &Emulator) -> [Target; 5] {
    let targets = azure.targets();
    [
        Target::spaced(&targets.web_app, "on-web", "2024-04-01"),
        Target::spaced(&targets.web_app_slot, "on-slot", "2024-04-01"),
        Target::spaced(&targets.function_app, "on-func", "2024-04-01"),
        Target::plain(&targets.container_app, "on-app", "2024-03-01"),
        Target::plain(&targets.container_app_job, "on-job", "2024-03-01"),
    ]
}

fn servers(azure: &Emulator) -> [Target; 4] {
    [
        Target::plain(&azure.postgresql().id, "on-pg", "2025-08-01"),
        Target::plain(&azure.mysql().id, "on-mysql", "2023-12-30"),
        Target::plain(&azure.sql_server().id, "on-sql", "2021-11-01"),
        Target::plain(&azure.managed_instance().id, "on-mi", "2021-11-01"),
    ]
}

/// A user-assigned identity: created, taken away by hand, made anew, replaced by another, imported, half-way, and detached.
async fn life_of_a_user_assigned_one(azure: &Emulator, plugin: &Plugin, target: &Target) {
    let (id, name) = (target.id.as_str(), target.name);
    let (own, principal) = identity(plugin, name).await;
    let (other, _) = identity(plugin, &format!("{name}-other")).await;
    target.attach(azure, &other).await;
    let others_stay = || has(azure, id, &format!("{name}-other"));
    let assignments = plugin.resource(TYPE);
    let planned = assignments.plan_create(user(id, &own)).await;
    assert_eq!(planned.get("identity"), &Value::from(own.as_str()), "{name}");
    assert!(planned.get("principal_id").is_unknown(), "{name}");
    let mut assignment = assignments.create(user(id, &own)).await;
    assignment.settled().await;
    assert_eq!(assignment.get("principal_id"), &principal, "{name}");
    assert!(has(azure, id, name) && others_stay(), "{name}");
    let respelt = id.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions");
    assert_eq!(assignment.update(user(&respelt, &own)).await, Action::NoOp, "{name}");

    target.detach(azure, &own).await;
    next_command(plugin).await;
    assert_eq!(assignment.refresh().await, Found::Gone, "{name}");
    assert_eq!(assignment.update(user(id, &own)).await, Action::Create, "{name}");
    assignment.settled().await;

    made_anew(azure, plugin, target, &mut assignment).await;

    let (next, _) = identity(plugin, &format!("{name}-next")).await;
    assert_eq!(assignment.update(user(id, &next)).await, Action::Replace, "{name}");
    assignment.settled().await;
    assert!(
        has(azure, id, &format!("{name}-next")) && !has(azure, id, name) && others_stay(),
        "{name}"
    );
    let mut imported = assignments.import(&format!("{id}|{next}")).await;
    imported.settled_as(user(id, &next)).await;
    let generated = imported.generated_config().await;
    imported.settled_as(generated).await;

    azure.faults().fail_operation(id, "InternalServerError", "It broke.");
    assignment.try_destroy().await.expect_err("it broke");
    assert!(assignment.exists(), "{name}: what is still there is kept");
    assignment.destroy().await;
    // What is gone already is no failure.
    imported.destroy().await;
    assert!(!has(azure, id, &format!("{name}-next")) && others_stay(), "{name}");

    azure.faults().fail_operation(id, "InternalServerError", "It broke.");
    let Err(failed) = assignments.try_create(user(id, &own)).await else {
        panic!("{name}: it broke")
    };
    let mut assignment = failed.left;
    assignment.update(user(id, &own)).await;
    assignment.settled().await;
    assignment.destroy().await;
    assert!(!has(azure, id, name) && others_stay(), "{name}");
    target.detach(azure, &other).await;
}

/// An identity that was made anew has another principal, and the resource has the former one until that is put right, in place.
async fn made_anew(azure: &Emulator, plugin: &Plugin, target: &Target, assignment: &mut Instance<'_>) {
    let (id, name) = (target.id.as_str(), target.name);
    let own = assignment.get("identity_id").as_str().expect("an ID").to_owned();
    let (former, client) = (
        assignment.get("principal_id").clone(),
        assignment.get("client_id").clone(),
    );
    plugin
        .resource("entradb_managed_identity")
        .import(&own)
        .await
        .destroy()
        .await;
    let (_, now) = identity(plugin, name).await;
    assert_ne!(former, now, "{name}");
    if target.tells() && (target.is("/flexibleServers/") || target.is("/Microsoft.Sql/")) {
        still_has(azure, target, &former, &client);
    }
    next_command(plugin).await;
    assignment.refresh().await;
    if !target.tells() {
        assert_eq!(assignment.get("principal_id"), &now, "{name}");
        return;
    }
    assert_eq!(assignment.get("principal_id"), &former, "{name}");
    assert_eq!(assignment.get("client_id"), &client, "{name}");
    let planned = assignment.plan(user(id, &own)).await.expect("a plan");
    assert_eq!(
        (planned.action, planned.get("principal_id")),
        (Action::Update, &now),
        "{name}"
    );
    assert_eq!(assignment.update(user(id, &own)).await, Action::Update, "{name}");
    assignment.settled().await;
    assert_eq!(assignment.get("principal_id"), &now, "{name}");
    assert!(has(azure, id, name), "{name}");
}

/// A server that tells shows the former identity until it is written again; PostgreSQL has no client ID to show.
fn still_has(azure: &Emulator, target: &Target, former: &Value, client: &Value) {
    let shown = shown(azure, &target.id)["identity"]["userAssignedIdentities"].clone();
    let end = format!("/{}", target.name);
    let is_it = |key: &&String| key.to_lowercase().ends_with(&end);
    let key = shown.as_object().and_then(|map| map.keys().find(is_it));
    let key = key.expect("it is attached").replace('~', "~0").replace('/', "~1");
    let members = [
        ("principalId", Some(former)),
        ("clientId", Some(client).filter(|_| target.is("/Microsoft.Sql/"))),
    ];
    for (member, value) in members {
        if let Some(value) = value {
            let pointer = format!("/identity/userAssignedIdentities/{key}/{member}");
            azure.set_server_property(&target.id, &pointer, json!(value.as_str()));
        }
    }
}

/// The resource's own identity: switched on, off by hand, off and on by hand, imported, half-way, and switched off.
async fn life_of_a_system_assigned_one(azure: &Emulator, plugin: &Plugin, target: &Target) {
    let (id, name) = (target.id.as_str(), target.name);
    let (other, _) = identity(plugin, &format!("{name}-beside")).await;
    target.attach(azure, &other).await;
    let others_stay = || has(azure, id, &format!("{name}-beside"));
    let mut assignment = plugin.resource(TYPE).create(system(id)).await;
    assignment.settled().await;
    assert_eq!(assignment.get("identity"), &Value::from("system"), "{name}");
    let shown_principal = || Value::from(shown(azure, id)["identity"]["principalId"].as_str().expect("an ID"));
    assert_eq!(assignment.get("principal_id"), &shown_principal(), "{name}");
    for known in ["client_id", "tenant_id"] {
        assert_eq!(
            assignment.get(known).as_str().map(str::len),
            Some(36),
            "{name}: {known}"
        );
    }
    assert!(others_stay(), "{name}");

    target.switch_own(azure, false).await;
    next_command(plugin).await;
    assert_eq!(assignment.refresh().await, Found::Gone, "{name}");
    assert_eq!(assignment.update(system(id)).await, Action::Create, "{name}");
    assignment.settled().await;
    // Another one under the same roof: there is nothing to put right, and what hangs on its ID sees the new one.
    target.switch_own(azure, false).await;
    target.switch_own(azure, true).await;
    next_command(plugin).await;
    assert_eq!(assignment.refresh().await, Found::Changed, "{name}");
    assert_eq!(assignment.get("principal_id"), &shown_principal(), "{name}");
    assignment.settled().await;
    let imported = plugin.resource(TYPE).import(&format!("{id}|system")).await;
    assert_eq!(imported.state, assignment.state, "{name}");

    azure.faults().fail_operation(id, "InternalServerError", "It broke.");
    assignment.try_destroy().await.expect_err("it broke");
    assert!(assignment.exists(), "{name}: what is still there is kept");
    assignment.destroy().await;
    assert!(others_stay(), "{name}");
    assert_eq!(attached(azure, id).0, "UserAssigned", "{name}");
    target.detach(azure, &other).await;
}

async fn lives(azure: &Emulator, targets: &[Target]) {
    for target in targets {
        let plugin = azure::provider(azure).await;
        // Whoever has one of its own from the start is asked for it elsewhere.
        target.switch_own(azure, false).await;
        life_of_a_user_assigned_one(azure, &plugin, target).await;
        if target.tells() {
            life_of_a_system_assigned_one(azure, &plugin, target).await;
        }
        assert!(plugin.shut_down().await.success());
    }
}

#[tokio::test]
async fn a_virtual_machine_and_a_scale_set() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    lives(&azure, &machines(&azure)).await;
}

#[tokio::test]
async fn web_and_function_apps_slots_container_apps_and_jobs() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    lives(&azure, &apps(&azure)).await;
}

#[tokio::test]
async fn database_servers() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    lives(&azure, &servers(&azure)).await;
}

#[tokio::test]
async fn what_is_there_already_is_adopted_and_goes_on_destroy() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let app = azure.targets().web_app.as_str();
    assert_eq!(attached(&azure, app).0, "SystemAssigned");
    let planned = plugin.resource(TYPE).plan_create(system(app)).await;
    let mut adopted = plugin.resource(TYPE).absent();
    let told = adopted.apply(planned).await.expect("it is there");
    assert_eq!(told[0].summary, "Found already");
    adopted.settled().await;
    adopted.destroy().await;
    assert_eq!(attached(&azure, app).0, "None");
}

#[tokio::test]
async fn the_next_identity_takes_the_place_of_the_primary_one_of_a_sql_server() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    for server in [azure.sql_server(), azure.managed_instance()] {
        let (first, _) = identity(&plugin, "first").await;
        let (next, _) = identity(&plugin, "next").await;
        let primary = || {
            let shown = shown(&azure, &server.id)["properties"]["primaryUserAssignedIdentityId"].clone();
            shown
                .as_str()
                .and_then(|id| id.rsplit('/').next())
                .map(str::to_lowercase)
        };
        let first = plugin.resource(TYPE).create(user(&server.id, &first)).await;
        let mut next = plugin.resource(TYPE).create(user(&server.id, &next)).await;
        assert_eq!(primary().as_deref(), Some("first"));
        first.destroy().await;
        assert_eq!(primary().as_deref(), Some("next"));
        next.settled().await;
        next.destroy().await;
        assert_eq!(primary(), None);
    }
}
