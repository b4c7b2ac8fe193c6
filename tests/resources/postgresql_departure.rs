//! How users and roles go: refused, reassigned, dropped; over all databases, and nothing of others is lost.

mod all_or_nothing;
mod passed_on;
mod steps;
mod stopped;
mod system;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::Emulator;

use crate::config;
use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;
use crate::resources::world::{by_hand, emulator, fact, log_in, next_command, provider, role_by_hand, with};

fn role(emulator: &Emulator, name: &str, more: Object) -> Object {
    let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => name };
    with(given, more)
}

async fn made<'a>(plugin: &'a Plugin, emulator: &Emulator, name: &str, more: Object) -> Instance<'a> {
    let roles = plugin.resource("entradb_postgresql_role");
    roles.create(role(emulator, name, more)).await
}

async fn exists(emulator: &Emulator, name: &str) -> bool {
    let query = format!("select 1 from pg_roles where rolname = '{name}'");
    fact(emulator, "postgres", &query).await.is_some()
}

/// Who owns what of a schema, and what kind it is, in one text.
async fn owners(emulator: &Emulator, database: &str, schema: &str) -> Option<String> {
    let query = format!(
        "select string_agg(distinct owner, ', ') from (
           select relowner::regrole::text as owner from pg_class where relnamespace = '{schema}'::regnamespace and relkind <> 'i'
           union all select proowner::regrole::text from pg_proc where pronamespace = '{schema}'::regnamespace
           union all select typowner::regrole::text from pg_type where typnamespace = '{schema}'::regnamespace
           union all select nspowner::regrole::text from pg_namespace where nspname = '{schema}') found"
    );
    fact(emulator, database, &query).await
}

#[tokio::test]
async fn what_is_owned_is_named_and_keeps_the_role() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "keeper", config! {}).await;
    by_hand(emulator, "app", "create schema keeper_s authorization keeper; create table keeper_s.\"T 1\" (id serial primary key); alter table keeper_s.\"T 1\" owner to keeper").await;
    by_hand(emulator, "openmetadata_db", "create function public.keeper_f() returns int language sql as 'select 1'; alter function keeper_f() owner to keeper").await;
    by_hand(emulator, "app", "grant usage on schema public to keeper").await;
    let told = leaving.try_destroy().await.expect_err("it owns something");
    assert_eq!(told[0].summary, "Role still in use");
    for what in [
        "database app (3)",
        "table keeper_s.\"T 1\"",
        "schema keeper_s",
        "database openmetadata_db (1)",
        "function public.keeper_f()",
    ] {
        assert!(told[0].detail.contains(what), "{what} is missing in {}", told[0].detail);
    }
    assert!(leaving.exists() && exists(emulator, "keeper").await);
    let granted = "select has_schema_privilege('keeper', 'public', 'usage')::text || (nspacl::text like '%keeper%') from pg_namespace where nspname = 'public'";
    assert_eq!(
        fact(emulator, "app", granted).await.as_deref(),
        Some("truetrue"),
        "nothing was changed"
    );
    by_hand(emulator, "app", "drop schema keeper_s cascade").await;
    by_hand(emulator, "openmetadata_db", "drop function keeper_f()").await;
    leaving.destroy().await;
    assert!(!exists(emulator, "keeper").await);
}

