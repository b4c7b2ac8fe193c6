//! The life of `entradb_postgresql_role`: made, settled, changed, drifted, imported, destroyed.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::Emulator;

use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::harness::resource::{Action, Resource};
use crate::resources::world::{by_hand, emulator, fact, next_command, provider, with};
use crate::{block, config};

fn roles(plugin: &Plugin) -> Resource<'_> {
    plugin.resource("entradb_postgresql_role")
}

fn role(emulator: &Emulator, name: &str, more: Object) -> Object {
    let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => name };
    with(given, more)
}

async fn attributes(emulator: &Emulator, name: &str) -> Option<String> {
    let query = format!(
        "select concat_ws(' ', rolcanlogin, rolcreatedb, rolcreaterole, rolinherit, rolconnlimit) from pg_roles where rolname = '{name}'"
    );
    fact(emulator, "postgres", &query).await
}

#[tokio::test]
async fn a_whole_life() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let given = role(
        emulator,
        "owners",
        config! { "settings" => block! { "application_name" => "it's me" } },
    );
    let mut made = roles(&plugin).create(given.clone()).await;
    made.settled().await;
    assert_eq!(attributes(emulator, "owners").await.as_deref(), Some("f f f t -1"));
    let oid = made.get("oid").clone();

    let more = config! { "create_database" => true, "create_role" => true, "inherit" => false, "connection_limit" => 0, "settings" => Value::Null };
    let changed = with(role(emulator, "the owners", config! {}), more);
    assert_eq!(made.update(changed.clone()).await, Action::Update);
    assert_eq!(made.get("oid"), &oid);
    made.settled().await;
    assert_eq!(attributes(emulator, "the owners").await.as_deref(), Some("f t t f 0"));
    let left = "select 1 from pg_db_role_setting where setrole = '\"the owners\"'::regrole";
    assert_eq!(
        fact(emulator, "postgres", left).await,
        None,
        "a setting that is managed no more is taken away"
    );

    by_hand(
        emulator,
        "postgres",
        "alter role \"the owners\" login inherit nocreatedb connection limit 3",
    )
    .await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Changed);
    assert_eq!(made.get("login"), &Value::from(true));
    let planned = made.plan(changed.clone()).await.expect("a plan");
    assert_eq!(planned.warnings[0].summary, "Login will be taken away");
    assert_eq!(made.update(changed.clone()).await, Action::Update);
    made.settled().await;
    assert_eq!(attributes(emulator, "the owners").await.as_deref(), Some("f t t f 0"));

    let id = format!("{}|the owners", emulator.postgresql().id);
    let mut imported = roles(&plugin).import(&id).await;
    assert_eq!(imported.state, made.state);
    imported.settled_as(changed).await;
    let by_identity = config! { "server" => emulator.postgresql().fqdn.as_str(), "name" => "the owners" };
    let other = roles(&plugin).try_import_identity(by_identity).await;
    assert!(other.is_ok_and(|other| other.get("oid") == made.get("oid")));
    made.destroy().await;
    next_command(&plugin).await;
    assert_eq!(imported.refresh().await, Found::Gone);
    // Being gone already is success.
    made = roles(&plugin).create(given).await;
    by_hand(emulator, "postgres", "drop role owners").await;
    made.destroy().await;
}

#[tokio::test]
async fn what_a_killed_apply_left_is_taken_up_and_anything_else_refused() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let given = role(emulator, "role-twice", config! { "create_role" => true });
    let made = roles(&plugin).create(given.clone()).await;
    let again = roles(&plugin).create(given.clone()).await;
    assert_eq!(again.state, made.state);
    let other = with(given.clone(), config! { "create_role" => false });
    let Err(failed) = roles(&plugin).try_create(other).await else {
        panic!("it is another one")
    };
    assert!(
        failed.told[0].detail.contains("terraform import <address>"),
        "{:?}",
        failed.told
    );
    by_hand(emulator, "postgres", "alter role \"role-twice\" login").await;
    let Err(failed) = roles(&plugin).try_create(given).await else {
        panic!("somebody logs in as it")
    };
    assert!(
        failed.told[0].detail.contains("somebody may log in"),
        "{:?}",
        failed.told
    );
    made.destroy().await;
}

#[tokio::test]
async fn a_role_made_anew_by_hand_is_not_the_one_that_is_destroyed() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let made = roles(&plugin).create(role(emulator, "replaced", config! {})).await;
    by_hand(
        emulator,
        "postgres",
        "drop role replaced; create role replaced login password 'x'",
    )
    .await;
    made.destroy().await;
    assert_eq!(attributes(emulator, "replaced").await.as_deref(), Some("t f f t -1"));
    by_hand(emulator, "postgres", "drop role replaced").await;
}

#[tokio::test]
async fn a_rename_onto_another_role_changes_nothing() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let taken = roles(&plugin).create(role(emulator, "taken", config! {})).await;
    let mut made = roles(&plugin).create(role(emulator, "renamed", config! {})).await;
    let told = made
        .try_update(role(emulator, "taken", config! { "create_role" => true }))
        .await;
    assert!(told.is_err_and(|told| told[0].summary.contains("Already exists")));
    made.update(role(emulator, "renamed", config! {})).await;
    made.settled().await;
    assert_eq!(attributes(emulator, "renamed").await.as_deref(), Some("f f f t -1"));
    made.destroy().await;
    taken.destroy().await;
}

/// What an apply leaves that broke off before it knew the number.
#[tokio::test]
async fn a_role_without_a_number_is_not_destroyed_by_its_name() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut made = roles(&plugin).create(role(emulator, "numberless", config! {})).await;
    let Value::Map(state) = &mut made.state else {
        panic!("an object")
    };
    state.insert("oid".to_owned(), Value::Null);
    let told = made.try_destroy().await.expect_err("it may be another one");
    assert_eq!(told[0].summary, "Role not known");
    assert!(told[0].detail.contains("-refresh-only"), "{told:?}");
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Changed);
    made.destroy().await;
    assert_eq!(attributes(emulator, "numberless").await, None);
}

#[tokio::test]
async fn a_limit_by_hand_goes_where_none_is_configured() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let given = role(emulator, "unlimited", config! {});
    let mut made = roles(&plugin).create(given.clone()).await;
    made.settled().await;
    assert!(made.get("connection_limit").is_null());
    by_hand(emulator, "postgres", "alter role unlimited connection limit 4").await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Changed);
    assert_eq!(made.update(given.clone()).await, Action::Update);
    made.settled().await;
    assert_eq!(attributes(emulator, "unlimited").await.as_deref(), Some("f f f t -1"));
    let mut imported = roles(&plugin)
        .import(&format!("{}|unlimited", emulator.postgresql().id))
        .await;
    imported.settled_as(given).await;
    made.destroy().await;
}

/// Roles are found by their number. A role of the same name that somebody logs in as is another one, and never dropped for it.
#[tokio::test]
async fn a_login_that_took_the_name_is_not_taken_for_the_role() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let given = role(emulator, "named again", config! { "owned_objects" => "drop" });
    let mut made = roles(&plugin).create(given.clone()).await;
    let again = "drop role \"named again\"; create role \"named again\"";
    by_hand(emulator, "postgres", again).await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Changed, "no more than a number");
    by_hand(emulator, "postgres", &format!("{again} login password 'x'")).await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Gone);
    let failed = roles(&plugin)
        .try_create(given)
        .await
        .err()
        .expect("somebody logs in as it");
    assert!(
        failed.told[0].detail.contains("somebody may log in"),
        "{:?}",
        failed.told
    );
    by_hand(emulator, "postgres", "drop role \"named again\"").await;
}
