//! Azure fails a third of the time, often after it did what it was asked: every life comes to its end, and nothing is done twice.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Options, Stumble};
use futures_util::future::join_all;

use crate::config;
use crate::harness::azure;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::identity_assignment::clusters::{PRINCIPAL, without_identity};
use crate::resources::world::with;

const SEEDS: [u64; 4] = [1, 7, 42, 2_026];

/// A write as it is compared: method, and the last two parts of the path.
fn write(method: &str, path: &str) -> String {
    let parts: Vec<&str> = path.rsplit('/').take(2).collect();
    let end = parts.into_iter().rev().collect::<Vec<_>>().join("/").to_lowercase();
    format!("{method} {end}")
}

/// The writes that took effect, in their order.
fn writes(azure: &Emulator) -> Vec<String> {
    let writes = azure.writes();
    writes.iter().map(|done| write(&done.method, &done.path)).collect()
}

/// Ends the storm, which must have been one.
fn steady(azure: &Emulator, seed: u64) {
    let failed = azure.faults().steady();
    assert!(failed > 2, "seed {seed}: only {failed} answers failed");
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn identity(name: &str, team: &str) -> Object {
    let tags = [("team".to_owned(), Value::from(team))];
    config! {
        "name" => name, "resource_group_name" => "data-platform", "location" => "westeurope",
        "tags" => Value::Map(tags.into_iter().collect()),
    }
}

fn credential(identity: &str, name: &str, branch: &str) -> Object {
    config! {
        "name" => name, "managed_identity_id" => identity, "issuer" => "https://token.actions.githubusercontent.com",
        "subject" => format!("repo:a/b:ref:refs/heads/{branch}"),
    }
}

fn administrator(azure: &Emulator, identity: &str, name: &str) -> Object {
    config! { "server_id" => azure.postgresql().id.as_str(), "identity_id" => identity, "name" => name }
}

/// Made, changed, replaced, taken away; after each step a plan is empty.
async fn lives(azure: &Emulator, plugin: &Plugin, name: &str) -> Vec<String> {
    let mut owner = plugin
        .resource("entradb_managed_identity")
        .create(identity(name, "data"))
        .await;
    owner.settled().await;
    assert_eq!(owner.update(identity(name, "web")).await, Action::Update);
    owner.settled().await;
    let id = text(owner.get("id"));

    let credentials = plugin.resource("entradb_federated_credential");
    let mut trusted = credentials.create(credential(&id, "github", "main")).await;
    trusted.settled().await;
    assert_eq!(trusted.update(credential(&id, "github", "next")).await, Action::Update);
    assert_eq!(trusted.update(credential(&id, "other", "next")).await, Action::Replace);
    trusted.settled().await;

    let administrators = plugin.resource("entradb_entra_admin");
    let mut first = administrators
        .create(administrator(azure, &id, &format!("{name}-a")))
        .await;
    first.settled().await;
    let replaced = first.update(administrator(azure, &id, &format!("{name}-b"))).await;
    assert_eq!(replaced, Action::Replace);
    first.settled().await;
    let object_id = text(owner.get("principal_id"));

    first.destroy().await;
    trusted.destroy().await;
    owner.destroy().await;
    let administrator = format!("administrators/{object_id}");
    [
        format!("PUT userassignedidentities/{name}"),
        format!("PATCH userassignedidentities/{name}"),
        "PUT federatedidentitycredentials/github".to_owned(),
        "PUT federatedidentitycredentials/github".to_owned(),
        "DELETE federatedidentitycredentials/github".to_owned(),
        "PUT federatedidentitycredentials/other".to_owned(),
        format!("PUT {administrator}"),
        format!("DELETE {administrator}"),
        format!("PUT {administrator}"),
        format!("DELETE {administrator}"),
        "DELETE federatedidentitycredentials/other".to_owned(),
        format!("DELETE userassignedidentities/{name}"),
    ]
    .into()
}

#[tokio::test]
async fn every_life_converges_and_nothing_is_done_twice() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    for seed in SEEDS {
        azure.clear_log();
        azure.faults().stumble(Stumble { percent: 30, seed });
        let expected = lives(&azure, &plugin, &format!("stumbling-{seed}")).await;
        steady(&azure, seed);
        assert_eq!(writes(&azure), expected, "seed {seed}");
    }
}

