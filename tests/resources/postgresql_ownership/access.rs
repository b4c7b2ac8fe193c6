//! What previous owners can still do, and how that changes.

use crate::config;
use crate::harness::instance::Found;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, next};

const ONE: &str = "create schema s authorization {old}; set role {old};
    create table s.one (id serial primary key); create table s.two (id int references s.one); reset role;";

async fn may(bench: &Bench, statement: &str) -> bool {
    bench.session("old").await.batch_execute(statement).await.is_ok()
}

#[tokio::test]
async fn previous_owners_keep_what_is_declared() {
    let bench = Bench::new("keeping", ONE).await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    let given = |access: &str| bench.of_old(config! { "previous_owner_access" => access, "on_destroy" => "restore" });
    let mut ownership = provider.resource(OWNERSHIP).create(given("privileges")).await;
    ownership.settled().await;
    assert!(
        may(&bench, "insert into s.one default values").await,
        "sequences that follow are left too"
    );
    assert!(!may(&bench, "alter table s.one add column x int").await);

    ownership.update(given("membership")).await;
    ownership.settled().await;
    assert!(
        may(
            &bench,
            "alter table s.one add column x int; alter table s.one drop column x"
        )
        .await
    );
    let own = "select count(*) from pg_class, aclexplode(relacl) g where g.grantee = '{old}'::regrole";
    assert_eq!(bench.count(own).await, 0, "privileges of its own are no longer needed");

    ownership.update(given("none")).await;
    ownership.settled().await;
    assert!(!may(&bench, "insert into s.one default values").await);

    ownership.update(given("privileges")).await;
    assert!(may(&bench, "insert into s.one default values").await);
    ownership.destroy().await;
    assert_eq!(bench.picture().await, before);
}

#[tokio::test]
async fn foreign_keys_are_checked_for_an_owner_that_is_let_into_the_schema() {
    let setup = format!("{ONE} create schema closed authorization pgadmin; grant all on schema closed to {{old}}; set role {{old}};
        create table closed.one (id int primary key); create table closed.two (id int references closed.one); reset role;");
    let bench = Bench::new("letting", &setup).await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    let mut ownership = provider
        .resource(OWNERSHIP)
        .create(bench.of_old(config! { "on_destroy" => "restore" }))
        .await;
    ownership.settled().await;
    assert!(
        may(
            &bench,
            "insert into closed.one values (1); insert into closed.two values (1)"
        )
        .await
    );
    let rest = bench.count("select count(*) from pg_namespace, aclexplode(nspacl) g where g.grantee = '{new}'::regrole and nspname = 'closed' and privilege_type = 'CREATE'").await;
    assert_eq!(rest, 0, "what was borrowed was given back");
    ownership.destroy().await;
    assert_eq!(bench.picture().await, before);
}

#[tokio::test]
async fn several_previous_owners_get_back_what_was_theirs() {
    let bench = Bench::new("several", "create role several_third; grant create on schema public to {old}, several_third;
        set role {old}; create table one (id int); reset role; set role several_third; create table two (id int); reset role;").await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    let owners = entradb::protocol::value::Value::from(["several_old", "several_third"]);
    let given = bench.config(config! { "previous_owners" => owners, "on_destroy" => "restore" });
    let mut ownership = provider.resource(OWNERSHIP).create(given).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("new").await, 2);

    bench.run("grant create on schema public to {new}; set role {new}; create table three (id int); reset role; revoke create on schema public from {new}").await;
    let told = ownership.try_destroy().await.expect("restored");
    assert!(
        told[0]
            .detail
            .contains("they stay with several_new: table public.three."),
        "{told:?}"
    );
    bench.run("drop table three").await;
    assert_eq!(bench.picture().await, before);
}

/// What somebody else grants is not ours to end, as far as PostgreSQL lets us tell.
#[tokio::test]
async fn a_membership_that_others_granted_since_stays() {
    let bench = Bench::new("granted_since", ONE).await;
    let given = bench.of_old(config! { "on_destroy" => "restore" });
    let held = "select count(*) from pg_auth_members where roleid = '{new}'::regrole and member = '{old}'::regrole";
    let (grant, revoke) = (
        "set role terraform; grant {new} to {old}; reset role",
        "set role terraform; revoke {new} from {old}; reset role",
    );
    // It was gone when somebody looked, and came back.
    let (first, second) = (bench.provider().await, bench.provider().await);
    let mut ownership = first.resource(OWNERSHIP).create(given.clone()).await;
    bench.run(revoke).await;
    first.configure(config! {}).await;
    assert_eq!(ownership.refresh().await, Found::Changed);
    bench.run(grant).await;
    first.configure(config! {}).await;
    assert_eq!(ownership.refresh().await, Found::Changed);
    next(ownership, &second).destroy().await;
    assert_eq!(bench.count(held).await, 1);
    bench.run(revoke).await;

    // It can do more than what we grant.
    let ownership = first.resource(OWNERSHIP).create(given.clone()).await;
    bench
        .run("set role terraform; grant {new} to {old} with admin option; reset role")
        .await;
    second.configure(config! {}).await;
    next(ownership, &second).destroy().await;
    assert_eq!(bench.count(held).await, 1);
    bench.run(revoke).await;

    // Ours ends.
    first.configure(config! {}).await;
    first.resource(OWNERSHIP).create(given).await.destroy().await;
    assert_eq!(bench.count(held).await, 0);
}
