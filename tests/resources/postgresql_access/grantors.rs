//! Who granted what is taken back: others than the owner, and the owner where we have grant options of our own.

use super::stage::{ADMINISTRATOR, Stage, lines, new_role};
use crate::harness::resource::Action;
use crate::{block, config};

const TABLES: &str = "
    set role {owner};
    create table sales.orders (id serial primary key, price int);
    create function sales.total(a int) returns int language sql as 'select 1';
    reset role;
    set role {etl}; create table sales.loaded (id int); reset role;";

#[tokio::test]
async fn what_administrators_granted_on_what_is_the_platforms_is_taken_back() {
    let stage = Stage::new("platform_options", TABLES).await;
    let as_administrator = |statement: &str| format!("set role {ADMINISTRATOR}; {statement}; reset role;");
    stage
        .by_hand(&format!(
            "grant usage on schema sales to azure_pg_admin; create view sales.platforms as select 1 as one;
             grant select, delete on sales.platforms to azure_pg_admin with grant option; {}",
            as_administrator("grant select, delete on sales.platforms to {app}")
        ))
        .await;
    let mut declared = stage.level("read");
    declared.extend(config! { "exclusive" => true });
    let mut access = stage.create(declared.clone()).await;
    access.settled().await;
    assert_eq!(lines(access.get("out_of_reach")), Vec::<&str>::new());
    assert!(stage.can("SELECT", "sales.platforms").await && !stage.can("DELETE", "sales.platforms").await);

    // Who cannot name it cannot take it back.
    stage
        .by_hand(&as_administrator("grant delete on sales.platforms to {app}"))
        .await;
    stage.by_hand("revoke usage on schema sales from azure_pg_admin").await;
    access.refresh().await;
    let stays = ["view sales.platforms has DELETE: granted by azure_pg_admin"];
    assert_eq!(lines(access.get("out_of_reach")), stays);
    assert_eq!(access.update(declared).await, Action::NoOp);
    access.settled().await;

    stage.by_hand("grant usage on schema sales to azure_pg_admin").await;
    access.destroy().await;
    assert!(!stage.can("SELECT", "sales.platforms").await);
    stage.nothing_is_borrowed().await;
}

#[tokio::test]
async fn what_the_owner_granted_is_taken_back_by_who_has_grant_options_too() {
    let stage = Stage::new("own_options", TABLES).await;
    let mut access = stage.create(stage.level("write")).await;
    stage
        .by_hand(&format!(
            "grant all on all tables in schema sales to {ADMINISTRATOR} with grant option;
             grant all on all routines in schema sales to azure_pg_admin with grant option;
             grant all on schema sales to {ADMINISTRATOR} with grant option;
             grant update (price) on sales.orders to {{app}}"
        ))
        .await;
    assert_eq!(access.update(stage.level("read")).await, Action::Update);
    access.settled().await;
    assert!(stage.can("SELECT", "sales.orders").await && !stage.can("DELETE", "sales.orders").await);
    assert!(stage.can("SELECT", "sales.loaded").await && !stage.can("INSERT", "sales.loaded").await);
    // What is granted again on columns is the owner's as before.
    let kept = "(select array_agg(distinct a.grantor::regrole::text) from pg_attribute, aclexplode(attacl) a
                 where attrelid = 'sales.orders'::regclass and a.grantee = '{app}'::regrole) = array['own_options_owner']";
    assert!(stage.is_true(kept).await);
    stage
        .by_hand("revoke update (price) on sales.orders from {app}; grant select on sales.loaded to {owner} with grant option")
        .await;
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
    stage.nothing_is_borrowed().await;
}

/// Of two owners for whom we act at once, each may have grant options on what is the other's.
#[tokio::test]
async fn what_one_owner_granted_is_not_taken_for_what_another_did() {
    let stage = Stage::new("two_owners", TABLES).await;
    stage.by_hand(&new_role(stage.emulator, "two_owners_third")).await;
    // What we have ourselves is granted in our name, also where only an owner may name it.
    stage
        .by_hand(&format!(
            "grant usage, create on schema sales to two_owners_third;
             set role two_owners_third; create table sales.third (); reset role;
             grant all on sales.orders to {ADMINISTRATOR} with grant option;"
        ))
        .await;
    let access = stage.create(stage.level("write")).await;
    stage
        .by_hand(
            "grant all on sales.orders to {etl}, two_owners_third with grant option;
             grant all on sales.loaded to {owner}, two_owners_third with grant option;
             grant all on sales.third to {owner}, {etl} with grant option;",
        )
        .await;
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
    stage.nothing_is_borrowed().await;
}

#[tokio::test]
async fn a_schema_of_whoever_owns_the_database_is_taken_back_by_who_has_grant_options() {
    let stage = Stage::new("public_options", "").await;
    if stage.emulator.postgresql().major < 15 {
        // There is no such role before.
        return;
    }
    stage
        .by_hand(
            "alter schema public owner to pg_database_owner; alter database {database} owner to {owner};
             set role {owner}; create table public.own (id int); reset role;",
        )
        .await;
    let declared = stage.declared(config! { "schema" => vec![block! { "name" => "public", "level" => "all" }] });
    let access = stage.create(declared).await;
    stage
        .by_hand(&format!(
            "grant all on schema public to {ADMINISTRATOR}, {{owner}} with grant option"
        ))
        .await;
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
    stage.nothing_is_borrowed().await;
}
