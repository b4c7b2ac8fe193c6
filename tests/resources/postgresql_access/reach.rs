//! What an apply costs the server, what nobody of us can change, and schemas of whoever owns the database.

use super::stage::{Stage, lines, new_role};
use crate::harness::resource::Action;
use crate::{block, config};

const TABLES: &str = "
    set role {owner};
    create table sales.orders (id serial primary key, price int);
    create function sales.total(a int) returns int language sql as 'select 1';
    reset role;
    set role {etl}; create table sales.loaded (id int); reset role;";

#[tokio::test]
async fn whatever_it_changes_an_apply_is_three_messages() {
    let stage = Stage::new("messages", TABLES).await;
    let mut all = stage.level("all");
    all.extend(config! { "database_privileges" => ["CONNECT", "TEMP"], "exclusive" => true });
    let place = stage.place();
    let mut access = stage.create(all).await;
    assert_eq!(stage.messages_since(place), 3, "{:#?}", stage.sent_since(place));
    let place = stage.place();
    assert_eq!(access.update(stage.level("read")).await, Action::Update);
    assert_eq!(stage.messages_since(place), 3, "{:#?}", stage.sent_since(place));
    access.settled().await;
    let place = stage.place();
    access.destroy().await;
    assert_eq!(stage.messages_since(place), 3, "{:#?}", stage.sent_since(place));
}

#[tokio::test]
async fn what_others_granted_stays_and_is_listed_with_its_reason() {
    let stage = Stage::new("others", TABLES).await;
    stage.by_hand(&new_role(stage.emulator, "others_passer")).await;
    // One grantor for whom nobody of us can act, one for whom we can.
    stage
        .by_hand(
            "grant usage on schema sales to pg_read_server_files, others_passer;
             grant select, delete on sales.orders to pg_read_server_files with grant option;
             set role pg_read_server_files; grant select, delete on sales.orders to {app}; reset role;
             grant truncate on sales.orders to others_passer with grant option;
             set role others_passer; grant truncate on sales.orders to {app}; reset role;
             create table sales.platforms (); grant update on sales.platforms to {app};",
        )
        .await;
    let mut declared = stage.level("read");
    declared.extend(config! { "exclusive" => true });
    let stays = [
        "table sales.orders has DELETE: granted by pg_read_server_files",
        "table sales.platforms has UPDATE: granted by azuresu",
        "table sales.platforms lacks SELECT: it belongs to azuresu",
    ];
    let mut access = stage.create(declared.clone()).await;
    assert_eq!(lines(access.get("out_of_reach")), stays);
    assert_eq!(lines(access.get("unexpected")), Vec::<&str>::new());
    access.settled().await;
    assert!(stage.can("DELETE", "sales.orders").await && !stage.can("TRUNCATE", "sales.orders").await);
    stage.nothing_is_borrowed().await;

    // Each apply says it again, and nothing of it makes a difference.
    stage.by_hand("grant insert on sales.loaded to {app}").await;
    access.refresh().await;
    let planned = access.plan(declared.clone()).await.expect("a plan");
    assert_eq!(planned.action, Action::Update);
    let told = access.apply(planned).await.expect("an apply");
    let summaries: Vec<&str> = told.iter().map(|one| one.summary.as_str()).collect();
    assert_eq!(
        summaries,
        [
            "Some privileges cannot be granted",
            "Some privileges cannot be taken back"
        ]
    );
    assert!(told[1].detail.contains(stays[0]), "{told:#?}");
    access.settled().await;

    // What is no longer declared and another granted stays too, and the end is no failure.
    let told = access.try_destroy().await.expect("destroyed");
    assert!(
        told[0]
            .detail
            .contains("table sales.orders has SELECT: granted by pg_read_server_files"),
        "{told:#?}"
    );
    assert!(stage.can("SELECT", "sales.orders").await && !stage.can("SELECT", "sales.loaded").await);
}

#[tokio::test]
async fn what_the_grantee_passed_on_is_never_taken_from_others_silently() {
    let stage = Stage::new("passing", TABLES).await;
    let mut access = stage.create(stage.level("read")).await;
    stage
        .by_hand(
            "set role {owner}; grant select on sales.orders to {app} with grant option; reset role;
             set role {app}; grant select on sales.orders to {app2}; reset role",
        )
        .await;
    let told = access.try_destroy().await.expect_err("somebody else would lose it");
    assert_eq!(
        (told[0].summary.as_str(), told[0].path.to_string().as_str()),
        ("Privileges were passed on", "grantee")
    );
    assert!(
        told[0].detail.contains("SELECT on table sales.orders to passing_app2"),
        "{}",
        told[0].detail
    );
    assert!(stage.can("SELECT", "sales.orders").await && stage.can("SELECT", "sales.loaded").await);
    stage
        .by_hand("set role {app}; revoke select on sales.orders from {app2}; reset role")
        .await;
    access.destroy().await;
    assert!(!stage.can("SELECT", "sales.orders").await);
    stage.nothing_is_borrowed().await;
}

/// PostgreSQL's own way from version 15 on, where Azure has `azure_pg_admin`.
#[tokio::test]
async fn a_public_schema_of_whoever_owns_the_database_is_granted_on() {
    let stage = Stage::new("public_owned", "").await;
    if stage.emulator.postgresql().major < 15 {
        // There is no such role before.
        return;
    }
    stage
        .by_hand(
            "alter schema public owner to pg_database_owner; revoke all on schema public from public; grant create, usage on schema public to {etl};
             alter database {database} owner to {owner}; set role {etl}; create table public.loaded (id serial); reset role;
             set role {owner}; create table public.own (id int); reset role;",
        )
        .await;
    let mut declared = stage.declared(config! { "schema" => vec![block! { "name" => "public", "level" => "all" }] });
    declared.extend(config! { "exclusive" => true });
    let mut access = stage.create(declared.clone()).await;
    access.settled().await;
    stage
        .by_hand("set role {app}; create table public.mine (id int); insert into public.loaded default values; select * from public.own; reset role;")
        .await;
    stage
        .by_hand("set role {owner}; create table public.later (id int); reset role; set role {app}; select * from public.later; reset role;")
        .await;
    access.settled().await;
    // The grantee owns the database: then the schema is its own, and nothing of it is missing or unexpected.
    stage.by_hand("revoke all on schema public from {app}").await;
    access.refresh().await;
    assert_eq!(lines(access.get("missing")), ["schema public lacks USAGE, CREATE"]);
    stage.by_hand("alter database {database} owner to {app}").await;
    access.refresh().await;
    assert_eq!(lines(access.get("missing")), Vec::<&str>::new());
    stage.by_hand("alter database {database} owner to {owner}").await;
    access.refresh().await;
    access.update(declared).await;
    access.settled().await;
    access.destroy().await;
    stage.by_hand("drop table public.mine").await;
    assert_eq!(stage.privileges_of("app").await, 0);
    stage.nothing_is_borrowed().await;
}
