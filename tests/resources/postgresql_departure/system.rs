//! Privileges on what the system brings along: taken back where we may act for who granted them, else named.

use crate::config;
use crate::resources::postgresql_departure::{exists, made};
use crate::resources::world::{by_hand, emulator, fact, provider, started};

#[tokio::test]
async fn what_an_administrator_granted_in_system_schemas_is_taken_back() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    for (name, owned) in [("sys_plain", "refuse"), ("sys_owner", "drop")] {
        let leaving = made(&plugin, emulator, name, config! { "owned_objects" => owned }).await;
        let grants = format!(
            "grant execute on function pg_catalog.pg_ls_waldir() to azure_pg_admin with grant option;
             grant select on pg_catalog.pg_authid to azure_pg_admin with grant option;
             grant select (umuser) on pg_catalog.pg_user_mapping to azure_pg_admin with grant option;
             grant select on information_schema.sql_parts to azure_pg_admin with grant option; set role azure_pg_admin;
             grant execute on function pg_catalog.pg_ls_waldir() to {name}; grant select on pg_catalog.pg_authid to {name};
             grant select (umuser) on pg_catalog.pg_user_mapping to {name}; grant select on information_schema.sql_parts to {name}"
        );
        by_hand(emulator, "app", &grants).await;
        if owned == "drop" {
            by_hand(emulator, "app", &format!("create schema sys_s authorization {name}")).await;
        }
        leaving.destroy().await;
        assert!(!exists(emulator, name).await);
        let kept = "select has_function_privilege('azure_pg_admin', 'pg_ls_waldir()', 'execute')::text";
        assert_eq!(fact(emulator, "app", kept).await.as_deref(), Some("true"));
    }
    let revoke = "revoke all on function pg_catalog.pg_ls_waldir() from azure_pg_admin; revoke all on pg_catalog.pg_authid from azure_pg_admin;
        revoke all (umuser) on pg_catalog.pg_user_mapping from azure_pg_admin; revoke all on information_schema.sql_parts from azure_pg_admin";
    by_hand(emulator, "app", revoke).await;
}

#[tokio::test]
async fn what_only_the_platform_may_take_back_is_named_before_anything_goes() {
    let emulator = &started(entradb_emulator::Options::default()).await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "leaver", config! {}).await;
    let parameter = emulator.postgresql().major >= 15;
    let (schema, all) = (
        "select 1 from pg_namespace where nspname = 'public' and nspacl::text like '%leaver%'",
        "grant usage on schema public to leaver",
    );
    by_hand(emulator, "app", all).await;
    let mut cases = vec![
        (
            "grant select on pg_catalog.pg_authid to leaver",
            "revoke select on pg_catalog.pg_authid from leaver",
            "table pg_catalog.pg_authid",
        ),
        (
            "grant create on tablespace pg_default to leaver",
            "revoke create on tablespace pg_default from leaver",
            "tablespace pg_default",
        ),
    ];
    if parameter {
        cases.push((
            "grant set on parameter log_min_duration_statement to leaver",
            "revoke set on parameter log_min_duration_statement from leaver",
            "parameter log_min_duration_statement",
        ));
    }
    for (grant, revoke, named) in cases {
        by_hand(emulator, "app", grant).await;
        let told = leaving.try_destroy().await.expect_err("only Azure may take that back");
        for words in [named, "whoever granted them"] {
            assert!(told[0].detail.contains(words), "{words}: {told:#?}");
        }
        assert!(!told[0].detail.contains("all the while"), "{told:#?}");
        assert!(
            fact(emulator, "app", schema).await.is_some(),
            "{named}: nothing was begun"
        );
        by_hand(emulator, "app", revoke).await;
    }
    leaving.destroy().await;
    assert!(!exists(emulator, "leaver").await);
}

/// The functions that make a range belong to the platform, and no catalogue of ours has them.
#[tokio::test]
async fn what_cannot_be_taken_back_is_named_at_last() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "sys_ranger", config! {}).await;
    let grant = "create type public.sys_range as range (subtype = int4); grant execute on function sys_range(int, int) to sys_ranger";
    by_hand(emulator, "app", grant).await;
    let told = leaving.try_destroy().await.expect_err("only Azure may take that back");
    assert_eq!(told[0].summary, "Role still in use");
    for words in ["database app (1): privileges on function", "sys_range(integer,integer)"] {
        assert!(told[0].detail.contains(words), "{words}: {told:#?}");
    }
    by_hand(emulator, "app", "drop type public.sys_range").await;
    leaving.destroy().await;
}
