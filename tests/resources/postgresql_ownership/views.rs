//! What runs in the name of its owner: views, rules, materialized views and SECURITY DEFINER functions, as their owner changes.

use entradb::protocol::value::Object;

use crate::config;
use crate::harness::instance::{Found, Instance};
use crate::harness::message::Told;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, list, next};

/// What the old owner may use of somebody else's, and what runs on it in its name.
const OTHERS: &str = "
    create role {database}_other; create role {database}_group; create role {database}_reader login;
    create schema erp authorization {database}_other;
    set role {database}_other;
    create table erp.t (id int, note text); create table erp.partly (id int, secret text); create table erp.public (id int); create table erp.log (id int);
    grant usage on schema erp to {old};
    grant select, insert on erp.t to {old}; grant select (id) on erp.partly to {old}; grant select on erp.public to public; grant insert on erp.log to {old};
    reset role;
    grant create on schema public to {old};
    create extension pg_stat_statements schema public;
    set role {old};
    create table own (id int);
    create view written as select id from erp.t;
    create view over_it as select count(*) from written;
    create view some_columns as select own.id from own join erp.partly using (id);
    create materialized view stored as select id from erp.t;
    create table logged (id serial);
    create rule logs as on insert to logged do also insert into erp.log values (1);
    create view free as select own.id, public.id as other from own, erp.public;
    create view of_the_system as select relname from pg_class, pg_stat_statements where false;
    create view a_over_free as select count(*) from free;
    grant select on written, over_it, some_columns, stored, free, of_the_system, a_over_free, own to {database}_reader;
    reset role;";

/// What everybody does with them.
async fn everything_works(bench: &Bench) {
    let read = [
        "written",
        "over_it",
        "some_columns",
        "stored",
        "free",
        "of_the_system",
        "a_over_free",
    ];
    for role in ["reader", "old"] {
        let session = bench.session(role).await;
        for view in read {
            let query = format!("select * from {view}");
            let answer = session.batch_execute(&query).await;
            answer.unwrap_or_else(|error| panic!("{role} reads {view}: {error:?}"));
        }
    }
    let old = bench.session("old").await;
    let work = "insert into written values (1); insert into logged default values; refresh materialized view stored";
    old.batch_execute(work).await.expect("the old user works on");
}

async fn update(ownership: &mut Instance<'_>, given: &Object) -> Vec<Told> {
    let planned = ownership.plan(given.clone()).await.expect("a plan");
    ownership.apply(planned).await.expect("an apply")
}

#[tokio::test]
async fn a_view_stays_until_its_new_owner_may_read_what_it_reads() {
    let bench = Bench::new("views", OTHERS).await;
    everything_works(&bench).await;
    let provider = bench.provider().await;
    let given = bench.of_old(config! { "on_destroy" => "restore" });
    let mut ownership = provider.resource(OWNERSHIP).absent();
    let warned = update(&mut ownership, &given).await;
    everything_works(&bench).await;
    ownership.settled().await;
    let stays = |what: &str, runs: &str, lacks: &str| {
        bench.fill(&format!(
            "{what} (owner {{old}}): {runs} with its owner's privileges, and {{new}} has no {lacks}: grant it, with entradb_postgresql_access for example"
        ))
    };
    let expected = [
        stays("materialized view public.stored", "it runs", "SELECT on table erp.t"),
        stays("table public.logged", "its rules run", "INSERT on table erp.log"),
        stays(
            "view public.over_it",
            "it runs",
            "SELECT, INSERT, UPDATE, DELETE on view public.written",
        ),
        stays("view public.some_columns", "it runs", "SELECT on table erp.partly"),
        stays("view public.written", "it runs", "SELECT, INSERT on table erp.t"),
    ];
    assert_eq!(list(ownership.get("not_movable")), expected);
    let [warning] = &warned[..] else { panic!("{warned:?}") };
    assert_eq!(warning.summary, "Some objects stay with their owner");
    assert!(
        expected.iter().all(|line| warning.detail.contains(line)),
        "{}",
        warning.detail
    );
    let left = "select relname::text from pg_class where relowner = '{old}'::regrole and relkind in ('r', 'v', 'm') order by 1";
    assert_eq!(
        bench.texts(left).await,
        ["logged", "over_it", "some_columns", "stored", "written"]
    );

    // What is granted moves with the next apply, also what runs on what moves then.
    bench
        .run("grant select, insert on erp.t to {new}; grant select (id) on erp.partly to {new}")
        .await;
    let plugin = bench.provider().await;
    let mut ownership = next(ownership, &plugin);
    assert_eq!(ownership.refresh().await, Found::Changed);
    let pending = [
        "materialized view public.stored (owner views_old)",
        "view public.over_it (owner views_old)",
        "view public.some_columns (owner views_old)",
        "view public.written (owner views_old)",
    ];
    assert_eq!(list(ownership.get("pending")), pending);
    assert_eq!(update(&mut ownership, &given).await.len(), 1, "the rule's table stays");
    bench
        .run("grant insert on erp.log to {database}_group; grant {database}_group to {new}")
        .await;
    assert_eq!(ownership.refresh().await, Found::Changed);
    let warned = update(&mut ownership, &given).await;
    assert!(warned.is_empty(), "{warned:?}");
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
    assert!(list(ownership.get("not_movable")).is_empty());
    everything_works(&bench).await;
    ownership.destroy().await;
    assert_eq!(bench.owned_by("new").await, 0);
    everything_works(&bench).await;
}

