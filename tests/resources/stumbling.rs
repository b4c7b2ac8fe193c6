//! Azure fails a third of the time, often after it did what it was asked: every life comes to its end, and nothing is done twice.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Options, Stumble};

use crate::config;
use crate::harness::azure;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;

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
