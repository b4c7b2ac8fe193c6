//! Particular owners: the password administrator, whoever owns the database, members of ours, names that look like SQL.

use entradb::protocol::value::Value;

use crate::config;
use crate::harness::instance::Found;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, list, next};
use crate::resources::world::{ADMINISTRATOR, quoted};

#[tokio::test]
async fn the_password_administrator_hands_over_and_keeps_working() {
    let bench = Bench::new(
        "password_admin",
        "set role pgadmin; create schema s; create table s.one (id serial primary key); create view s.two as select * from s.one;
         create function s.three() returns int language sql as 'select 1'; reset role;",
    )
    .await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    let given = bench.config(config! {
        "previous_owners" => Value::from(["pgadmin"]), "include_database" => true, "on_destroy" => "restore",
    });
    let mut ownership = provider.resource(OWNERSHIP).create(given).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("new").await, 5, "the schema and what is in it");
    bench
        .run("set role pgadmin; alter table s.one add column x int; alter table s.one drop column x; insert into s.one default values; reset role")
        .await;
    ownership.destroy().await;
    assert_eq!(bench.picture().await, before);
    let left = "select count(*) from pg_auth_members where not admin_option and 'pgadmin'::regrole in (roleid, member)
                and '{new}'::regrole in (roleid, member) or roleid = 'pgadmin'::regrole and member = 'terraform'::regrole and not admin_option";
    assert_eq!(bench.count(left).await, 0);
}

/// PostgreSQL's own way from version 15 on, where Azure has `azure_pg_admin`: a role that stands for whoever owns the database.
#[tokio::test]
async fn a_public_schema_of_whoever_owns_the_database_lets_the_new_owner_in() {
    let bench = Bench::new("database_owned", "").await;
    if bench.emulator.postgresql().major < 15 {
        // Before, a schema `public` is everybody's; there is nothing to be lent.
        return;
    }
    bench
        .run(
            "alter schema public owner to pg_database_owner; revoke all on schema public from public; grant usage on schema public to public;
             grant create on schema public to {old}; set role {old}; create table one (id serial primary key);
             create view two as select * from one; reset role; revoke create on schema public from {old}",
        )
        .await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    let given = bench.config(config! {
        "schemas" => Value::from(["public"]), "previous_owners" => Value::from([bench.role("old").as_str()]), "on_destroy" => "restore",
    });
    let mut ownership = provider.resource(OWNERSHIP).create(given.clone()).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
    // Without previous owners the schema itself is meant too, and stays.
    let mut whole = bench.config(config! { "schemas" => Value::from(["public"]), "on_destroy" => "restore" });
    whole.insert("restore_to".into(), bench.role("old").into());
    ownership.update(whole).await;
    ownership.settled().await;
    assert_eq!(
        list(ownership.get("not_movable")),
        ["schema public (owner pg_database_owner): it belongs to whoever owns the database"]
    );
    ownership.destroy().await;
    assert_eq!(bench.picture().await, before);
}

/// Before version 16 that membership goes and comes back in each transaction.
#[tokio::test]
async fn an_old_owner_that_is_a_member_of_ours_is_acted_for_or_explained_before_anything_changes() {
    let bench = Bench::new(
        "member_of_us",
        "grant create on schema public to {old}; set role {old}; create table one (id int); reset role",
    )
    .await;
    // From version 16 on, who manages a role is a member of it, and only one that nobody manages can be a member of ours.
    let managed = bench.emulator.postgresql().major >= 16;
    let (manage, leave) = (
        "grant {old} to terraform with admin true, inherit false, set false",
        "revoke {old} from terraform",
    );
    if managed {
        bench.run(leave).await;
    }
    bench.run(&format!("grant {ADMINISTRATOR} to {{old}}")).await;
    let provider = bench.provider().await;
    let resource = provider.resource(OWNERSHIP);
    if !managed {
        let mut ownership = resource.create(bench.of_old(config! {})).await;
        ownership.settled().await;
        assert_eq!(bench.owned_by("old").await, 0);
        let members = format!(
            "select count(*) from pg_auth_members where roleid = '{ADMINISTRATOR}'::regrole and member = '{{old}}'::regrole"
        );
        assert_eq!(bench.count(&members).await, 1);
        return;
    }
    for access in ["membership", "none"] {
        let given = bench.of_old(config! { "previous_owner_access" => access });
        let failed = resource.try_create(given).await.err().expect("nobody can act for it");
        assert_eq!(failed.told[0].summary, "Circular membership");
        let words = bench.fill("{old} is a member of the signed-in role");
        assert!(failed.told[0].detail.contains(&words), "{:?}", failed.told);
        assert!(!failed.left.exists(), "nothing is there to be replaced");
        let members =
            "select count(*) from pg_auth_members where roleid = '{new}'::regrole and member = '{old}'::regrole";
        assert_eq!(bench.count(members).await, 0);
    }
    bench.run(&format!("revoke {ADMINISTRATOR} from {{old}}")).await;
    bench.run(manage).await;
    let mut ownership = resource.create(bench.of_old(config! {})).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
}

