//! What a role owns and one transaction has no room for: moved and dropped in steps.

use entradb_emulator::Emulator;

use crate::resources::postgresql_departure::{exists, made, owners, role};
use crate::resources::world::{alone, by_hand, emulator, fact, provider};
use crate::{block, config};

/// Far more than one transaction can drop, with what is portioned out below: tables in a circle, partitions, views on views, serial columns
/// that others use, functions, types.
const CROWD: &str = "
    create schema d authorization dropper; set role dropper;
    create type d.e as enum ('x'); create type d.kind as (a int); create function d.f() returns int language sql as 'select 1';
    create table d.p (id int, e d.e) partition by list (id); create table d.one (id serial primary key, other int, n int default d.f());
    create table d.two (id int primary key, other int references d.one, q int default nextval('d.one_id_seq'));
    alter table d.one add foreign key (other) references d.two; create view d.v as select id from d.one; create view d.w as select id from d.v;
    create materialized view d.m as select * from d.w; create table d.typed of d.kind";

async fn filled(emulator: &Emulator) {
    by_hand(emulator, "postgres", "create database full_db owner azure_pg_admin").await;
    by_hand(emulator, "full_db", CROWD).await;
    let tables = "do $$ begin for i in 1..700 loop
        execute format('create table d.t%s (id int primary key, a text)', i);
        execute format('alter table d.t%s owner to dropper', i);
        execute format('create table d.p%s partition of d.p for values in (%s)', i, i);
        execute format('alter table d.p%s owner to dropper', i); commit; end loop; end $$";
    by_hand(emulator, "full_db", tables).await;
}

#[tokio::test]
async fn what_one_transaction_has_no_room_for_goes_in_steps() {
    let emulator = &alone(&[("max_connections", "50"), ("max_locks_per_transaction", "20")]).await;
    let plugin = provider(emulator).await;
    let heir = made(&plugin, emulator, "heir", config! {}).await;
    let more = config! { "owned_objects" => "reassign", "reassign_owned_to" => "heir" };
    let leaving = made(&plugin, emulator, "dropper", more).await;
    filled(emulator).await;
    leaving.destroy().await;
    assert_eq!(owners(emulator, "full_db", "d").await.as_deref(), Some("heir"));

    // Who has all of it now is to be dropped with it; but something of another role hangs on that.
    let mut leaving = heir;
    leaving
        .update(role(emulator, "heir", config! { "owned_objects" => "drop" }))
        .await;
    by_hand(
        emulator,
        "full_db",
        "create schema theirs; create view theirs.v as select id from d.t7",
    )
    .await;
    let tables = "select count(*)::text from pg_class where relnamespace = 'd'::regnamespace and relkind in ('r', 'p')";
    let before = fact(emulator, "full_db", tables).await;
    let told = leaving.try_destroy().await.expect_err("others would lose something");
    assert_eq!(
        (told[0].summary.as_str(), told[0].path.to_string().as_str()),
        ("Others depend on owned objects", "owned_objects")
    );
    assert!(
        told[0].detail.contains("database full_db") && told[0].detail.contains("view theirs.v"),
        "{}",
        told[0].detail
    );
    assert_eq!(fact(emulator, "full_db", tables).await, before);
    by_hand(emulator, "full_db", "drop view theirs.v").await;
    leaving.destroy().await;
    assert!(!exists(emulator, "heir").await);
    let left = "select string_agg(nspname, ', ') from pg_namespace where nspname in ('d', 'theirs')";
    assert_eq!(fact(emulator, "full_db", left).await.as_deref(), Some("theirs"));
}