#[tokio::test]
async fn every_privilege_is_taken_back_by_itself_and_nothing_is_dropped() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let leaving = made(&plugin, emulator, "grantee", config! {}).await;
    role_by_hand(emulator, "other_owner", "").await;
    role_by_hand(emulator, "group_role", "").await;
    by_hand(
        emulator,
        "postgres",
        "grant group_role to grantee; grant grantee to other_owner",
    )
    .await;
    by_hand(emulator, "postgres", "create database grantee_db owner other_owner").await;
    by_hand(
        emulator,
        "postgres",
        "grant create, connect on database grantee_db to grantee",
    )
    .await;
    by_hand(
        emulator,
        "app",
        "create schema g_s authorization other_owner; set role other_owner;
         create table g_s.t (a int, \"b c\" int); create sequence g_s.q; create type g_s.e as enum ('x'); create domain g_s.d as int;
         create function g_s.f(int, text) returns int language sql as 'select 1'; create procedure g_s.p() language sql as 'select 1';
         grant usage on schema g_s to grantee; grant all on g_s.t to grantee; grant select (\"b c\"), update (a) on g_s.t to grantee;
         grant usage on sequence g_s.q to grantee; grant usage on type g_s.e, g_s.d to grantee;
         grant execute on function g_s.f(int, text) to grantee; grant execute on procedure g_s.p() to grantee;
         alter default privileges in schema g_s grant select on tables to grantee;
         alter default privileges grant execute on functions to grantee;
         select lo_create(424242); grant select on large object 424242 to grantee; reset role;
         alter default privileges for role grantee grant select on tables to other_owner;
         alter default privileges for role grantee revoke execute on functions from public;
         alter default privileges for role grantee in schema g_s grant usage on sequences to public;
         grant usage on schema g_s to group_role; grant select on g_s.t to group_role with grant option; set role group_role; grant select on g_s.t to grantee; reset role",
    )
    .await;
    leaving.destroy().await;
    assert!(!exists(emulator, "grantee").await);
    let left =
        "select string_agg(relname, ', ' order by relname) from pg_class where relnamespace = 'g_s'::regnamespace";
    assert_eq!(fact(emulator, "app", left).await.as_deref(), Some("q, t"));
    let grantees = "select string_agg(distinct x.grantee::regrole::text, ', ') from pg_class, aclexplode(relacl) x
        where relname = 't' and relnamespace = 'g_s'::regnamespace";
    assert_eq!(
        fact(emulator, "app", grantees).await.as_deref(),
        Some("group_role, other_owner")
    );
    // No membership that was borrowed is left.
    let borrowed = "select string_agg(roleid::regrole::text, ',') from pg_auth_members
        where member = 'terraform'::regrole and roleid in ('other_owner'::regrole, 'group_role'::regrole)";
    assert_eq!(fact(emulator, "postgres", borrowed).await, None);
    by_hand(emulator, "postgres", "drop database grantee_db").await;
    by_hand(
        emulator,
        "app",
        "drop schema g_s cascade; select lo_unlink(424242); drop owned by other_owner",
    )
    .await;
    by_hand(emulator, "postgres", "drop role other_owner, group_role").await;
}

#[tokio::test]
async fn what_was_granted_on_to_others_is_never_taken_silently() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "passer", config! {}).await;
    by_hand(
        emulator,
        "app",
        "create role passed; create table passing (); alter table passing owner to azure_pg_admin; grant select on passing to passer with grant option;
         set role passer; grant select on passing to passed; reset role",
    )
    .await;
    // Whatever becomes of what it owns.
    for owned_objects in ["refuse", "drop"] {
        leaving
            .update(role(emulator, "passer", config! { "owned_objects" => owned_objects }))
            .await;
        let told = leaving.try_destroy().await.expect_err("others would lose something");
        assert!(
            told[0].detail.contains("SELECT on table public.passing to passed"),
            "{}",
            told[0].detail
        );
    }
    by_hand(emulator, "app", "set role passer; revoke select on passing from passed").await;
    leaving.destroy().await;
    by_hand(emulator, "app", "drop table passing; drop role passed").await;
}

const MANY_KINDS: &str = "
    create schema KIND_s authorization KIND; set role KIND;
    create table KIND_s.parent (id int generated always as identity, a text) partition by range (id);
    create table KIND_s.part partition of KIND_s.parent for values from (1) to (10);
    create view KIND_s.v as select 1 as x; create materialized view KIND_s.m as select 1 as x; create sequence KIND_s.q;
    create type KIND_s.e as enum ('x'); create domain KIND_s.d as int; create type KIND_s.c as (a int);
    create function KIND_s.f() returns int language sql as 'select 1'; reset role;
    create schema KIND_foreign; grant usage, create on schema KIND_foreign to KIND; set role KIND;
    create function KIND_foreign.g() returns int language sql as 'select 1'; create table KIND_foreign.u (a int);
    reset role; revoke create on schema KIND_foreign from KIND; alter schema KIND_foreign owner to azure_pg_admin";

