//! What cannot be finished is not begun: the role keeps all that it has.

use entradb_emulator::{Emulator, Options};

use crate::config;
use crate::resources::postgresql_departure::{exists, made};
use crate::resources::world::{by_hand, emulator, fact, provider, started};

/// Whether the role still has what was granted to it on this schema of database `app`.
async fn keeps(emulator: &Emulator, role: &str, schema: &str) -> bool {
    let query = format!("select 1 from pg_namespace where nspname = '{schema}' and nspacl::text like '%{role}%'");
    fact(emulator, "app", &query).await.is_some()
}

/// Databases are gone through in the order of their numbers, and the refusal is met in the last one.
#[tokio::test]
async fn what_the_platform_granted_in_another_database_is_seen_before_anything_goes() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "an_leaver", config! {}).await;
    by_hand(emulator, "app", "grant usage on schema public to an_leaver").await;
    by_hand(emulator, "postgres", "create database an_db").await;
    by_hand(emulator, "an_db", "create table t (); grant select on t to an_leaver").await;
    let told = leaving.try_destroy().await.expect_err("only Azure may take that back");
    assert_eq!(told[0].summary, "Belongs to the platform");
    assert!(keeps(emulator, "an_leaver", "public").await);
    by_hand(emulator, "postgres", "drop database an_db with (force)").await;
    leaving.destroy().await;
    assert!(!keeps(emulator, "an_leaver", "public").await);
}

/// From version 16 on it takes the ADMIN option to act for a role and to drop it.
#[tokio::test]
async fn what_the_server_refuses_is_tried_before_anything_goes() {
    let options = Options {
        postgresql_strict_roles: true,
        ..Options::default()
    };
    let emulator = &started(options).await;
    let plugin = provider(emulator).await;
    let strict = emulator.postgresql().major >= 16;
    let mut leaving = made(&plugin, emulator, "leaver", config! {}).await;
    let _owner = made(&plugin, emulator, "ours", config! {}).await;
    let grants = "create schema s authorization {}; set role {}; grant usage on schema s to leaver; reset role";
    by_hand(emulator, "app", &grants.replace("{}", "ours")).await;
    by_hand(emulator, "postgres", "create role theirs").await;
    by_hand(emulator, "postgres", "create database later").await;
    by_hand(emulator, "later", &grants.replace("{}", "theirs")).await;
    if strict {
        let told = leaving
            .try_destroy()
            .await
            .expect_err("nobody lets us act for the owner");
        assert!(told[0].detail.contains("ADMIN option"), "{told:?}");
        assert!(keeps(emulator, "leaver", "s").await);
        by_hand(emulator, "later", "drop schema s").await;
        by_hand(emulator, "postgres", "revoke leaver from terraform granted by azuresu").await;
        let told = leaving.try_destroy().await.expect_err("nobody lets us drop the role");
        assert!(told[0].detail.contains("denied to drop role"), "{told:?}");
        assert!(keeps(emulator, "leaver", "s").await);
        by_hand(emulator, "postgres", "grant leaver to terraform with admin true").await;
    }
    leaving.destroy().await;
    assert!(!exists(emulator, "leaver").await);
}

/// `DROP OWNED` leaves what databases share, and the role could not go at last.
#[tokio::test]
async fn a_subscription_keeps_what_else_the_role_owns() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(
        &plugin,
        emulator,
        "an_subscriber",
        config! { "owned_objects" => "drop" },
    )
    .await;
    by_hand(emulator, "app", "create schema an_s authorization an_subscriber").await;
    let subscribe = "create subscription an_feed connection 'dbname=app' publication p with (connect = false); alter role an_subscriber superuser;
        alter subscription an_feed owner to an_subscriber; alter role an_subscriber nosuperuser";
    by_hand(emulator, "app", subscribe).await;
    let told = leaving.try_destroy().await.expect_err("a subscription is not dropped");
    assert!(told[0].detail.contains("subscription an_feed"), "{}", told[0].detail);
    let schema = "select 1 from pg_namespace where nspname = 'an_s'";
    assert!(fact(emulator, "app", schema).await.is_some());
    by_hand(emulator, "app", "alter subscription an_feed set (slot_name = none)").await;
    by_hand(emulator, "app", "drop subscription an_feed").await;
    leaving.destroy().await;
    assert!(fact(emulator, "app", schema).await.is_none());
}
