//! A change of the owner that is killed at any statement, and then taken back in the configuration: as if it had never been.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Moment};

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;
use crate::resources::postgresql_ownership::bench::{OWNERSHIP, list};
use crate::resources::world::{by_hand, role_by_hand, started, with};
use crate::storms::picture::{Eyes, differences};

const TABLES: &str = "create schema s authorization old; create schema t authorization azure_pg_admin;
    grant usage, create on schema t to old, next; set role old; create table s.one (id serial); create table t.two (id int);
    set role next; create table t.hers (id int); reset role";

/// What somebody has who was to become the owner, and never did.
const HERS: &str = "set role next; create table t.later (id int); reset role";

/// What the call told besides its result.
async fn changed(instance: &mut Instance<'_>, given: &Object) -> Vec<String> {
    let planned = instance.plan(given.clone()).await.expect("a plan");
    let told = instance.apply(planned).await.expect("a change");
    told.into_iter()
        .map(|one| format!("{}: {}", one.summary, one.detail))
        .collect()
}

/// One life in which the change is killed at a statement. Gives whether there was such a statement.
async fn reverted(emulator: &Emulator, plugin: &mut Plugin, eyes: &Eyes, (given, statement): (&Object, u32)) -> bool {
    plugin.configure(config! {}).await;
    by_hand(emulator, "app", TABLES).await;
    let untouched = eyes.picture().await;
    let mut made = plugin.resource(OWNERSHIP).create(given.clone()).await;
    made.settled().await;
    let before = eyes.picture().await;
    let (config, state, identity) = (made.config.clone(), made.state.clone(), made.identity.clone());
    let planned = made
        .plan(with(given.clone(), config! { "owner" => "next" }))
        .await
        .expect("a plan");
    let held = emulator.faults().hold_statement(statement, Moment::Before);
    let struck = {
        let mut changing = std::pin::pin!(made.apply(planned));
        tokio::select! { biased; told = &mut changing => { told.expect("a change"); false } () = held.reached() => true }
    };
    plugin.process().expect("a process").kill();
    held.cut();
    *plugin = azure::provider(emulator).await;

    let mut left = Instance {
        resource: plugin.resource(OWNERSHIP),
        config,
        state,
        private: Vec::new(),
        identity,
        tainted: false,
    };
    left.refresh().await;
    assert_eq!(changed(&mut left, given).await, [""; 0], "killed at {statement}");
    left.settled().await;
    let found = differences(&before, &eyes.picture().await);
    assert!(found.is_empty(), "killed at {statement}:\n{}", found.join("\n"));
    by_hand(emulator, "app", HERS).await;
    plugin.configure(config! {}).await;
    left.refresh().await;
    assert_eq!(list(left.get("pending")), [""; 0], "killed at {statement}");
    by_hand(emulator, "app", "drop table t.later").await;
    left.destroy().await;
    let found = differences(&untouched, &eyes.picture().await);
    assert!(found.is_empty(), "killed at {statement}:\n{}", found.join("\n"));
    by_hand(emulator, "app", "drop schema s, t cascade").await;
    struck
}

#[tokio::test]
async fn a_killed_change_of_the_owner_that_is_taken_back_leaves_no_trace() {
    let emulator = started(entradb_emulator::Options::default()).await;
    for role in ["old", "new", "next"] {
        role_by_hand(&emulator, role, "login").await;
    }
    let given = config! {
        "server" => emulator.postgresql().id.as_str(), "database" => "app", "owner" => "new",
        "previous_owners" => Value::from(["old"]), "on_destroy" => "restore",
    };
    let eyes = Eyes::open(&emulator, &["app"]).await;
    let mut plugin = azure::provider(&emulator).await;
    let mut statement = 1;
    while reverted(&emulator, &mut plugin, &eyes, (&given, statement)).await {
        statement += 1;
    }
    assert!(statement > 20, "{statement}");
}
