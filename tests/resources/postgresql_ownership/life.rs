//! Drift, owners that change, import, scopes, and what is told when something is in the way.

use entradb::protocol::value::Value;

use crate::config;
use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, list, next};

const HOSTILE: &str = r#"
    create schema "my ""schema"""; create schema other;
    grant all on schema "my ""schema""", other to {old};
    set role {old};
    create table "my ""schema"""."a.b|c%'; drop table x; --" (id int);
    create function "my ""schema"""."f(x)"("my ""schema"""."a.b|c%'; drop table x; --") returns int language sql as 'select 1';
    create table other.stays (id int);
    reset role;
"#;

#[tokio::test]
async fn a_schema_moves_alone_whatever_its_objects_are_called() {
    let bench = Bench::new("hostile", HOSTILE).await;
    bench
        .run(r#"alter schema "my ""schema""" owner to {old}; create extension pg_trgm schema "my ""schema""""#)
        .await;
    let provider = bench.provider().await;
    let schemas = Value::from([r#"my "schema""#]);
    let given = bench.config(config! { "schemas" => schemas });
    let mut ownership = provider.resource(OWNERSHIP).create(given).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 1, "what stands in another schema stays");
    let stays = list(ownership.get("not_movable"));
    assert!(
        stays[0].ends_with("objects of extensions: what an extension brought stays with it"),
        "{stays:?}"
    );
    assert_eq!(stays.len(), 1);
    let acl = bench.count("select count(*) from pg_namespace n, aclexplode(nspacl) g where nspname like 'my%' and g.grantee = '{old}'::regrole").await;
    assert_eq!(acl, 0, "what the old owner had became part of the new ownership");
}

#[tokio::test]
async fn what_previous_owners_make_later_is_drift_and_moves_too() {
    let bench = Bench::new(
        "drift",
        "grant create on schema public to {old}; set role {old}; create table one (id int)",
    )
    .await;
    let provider = bench.provider().await;
    let given = bench.of_old(config! {});
    let mut ownership = provider.resource(OWNERSHIP).create(given.clone()).await;
    assert_eq!(ownership.get("pending"), &Value::List(vec![]));
    ownership.settled().await;

    bench
        .session("old")
        .await
        .batch_execute("create table two (id int); create view three as select 1 as x")
        .await
        .expect("made");
    bench
        .run("reset role; set role terraform; revoke {new} from {old}; reset role")
        .await;
    let plugin = bench.provider().await;
    let mut ownership = next(ownership, &plugin);
    assert_eq!(ownership.refresh().await, Found::Changed);
    let expected = [
        "role drift_old (no member of drift_new)",
        "table public.two (owner drift_old)",
        "view public.three (owner drift_old)",
    ];
    assert_eq!(list(ownership.get("pending")), expected);
    assert_eq!(ownership.get("pending_count"), &Value::from(3));
    let planned = ownership.plan(given.clone()).await.expect("a plan");
    assert_eq!(
        (planned.action, planned.get("pending")),
        (Action::Update, &Value::List(vec![]))
    );
    ownership.apply(planned).await.expect("an apply");
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
}

#[tokio::test]
async fn the_owner_changes_in_place_and_an_old_name_that_is_gone_is_a_rename() {
    let bench = Bench::new(
        "heirs",
        "grant create on schema public to {old}; create role heirs_next login;
        set role {old}; create table one (id serial); grant select on one to heirs_next; grant update on one to {new}",
    )
    .await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    let restored = config! { "on_destroy" => "restore" };
    let given = bench.of_old(restored);
    let mut ownership = provider.resource(OWNERSHIP).create(given.clone()).await;
    bench.run("reset role; grant create on schema public to {new}; set role {new}; create table two (id int); reset role; revoke create on schema public from {new}").await;

    let mut changed = given.clone();
    changed.insert("owner".into(), "heirs_next".into());
    assert_eq!(ownership.update(changed.clone()).await, Action::Update);
    ownership.settled().await;
    assert_eq!(
        bench.owned_by("next").await,
        3,
        "what the former owner made since goes along"
    );
    let members = "select m.member::regrole::text from pg_auth_members m where not m.admin_option and m.roleid = 'heirs_next'::regrole order by 1";
    assert_eq!(bench.texts(members).await, ["heirs_new", "heirs_old"]);

    bench.run("alter role heirs_next rename to heirs_last").await;
    let plugin = bench.provider().await;
    let mut ownership = next(ownership, &plugin);
    assert_eq!(
        ownership.refresh().await,
        Found::Same,
        "the same role under another name"
    );
    changed.insert("owner".into(), "heirs_last".into());
    assert_eq!(ownership.update(changed).await, Action::Update);
    ownership.settled().await;
    ownership.destroy().await;
    bench
        .run("alter role heirs_last rename to heirs_next; drop table two")
        .await;
    assert_eq!(bench.picture().await, before);
}

#[tokio::test]
async fn an_import_looks_at_what_the_owner_has() {
    let bench = Bench::new(
        "imported",
        "create schema s authorization {new}; grant create on schema s to {old};
        set role {new}; create table s.one (id int); reset role; set role {old}; create table s.two (id int)",
    )
    .await;
    let provider = bench.provider().await;
    let resource = provider.resource(OWNERSHIP);
    let id = format!("{}|imported|imported_new", bench.emulator.postgresql().fqdn);
    let mut ownership = resource.import(&id).await;
    assert_eq!(ownership.get("schemas"), &Value::from(["s"]));
    let pending = [
        "role imported_old (no member of imported_new)",
        "table s.two (owner imported_old)",
    ];
    assert_eq!(list(ownership.get("pending")), pending);
    let given = bench
        .config(config! { "schemas" => Value::from(["s"]), "on_destroy" => "restore", "restore_to" => "imported_old" });
    assert_eq!(
        ownership.update(given).await,
        Action::Update,
        "the other spelling of the server replaces nothing"
    );
    ownership.settled().await;
    ownership.destroy().await;
    assert_eq!(
        bench.owned_by("new").await,
        0,
        "what has no record goes to `restore_to`"
    );

    let missing = resource
        .try_import(&id.replace("_new", "_nobody"))
        .await
        .err()
        .expect("refused");
    assert!(
        missing[0].detail.contains("There is no role imported_nobody"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn what_the_owner_had_from_the_start_stays_with_it() {
    let bench = Bench::new(
        "shared",
        "grant create on schema public to {old}, {new}; set role {new}; create table hers (id int);
        reset role; set role {old}; create table his (id int)",
    )
    .await;
    let before = bench.picture().await;
    let provider = bench.provider().await;
    let ownership = provider
        .resource(OWNERSHIP)
        .create(bench.of_old(config! { "on_destroy" => "restore" }))
        .await;
    assert_eq!(bench.owned_by("new").await, 2);
    ownership.destroy().await;
    assert_eq!(bench.picture().await, before);
}

#[tokio::test]
async fn what_is_gone_is_gone_and_keep_keeps() {
    let bench = Bench::new(
        "vanishing",
        "grant create on schema public to {old}; set role {old}; create table one (id int)",
    )
    .await;
    let provider = bench.provider().await;
    let resource = provider.resource(OWNERSHIP);
    resource.create(bench.of_old(config! {})).await.destroy().await;
    assert_eq!(bench.owned_by("new").await, 1);
    let ownership = resource
        .create(bench.of_old(config! { "on_destroy" => "restore" }))
        .await;
    bench.run("reset role; drop table one; revoke {new} from {old}; revoke create on schema public from {old}; drop role {new}").await;
    let plugin = bench.provider().await;
    let mut ownership = next(ownership, &plugin);
    assert_eq!(ownership.refresh().await, Found::Gone);

    let failed = resource
        .try_create(bench.of_old(config! {}))
        .await
        .err()
        .expect("no such role");
    assert!(
        failed.told[0].detail.contains("There is no role vanishing_new"),
        "{:?}",
        failed.told
    );
    assert_eq!(failed.told[0].path.to_string(), "owner");
}

#[tokio::test]
async fn what_the_server_refuses_is_listed_with_its_reason() {
    let bench = Bench::new(
        "refusing",
        "create foreign data wrapper w; grant usage on foreign data wrapper w to {old};
        grant create on schema public to {old}; set role {old}; create server far foreign data wrapper w;
        create table one (id int); create table two (id int)",
    )
    .await;
    let provider = bench.provider().await;
    let mut ownership = provider.resource(OWNERSHIP).create(bench.of_old(config! {})).await;
    ownership.settled().await;
    let stays = list(ownership.get("not_movable"));
    assert_eq!(
        stays,
        ["server far (owner refusing_old): permission denied for foreign-data wrapper w (SQLSTATE 42501)"]
    );
    assert_eq!(bench.owned_by("new").await, 2);
}

#[tokio::test]
async fn a_circle_of_memberships_is_explained_before_anything_changes() {
    let bench = Bench::new(
        "circle",
        "grant {old} to {new}; grant create on schema public to {old}; set role {old}; create table one (id int)",
    )
    .await;
    let provider = bench.provider().await;
    let resource = provider.resource(OWNERSHIP);
    let failed = resource
        .try_create(bench.of_old(config! {}))
        .await
        .err()
        .expect("a circle");
    assert_eq!(failed.told[0].summary, "Circular membership");
    assert!(!failed.left.exists(), "nothing is there to be replaced");
    assert_eq!(bench.owned_by("old").await, 1);
    let mut ownership = resource
        .create(bench.of_old(config! { "previous_owner_access" => "none" }))
        .await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
}

#[tokio::test]
async fn mistakes_are_seen_early() {
    let bench = Bench::new("mistaken", "").await;
    let provider = bench.provider().await;
    let resource = provider.resource(OWNERSHIP);
    let mistakes = [
        (bench.config(config! {}), ""),
        (
            bench.config(config! { "previous_owners" => Value::from(["mistaken_new"]) }),
            "previous_owners",
        ),
        (bench.config(config! { "schemas" => Value::List(vec![]) }), "schemas"),
        (
            bench.of_old(config! { "object_types" => Value::from(["database"]) }),
            "object_types",
        ),
        (
            bench.of_old(config! { "object_types" => Value::from(["tables"]) }),
            "object_types",
        ),
    ];
    for (given, place) in mistakes {
        let told = resource.try_plan_create(given).await.expect_err("a mistake");
        assert_eq!(told[0].path.to_string(), place, "{told:?}");
    }
}
