//! Killed, cut off and ended by an administrator at every statement of every creation, change and destruction: the next
//! apply finds what was declared, and the server looks as if nothing had happened.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Access, Emulator};

use crate::resources::world::{by_hand, role_by_hand, with};
use crate::storms::stage::{Life, almost_everywhere, everywhere};
use crate::{block, config};

fn on(emulator: &Emulator, more: Object) -> Object {
    with(config! { "server" => emulator.postgresql().id.as_str() }, more)
}

async fn application(emulator: &Emulator, name: &str) -> String {
    let made = emulator.add_application(name, Access::None).await;
    made.expect("an application").object_id
}

#[tokio::test]
async fn a_user_converges() {
    everywhere(async |emulator| {
        let principal = application(emulator, "stormy").await;
        let user = config! { "object_id" => principal.as_str(), "principal_type" => "ServicePrincipal" };
        let made = config! { "name" => "stormy", "connection_limit" => 7, "settings" => block! { "search_path" => "a, b" } };
        let changed = config! { "name" => "stormy 2", "settings" => block! { "jit" => "off" } };
        Life {
            kind: "entradb_postgresql_user",
            made: on(emulator, with(user.clone(), made)),
            changed: on(emulator, with(user, changed)),
            before: vec![],
            meanwhile: vec![
                ("app", "create schema s authorization azure_pg_admin; grant usage on schema s to \"stormy 2\"; alter default privileges for role azure_pg_admin in schema s grant select on tables to \"stormy 2\""),
                ("openmetadata_db", "grant connect on database openmetadata_db to \"stormy 2\""),
            ],
            after: vec![("app", "drop schema s")],
        }
    })
    .await;
}

/// A stock server from PostgreSQL 16 on lets no administrator alter another one.
#[tokio::test]
async fn an_administrator_converges() {
    everywhere(async |emulator| {
        let principal = application(emulator, "chief").await;
        let user =
            config! { "name" => "chief", "object_id" => principal.as_str(), "principal_type" => "ServicePrincipal" };
        Life {
            kind: "entradb_postgresql_user",
            made: on(emulator, user.clone()),
            changed: on(
                emulator,
                with(user, config! { "administrator" => true, "connection_limit" => 7 }),
            ),
            before: vec![],
            meanwhile: vec![],
            after: vec![],
        }
    })
    .await;
}

#[tokio::test]
async fn a_role_converges() {
    everywhere(async |emulator| {
        role_by_hand(emulator, "heir", "").await;
        by_hand(emulator, "app", "grant create on database app to heir").await;
        let heir = config! { "owned_objects" => "reassign", "reassign_owned_to" => "heir" };
        let made = config! { "name" => "team", "settings" => block! { "search_path" => "team, public" } };
        let changed = config! { "name" => "crew", "create_database" => true, "connection_limit" => 3 };
        Life {
            kind: "entradb_postgresql_role",
            made: on(emulator, with(heir.clone(), made)),
            changed: on(emulator, with(heir, changed)),
            before: vec![],
            meanwhile: vec![
                ("app", "create schema crew authorization crew; set role crew; create table crew.t (id serial); reset role"),
                ("openmetadata_db", "create schema crew authorization azure_pg_admin; create table crew.u (id int); alter table crew.u owner to crew"),
            ],
            after: vec![("app", "drop schema crew cascade"), ("openmetadata_db", "drop schema crew cascade")],
        }
    })
    .await;
}

/// So little lock memory that a few dozen objects are too much for one transaction.
const CRAMPED: [(&str, &str); 2] = [("max_connections", "15"), ("max_locks_per_transaction", "10")];

/// What one transaction has no room for there: views on tables, a partition tree, foreign keys in a circle, a serial column, a function. And a note of
/// each transaction of ours that changes any of it.
const CROWD: &str = "
    create table public.steps (step bigint); create function public.note() returns event_trigger security definer language plpgsql as
      'begin if session_user = ''terraform'' then insert into public.steps values (txid_current()); end if; end';
    create event trigger note on ddl_command_end execute function public.note();
    create schema crew authorization crew; set role crew; create function crew.f() returns int language sql as 'select 1';
    create table crew.p (id int, p int) partition by list (id); create table crew.q partition of crew.p for values in (1) partition by list (p);
    create table crew.r partition of crew.q for values in (1); create table crew.s partition of crew.p for values in (2);
    create table crew.one (id serial primary key, other int, n int default crew.f());
    create table crew.two (id int primary key, other int references crew.one); alter table crew.one add foreign key (other) references crew.two;
    create view crew.v as select id from crew.one; create view crew.w as select id from crew.v;
    do $$ begin for i in 1..20 loop execute format('create table crew.t%s (id int primary key, a text)', i); end loop; end $$; reset role";

/// Fails when it was not at least three transactions.
const IN_STEPS: &str = "do $$ declare steps int := (select count(distinct step) from public.steps);
    begin if steps < 3 then raise 'in % steps', steps; end if; end $$;
    drop event trigger note; drop function public.note(); drop table public.steps";

