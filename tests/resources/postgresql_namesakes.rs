//! Roles are known by their numbers. An apply without a refresh does not take another role of the same name for ours.

use entradb_emulator::Emulator;

use crate::config;
use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::resources::postgresql_user::{application, user, users};
use crate::resources::world::{by_hand, emulator, fact, next_command, provider, role_by_hand, with};

async fn limit(emulator: &Emulator, role: &str) -> Option<String> {
    let query = format!("select concat_ws(' ', rolcanlogin, rolconnlimit) from pg_roles where rolname = '{role}'");
    fact(emulator, "postgres", &query).await
}

#[tokio::test]
async fn an_update_leaves_another_role_of_the_same_name_alone() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => "namesake_role" };
    let changed = with(given.clone(), config! { "connection_limit" => 7 });
    for attributes in ["login", "nologin"] {
        let mut made = plugin.resource("entradb_postgresql_role").create(given.clone()).await;
        by_hand(emulator, "postgres", "drop role namesake_role").await;
        role_by_hand(emulator, "namesake_role", attributes).await;
        let before = limit(emulator, "namesake_role").await;
        let told = made.try_update(changed.clone()).await.expect_err("it is another one");
        assert_eq!(told[0].summary, "Role not found", "{told:#?}");
        assert_eq!(limit(emulator, "namesake_role").await, before, "{attributes}");
        by_hand(emulator, "postgres", "drop role namesake_role").await;
    }
}

#[tokio::test]
async fn an_update_binds_no_other_role_of_the_same_name() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "namesake").await;
    let given = user(emulator, "namesake_user", &object_id, config! {});
    let changed = with(given.clone(), config! { "connection_limit" => 7 });
    let mut made = users(&plugin).create(given.clone()).await;
    by_hand(emulator, "postgres", "drop role namesake_user").await;
    role_by_hand(emulator, "namesake_user", "login password 'x'").await;
    let told = made.try_update(changed.clone()).await.expect_err("it is another one");
    assert_eq!(told[0].summary, "Role not found", "{told:#?}");
    assert_eq!(limit(emulator, "namesake_user").await.as_deref(), Some("t -1"));

    // With leave to take it over, a refresh says what becomes of it, and only then it does.
    let adopting = with(changed, config! { "adopt_existing" => true });
    let told = made
        .try_update(adopting.clone())
        .await
        .expect_err("the plan did not know");
    assert_eq!(told[0].summary, "Role not found", "{told:#?}");
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Gone);
    let mut made = users(&plugin).create(adopting).await;
    assert_eq!(limit(emulator, "namesake_user").await.as_deref(), Some("t 7"));
    assert_eq!(made.update(given).await, Action::Update);
    made.destroy().await;
}