#[tokio::test]
async fn what_is_owned_goes_to_the_new_owner() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let heir = made(&plugin, emulator, "heir", config! {}).await;
    by_hand(emulator, "app", "grant create on database app to heir").await;
    let more = config! { "owned_objects" => "reassign", "reassign_owned_to" => "heir" };
    let leaving = made(&plugin, emulator, "leaver", more).await;
    by_hand(emulator, "app", &MANY_KINDS.replace("KIND", "leaver")).await;
    by_hand(emulator, "postgres", "create database leaver_db owner leaver").await;
    next_command(&plugin).await;
    leaving.destroy().await;
    assert!(!exists(emulator, "leaver").await);
    assert_eq!(owners(emulator, "app", "leaver_s").await.as_deref(), Some("heir"));
    let functions = "select proowner::regrole::text from pg_proc where proname = 'g' and pronamespace = 'leaver_foreign'::regnamespace";
    assert_eq!(fact(emulator, "app", functions).await.as_deref(), Some("heir"));
    let lent = "select has_schema_privilege('heir', 'leaver_foreign', 'create')::text";
    assert_eq!(
        fact(emulator, "app", lent).await.as_deref(),
        Some("false"),
        "what was lent is given back"
    );
    let database = "select datdba::regrole::text from pg_database where datname = 'leaver_db'";
    assert_eq!(fact(emulator, "postgres", database).await.as_deref(), Some("heir"));
    by_hand(emulator, "postgres", "drop database leaver_db with (force)").await;
    by_hand(
        emulator,
        "app",
        "drop schema leaver_s cascade; drop schema leaver_foreign cascade; revoke create on database app from heir",
    )
    .await;
    heir.destroy().await;
}

#[tokio::test]
async fn an_heir_that_is_not_there_is_told() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let more = config! { "owned_objects" => "reassign", "reassign_owned_to" => "nobody at all" };
    let mut leaving = made(&plugin, emulator, "heirless", more).await;
    let told = leaving.try_destroy().await.expect_err("nobody inherits");
    assert_eq!(told[0].path.to_string(), "reassign_owned_to");
    leaving.update(role(emulator, "heirless", config! {})).await;
    leaving.destroy().await;
}

#[tokio::test]
async fn what_is_owned_is_dropped_where_that_was_asked_for() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "dropper", config! { "owned_objects" => "drop" }).await;
    by_hand(emulator, "app", &MANY_KINDS.replace("KIND", "dropper")).await;
    by_hand(emulator, "app", "create table guarded (); alter table guarded owner to azure_pg_admin; create policy p on guarded to dropper; grant select on guarded to dropper").await;
    by_hand(emulator, "postgres", "create database dropper_db owner dropper").await;
    let told = leaving.try_destroy().await.expect_err("databases are never dropped");
    assert!(
        told[0].detail.contains("database dropper_db") && !told[0].detail.contains("dropper_s"),
        "{}",
        told[0].detail
    );
    by_hand(emulator, "postgres", "drop database dropper_db with (force)").await;
    leaving.destroy().await;
    assert!(!exists(emulator, "dropper").await);
    let left = "select string_agg(nspname, ', ') from pg_namespace where nspname like 'dropper%'";
    assert_eq!(fact(emulator, "app", left).await.as_deref(), Some("dropper_foreign"));
    by_hand(
        emulator,
        "app",
        "drop schema dropper_foreign cascade; drop table guarded",
    )
    .await;
}

/// What only databases share is given away too, when there is nothing else.
#[tokio::test]
async fn a_database_alone_goes_to_the_new_owner() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let heir = made(&plugin, emulator, "db-heir", config! {}).await;
    let more = config! { "owned_objects" => "reassign", "reassign_owned_to" => "db-heir" };
    let leaving = made(&plugin, emulator, "db-leaver", more).await;
    by_hand(emulator, "postgres", "create database lone_db owner \"db-leaver\"").await;
    leaving.destroy().await;
    let owner = "select datdba::regrole::text from pg_database where datname = 'lone_db'";
    assert_eq!(fact(emulator, "postgres", owner).await.as_deref(), Some("\"db-heir\""));
    by_hand(emulator, "postgres", "drop database lone_db").await;
    heir.destroy().await;
}

