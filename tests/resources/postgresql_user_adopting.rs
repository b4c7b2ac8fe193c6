//! `entradb_postgresql_user` over a role that is there already: what it keeps, and whom it locks out.

use entradb::protocol::value::Object;
use entradb_emulator::Emulator;

use crate::config;
use crate::harness::instance::{Found, Instance};
use crate::harness::message::Told;
use crate::harness::resource::{Action, Resource};
use crate::resources::postgresql_user::{application, user, users};
use crate::resources::world::{
    ADMINISTRATOR, by_hand, emulator, fact, log_in, next_command, provider, role_by_hand, text, with,
};

/// What whoever turns a password role into a user of Entra is warned of.
const BY_TOKEN: &str = "Signs in with a token from now on";

/// Creates, with what was told.
async fn adopt<'a>(users: Resource<'a>, given: Object) -> (Instance<'a>, Vec<Told>) {
    let planned = users.plan_create(given).await;
    let mut made = users.absent();
    let told = made.apply(planned).await.unwrap_or_else(|told| panic!("{told:#?}"));
    (made, told)
}

/// What is said of the password, when anything is.
fn of_the_password(told: &[Told]) -> Option<&str> {
    let found = told.iter().find(|one| one.summary == BY_TOKEN);
    found.map(|one| one.detail.as_str())
}

/// Does something as the signed-in administrator.
async fn as_administrator(emulator: &Emulator, statement: &str) {
    let runner = emulator.runner();
    let token = emulator.database_token(&runner.object_id);
    let session = log_in(emulator, ADMINISTRATOR, &token, "postgres").await;
    let done = session.expect("an administrator").simple_query(statement).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
}

#[tokio::test]
async fn a_role_with_a_password_becomes_a_user_and_keeps_what_it_has() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "old-user").await;
    role_by_hand(emulator, "old_user", "login password 'old secret'").await;
    by_hand(
        emulator,
        "app",
        "create table old_table (); alter table old_table owner to old_user;
         create table granted (); alter table granted owner to azure_pg_admin; grant select on granted to old_user; alter role old_user set work_mem = '9MB'",
    )
    .await;
    let given = user(emulator, "old_user", &object_id, config! {});
    let Err(failed) = users(&plugin).try_create(given.clone()).await else {
        panic!("it is there")
    };
    let refused = &failed.told[0].detail;
    for word in ["logs in with a password so far", "set `adopt_existing`"] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    let adopting = with(given, config! { "adopt_existing" => true });
    let (mut made, told) = adopt(users(&plugin), adopting).await;
    assert_eq!(told[0].summary, "Taken over", "{told:#?}");
    made.settled().await;
    let client = log_in(emulator, "old_user", &emulator.database_token(&object_id), "app")
        .await
        .expect("the token opens it");
    client
        .simple_query("select from public.granted; alter table public.old_table add column a int")
        .await
        .expect("it keeps both");
    let settings = "select setconfig::text from pg_db_role_setting where setrole = 'old_user'::regrole";
    assert_eq!(fact(emulator, "app", settings).await.as_deref(), Some("{work_mem=9MB}"));
    by_hand(emulator, "app", "drop table old_table").await;
    made.destroy().await;
    by_hand(emulator, "app", "drop table granted").await;
}

