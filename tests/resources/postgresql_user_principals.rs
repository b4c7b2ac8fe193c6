//! `entradb_postgresql_user` and whom it is bound to: created anew, not visible yet, of another kind, there already.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::Emulator;

use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::harness::resource::{Action, Resource};
use crate::resources::world::{
    by_hand, emulator, fact, identity, label, log_in, next_command, provider, role_by_hand, text, with,
};
use crate::{block, config};

fn users(plugin: &Plugin) -> Resource<'_> {
    plugin.resource("entradb_postgresql_user")
}

fn user(emulator: &Emulator, name: &str, more: Object) -> Object {
    let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => name };
    with(given, more)
}

fn application(object_id: &str) -> Object {
    config! { "object_id" => object_id, "principal_type" => "ServicePrincipal" }
}

async fn new_application(emulator: &Emulator, name: &str) -> String {
    let made = emulator.add_application(name, entradb_emulator::Access::None).await;
    made.expect("an application").object_id
}

#[tokio::test]
async fn an_identity_made_anew_is_seen_and_bound_in_place() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let app = identity(&plugin, emulator, "anew").await;
    let given = user(emulator, "anew", config! { "identity_id" => app.get("id").clone() });
    let mut made = users(&plugin).create(given.clone()).await;
    let (oid, old) = (made.get("oid").clone(), text(app.get("principal_id")).to_owned());
    by_hand(
        emulator,
        "app",
        "create table anew_table (); alter table anew_table owner to anew",
    )
    .await;

    let session = log_in(emulator, "anew", &emulator.database_token(&old), "app").await;

    // Somebody deletes the identity and makes it again: its ARM ID is the same, its object ID is another.
    app.destroy().await;
    let app = identity(&plugin, emulator, "anew").await;
    let new = text(app.get("principal_id")).to_owned();
    assert_ne!(old, new);
    next_command(&plugin).await;
    let refused = log_in(emulator, "anew", &emulator.database_token(&new), "app").await;
    assert!(refused.is_err_and(|words| words.contains("oid mismatch")));
    assert_eq!(made.refresh().await, Found::Same);
    let planned = made.plan(given.clone()).await.expect("a plan");
    assert_eq!(planned.action, Action::Update);
    assert_eq!(planned.get("object_id"), &Value::from(new.as_str()));
    assert_eq!((planned.get("name"), planned.get("oid")), (&Value::from("anew"), &oid));
    let told = made.apply(planned).await.expect("a new bond");
    let warned = |one: &crate::harness::message::Told| {
        one.summary == "Sessions of the former principal"
            && one.detail.contains(&old)
            && one.detail.contains("app (process ")
    };
    assert!(told.iter().any(warned), "{told:?}");
    drop(session);
    made.settled().await;
    log_in(emulator, "anew", &emulator.database_token(&new), "app")
        .await
        .expect("let in again");
    let owner = "select relowner::regrole::text from pg_class where relname = 'anew_table'";
    assert_eq!(fact(emulator, "app", owner).await.as_deref(), Some("anew"));
    by_hand(emulator, "app", "drop table anew_table").await;
    made.destroy().await;
}

#[tokio::test]
async fn an_identity_replaced_in_the_same_apply_is_an_update() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let (one, other) = (
        identity(&plugin, emulator, "swap-1").await,
        identity(&plugin, emulator, "swap-2").await,
    );
    let given = config! { "server" => emulator.postgresql().id.as_str(), "identity_id" => one.get("id").clone() };
    let mut made = users(&plugin).create(given.clone()).await;
    let unknown = with(given.clone(), config! { "identity_id" => Value::unknown() });
    let planned = made.plan(unknown).await.expect("a plan");
    assert_eq!(planned.action, Action::Update);
    assert!(planned.get("object_id").is_unknown());
    assert_eq!(planned.get("name"), &Value::from("swap-1"));
    let known = with(given, config! { "identity_id" => other.get("id").clone() });
    made.apply_known(planned, known).await.expect("bound to the other one");
    assert_eq!(made.get("object_id"), other.get("principal_id"));
    made.settled().await;
    made.destroy().await;
}

