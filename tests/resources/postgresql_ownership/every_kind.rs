//! Every kind of object moves and finds back, with every privilege that anybody had.

use entradb::protocol::value::Object;

use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, list, next};
use crate::{block, config};

const OBJECTS: &str = "entradb_postgresql_objects";

/// One of each; what only a superuser may make is handed to the old owner afterwards.
pub const ONE_OF_EACH: &str = r#"
    grant create on database {database} to {old};
    grant usage on language plpgsql to {old};
    create foreign data wrapper nowhere;
    grant usage on foreign data wrapper nowhere to {old}, {new};
    set role {old};
    create schema s;
    create table s.plain (id serial primary key, note text, secret text);
    create table s.identity (id int generated always as identity);
    create table s.parent (id int) partition by range (id);
    create table s.part partition of s.parent for values from (0) to (10);
    create table s.branch partition of s.parent for values from (10) to (20) partition by range (id);
    create table s.leaf partition of s.branch for values from (10) to (15);
    create index on s.parent (id);
    create table s.heir () inherits (s.plain);
    create table s.other (id int, note text);
    create table s.grandchild (own int) inherits (s.heir, s.other);
    create index on s.plain (note);
    create sequence s.own;
    create view s.seen as select id from s.plain;
    create materialized view s.stored as select id from s.plain;
    create function s.f(a int, b text default 'x') returns int language sql as 'select 1';
    create function s.f() returns int language sql as 'select 2';
    create procedure s.p(a int) language sql as 'select 1';
    create aggregate s.total(int) (sfunc = int4pl, stype = int, initcond = '0');
    create type s.pair as (a int, b text);
    create type s.mood as enum ('fine', 'bad');
    create type s.span as range (subtype = int);
    create domain s.positive as int check (value > 0);
    create collation s.plainly (provider = libc, locale = 'C');
    create conversion s.convert for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
    create operator s.=== (leftarg = int, rightarg = int, function = int4eq);
    create text search dictionary s.words (template = simple);
    create text search configuration s.search (parser = default);
    create statistics s.both on id, note from s.plain;
    create publication news for table s.plain;
    create server elsewhere foreign data wrapper nowhere;
    create foreign table s.remote (id int) server elsewhere;
    select lo_create(424242);
    reset role;
    create operator family s.family using btree;
    alter operator family s.family using btree owner to {old};
    create operator class s.class for type int4 using btree family s.family as operator 1 <, function 1 btint4cmp(int4, int4);
    alter operator class s.class using btree owner to {old};
    create language spoken handler plpgsql_call_handler;
    alter language spoken owner to {old};
    create extension pg_trgm schema s;
    alter role {old} superuser;
    set role {old};
    create publication everything for all tables;
    reset role;
    alter role {old} nosuperuser;
    grant select, update on s.plain to {new};
    grant select on s.identity to {new} with grant option;
    grant update (note), select (secret) on s.plain to {new};
    grant usage on sequence s.plain_id_seq to {new};
    grant usage on schema s to {new};
    grant execute on function s.f(int, text) to pgadmin;
    set role {new};
    grant select on s.identity to pgadmin;
    reset role;
"#;

