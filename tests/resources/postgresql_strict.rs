//! A server where nobody manages what others made, as from version 16 on where Azure does nothing about it: what Terraform made itself lives its
//! whole life, and for what others made it is said what is missing, with nothing changed.

use entradb::protocol::value::Value;
use entradb_emulator::{Access, Emulator, Options};

use crate::harness::resource::Action;
use crate::resources::world::{by_hand, fact, provider, started};
use crate::{block, config};

const TABLES: &str =
    "set role {}; create table s.t (id serial primary key); create view s.v as select 1 as x; reset role";
const OWNER: &str = "select relowner::regrole::text from pg_class where oid = 's.t'::regclass";

async fn emulator() -> Emulator {
    let options = Options {
        postgresql_strict_roles: true,
        ..Options::default()
    };
    started(options).await
}

#[tokio::test]
async fn what_terraform_made_lives_its_whole_life() {
    let emulator = emulator().await;
    let plugin = provider(&emulator).await;
    let server = emulator.postgresql().fqdn.clone();
    let app = emulator
        .add_application("app", Access::None)
        .await
        .expect("an application");
    let role = config! { "server" => server.as_str(), "name" => "team" };
    let team = plugin.resource("entradb_postgresql_role").create(role).await;
    let user = |name: &str| {
        config! {
            "server" => server.as_str(), "name" => name, "object_id" => app.object_id.as_str(), "principal_type" => "ServicePrincipal",
            "settings" => block! { "search_path" => "s" },
        }
    };
    let mut user_made = plugin.resource("entradb_postgresql_user").create(user("app")).await;
    assert_eq!(user_made.update(user("application")).await, Action::Update);
    user_made.settled().await;
    by_hand(
        &emulator,
        "app",
        &format!("create schema s authorization team; {}", TABLES.replace("{}", "team")),
    )
    .await;
    // Only the owner of the database could give it, and who owns a schema needs it.
    by_hand(&emulator, "app", "grant create on database app to team, application").await;
    let access = config! {
        "server" => server.as_str(), "database" => "app", "grantee" => "application",
        "schema" => vec![block! { "name" => "s", "level" => "all" }],
    };
    let mut access = plugin.resource("entradb_postgresql_access").create(access).await;
    access.settled().await;
    let ownership = config! {
        "server" => server.as_str(), "database" => "app", "owner" => "application", "previous_owners" => Value::from(["team"]),
        "on_destroy" => "restore",
    };
    let mut ownership = plugin.resource("entradb_postgresql_ownership").create(ownership).await;
    ownership.settled().await;
    assert_eq!(fact(&emulator, "app", OWNER).await.as_deref(), Some("application"));
    ownership.destroy().await;
    assert_eq!(fact(&emulator, "app", OWNER).await.as_deref(), Some("team"));
    access.destroy().await;
    by_hand(&emulator, "app", "revoke create on database app from team, application").await;
    user_made.destroy().await;
    by_hand(&emulator, "app", "drop schema s cascade").await;
    team.destroy().await;
    let left = "select string_agg(rolname, ' ') from pg_roles where rolname in ('team', 'app', 'application')";
    assert_eq!(fact(&emulator, "postgres", left).await, None);
}

#[tokio::test]
async fn what_others_made_is_left_alone_and_it_is_said_what_is_missing() {
    let emulator = emulator().await;
    let plugin = provider(&emulator).await;
    let server = emulator.postgresql().fqdn.clone();
    by_hand(&emulator, "postgres", "create role theirs; create role heir").await;
    by_hand(
        &emulator,
        "app",
        &format!(
            "create schema s authorization theirs; {}",
            TABLES.replace("{}", "theirs")
        ),
    )
    .await;
    let ownership = config! {
        "server" => server.as_str(), "database" => "app", "owner" => "heir", "previous_owners" => Value::from(["theirs"]),
        "on_destroy" => "restore",
    };
    let outcome = plugin
        .resource("entradb_postgresql_ownership")
        .try_create(ownership)
        .await;
    if emulator.postgresql().major < 16 {
        outcome.ok().expect("CREATEROLE is enough").destroy().await;
        return;
    }
    let Err(failed) = outcome else {
        panic!("nobody gave the ADMIN option")
    };
    assert!(failed.told[0].detail.contains("ADMIN option"), "{:?}", failed.told);
    assert_eq!(fact(&emulator, "app", OWNER).await.as_deref(), Some("theirs"));
    // An ADMIN option that comes by a membership which is not inherited is no use.
    by_hand(
        &emulator,
        "postgres",
        "create role between; grant theirs to between with admin true; grant between to terraform with inherit false",
    )
    .await;
    let access = config! {
        "server" => server.as_str(), "database" => "app", "grantee" => "heir",
        "schema" => vec![block! { "name" => "s", "level" => "read" }],
    };
    // What nobody lets us grant is named, object by object, and is no difference that every plan shows anew.
    let mut access = plugin.resource("entradb_postgresql_access").create(access).await;
    let Value::List(out_of_reach) = access.get("out_of_reach").clone() else {
        panic!("a list")
    };
    assert!(
        out_of_reach.contains(&Value::from("table s.t lacks SELECT: it belongs to theirs")),
        "{out_of_reach:?}"
    );
    access.settled().await;
    access.destroy().await;
}