#[tokio::test]
async fn a_user_is_planned_while_neither_server_nor_identity_exists() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    emulator.clear_log();
    let nowhere = emulator.postgresql().id.replace("pg-data", "mock");
    let given = config! { "server" => nowhere.as_str(), "identity_id" => Value::unknown() };
    let planned = users(&plugin).plan_create(given).await;
    assert!(planned.get("name").is_unknown());
    let told = users(&plugin)
        .try_create(user(
            emulator,
            "x",
            with(
                application("11111111-2222-3333-4444-555555555555"),
                config! { "server" => nowhere.as_str() },
            ),
        ))
        .await;
    let Err(failed) = told else {
        panic!("there is no server")
    };
    assert_eq!(
        (failed.told[0].path.to_string().as_str(), failed.left.exists()),
        ("server", false)
    );
}

#[tokio::test]
async fn a_principal_that_the_server_does_not_know_yet_is_waited_for() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let app = identity(&plugin, emulator, "hidden").await;
    let principal = text(app.get("principal_id")).to_owned();
    emulator.faults().hide_principal(&principal, 2).await.expect("hidden");
    let given = user(emulator, "hidden", config! { "identity_id" => app.get("id").clone() });
    let mut made = users(&plugin).create(given).await;
    made.settled().await;
    made.destroy().await;
}

#[tokio::test]
async fn a_principal_that_stays_unknown_is_named_with_what_is_known_of_it() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let (runner, nobody) = (&emulator.runner().object_id, "99999999-2222-3333-4444-555555555555");
    let brief = config! { "timeouts" => block! { "create" => "1s" } };
    let given = user(emulator, "nobody", with(application(nobody), brief.clone()));
    let told = users(&plugin).try_create(given.clone()).await;
    let Err(failed) = told else { panic!("there is nobody") };
    assert_eq!(failed.told[0].summary, "Principal not known to the server");
    assert_eq!(failed.told[0].path.to_string(), "object_id");
    let detail = &failed.told[0].detail;
    assert!(
        detail.contains(nobody) && detail.contains("may not read Microsoft Graph"),
        "{detail}"
    );
    assert!(detail.contains("Could not validate AAD user"), "{detail}");
    assert!(!failed.left.exists());

    emulator.set_directory_reader(runner, true);
    next_command(&plugin).await;
    let Err(failed) = users(&plugin).try_create(given).await else {
        panic!("there is nobody")
    };
    let detail = &failed.told[0].detail;
    assert!(detail.contains("Microsoft Graph knows no ServicePrincipal"), "{detail}");

    let app = identity(&plugin, emulator, "slow").await;
    let principal = text(app.get("principal_id")).to_owned();
    emulator
        .faults()
        .hide_principal(&principal, 1000)
        .await
        .expect("hidden");
    let given = user(
        emulator,
        "slow",
        with(config! { "identity_id" => app.get("id").clone() }, brief),
    );
    let Err(failed) = users(&plugin).try_create(given).await else {
        panic!("it is hidden")
    };
    assert_eq!(failed.told[0].path.to_string(), "identity_id");
    assert!(
        failed.told[0]
            .detail
            .contains("Resource Manager confirms the ServicePrincipal"),
        "{:?}",
        failed.told
    );
}

#[tokio::test]
async fn the_wrong_kind_of_principal_is_explained() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let group = emulator.add_group("kind-group", &[]).await.expect("a group");
    let given = user(emulator, "kind-group", application(&group));
    let Err(failed) = users(&plugin).try_create(given.clone()).await else {
        panic!("it is a group")
    };
    assert_eq!(failed.told[0].path.to_string(), "principal_type");
    assert!(
        failed.told[0].detail.contains("actual object type: 'group'"),
        "{:?}",
        failed.told
    );
    let right = with(given, config! { "principal_type" => "Group" });
    let mut made = users(&plugin).create(right).await;
    made.settled().await;
    assert_eq!(
        label(emulator, "kind-group").await,
        Some(format!("aadauth,oid={group},type=group"))
    );
    made.destroy().await;
}

