//! `entradb_postgresql_user` and the rights of an administrator, which take a label and a membership.

use entradb::protocol::value::Value;
use entradb_emulator::Options;

use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::resources::postgresql_user::{application, user, users};
use crate::resources::world::{by_hand, emulator, fact, label, next_command, provider, started, with};
use crate::{block, config};

#[tokio::test]
async fn rights_of_an_administrator_come_and_go() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "chief").await;
    let rights = "select pg_has_role('chief', 'azure_pg_admin', 'member')::text || rolcreaterole || rolcreatedb \
                  from pg_roles where rolname = 'chief'";
    let mut made = users(&plugin)
        .create(user(emulator, "chief", &object_id, config! { "administrator" => true }))
        .await;
    made.settled().await;
    assert_eq!(
        fact(emulator, "postgres", rights).await.as_deref(),
        Some("truetruetrue")
    );
    let plain = user(emulator, "chief", &object_id, config! {});
    assert_eq!(made.update(plain).await, Action::Update);
    made.settled().await;
    assert_eq!(
        fact(emulator, "postgres", rights).await.as_deref(),
        Some("falsefalsefalse")
    );
    let chief = user(
        emulator,
        "chief",
        &object_id,
        config! { "administrator" => true, "mfa_required" => true },
    );
    assert_eq!(made.update(chief.clone()).await, Action::Update);
    made.settled().await;
    assert_eq!(
        fact(emulator, "postgres", rights).await.as_deref(),
        Some("truetruetrue")
    );
    // The label alone gives no rights: without the membership it is no administrator.
    by_hand(emulator, "postgres", "revoke azure_pg_admin from chief").await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Changed);
    assert_eq!(made.update(chief).await, Action::Update);
    assert_eq!(
        fact(emulator, "postgres", rights).await.as_deref(),
        Some("truetruetrue")
    );
    made.destroy().await;
}

const STATE: &str = "select concat_ws(' ', rolconnlimit, rolcanlogin, rolconfig, pg_has_role(oid, 'azure_pg_admin', 'member')) \
                     from pg_roles where rolname = ";

/// From version 16 on no administrator has the ADMIN option on another, and yet one changes the other, in one transaction.
#[tokio::test]
async fn an_administrator_is_changed_by_another() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "boss").await;
    let boss = |name: &str, more| {
        with(
            user(emulator, name, &object_id, config! { "administrator" => true }),
            more,
        )
    };
    let settings = config! { "connection_limit" => 5, "settings" => block! { "work_mem" => "8MB" } };
    let mut made = users(&plugin).create(boss("boss", settings)).await;
    made.settled().await;
    let state = fact(emulator, "postgres", &format!("{STATE}'boss'")).await;
    assert_eq!(state.as_deref(), Some("5 t {work_mem=8MB} t"));
    let changed = boss("boss of all", config! { "connection_limit" => 6, "login" => false });
    assert_eq!(made.update(changed).await, Action::Update);
    made.settled().await;
    let state = fact(emulator, "postgres", &format!("{STATE}'boss of all'")).await;
    assert_eq!(state.as_deref(), Some("6 f t"));
    made.destroy().await;
    let left = "select 1 from pg_roles where rolname like 'boss%'";
    assert_eq!(fact(emulator, "postgres", left).await, None);
}