/// Administrators and switches of the servers that have one seat. Gives the writes that it takes.
async fn seats(azure: &Emulator, plugin: &Plugin, group: &str) -> Vec<&'static str> {
    let lookup = plugin
        .resource("entradb_managed_identity")
        .create(identity("lookup", "data"))
        .await;
    let lookup_id = text(lookup.get("id"));
    for server in [azure.mysql(), azure.sql_server(), azure.managed_instance()] {
        let mut given = config! {
            "server_id" => server.id.as_str(), "object_id" => group, "principal_type" => "Group", "name" => "operators",
        };
        if server.id == azure.mysql().id {
            given.insert("server_identity_id".to_owned(), Value::from(lookup_id.as_str()));
            given.insert("attach_server_identity".to_owned(), Value::from(true));
        }
        let mut admin = plugin.resource("entradb_entra_admin").create(given).await;
        admin.settled().await;
        let off = config! { "server_id" => server.id.as_str(), "password_enabled" => false, "force" => true };
        let mut off = plugin.resource("entradb_entra_authentication").create(off).await;
        off.settled().await;
        off.destroy().await;
        admin.destroy().await;
    }
    for one in [azure.mysql(), azure.mysql_replica()] {
        let assigned = format!("{}|{lookup_id}", one.id);
        let assignments = plugin.resource("entradb_identity_assignment");
        assignments.import(&assigned).await.destroy().await;
    }
    lookup.destroy().await;
    let seat = "PUT administrators/activedirectory";
    let unseat = "DELETE administrators/activedirectory";
    let servers = [
        "PATCH flexibleservers/mysql-data",
        "PATCH flexibleservers/mysql-replica",
    ];
    let mut needed = vec!["PUT userassignedidentities/lookup"];
    needed.extend(servers);
    needed.extend([seat, seat]);
    needed.extend(["PATCH configurations/aad_auth_only"; 2]);
    needed.extend([unseat, unseat]);
    for _ in [azure.sql_server(), azure.managed_instance()] {
        needed.push(seat);
        needed.extend(["PUT azureadonlyauthentications/default"; 2]);
        needed.push(unseat);
    }
    needed.extend(servers);
    needed.push("DELETE userassignedidentities/lookup");
    needed
}

/// Ways to sign in to PostgreSQL: passwords off and on again.
async fn switches(azure: &Emulator, plugin: &Plugin) {
    let off = config! { "server_id" => azure.postgresql().id.as_str(), "password_enabled" => false, "force" => true };
    let mut switched = plugin
        .resource("entradb_entra_authentication")
        .create(off.clone())
        .await;
    switched.settled().await;
    let on = with(off.clone(), config! { "password_enabled" => true });
    assert_eq!(switched.update(on).await, Action::Update);
    assert_eq!(switched.update(off).await, Action::Update);
    switched.settled().await;
    switched.destroy().await;
}

/// What identities are assigned to: machines, apps, clusters and servers.
fn targets(azure: &Emulator) -> [&str; 12] {
    let targets = azure.targets();
    [
        &targets.virtual_machine,
        &targets.scale_set,
        &targets.web_app,
        &targets.web_app_slot,
        &targets.function_app,
        &targets.container_app,
        &targets.container_app_job,
        &targets.cluster,
        &azure.postgresql().id,
        &azure.mysql().id,
        &azure.sql_server().id,
        &azure.managed_instance().id,
    ]
}

/// Whether it can be given an identity of its own: the web app has one from the start, and a MySQL server can have none.
fn takes_its_own(azure: &Emulator, target: &str) -> bool {
    target != azure.targets().web_app && target != azure.mysql().id
}

/// Identities of both kinds, attached and detached. Gives the writes that it takes.
async fn assignments(azure: &Emulator, plugin: &Plugin) -> Vec<String> {
    let identities = plugin.resource("entradb_managed_identity");
    let one = identities.create(identity("assigned", "data")).await;
    let id = text(one.get("id"));
    let lives = targets(azure).map(|target| {
        let of_user = config! { "target_id" => target, "identity_id" => id.as_str() };
        let of_system = config! { "target_id" => target, "system_assigned" => true };
        async move {
            for given in [Some(of_user), Some(of_system).filter(|_| takes_its_own(azure, target))]
                .into_iter()
                .flatten()
            {
                let mut assigned = plugin.resource("entradb_identity_assignment").create(given).await;
                assigned.settled().await;
                assigned.destroy().await;
            }
        }
    });
    join_all(lives).await;
    one.destroy().await;
    let mut needed = vec![write("PUT", &id), write("DELETE", &id)];
    for target in targets(azure) {
        // A cluster is written whole.
        let method = if target == azure.targets().cluster {
            "PUT"
        } else {
            "PATCH"
        };
        let times = if takes_its_own(azure, target) { 4 } else { 2 };
        needed.extend(vec![write(method, target); times]);
    }
    needed
}

#[tokio::test]
async fn postgresql_is_switched_with_the_writes_that_it_needs() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    for seed in [3, 11, 19] {
        azure.clear_log();
        azure.faults().stumble(Stumble { percent: 30, seed });
        switches(&azure, &plugin).await;
        steady(&azure, seed);
        assert_eq!(writes(&azure), vec!["PATCH flexibleservers/pg-data"; 4], "seed {seed}");
    }
}

#[tokio::test]
async fn servers_with_one_seat_see_the_writes_that_they_need() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    for seed in [3, 11] {
        azure.clear_log();
        azure.faults().stumble(Stumble { percent: 30, seed });
        let needed = seats(&azure, &plugin, &group).await;
        steady(&azure, seed);
        assert_eq!(writes(&azure), needed, "seed {seed}");
    }
}

/// What happens at once has no order of its own.
fn in_order(mut writes: Vec<String>) -> Vec<String> {
    writes.sort();
    writes
}

#[tokio::test]
async fn everything_that_takes_identities_sees_the_writes_that_it_needs() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    without_identity(&azure, &azure.targets().cluster, Some(PRINCIPAL)).await;
    for seed in [3, 11] {
        azure.clear_log();
        azure.faults().stumble(Stumble { percent: 30, seed });
        let needed = assignments(&azure, &plugin).await;
        steady(&azure, seed);
        assert_eq!(in_order(writes(&azure)), in_order(needed), "seed {seed}");
    }
}
