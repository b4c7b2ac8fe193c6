//! Hostile names, others at the same time, failures, and what is gone.

use std::time::Instant;

use entradb::protocol::value::Value;

use super::stage::{Stage, TYPE, lines, quoted};
use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::{block, config};

#[tokio::test]
async fn hostile_names_are_names() {
    let stage = Stage::new("host\"ile|%7C é'", "").await;
    let schema = "s\"; drop schema sales; --";
    let roles = format!(
        "create schema {0} authorization {{owner}}; set role {{owner}};
         create table {0}.{1} ({1} int); create table {0}.\"%s {{}} $1\" ();
         create type {0}.\"ty\"\"pe\" as enum ('a'); create function {0}.{1}({0}.\"ty\"\"pe\", text) returns int language sql as 'select 1';
         create view {0}.\"\u{1F418}\" as select 1 a; reset role;",
        quoted(schema),
        quoted("ta\"ble'\\")
    );
    stage.by_hand(&roles).await;
    let declared = stage.declared(config! {
        "database_privileges" => ["ALL"],
        "schema" => vec![block! { "name" => schema, "level" => "all" }, block! { "name" => "public", "level" => "read" }],
    });
    let mut access = stage.create(declared.clone()).await;
    access.settled().await;
    // One of them lacks something, so that each is named.
    let revoke = format!("revoke insert on {}.\"%s {{}} $1\" from {{app}}", quoted(schema));
    stage.by_hand(&revoke).await;
    access.refresh().await;
    assert_eq!(
        lines(access.get("missing")),
        [format!("table {schema}.%s {{}} $1 lacks INSERT")]
    );
    access.update(declared.clone()).await;
    access.settled().await;
    let mut imported = stage.plugin.resource(TYPE).import(&stage.id()).await;
    assert_eq!(imported.get("grantee"), access.get("grantee"));
    imported.refresh().await;
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
}

#[tokio::test]
async fn many_resources_and_processes_write_at_once() {
    let tables = "set role {owner}; create table sales.a (); create table sales.b (); reset role;
                  set role {etl}; create table sales.c (); reset role;";
    let stage = Stage::new("crowd", tables).await;
    let others = crate::harness::azure::provider(stage.emulator).await;
    for number in 0..12 {
        stage.by_hand(&format!("create role crowd_{number}")).await;
    }
    let declared = |number: usize| {
        let mut declared = stage.level("all");
        declared.extend(
            config! { "grantee" => format!("crowd_{number}").as_str(), "database_privileges" => ["CONNECT", "CREATE"] },
        );
        declared
    };
    let plugins = [&stage.plugin, &others];
    let making = (0..12).map(|number| async move {
        let access = plugins[number % 2].resource(TYPE).create(declared(number)).await;
        (number, access)
    });
    let made = futures_util::future::join_all(making).await;
    for (number, mut access) in made {
        let query = format!("has_table_privilege('crowd_{number}', 'sales.c', 'TRUNCATE')");
        assert!(stage.is_true(&query).await);
        access.settled().await;
    }
    stage.nothing_is_borrowed().await;
}

#[tokio::test]
async fn what_is_gone_is_told_from_what_is_not() {
    let stage = Stage::new("gone", "set role {owner}; create table sales.a (); reset role;").await;
    let mut access = stage.create(stage.level("read")).await;
    stage.by_hand("drop schema sales cascade").await;
    access.refresh().await;
    assert_eq!(lines(access.get("missing")), ["schema sales does not exist"]);
    let told = access.try_update(stage.level("read")).await.expect_err("no schema");
    assert_eq!(
        (told[0].summary.as_str(), told[0].path.to_string().as_str()),
        ("Schema not found", "schema")
    );
    let mut nobody = stage.level("read");
    nobody.extend(config! { "grantee" => "nobody" });
    let Err(refused) = stage.plugin.resource(TYPE).try_create(nobody).await else {
        panic!("there is no such role")
    };
    assert_eq!(refused.told[0].path.to_string(), "grantee");
    assert!(!refused.left.exists());

    stage.by_hand("create schema sales").await;
    access.update(stage.level("read")).await;
    access.settled().await;
    stage.by_hand("drop owned by {app}; drop role {app}").await;
    let mut kept = stage
        .plugin
        .resource(TYPE)
        .import(&stage.id().replace("gone_app", "gone_app2"))
        .await;
    assert_eq!(access.refresh().await, Found::Gone);
    stage
        .emulator
        .superuser("postgres")
        .await
        .simple_query("drop database gone with (force)")
        .await
        .expect("dropped");
    kept.try_destroy().await.expect("nothing is left to do");
}