/// `DROP TABLE` takes partitions along without a word, whoever owns them and wherever they are.
#[tokio::test]
async fn a_partition_of_another_role_is_not_dropped_with_its_table() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let leaving = made(&plugin, emulator, "dp-table", config! { "owned_objects" => "drop" }).await;
    let other = made(&plugin, emulator, "dp-partition", config! {}).await;
    let tables = "create schema dp authorization \"dp-table\"; create table dp.t (id int) partition by list (id); create schema dp_other;
        create table dp.mine partition of dp.t for values in (1); create table dp_other.theirs partition of dp.t for values in (2);
        create table dp.kept (id serial primary key, at text);
        alter table dp.t owner to \"dp-table\"; alter table dp.mine owner to \"dp-table\"; alter table dp.kept owner to \"dp-table\";
        alter table dp_other.theirs owner to \"dp-partition\"";
    by_hand(emulator, "app", tables).await;
    let mut leaving = leaving;
    let told = leaving
        .try_destroy()
        .await
        .expect_err("another role would lose its rows");
    assert!(told[0].detail.contains("table dp_other.theirs"), "{}", told[0].detail);
    assert!(
        !told[0].detail.contains("dp.mine") && !told[0].detail.contains("kept"),
        "{}",
        told[0].detail
    );
    assert_eq!(owners(emulator, "app", "dp").await.as_deref(), Some("\"dp-table\""));
    let detach = "alter table dp.t detach partition dp_other.theirs";
    by_hand(emulator, "app", detach).await;
    leaving.destroy().await;
    by_hand(emulator, "app", "drop schema dp_other cascade").await;
    other.destroy().await;
}

/// The server makes its own superuser the owner of what an extension brings.
#[tokio::test]
async fn an_extension_goes_with_what_it_brought() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "de-maker", config! { "owned_objects" => "drop" }).await;
    let made = "grant create on database app to \"de-maker\"; create schema de authorization \"de-maker\"; set role \"de-maker\";
        create extension hstore schema de; reset role; create schema de_other; create table de_other.user (h de.hstore)";
    by_hand(emulator, "app", made).await;
    let told = leaving.try_destroy().await.expect_err("somebody uses it");
    assert!(
        told[0].detail.contains("column h of table de_other.\"user\"") && !told[0].detail.contains("function"),
        "{}",
        told[0].detail
    );
    by_hand(emulator, "app", "drop schema de_other cascade").await;
    leaving.destroy().await;
    let left = "select 1 from pg_extension where extname = 'hstore'";
    assert_eq!(fact(emulator, "app", left).await, None);
}

/// So little lock memory that a few dozen objects are too much for one transaction.
pub(super) const CRAMPED: [(&str, &str); 2] = [("max_connections", "20"), ("max_locks_per_transaction", "10")];

/// Tables that refer to each other, in a line and in a circle, and a tree that refers to itself; behind some that nobody refers to.
const REFERRING: &str = "create schema d authorization dropper; set role dropper;
    do $$ begin for i in 1..20 loop execute format('create table d.t%s (id int primary key, a text)', i); end loop; end $$;
    create table d.parent (id int primary key); create table d.child (id int references d.parent);
    create table d.one (id int primary key, other int); create table d.two (id int primary key references d.one);
    alter table d.one add foreign key (other) references d.two;
    create table d.tree (id int, kind int, up int, primary key (id, kind), foreign key (up, kind) references d.tree) partition by list (kind);
    create table d.tree1 partition of d.tree for values in (1); create table d.tree2 partition of d.tree for values in (2)";

/// What is left for `DROP OWNED` has to fit into one transaction.
#[tokio::test]
async fn every_table_goes_by_a_statement_of_its_own() {
    let emulator = &alone(&CRAMPED).await;
    let plugin = provider(emulator).await;
    let leaving = made(&plugin, emulator, "dropper", config! { "owned_objects" => "drop" }).await;
    by_hand(emulator, "app", REFERRING).await;
    let last = "create function last() returns event_trigger language plpgsql as $$ begin
          if exists (select from pg_event_trigger_dropped_objects() where object_type = 'table') then raise 'left for the end'; end if; end $$;
        create event trigger last on sql_drop when tag in ('DROP OWNED') execute function last()";
    by_hand(emulator, "app", last).await;
    leaving.destroy().await;
    assert!(!exists(emulator, "dropper").await);
}