#[tokio::test]
async fn what_cannot_follow_to_another_owner_follows_later_and_finds_back() {
    let bench = Bench::new(
        "following",
        "create role {database}_next login; create table theirs (id int);
         grant select on theirs to {old}, {new}; grant create on schema public to {old};
         set role {old}; create table own (id int); create view seen as select id from theirs; reset role",
    )
    .await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    let mut given = bench.of_old(config! { "on_destroy" => "restore" });
    let mut ownership = provider.resource(OWNERSHIP).create(given.clone()).await;
    assert_eq!(bench.owned_by("old").await, 0);
    given.insert("owner".into(), bench.role("next").into());
    assert_eq!(update(&mut ownership, &given).await.len(), 1);
    let stays = "view public.seen (owner following_new): it runs with its owner's privileges, and following_next has no SELECT on table \
                 public.theirs: grant it, with entradb_postgresql_access for example";
    assert_eq!(list(ownership.get("not_movable")), [stays]);
    ownership.settled().await;
    let plugin = bench.provider().await;
    let mut ownership = next(ownership, &plugin);
    assert_eq!(ownership.refresh().await, Found::Same);
    assert_eq!((bench.owned_by("new").await, bench.owned_by("next").await), (1, 1));
    bench.run("grant select on theirs to {database}_next").await;
    let plugin = bench.provider().await;
    let mut ownership = next(ownership, &plugin);
    assert_eq!(ownership.refresh().await, Found::Changed);
    assert_eq!(
        list(ownership.get("pending")),
        ["view public.seen (owner following_new)"]
    );
    update(&mut ownership, &given).await;
    assert_eq!((bench.owned_by("new").await, bench.owned_by("next").await), (0, 2));
    ownership.settled().await;
    // It is given back by the owner before the last one, too.
    bench
        .run("alter view seen owner to {new}; revoke select on theirs from {database}_next")
        .await;
    ownership.destroy().await;
    assert_eq!(bench.picture().await, before);
}

/// From PostgreSQL 15 on a view may run in the name of whoever uses it.
#[tokio::test]
async fn a_view_that_runs_in_the_name_of_its_user_moves() {
    let bench = Bench::new("invoker", OTHERS).await;
    if bench.emulator.postgresql().major < 15 {
        return;
    }
    bench
        .run(
            "drop view over_it, some_columns; drop materialized view stored; drop table logged; set role {old};
             alter view written set (security_invoker = on, security_barrier = false);
             create view plain with (security_invoker = false) as select id from erp.t; reset role",
        )
        .await;
    let provider = bench.provider().await;
    let mut ownership = provider.resource(OWNERSHIP).create(bench.of_old(config! {})).await;
    ownership.settled().await;
    let left = "select relname::text from pg_class where relowner = '{old}'::regrole and relkind = 'v'";
    assert_eq!(bench.texts(left).await, ["plain"]);
}

/// A view that moved before its table would run in the name of somebody who may not read the table yet.
#[tokio::test]
async fn a_view_waits_for_a_table_that_is_in_use() {
    let bench = Bench::new(
        "waiting",
        "grant create on schema public to {old}; create role {database}_reader login; set role {old};
         create table held (id int); create view z_inner as select id from held; create view a_outer as select id from z_inner;
         grant select on a_outer to {database}_reader",
    )
    .await;
    let application = bench.holding("held").await;
    let plugin = bench.provider().await;
    let resource = plugin.resource(OWNERSHIP);
    let creating = resource.create(bench.of_old(config! {}));
    let working = async {
        // The second time that the table was given up, the first pass is over.
        let gave_way = || {
            plugin
                .log()
                .iter()
                .filter(|line| line.contains("held is in use: later"))
                .count()
        };
        while gave_way() < 2 {
            bench.count("select 1::bigint").await;
        }
        let reader = bench.session("reader").await;
        let read = reader.batch_execute("select * from a_outer").await;
        application.batch_execute("commit").await.expect("an end");
        read.expect("the view is still readable");
    };
    let (mut ownership, ()) = tokio::join!(creating, working);
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
}

#[tokio::test]
async fn functions_that_run_in_their_owners_name_move_and_are_told_of_once() {
    let bench = Bench::new(
        "definers",
        "grant create on schema public to {old}; set role {old}; create table own (id int);
         create function total(a int) returns bigint language sql security definer as 'select count(*) from own';
         create procedure work() language sql security definer as 'delete from own';
         create function plain() returns bigint language sql as 'select 1::bigint'; reset role",
    )
    .await;
    let provider = bench.provider().await;
    let given = bench.of_old(config! {});
    let mut ownership = provider.resource(OWNERSHIP).absent();
    let warned = update(&mut ownership, &given).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
    let [warning] = &warned[..] else { panic!("{warned:?}") };
    assert_eq!(warning.summary, "Functions run with other privileges");
    let named = "function public.total(integer) (owner definers_old); procedure public.work() (owner definers_old)";
    assert!(warning.detail.ends_with(named), "{}", warning.detail);
    bench
        .run("set role {old}; create table later (id int); reset role")
        .await;
    let plugin = bench.provider().await;
    let mut ownership = next(ownership, &plugin);
    assert_eq!(ownership.refresh().await, Found::Changed);
    let warned = update(&mut ownership, &given).await;
    assert!(warned.is_empty(), "{warned:?}");
}