#[tokio::test]
async fn every_kind_of_object_moves_and_finds_back() {
    let bench = Bench::new("every_kind", ONE_OF_EACH).await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    what_would_move_is_listed(&bench, &provider).await;

    let given = bench.of_old(config! { "include_database" => true, "on_destroy" => "restore" });
    let mut ownership = provider.resource(OWNERSHIP).create(given.clone()).await;
    ownership.settled().await;

    // What may only be a superuser's, and the extension, stay; nothing else of the old owner is left.
    let query =
        "select classid::regclass || ' ' || objid from pg_shdepend where refobjid = '{old}'::regrole and deptype = 'o'
                 and dbid = (select oid from pg_database where datname = current_database())";
    let left = bench.texts(query).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(
        list(ownership.get("not_movable")),
        [bench.fill("publication everything (owner {old}): only a superuser may own a publication of all tables")]
    );
    let database = bench
        .texts("select datdba::regrole::text from pg_database where datname = current_database()")
        .await;
    assert_eq!(database, [bench.role("new")]);
    let borrowed = "select m.roleid::regrole || ' to ' || m.member::regrole from pg_auth_members m
                    where not m.admin_option and m.roleid::regrole::text like 'every_kind%' order by 1";
    assert_eq!(bench.texts(borrowed).await, [bench.fill("{new} to {old}")]);

    // The old user goes on as before, its migrations included.
    let old = bench.session("old").await;
    let migration = "alter table s.plain add column more int; insert into s.plain (note) values ('x');
        create index on s.plain (more); drop view s.seen; create or replace function s.f() returns int language sql as 'select 3';
        comment on table s.plain is 'still ours'";
    old.batch_execute(migration)
        .await
        .expect("the old user may still do everything");
    let undone = "alter table s.plain drop column more; create view s.seen as select id from s.plain";
    old.batch_execute(undone)
        .await
        .expect("the old user may still do everything");

    let plugin = bench.provider().await;
    let mut ownership = next(ownership, &plugin);
    assert_eq!(
        ownership.refresh().await,
        Found::Changed,
        "a view that the old user made is the old user's"
    );
    assert_eq!(
        list(ownership.get("pending")),
        [bench.fill("view s.seen (owner {old})")]
    );
    ownership.update(given).await;
    ownership.settled().await;
    ownership.destroy().await;
    assert_eq!(bench.picture().await, before);
    assert_eq!(bench.texts(borrowed).await, [""; 0]);
}

/// The data source tells before the first apply what would move, and what stays and why.
async fn what_would_move_is_listed(bench: &Bench, provider: &Plugin) {
    let server = bench.emulator.postgresql().fqdn.as_str();
    let ask = |more| {
        let mut ask = config! { "server" => server, "database" => "every_kind" };
        ask.extend(more);
        ask
    };
    let listed = provider
        .read_data_source(OBJECTS, ask(config! { "owner" => bench.role("old") }))
        .await;
    let shown = |listed: &Object| -> Vec<String> {
        let objects = listed["objects"].as_list().expect("a list").iter();
        objects
            .map(|object| {
                let of = |name: &str| {
                    object
                        .as_object()
                        .and_then(|object| object[name].as_str())
                        .unwrap_or("-")
                        .to_owned()
                };
                format!("{} {} {}: {}", of("type"), of("schema"), of("identity"), of("reason"))
            })
            .collect()
    };
    for line in [
        "function s function s.f(integer, text): -",
        "large_object - large object 424242: -",
        "operator s operator s.===(integer, integer): -",
        "operator_class s operator class s.class using btree: -",
        "publication - publication everything: only a superuser may own a publication of all tables",
        "sequence s sequence s.plain_id_seq: it follows table s.plain",
    ] {
        assert!(
            shown(&listed).iter().any(|shown| shown == line),
            "{line} is not in {:#?}",
            shown(&listed)
        );
    }
    let count = i64::try_from(shown(&listed).len()).expect("a number");
    assert_eq!(listed["owners"], block! { bench.role("old").as_str() => count });
    let views = provider
        .read_data_source(OBJECTS, ask(config! { "schema" => "s", "type" => "view" }))
        .await;
    assert_eq!(shown(&views), ["view s view s.seen: -"]);
    let everybody = provider.read_data_source(OBJECTS, ask(config! {})).await;
    assert!(
        shown(&everybody)
            .iter()
            .any(|shown| shown.ends_with("it is a member of an extension"))
    );
    let nowhere = config! { "server" => server, "database" => "nowhere" };
    let told = provider
        .try_read_data_source(OBJECTS, nowhere)
        .await
        .expect_err("no such database");
    assert_eq!(told[0].path.to_string(), "database");
}