/// Before PostgreSQL 16 it is the member that says whether it inherits; from then on, the membership.
#[tokio::test]
async fn a_previous_owner_that_inherits_nothing_is_not_left_without_access() {
    let bench = Bench::new(
        "noinherit",
        "grant create on schema public to {old}; alter role {old} noinherit; set role {old}; create table own (id int); reset role",
    )
    .await;
    let works = async || {
        let old = bench.session("old").await;
        old.batch_execute("insert into own values (1); select * from own").await
    };
    let alters = async || {
        let old = bench.session("old").await;
        old.batch_execute("alter table own add column x int; alter table own drop column x")
            .await
    };
    let provider = bench.provider().await;
    let resource = provider.resource(OWNERSHIP);
    if bench.emulator.postgresql().major < 16 {
        let failed = resource.try_create(bench.of_old(config! {})).await;
        let failed = failed.err().expect("it would lose everything");
        assert_eq!(failed.told[0].summary, "Membership without effect");
        assert_eq!(failed.told[0].path.to_string(), "previous_owner_access");
        let remedy = r#"`ALTER ROLE "noinherit_old" INHERIT`"#;
        assert!(failed.told[0].detail.contains(remedy), "{:?}", failed.told);
        assert!(!failed.left.exists(), "nothing is there to be replaced");
        assert_eq!(bench.owned_by("new").await, 0);
        let privileges = bench.of_old(config! { "previous_owner_access" => "privileges", "on_destroy" => "restore" });
        let ownership = resource.create(privileges).await;
        works().await.expect("it keeps its privileges");
        ownership.destroy().await;
        bench.run("alter role {old} inherit").await;
    }
    let mut ownership = resource.create(bench.of_old(config! {})).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
    works().await.expect("it has what was its own");
    alters().await.expect("it has what was its own");
    if bench.emulator.postgresql().major < 16 {
        bench.run("alter role {old} noinherit").await;
        let plugin = bench.provider().await;
        let mut ownership = next(ownership, &plugin);
        assert_eq!(ownership.refresh().await, Found::Changed);
        let pending = Value::from(["role noinherit_old (no member of noinherit_new)"]);
        assert_eq!(ownership.get("pending"), &pending);
    }
}

#[tokio::test]
async fn names_of_every_sort_are_names() {
    let longest = format!("{}x", "é".repeat(31));
    assert_eq!(longest.len(), 63);
    let (old, new) = ("odd_a\"b.c'; drop role x; --", "odd_\u{1F418} %s {} $1");
    let schema = "sch.em\"a é";
    let setup = format!(
        "create role {old} login; create role {new} login; create schema {schema} authorization {old}; set role {old};
         create table {schema}.{longest} ({longest} serial primary key); create table {schema}.\"a.b\" (id int generated always as identity);
         create table {schema}.\"\u{1F418}\" partition of {schema}.\"tree.\" for values from (1) to (2);
         create type {schema}.\"ty'pe\" as enum ('a'); create function {schema}.\"f(x)\"({schema}.\"ty'pe\", text[]) returns int language sql as 'select 1';
         create view {schema}.\"v;--\" as select * from {schema}.\"a.b\"; reset role;",
        old = quoted(old),
        new = quoted(new),
        schema = quoted(schema),
        longest = quoted(&longest),
    )
    .replace(
        &format!("create table {}.\"\u{1F418}\"", quoted(schema)),
        &format!(
            "create table {0}.\"tree.\" (id int) partition by range (id); create table {0}.\"\u{1F418}\"",
            quoted(schema)
        ),
    );
    let bench = Bench::new("odd", &setup).await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    let mut given = bench.config(config! { "previous_owners" => Value::from([old]), "on_destroy" => "restore" });
    given.insert("owner".into(), new.into());
    let mut ownership = provider.resource(OWNERSHIP).create(given).await;
    ownership.settled().await;
    let left = "select count(*) from pg_shdepend s join pg_roles r on r.oid = s.refobjid where r.rolname like 'odd\\_a%' and s.deptype = 'o'";
    assert_eq!(bench.count(left).await, 0);
    let imported = format!("{}|odd|{}", bench.emulator.postgresql().fqdn, new.replace('%', "%25"));
    let imported = provider.resource(OWNERSHIP).import(&imported).await;
    assert_eq!(imported.get("schemas"), &Value::from([schema]));
    ownership.destroy().await;
    assert_eq!(bench.picture().await, before);
}

/// Without a record, what is to go back goes to the only previous owner: no other argument is needed.
#[tokio::test]
async fn what_was_imported_goes_back_to_the_only_previous_owner() {
    let bench = Bench::new(
        "unrecorded",
        "create schema s authorization {new}; set role {new}; create table s.one (id serial primary key);
         create view s.two as select * from s.one; reset role; grant usage, create on schema s to {old}",
    )
    .await;
    let provider = bench.provider().await;
    let resource = provider.resource(OWNERSHIP);
    let id = format!("{}|unrecorded|unrecorded_new", bench.emulator.postgresql().fqdn);
    let mut ownership = resource.import(&id).await;
    let given = bench.of_old(config! { "schemas" => Value::from(["s"]), "on_destroy" => "restore" });
    ownership.update(given).await;
    ownership.settled().await;
    ownership.destroy().await;
    assert_eq!(bench.owned_by("new").await, 0);
    assert_eq!(
        bench.owned_by("old").await,
        4,
        "the schema, the table, its sequence and the view"
    );
}
