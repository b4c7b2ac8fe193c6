//! Settings that an import found: what the configuration does not manage stays as it is.

use entradb::protocol::value::Object;
use entradb_emulator::Emulator;

use crate::harness::resource::Action;
use crate::resources::postgresql_user::{application, user};
use crate::resources::world::{by_hand, emulator, fact, next_command, provider, quoted, role_by_hand, with};
use crate::{block, config};

const KEPT: &str = "Settings stay as they are";

async fn settings(emulator: &Emulator, role: &str) -> Option<String> {
    let query = format!(
        "select setconfig::text from pg_db_role_setting where setrole = '{}'::regrole",
        quoted(role)
    );
    fact(emulator, "postgres", &query).await
}

/// Imports the role, and applies what says nothing of settings; then what manages them, and then no more.
async fn lives(emulator: &Emulator, kind: &str, name: &str, given: Object) {
    let plugin = provider(emulator).await;
    let by_hand_set = format!(
        "alter role {0} set work_mem = '9MB'; alter role {0} set jit = off",
        quoted(name)
    );
    by_hand(emulator, "postgres", &by_hand_set).await;
    let id = entradb::provider::import::id([emulator.postgresql().id.as_str(), name]);
    let both = block! { "work_mem" => "9MB", "jit" => "off" };
    let mut other = plugin.resource(kind).import(&id).await;
    assert_eq!(other.get("settings"), &both);
    other
        .settled_as(with(given.clone(), config! { "settings" => both }))
        .await;

    let mut imported = plugin.resource(kind).import(&id).await;
    let planned = imported.plan(given.clone()).await.expect("a plan");
    assert_eq!(planned.action, Action::Update);
    let warnings: Vec<&str> = planned.warnings.iter().map(|one| one.summary.as_str()).collect();
    assert!(warnings.contains(&KEPT), "{warnings:?}");
    imported.apply(planned).await.expect("applied");
    assert_eq!(
        settings(emulator, name).await.as_deref(),
        Some("{work_mem=9MB,jit=off}"),
        "left alone"
    );
    next_command(&plugin).await;
    imported.settled().await;

    // Once they are managed, they are taken away when they are managed no more.
    let one = with(given.clone(), config! { "settings" => block! { "jit" => "off" } });
    assert_eq!(imported.update(one).await, Action::Update);
    assert_eq!(settings(emulator, name).await.as_deref(), Some("{jit=off}"));
    let planned = imported.plan(given).await.expect("a plan");
    assert!(planned.warnings.iter().all(|one| one.summary != KEPT));
    imported.apply(planned).await.expect("applied");
    assert_eq!(settings(emulator, name).await, None);
    imported.destroy().await;
}

#[tokio::test]
async fn a_role_keeps_the_settings_that_nobody_manages() {
    let emulator = emulator().await;
    role_by_hand(emulator, "brought role", "").await;
    let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => "brought role" };
    lives(emulator, "entradb_postgresql_role", "brought role", given).await;
}

#[tokio::test]
async fn a_user_keeps_the_settings_that_nobody_manages() {
    let emulator = emulator().await;
    let object_id = application(emulator, "brought-user").await;
    let plugin = provider(emulator).await;
    let given = user(emulator, "brought user", &object_id, config! {});
    drop(plugin.resource("entradb_postgresql_user").create(given.clone()).await);
    lives(emulator, "entradb_postgresql_user", "brought user", given).await;
}