/// Azure does not document the function by which the rights go and come: without it, who can do it is said, and nothing is changed.
#[tokio::test]
async fn without_the_function_another_administrator_is_explained() {
    let emulator = &started(Options::default()).await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "boss").await;
    let boss = |more| {
        with(
            user(emulator, "boss", &object_id, config! { "administrator" => true }),
            more,
        )
    };
    let mut made = users(&plugin).create(boss(config! {})).await;
    let function = "drop function pgaadauth_update_principal_with_oid(text, text, text, boolean, boolean)";
    by_hand(emulator, "postgres", function).await;
    next_command(&plugin).await;
    let changed = made.try_update(boss(config! { "connection_limit" => 5 })).await;
    if emulator.postgresql().major < 16 {
        changed.expect("CREATEROLE is enough");
        made.destroy().await;
        return;
    }
    let told = changed.expect_err("nobody may");
    assert_eq!(
        (told[0].summary.as_str(), told[0].path.to_string().as_str()),
        ("Another administrator", "administrator")
    );
    assert!(
        told[0].detail.contains("boss administers the server"),
        "{}",
        told[0].detail
    );
    let state = fact(emulator, "postgres", &format!("{STATE}'boss'")).await;
    assert_eq!(state.as_deref(), Some("-1 t t"));
    made.update(boss(config! {})).await;
    let told = made.try_destroy().await.expect_err("nobody may");
    assert_eq!(told[0].summary, "Another administrator");
    assert!(made.exists());
}

/// Rights take a label, a membership, and the attributes to create roles and databases. Half of them is neither: the plan sees it, whatever was applied.
#[tokio::test]
async fn half_an_administrator_is_seen_and_put_right() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "half").await;
    let plain = user(emulator, "half", &object_id, config! {});
    let chief = user(emulator, "half", &object_id, config! { "administrator" => true });
    let label_is =
        |end: &str| format!("security label for pgaadauth on role half is 'aadauth,oid={object_id},type=service{end}'");
    let rights = "select pg_has_role('half', 'azure_pg_admin', 'member')::text";
    let attributes = "select (rolcreaterole and rolcreatedb)::text from pg_roles where rolname = 'half'";
    // From version 16 on the platform's hold on an ordinary role would make a circle.
    let managed = if emulator.postgresql().major >= 16 {
        "revoke half from azure_pg_admin;"
    } else {
        ""
    };
    let mut made = users(&plugin).create(plain.clone()).await;
    for half in [format!("{managed} grant azure_pg_admin to half"), label_is(",admin")] {
        by_hand(emulator, "postgres", &half).await;
        next_command(&plugin).await;
        assert_eq!(made.refresh().await, Found::Changed, "{half}");
        assert_eq!(made.get("administrator"), &Value::Bool(true), "{half}");
        assert_eq!(made.refresh().await, Found::Same, "a second look sees the same: {half}");
        assert_eq!(made.update(plain.clone()).await, Action::Update, "{half}");
        made.settled().await;
        assert_eq!(fact(emulator, "postgres", rights).await.as_deref(), Some("false"));
        assert!(
            label(emulator, "half")
                .await
                .is_some_and(|label| !label.contains("admin"))
        );
    }
    made.update(chief.clone()).await;
    for half in [
        "revoke azure_pg_admin from half".to_owned(),
        label_is(""),
        "alter role half nocreaterole nocreatedb".to_owned(),
        "alter role half nocreatedb".to_owned(),
    ] {
        by_hand(emulator, "postgres", &half).await;
        next_command(&plugin).await;
        assert_eq!(made.refresh().await, Found::Changed, "{half}");
        assert_eq!(made.get("administrator"), &Value::Bool(false), "{half}");
        assert_eq!(made.update(chief.clone()).await, Action::Update, "{half}");
        made.settled().await;
        for whole in [rights, attributes] {
            assert_eq!(
                fact(emulator, "postgres", whole).await.as_deref(),
                Some("true"),
                "{half}"
            );
        }
    }
    // Who is one through another role is no administrator of this resource's.
    made.update(plain).await;
    let through =
        format!("create role half_chiefs; {managed} grant azure_pg_admin to half_chiefs; grant half_chiefs to half");
    by_hand(emulator, "postgres", &through).await;
    next_command(&plugin).await;
    made.settled().await;
    by_hand(emulator, "postgres", "drop role half_chiefs").await;
    if emulator.postgresql().major >= 16 {
        by_hand(
            emulator,
            "postgres",
            "grant half to azure_pg_admin with admin true, inherit false, set false",
        )
        .await;
    }
    made.destroy().await;
}
