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

/// The writes that took effect, in their order: method, and the last two parts of the path.
fn writes(azure: &Emulator) -> Vec<String> {
    let end = |path: &str| {
        let parts: Vec<&str> = path.rsplit('/').take(2).collect();
        parts.into_iter().rev().collect::<Vec<_>>().join("/").to_lowercase()
    };
    let writes = azure.writes();
    writes
        .iter()
        .map(|write| format!("{} {}", write.method, end(&write.path)))
        .collect()
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
        azure.faults().steady();
        assert_eq!(writes(&azure), expected, "seed {seed}");
        let failed = azure
            .log()
            .iter()
            .filter(|asked| matches!(asked.status, 0 | 429 | 500 | 503))
            .count();
        assert!(failed > 10, "seed {seed}: only {failed} failures");
    }
}

/// Administrators and switches of the servers that have one seat.
async fn seats(azure: &Emulator, plugin: &Plugin, group: &str) {
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

/// Identities of machines, apps, clusters and servers, of both kinds.
async fn assignments(azure: &Emulator, plugin: &Plugin) {
    let targets = azure.targets();
    let identities = plugin.resource("entradb_managed_identity");
    let one = identities.create(identity("assigned", "data")).await;
    let id = text(one.get("id"));
    let all = [
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
    ];
    let lives = all.iter().map(|target| {
        let of_user = config! { "target_id" => target.as_str(), "identity_id" => id.as_str() };
        let of_system = config! { "target_id" => target.as_str(), "system_assigned" => true };
        // The web app has one of its own from the start, and a MySQL server can have none.
        let has_none = ![&targets.web_app, &azure.mysql().id].contains(target);
        async move {
            for given in [Some(of_user), Some(of_system).filter(|_| has_none)]
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
}

#[tokio::test]
async fn postgresql_is_switched_with_the_same_writes_as_in_calm() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    azure.clear_log();
    switches(&azure, &plugin).await;
    let calm = writes(&azure);
    assert_eq!(calm, vec!["PATCH flexibleservers/pg-data"; 4]);
    for seed in [3, 11, 19] {
        azure.clear_log();
        azure.faults().stumble(Stumble { percent: 30, seed });
        switches(&azure, &plugin).await;
        azure.faults().steady();
        assert_eq!(writes(&azure), calm, "seed {seed}");
    }
}

#[tokio::test]
async fn servers_with_one_seat_see_the_same_writes_as_in_calm() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    azure.clear_log();
    seats(&azure, &plugin, &group).await;
    let calm = writes(&azure);
    assert!(calm.len() >= 14, "{calm:#?}");
    for seed in [3, 11] {
        azure.clear_log();
        azure.faults().stumble(Stumble { percent: 30, seed });
        seats(&azure, &plugin, &group).await;
        azure.faults().steady();
        assert_eq!(writes(&azure), calm, "seed {seed}");
    }
}

/// What happens at once has no order of its own.
fn in_order(mut writes: Vec<String>) -> Vec<String> {
    writes.sort();
    writes
}

#[tokio::test]
async fn everything_that_takes_identities_sees_the_same_writes_as_in_calm() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    without_identity(&azure, &azure.targets().cluster, Some(PRINCIPAL)).await;
    azure.clear_log();
    assignments(&azure, &plugin).await;
    let calm = in_order(writes(&azure));
    // Each is attached once and detached once, and the identity itself is made and taken away.
    assert_eq!(calm.len(), 2 * (12 + 10) + 2, "{calm:#?}");
    for seed in [3, 11] {
        azure.clear_log();
        azure.faults().stumble(Stumble { percent: 30, seed });
        assignments(&azure, &plugin).await;
        azure.faults().steady();
        assert_eq!(in_order(writes(&azure)), calm, "seed {seed}");
    }
}