#[tokio::test]
async fn what_a_killed_apply_left_is_taken_up_and_anything_else_refused() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = new_application(emulator, "twice").await;
    let given = user(
        emulator,
        "twice",
        with(application(&object_id), config! { "connection_limit" => 5 }),
    );
    let made = users(&plugin).create(given.clone()).await;

    let planned = users(&plugin).plan_create(given.clone()).await;
    let mut again = users(&plugin)
        .create_planned(planned, given.clone())
        .await
        .ok()
        .expect("taken up");
    assert_eq!(again.state, made.state);
    again.settled().await;

    let other = with(given.clone(), config! { "connection_limit" => 6 });
    let Err(failed) = users(&plugin).try_create(other.clone()).await else {
        panic!("it is another one")
    };
    let command = format!("terraform import <address> '{}|twice'", emulator.postgresql().id);
    assert!(failed.told[0].detail.contains(&command), "{:?}", failed.told);
    assert!(!failed.left.exists());
    let stranger = new_application(emulator, "stranger").await;
    let taken = with(
        user(emulator, "twice", application(&stranger)),
        config! { "adopt_existing" => true },
    );
    let Err(failed) = users(&plugin).try_create(taken).await else {
        panic!("it is somebody else's")
    };
    assert!(
        failed.told[0].detail.contains("is bound to the principal"),
        "{:?}",
        failed.told
    );

    let mut adopted = users(&plugin)
        .create(with(other, config! { "adopt_existing" => true }))
        .await;
    adopted.settled().await;
    assert_eq!(
        fact(
            emulator,
            "postgres",
            "select rolconnlimit from pg_roles where rolname = 'twice'"
        )
        .await
        .as_deref(),
        Some("6")
    );
    adopted.destroy().await;
}

#[tokio::test]
async fn a_user_whose_identity_is_gone_can_be_changed_and_destroyed() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let app = identity(&plugin, emulator, "leaver").await;
    let given = user(emulator, "leaver", config! { "identity_id" => app.get("id").clone() });
    let mut made = users(&plugin).create(given.clone()).await;
    let (bound, object_id) = (label(emulator, "leaver").await, made.get("object_id").clone());
    by_hand(
        emulator,
        "app",
        "create table leaver_table (); alter table leaver_table owner to leaver",
    )
    .await;
    app.destroy().await;
    next_command(&plugin).await;
    let leaving = with(given, config! { "login" => false, "owned_objects" => "drop" });
    assert_eq!(made.update(leaving).await, Action::Update);
    assert_eq!(made.get("object_id"), &object_id);
    made.settled().await;
    assert_eq!(label(emulator, "leaver").await, bound);
    made.destroy().await;
    let left = "select 1 from pg_roles where rolname = 'leaver'";
    assert_eq!(fact(emulator, "postgres", left).await, None);
}

#[tokio::test]
async fn a_role_that_took_the_name_is_taken_over_only_where_that_is_configured() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = new_application(emulator, "succeeded").await;
    let given = user(emulator, "succeeded", application(&object_id));
    let mut made = users(&plugin).create(given.clone()).await;
    let taken = async || {
        by_hand(emulator, "postgres", "drop role succeeded").await;
        role_by_hand(emulator, "succeeded", "login password 'x'").await;
    };
    taken().await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Gone);
    let failed = users(&plugin)
        .try_create(given.clone())
        .await
        .err()
        .expect("it is there");
    assert!(failed.told[0].detail.contains("adopt_existing"), "{:?}", failed.told);

    let adopting = with(given, config! { "adopt_existing" => true });
    let mut made = users(&plugin).create(adopting.clone()).await;
    taken().await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Changed);
    assert_eq!(made.update(adopting).await, Action::Update);
    made.settled().await;
    made.destroy().await;
}