/// Somebody for whom we have to act is a member of ours. Before version 16 that membership goes and comes back in the same transaction; from then
/// on nobody but a superuser could do that, and it is said what to run.
#[tokio::test]
async fn a_grantor_that_is_a_member_of_ours_is_acted_for_where_that_can_be() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "circle-leaver", config! {}).await;
    let circle = "create role circle_owner; grant terraform to circle_owner with admin option;
        create schema circle_s authorization circle_owner; set role circle_owner; create table circle_s.t ();
        grant select on circle_s.t to \"circle-leaver\"; reset role";
    by_hand(emulator, "app", circle).await;
    let held = "select admin_option::text from pg_auth_members where roleid = 'terraform'::regrole and member = 'circle_owner'::regrole";
    if emulator.postgresql().major >= 16 {
        let told = leaving.try_destroy().await.expect_err("a circle");
        assert_eq!(told[0].summary, "Circular membership");
        let run = "REVOKE \"terraform\" FROM \"circle_owner\" GRANTED BY \"azuresu\"";
        assert!(told[0].detail.contains(run), "{}", told[0].detail);
        let again =
            "GRANT \"terraform\" TO \"circle_owner\" WITH ADMIN TRUE, INHERIT TRUE, SET TRUE GRANTED BY \"azuresu\"";
        assert!(told[0].detail.contains(again), "{}", told[0].detail);
        let manage = "grant circle_owner to azure_pg_admin with admin true, inherit false, set false";
        by_hand(emulator, "postgres", &format!("{run}; {manage}")).await;
        leaving.destroy().await;
        by_hand(
            emulator,
            "postgres",
            &format!("revoke circle_owner from azure_pg_admin; {again}"),
        )
        .await;
    } else {
        leaving.destroy().await;
        let borrowed = "select 1 from pg_auth_members where roleid = 'circle_owner'::regrole";
        assert_eq!(fact(emulator, "postgres", borrowed).await, None);
    }
    assert!(!exists(emulator, "circle-leaver").await);
    assert_eq!(fact(emulator, "postgres", held).await.as_deref(), Some("true"));
    by_hand(emulator, "app", "drop schema circle_s cascade; drop role circle_owner").await;
}

#[tokio::test]
async fn open_sessions_of_a_role_are_named() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let app = emulator
        .add_application("session-app", entradb_emulator::Access::None)
        .await
        .expect("an application");
    let given = role(
        emulator,
        "session-app",
        config! { "object_id" => app.object_id.as_str(), "principal_type" => "ServicePrincipal" },
    );
    let mut leaving = plugin.resource("entradb_postgresql_user").create(given).await;
    let session = log_in(emulator, "session-app", &emulator.database_token(&app.object_id), "app")
        .await
        .expect("let in");
    let told = leaving.try_destroy().await.expect("it goes all the same");
    assert!(told[0].detail.contains("app (process "), "{told:?}");
    drop(session);
}

#[tokio::test]
async fn a_role_is_not_its_own_heir() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let heir = |name: &str| config! { "owned_objects" => "reassign", "reassign_owned_to" => name };
    let roles = plugin.resource("entradb_postgresql_role");
    let told = roles
        .try_plan_create(role(emulator, "own heir", heir("own heir")))
        .await
        .expect_err("it cannot be");
    assert_eq!(told[0].path.to_string(), "reassign_owned_to");

    // Renamed since, which nobody has looked at.
    let mut leaving = made(&plugin, emulator, "own heir", heir("own heir 2")).await;
    let renamed = "alter role \"own heir\" rename to \"own heir 2\"";
    by_hand(emulator, "postgres", renamed).await;
    by_hand(emulator, "app", "create schema own_heir_s authorization \"own heir 2\"").await;
    let told = leaving.try_destroy().await.expect_err("nobody else gets it");
    assert_eq!(
        (told[0].summary.as_str(), told[0].path.to_string().as_str()),
        ("Role is its own heir", "reassign_owned_to"),
        "{told:#?}"
    );
    by_hand(emulator, "app", "drop schema own_heir_s").await;
    by_hand(emulator, "postgres", "drop role \"own heir 2\"").await;
    leaving.destroy().await;
}

#[tokio::test]
async fn a_server_that_is_gone_took_its_roles_along() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "stranded", config! {}).await;
    let Value::Map(mut state) = leaving.state.clone() else {
        panic!("a state")
    };
    let nowhere = emulator.postgresql().id.replace("pg-data", "pg-gone");
    state.insert("server".to_owned(), Value::from(nowhere.as_str()));
    leaving.state = Value::Map(state);
    leaving.identity = None;
    leaving.destroy().await;
    by_hand(emulator, "postgres", "drop role stranded").await;
}