#[tokio::test]
async fn whoever_is_locked_out_is_named_and_so_is_the_way_back() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "locking").await;
    role_by_hand(emulator, "locked \"out\"", "login password 'old secret'").await;
    let enter = || log_in(emulator, "locked \"out\"", "old secret", "app");
    let session = enter().await.expect("the password opens it");
    let named = "set application_name = 'Old App'; select pg_backend_pid()";
    let answers = session.simple_query(named).await.expect("an answer");
    let process = answers.iter().find_map(|one| match one {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let open = format!("1 of Old App in app (process {})", process.expect("a number"));

    let given = user(
        emulator,
        "locked \"out\"",
        &object_id,
        config! { "adopt_existing" => true },
    );
    let (mut made, told) = adopt(users(&plugin), given.clone()).await;
    let warning = of_the_password(&told).unwrap_or_else(|| panic!("nobody is warned: {told:#?}"));
    let back = r#"SECURITY LABEL FOR "pgaadauth" ON ROLE "locked ""out""" IS NULL"#;
    let guide = "Moving a running PostgreSQL application to Entra";
    let words = [
        open.as_str(),
        &object_id,
        "documentation does not say so",
        back,
        "entradb_postgresql_ownership",
        guide,
    ];
    for word in words {
        assert!(warning.contains(word), "{word}: {warning}");
    }
    assert!(enter().await.is_err(), "the password opens no new session");
    session.simple_query("select 1").await.expect("the open one goes on");

    // The way back, as it stands there; the next plan would go forward again, and says so before.
    as_administrator(emulator, back).await;
    enter().await.expect("the password opens it again");
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Changed);
    let planned = made.plan(given).await.expect("a plan");
    assert_eq!(planned.action, Action::Update);
    assert!(of_the_password(&planned.warnings).is_some(), "{:#?}", planned.warnings);
    let told = made.apply(planned).await.expect("bound again");
    assert!(
        of_the_password(&told).is_some_and(|warning| warning.contains(&open)),
        "{told:#?}"
    );
    drop(session);
    made.settled().await;
    made.destroy().await;
}

#[tokio::test]
async fn an_imported_role_with_a_password_is_warned_of_before_it_is_bound() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "brought-in").await;
    role_by_hand(emulator, "brought_in", "login password 'x'").await;
    let id = format!("{}|brought_in", emulator.postgresql().id);
    let mut imported = users(&plugin).import(&id).await;
    let given = user(emulator, "brought_in", &object_id, config! {});
    let planned = imported.plan(given.clone()).await.expect("a plan");
    assert!(of_the_password(&planned.warnings).is_some(), "{:#?}", planned.warnings);
    let told = imported.apply(planned).await.expect("bound");
    let warning = of_the_password(&told).expect("a warning");
    assert!(warning.contains("No session of it is open."), "{warning}");
    imported.settled().await;
    let planned = imported.plan(with(given, config! { "connection_limit" => 3 })).await;
    assert_eq!(planned.expect("a plan").warnings, []);
    imported.destroy().await;
}

#[tokio::test]
async fn who_locks_nobody_out_is_not_warned_and_asks_for_no_sessions() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "harmless").await;
    role_by_hand(emulator, "harmless nologin", "nologin").await;
    role_by_hand(emulator, "harmless shut out", "login password 'x'").await;
    let cases = [
        ("harmless plain", config! {}),
        ("harmless nologin", config! { "adopt_existing" => true }),
        (
            "harmless shut out",
            config! { "adopt_existing" => true, "login" => false },
        ),
    ];
    for (name, more) in cases {
        let (made, told) = adopt(users(&plugin), user(emulator, name, &object_id, more)).await;
        assert_eq!(of_the_password(&told), None, "{name}: {told:#?}");
        let question = format!("usesysid = {} ", text(made.get("oid")));
        let asked = || emulator.statements().iter().any(|one| one.text.contains(&question));
        assert!(!asked(), "{name}");
        made.destroy().await;
        assert!(asked(), "{name}: whose sessions are open is asked when it goes");
    }
}

/// Taken over as less than an administrator, it would lose its rights without a word.
#[tokio::test]
async fn an_administrator_is_not_taken_over_as_something_less() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "old-chief").await;
    by_hand(
        emulator,
        "postgres",
        "create role old_chief login createrole createdb password 'x' in role azure_pg_admin",
    )
    .await;
    let given = user(emulator, "old_chief", &object_id, config! { "adopt_existing" => true });
    let Err(failed) = users(&plugin).try_create(given).await else {
        panic!("its rights would be gone")
    };
    let told = &failed.told[0];
    assert_eq!(told.path.to_string(), "administrator");
    assert!(told.detail.contains("administers the server"), "{told:?}");
    let rights = "select pg_has_role('old_chief', 'azure_pg_admin', 'member')::text";
    assert_eq!(fact(emulator, "postgres", rights).await.as_deref(), Some("true"));
    by_hand(emulator, "postgres", "drop role old_chief").await;
}