#[tokio::test]
async fn a_session_that_is_lost_is_opened_again_and_a_refusal_changes_nothing() {
    let stage = Stage::new("lost", "set role {owner}; create table sales.a (); reset role;").await;
    let mut access = stage.create(stage.level("read")).await;
    stage.emulator.faults().drop_sessions().await.expect("dropped");
    assert_eq!(access.update(stage.level("write")).await, Action::Update);
    access.settled().await;
    // The last statement fails: the transaction leaves nothing behind, and the next apply goes on.
    let trigger = "create function public.no() returns event_trigger language plpgsql as $$ begin
                   if current_query() like '%ALTER DEFAULT%' and current_user <> 'azuresu' then raise exception 'not today'; end if; end $$;
                   create event trigger no on ddl_command_end execute function public.no();";
    stage.by_hand(trigger).await;
    let eyes = stage.emulator.superuser("lost").await;
    let before = stage.privileges_of("app").await;
    assert!(access.try_update(stage.level("all")).await.is_err());
    assert_eq!(stage.privileges_of("app").await, before);
    assert!(!stage.can("TRUNCATE", "sales.a").await);
    stage.nothing_is_borrowed().await;
    eyes.simple_query("drop event trigger no").await.expect("dropped");
    assert_eq!(access.update(stage.level("all")).await, Action::Update);
    access.settled().await;
}

#[tokio::test]
async fn what_is_the_platforms_is_told_once_and_makes_no_difference() {
    let tables = "set role {owner}; create table sales.a (); reset role; create table sales.platforms ();
                  create function sales.platforms() returns int language sql as 'select 1';";
    let stage = Stage::new("platform", tables).await;
    let planned = stage.plugin.resource(TYPE).plan_create(stage.level("write")).await;
    let made = stage
        .plugin
        .resource(TYPE)
        .create_planned(planned, stage.level("write"))
        .await;
    let Ok(mut access) = made else { panic!("it is made") };
    access.settled().await;
    let planned = access.plan(stage.level("all")).await.expect("a plan");
    let told = access.apply(planned).await.expect("an apply");
    assert!(
        told[0].detail.contains("table sales.platforms lacks SELECT"),
        "{told:#?}"
    );
    assert!(
        !told[0].detail.contains("function sales.platforms()"),
        "everybody may call it: {told:#?}"
    );
    access.settled().await;
    access.destroy().await;
}

#[tokio::test]
async fn a_role_that_is_not_ours_to_act_for_is_tried_and_left_out() {
    let stage = Stage::new("foreign", "set role {owner}; create table sales.a (); reset role;").await;
    stage
        .by_hand(
            "create role foreign_maker; grant usage, create on schema sales to foreign_maker;
             set role foreign_maker; create table sales.foreign (); reset role;",
        )
        .await;
    let planned = stage.plugin.resource(TYPE).plan_create(stage.level("read")).await;
    let mut access = stage.create(stage.level("read")).await;
    access.settled().await;
    // Before version 16, whoever may create roles may act for every ordinary one.
    let ours = stage.emulator.postgresql().major < 16;
    assert_eq!(stage.can("SELECT", "sales.foreign").await, ours);
    assert!(stage.can("SELECT", "sales.a").await);
    assert!(planned.get("missing").is_unknown());
    let planned = access.plan(stage.level("write")).await.expect("a plan");
    let told = access.apply(planned).await.expect("an apply");
    assert_eq!(told.is_empty(), ours, "{told:#?}");
    access.settled().await;
    stage.nothing_is_borrowed().await;
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
}

