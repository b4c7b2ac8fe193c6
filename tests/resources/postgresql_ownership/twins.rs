//! Two resources that declare the same ownership, and what looks like it.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::Moment;

use crate::config;
use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, provider, start};
use crate::resources::world::with;

const TABLES: &str = "grant create on schema public to {old}; set role {old};
    create table one (id serial); create view two as select 1 as x; reset role";

/// Creates, and gives what was told.
async fn created<'a>(plugin: &'a Plugin, given: &Object) -> (Instance<'a>, Vec<String>) {
    let mut made = plugin.resource(OWNERSHIP).absent();
    let planned = made.plan(given.clone()).await.expect("a plan");
    let told = made.apply(planned).await.expect("a creation");
    (made, told.into_iter().map(|one| one.summary).collect())
}

async fn destroyed(mut ownership: Instance<'_>) -> Vec<String> {
    let told = ownership.try_destroy().await.expect("a destruction");
    told.into_iter().map(|one| one.summary).collect()
}

#[tokio::test]
async fn of_two_that_declare_the_same_the_last_one_gives_back() {
    let bench = Bench::new("twins", TABLES).await;
    let before = bench.picture().await;
    let (plugin, second) = (bench.provider().await, bench.provider().await);
    let given = bench.of_old(config! { "on_destroy" => "restore" });

    let (first, told) = created(&plugin, &given).await;
    assert_eq!(told, [""; 0]);
    let (twin, told) = created(&second, &given).await;
    assert_eq!(told, ["Ownership may be declared twice"]);
    assert_eq!(destroyed(first).await, ["Nothing was given back"]);
    assert_eq!(bench.owned_by("new").await, 3);
    assert_eq!(destroyed(twin).await, [""; 0]);
    assert_eq!(bench.picture().await, before);

    // As soon as the first one is heard of again, neither takes anything from the other.
    let (mut first, _) = created(&plugin, &given).await;
    let (twin, _) = created(&second, &given).await;
    let changed = with(given.clone(), config! { "previous_owner_access" => "none" });
    let planned = first.plan(changed).await.expect("a plan");
    let told = first.apply(planned).await.expect("a change");
    assert_eq!(told[0].summary, "Ownership is declared twice", "{told:#?}");
    assert_eq!(destroyed(twin).await, ["Nothing was given back"]);
    assert_eq!(bench.owned_by("new").await, 3);
    assert_eq!(destroyed(first).await, [""; 0]);
    assert_eq!(bench.picture().await, before);

    // One that is not to give anything back takes nothing with it, and is forgotten.
    let (first, _) = created(&plugin, &given).await;
    let (twin, _) = created(&second, &with(given, config! { "on_destroy" => "keep" })).await;
    assert_eq!(destroyed(twin).await, [""; 0]);
    assert_eq!(destroyed(first).await, [""; 0]);
    assert_eq!(bench.picture().await, before);
}

/// Two addresses in one configuration are created at once.
#[tokio::test]
async fn of_two_in_one_run_the_second_is_told_of_the_first() {
    let bench = Bench::new("at_once", TABLES).await;
    let before = bench.picture().await;
    let plugin = bench.provider().await;
    let given = bench.of_old(config! { "on_destroy" => "restore" });
    let ((one, first), (two, second)) = tokio::join!(created(&plugin, &given), created(&plugin, &given));
    let mut told = [first, second].concat();
    told.sort();
    assert_eq!(told, ["Ownership may be declared twice"]);
    let (first, second) = tokio::join!(destroyed(one), destroyed(two));
    let told = [first, second].concat();
    // Whichever was created last holds the record; where it is the first to go, nobody knows that the other one is still there.
    assert!(told.len() <= 1, "{told:?}");
    assert_eq!(bench.picture().await, before);
}

/// A kill is no reason for a warning as long as it can be told from another resource.
#[tokio::test]
async fn a_creation_that_was_killed_is_gone_on_with_silently() {
    let emulator = start().await;
    let eyes = emulator.superuser("app").await;
    let tables =
        "create schema s authorization old; set role old; create table s.one (id serial); create table s.two (id int)";
    eyes.batch_execute(tables).await.expect("tables");
    let given = config! {
        "server" => emulator.postgresql().id.as_str(), "database" => "app", "owner" => "new",
        "previous_owners" => Value::from(["old"]), "on_destroy" => "restore",
    };
    let (killed, second) = (provider(&emulator).await, provider(&emulator).await);
    let resource = killed.resource(OWNERSHIP);
    let counted = emulator.faults().hold_statement(0, Moment::Before);
    let calm = resource.create(given.clone()).await;
    let last = counted.count();
    calm.destroy().await;
    killed.configure(config! {}).await;
    let held = emulator.faults().hold_statement(last, Moment::Before);
    {
        let mut creating = std::pin::pin!(resource.create(given.clone()));
        tokio::select! { biased; _ = &mut creating => panic!("it ended before"), () = held.reached() => {} }
        killed.process().expect("a process").kill();
        held.cut();
    }
    let (ownership, told) = created(&second, &given).await;
    assert_eq!(told, [""; 0]);
    assert_eq!(destroyed(ownership).await, [""; 0]);
    let left = "select count(*) from pg_class where relowner = 'new'::regrole";
    assert_eq!(eyes.query_one(left, &[]).await.expect("a count").get::<_, i64>(0), 0);
}