/// Somebody uses a table all the while, so that not everything can go.
#[tokio::test]
async fn tables_that_stay_keep_their_foreign_keys() {
    let emulator = &alone(&CRAMPED).await;
    let plugin = provider(emulator).await;
    let drop = config! { "owned_objects" => "drop", "timeouts" => block! { "delete" => "5s" } };
    let mut leaving = made(&plugin, emulator, "dropper", drop).await;
    by_hand(emulator, "app", REFERRING).await;
    let user = emulator.superuser("app").await;
    let used = user.batch_execute("begin; lock table d.t10 in access share mode");
    used.await.expect("a lock");
    leaving.try_destroy().await.expect_err("a table is in use");
    let first = "select to_regclass('d.t1')::text";
    assert_eq!(fact(emulator, "app", first).await, None, "it had begun");
    let keys = "select string_agg(conrelid::regclass::text, ' ' order by conrelid) from pg_constraint where contype = 'f' and conparentid = 0";
    assert_eq!(
        fact(emulator, "app", keys).await.as_deref(),
        Some("d.child d.one d.two d.tree")
    );
    user.batch_execute("rollback").await.expect("a session");
    leaving.destroy().await;
    assert!(!exists(emulator, "dropper").await);
}

/// While the first steps run, somebody gives a table of the last ones to a role whose privileges we have.
#[tokio::test]
async fn what_got_another_owner_meanwhile_is_not_dropped() {
    let emulator = &alone(&[("max_connections", "50"), ("max_locks_per_transaction", "20")]).await;
    let plugin = provider(emulator).await;
    let leaving = made(&plugin, emulator, "dropper", config! { "owned_objects" => "drop" }).await;
    let tables = "do $$ begin for i in 1..700 loop
        execute format('create table t%s (id int primary key, a text)', i);
        execute format('alter table t%s owner to dropper', i); commit; end loop; end $$";
    by_hand(emulator, "app", tables).await;
    let gives = "create function give() returns event_trigger security definer language plpgsql as $$ begin
          if exists (select from pg_class where relname = 't700' and relowner = 'dropper'::regrole) then
            alter table public.t700 owner to azure_pg_admin; end if; end $$;
        create event trigger give on sql_drop execute function give()";
    by_hand(emulator, "app", gives).await;
    leaving.destroy().await;
    assert!(!exists(emulator, "dropper").await);
    let left = "select string_agg(relname || ' ' || relowner::regrole, ', ') from pg_class where relname ~ '^t[0-9]+$'";
    assert_eq!(
        fact(emulator, "app", left).await.as_deref(),
        Some("t700 azure_pg_admin")
    );
}

#[tokio::test]
async fn ten_thousand_tables_are_dropped_with_the_locks_that_every_server_has() {
    let emulator = &alone(&[("max_locks_per_transaction", "64")]).await;
    let plugin = provider(emulator).await;
    let leaving = made(&plugin, emulator, "dropper", config! { "owned_objects" => "drop" }).await;
    by_hand(emulator, "app", "create schema d authorization dropper").await;
    let tables = "do $$ begin for i in 1..10000 loop
        execute format('create table d.t%s (id int primary key, a text)', i);
        execute format('alter table d.t%s owner to dropper', i); commit; end loop; end $$";
    by_hand(emulator, "app", tables).await;
    leaving.destroy().await;
    assert!(!exists(emulator, "dropper").await);
}

#[tokio::test]
async fn another_role_of_many_tables_is_moved_in_batches() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let heir = made(&plugin, emulator, "bulk-heir", config! {}).await;
    let more = config! { "owned_objects" => "reassign", "reassign_owned_to" => "bulk-heir" };
    let leaving = made(&plugin, emulator, "bulk", more).await;
    by_hand(emulator, "postgres", "create database bulk_db owner azure_pg_admin").await;
    // Many times what one transaction may move, made in portions that one transaction can make.
    by_hand(emulator, "bulk_db", "create schema bulk_s authorization bulk").await;
    for portion in 0..3 {
        let tables = format!(
            "set role bulk; do $$ begin for i in 1..700 loop
               execute format('create table bulk_s.t_%s_%s (id int primary key, a text)', {portion}, i); end loop; end $$"
        );
        by_hand(emulator, "bulk_db", &tables).await;
    }
    leaving.destroy().await;
    assert_eq!(
        owners(emulator, "bulk_db", "bulk_s").await.as_deref(),
        Some("\"bulk-heir\"")
    );
    by_hand(emulator, "postgres", "drop database bulk_db with (force)").await;
    heir.destroy().await;
}