#[tokio::test]
async fn thousands_of_tables_are_one_transaction() {
    let stage = Stage::new("many", "").await;
    let tables = "set role {owner};
        do $$ begin for i in 1..3000 loop execute format('create table sales.t%s (id int primary key)', i); end loop; end $$;
        reset role; set role {etl}; create table sales.loaded (); reset role;
        grant select on sales.t7 to {app}";
    stage.by_hand(tables).await;
    let started = Instant::now();
    let mut access = stage.create(stage.level("write")).await;
    access.settled().await;
    assert!(stage.can("DELETE", "sales.t3000").await && stage.can("SELECT", "sales.loaded").await);
    stage
        .by_hand("revoke all on all tables in schema sales from {app}")
        .await;
    access.refresh().await;
    assert_eq!(lines(access.get("missing")).len(), 200);
    assert_eq!(access.get("missing_count"), &Value::from(3001));
    access.update(stage.level("write")).await;
    access.settled().await;
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_plan_asks_nobody_and_takes_what_is_unknown() {
    let stage = Stage::new("planned", "").await;
    let declared = stage.declared(config! {
        "server" => Value::unknown(),
        "grantee" => Value::unknown(),
        "exclusive" => Value::unknown(),
        "schema" => vec![block! { "name" => Value::unknown(), "level" => "read" }],
    });
    // Other tests log in to the same server meanwhile, to databases of their own.
    let asked = || {
        stage
            .emulator
            .logins()
            .iter()
            .any(|login| login.database == stage.database)
    };
    let planned = stage.plugin.resource(TYPE).plan_create(declared).await;
    assert!(planned.get("missing").is_unknown());
    assert!(!asked());
    let mut known = stage.level("read");
    known.extend(config! { "exclusive" => true });
    let made = stage.plugin.resource(TYPE).create_planned(planned, known).await;
    let Ok(mut access) = made else { panic!("it is made") };
    access.settled().await;
    // The other spelling is the same server.
    let mut by_host = stage.level("read");
    by_host.extend(config! { "server" => stage.emulator.postgresql().fqdn.as_str(), "exclusive" => true });
    let planned = access.plan(by_host).await.expect("a plan");
    assert_ne!(planned.action, Action::Replace);
}

#[tokio::test]
async fn mistakes_are_told_where_they_are() {
    let stage = Stage::new("mistakes", "").await;
    let resource = stage.plugin.resource(TYPE);
    let told = |schema: Vec<Value>| {
        let declared = stage.declared(config! { "schema" => schema });
        async move { resource.try_plan_create(declared).await.expect_err("a mistake") }
    };
    let twice = vec![
        block! { "name" => "sales", "level" => "read" },
        block! { "name" => "sales", "tables" => ["SELECT"] },
    ];
    assert_eq!(told(twice).await[0].summary, "Schema given twice");
    let system = vec![block! { "name" => "pg_catalog", "level" => "read" }];
    assert_eq!(told(system).await[0].summary, "Invalid schema");
    let both = vec![block! { "name" => "sales", "level" => "read", "tables" => ["SELECT"] }];
    assert_eq!(told(both).await[0].summary, "Invalid combination of arguments");
    let none = vec![block! { "name" => "sales" }];
    assert_eq!(told(none).await[0].summary, "Invalid combination of arguments");
    let wrong = vec![block! { "name" => "sales", "sequences" => ["INSERT"] }];
    assert!(told(wrong).await[0].detail.contains("SELECT, UPDATE, USAGE"));
}
