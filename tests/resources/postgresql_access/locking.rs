//! The locks that keep the application away are no reason to fail.

use super::stage::{Stage, TYPE};
use crate::resources::world::{alone, by_hand, fact, provider, role_by_hand};
use crate::{block, config};

/// PostgreSQL cannot expand it, not even to lock it.
#[tokio::test]
async fn privileges_on_a_view_that_contains_itself_are_granted() {
    let views =
        "set role {owner}; create view sales.one as select 1 as x; create view sales.two as select * from sales.one;
        create or replace view sales.one as select x from sales.two; reset role";
    let stage = Stage::new("circular", views).await;
    let mut access = stage.create(stage.level("read")).await;
    assert!(stage.can("select", "sales.one").await && stage.can("select", "sales.two").await);
    access.settled().await;
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
}

/// Takes every lock that the server has, and gives back fewer than there are tables.
const FILL: &str = "do $$ declare taken int := 0; begin loop perform pg_advisory_lock(77, taken); taken := taken + 1; end loop;
    exception when out_of_memory then for back in 1..300 loop perform pg_advisory_unlock(77, taken - back); end loop; end $$";

#[tokio::test]
async fn privileges_are_granted_when_others_fill_the_lock_table() {
    let emulator = &alone(&[]).await;
    let plugin = provider(emulator).await;
    for role in ["owner", "reader"] {
        role_by_hand(emulator, role, "").await;
    }
    let tables = "create schema sales authorization owner; set role owner;
        do $$ begin for i in 1..700 loop execute format('create table sales.t%s (id int)', i); end loop; end $$";
    by_hand(emulator, "app", tables).await;
    let crowd = emulator.superuser("postgres").await;
    crowd.batch_execute(FILL).await.expect("it stops in time");
    let declared = config! {
        "server" => emulator.postgresql().id.as_str(), "database" => "app", "grantee" => "reader",
        "schema" => vec![block! { "name" => "sales", "level" => "read" }],
    };
    let access = plugin.resource(TYPE).create(declared).await;
    let readable = "select count(*)::text from pg_class where relname ~ '^t[0-9]+$' and has_table_privilege('reader', oid, 'select')";
    assert_eq!(fact(emulator, "app", readable).await.as_deref(), Some("700"));
    access.destroy().await;
    assert_eq!(fact(emulator, "app", readable).await.as_deref(), Some("0"));
}