async fn owner_of_a_crowd_converges(owned: Object, left: Vec<(&'static str, &'static str)>) {
    almost_everywhere(&CRAMPED, async |emulator| {
        role_by_hand(emulator, "heir", "").await;
        by_hand(emulator, "app", "grant create on database app to heir").await;
        let made = with(config! { "name" => "crew" }, owned.clone());
        Life {
            kind: "entradb_postgresql_role",
            made: on(emulator, made.clone()),
            changed: on(emulator, with(made, config! { "connection_limit" => 3 })),
            before: vec![],
            meanwhile: vec![("app", CROWD)],
            after: [&[("app", IN_STEPS)], &left[..]].concat(),
        }
    })
    .await;
}

#[tokio::test]
async fn dropping_in_steps_converges() {
    owner_of_a_crowd_converges(config! { "owned_objects" => "drop" }, vec![]).await;
}

#[tokio::test]
async fn reassigning_in_steps_converges() {
    let owned = config! { "owned_objects" => "reassign", "reassign_owned_to" => "heir" };
    owner_of_a_crowd_converges(owned, vec![("app", "drop schema crew cascade")]).await;
}

/// A role that is logged in to with a password, and becomes a user of Entra.
#[tokio::test]
async fn a_user_that_takes_over_a_password_role_converges() {
    everywhere(async |emulator| {
        let principal = application(emulator, "legacy").await;
        let user = config! {
            "name" => "legacy", "adopt_existing" => true, "object_id" => principal.as_str(), "principal_type" => "ServicePrincipal",
        };
        Life {
            kind: "entradb_postgresql_user",
            made: on(emulator, user.clone()),
            changed: on(emulator, with(user, config! { "owned_objects" => "drop", "login" => false })),
            before: vec![
                ("postgres", "create role legacy login password 'x'; do $$ begin if current_setting('server_version_num')::int >= 160000
                  then execute 'grant legacy to azure_pg_admin with admin true, inherit false, set false'; end if; end $$"),
                ("app", "create schema legacy authorization legacy; set role legacy; create table legacy.t (id serial); reset role"),
            ],
            meanwhile: vec![],
            after: vec![],
        }
    })
    .await;
}

#[tokio::test]
async fn a_membership_converges() {
    everywhere(async |emulator| {
        for role in ["team", "one", "two"] {
            role_by_hand(emulator, role, "").await;
        }
        let membership = |member: &str, admin: bool| {
            on(
                emulator,
                config! { "role" => "team", "member" => member, "admin_option" => admin },
            )
        };
        Life {
            kind: "entradb_postgresql_role_membership",
            made: membership("one", false),
            changed: membership("two", true),
            before: vec![],
            meanwhile: vec![],
            after: vec![],
        }
    })
    .await;
}

#[tokio::test]
async fn access_converges() {
    everywhere(async |emulator| {
        for role in ["owner", "reader", "writer"] {
            role_by_hand(emulator, role, "").await;
        }
        let tables = "create schema sales authorization owner; set role owner; create table sales.orders (id serial); create view sales.v as select 1 as x;
                      create function sales.f() returns int language sql as 'select 1'; reset role";
        by_hand(emulator, "app", tables).await;
        let access = |grantee: &str, level: &str, exclusive: bool| {
            let declared = config! {
                "database" => "app", "grantee" => grantee, "exclusive" => exclusive,
                "database_privileges" => Value::from(["CONNECT", "TEMPORARY"]),
                "schema" => vec![block! { "name" => "sales", "level" => level }],
            };
            on(emulator, declared)
        };
        Life {
            kind: "entradb_postgresql_access",
            made: access("reader", "all", false),
            changed: access("writer", "read", true),
            before: vec![],
            meanwhile: vec![("app", "grant insert on sales.orders to writer")],
            after: vec![("app", "revoke all on sales.orders from writer")],
        }
    })
    .await;
}

#[tokio::test]
async fn ownership_converges() {
    everywhere(async |emulator| {
        for role in ["old", "new", "next"] {
            role_by_hand(emulator, role, "login").await;
        }
        let tables = "create schema s authorization old; create schema t authorization azure_pg_admin; grant usage, create on schema t to old; set role old;
                      create table s.one (id serial primary key); create table t.two (id int references s.one);
                      create view s.three as select 1 as x; create function t.four() returns int language sql as 'select 1';
                      grant select on s.one to new; reset role";
        by_hand(emulator, "app", tables).await;
        let ownership = |owner: &str| {
            let declared = config! {
                "database" => "app", "owner" => owner, "previous_owners" => Value::from(["old"]), "on_destroy" => "restore",
            };
            on(emulator, declared)
        };
        Life {
            kind: "entradb_postgresql_ownership",
            made: ownership("new"),
            changed: ownership("next"),
            before: vec![],
            meanwhile: vec![],
            after: vec![],
        }
    })
    .await;
}
