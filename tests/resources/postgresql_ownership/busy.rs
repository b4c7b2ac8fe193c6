//! Many objects, applications that hold locks, servers that restart, providers that are killed.

use crate::config;
use crate::harness::instance::Found;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, list, next, provider, start};

const TWO_THOUSAND: &str = "grant create on schema public to {old}; set role {old};
    do $$ begin for i in 1..2000 loop execute format('create table t%s (id serial primary key, note text)', i); end loop; end $$; reset role;";

/// More objects than the lock table has room for: `REASSIGN OWNED` fails there.
#[tokio::test]
async fn ten_thousand_tables_move_in_transactions_that_fit_the_lock_table() {
    let emulator = start().await;
    let eyes = emulator.superuser("app").await;
    for part in 0..10 {
        let make = TWO_THOUSAND
            .replace("{old}", "old")
            .replace("1..2000", &format!("{}..{}", part * 1000 + 1, part * 1000 + 1000));
        eyes.batch_execute(&make).await.expect("tables");
    }
    let setting = eyes.query_one("show max_locks_per_transaction", &[]).await;
    assert_eq!(
        setting.expect("a setting").get::<_, &str>(0),
        "64",
        "PostgreSQL's default"
    );
    let whole = eyes.batch_execute("reassign owned by old to new").await;
    let whole = whole.expect_err("more than the lock table holds");
    assert_eq!(
        whole.as_db_error().map(|error| error.message()),
        Some("out of shared memory")
    );

    let plugin = provider(&emulator).await;
    let given = config! {
        "server" => emulator.postgresql().id.as_str(), "database" => "app", "owner" => "new",
        "previous_owners" => entradb::protocol::value::Value::from(["old"]), "on_destroy" => "restore",
    };
    let mut ownership = plugin.resource(OWNERSHIP).create(given).await;
    ownership.settled().await;
    let of = async |role: &str| -> i64 {
        let query = format!("select count(*) from pg_class where relowner = '{role}'::regrole");
        eyes.query_one(&query, &[]).await.expect("a count").get(0)
    };
    assert_eq!(of("old").await, 0);
    ownership.destroy().await;
    assert_eq!(of("new").await, 0);
}

#[tokio::test]
async fn who_holds_locks_is_not_kept_waiting_and_the_move_comes_back() {
    let bench = Bench::new("holding", "grant create on schema public to {old}; set role {old}; create table free (id int); create table held (id int)").await;
    let application = bench.holding("held").await;
    let plugin = bench.provider().await;
    let given = bench.of_old(config! {});
    let resource = plugin.resource(OWNERSHIP);
    let creating = resource.create(given);
    let working = async {
        // Until the free table has moved, and the held one was given up at least once.
        let moved = "select count(*) from pg_class where relname = 'free' and relowner = '{new}'::regrole";
        while bench.count(moved).await == 0 {
            tokio::task::yield_now().await;
        }
        let gave_way = || plugin.log().iter().any(|line| line.contains("is in use: later"));
        while !gave_way() {
            bench.count("select 1::bigint").await;
        }
        application
            .batch_execute("insert into held values (2); commit")
            .await
            .expect("nobody was in the way");
    };
    let (mut ownership, ()) = tokio::join!(creating, working);
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
}

#[tokio::test]
async fn a_killed_apply_is_continued_by_the_next() {
    let setup = TWO_THOUSAND.replace("1..2000", "1..400");
    let bench = Bench::new("killed", &setup).await;
    let given = bench.of_old(config! { "on_destroy" => "restore", "restore_to" => "killed_old" });
    // The first process is killed as soon as something has moved: dropping it does that.
    {
        let plugin = bench.provider().await;
        let resource = plugin.resource(OWNERSHIP);
        let creating = resource.try_create(given.clone());
        let killing = async {
            while bench.owned_by("new").await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { _ = creating => {}, () = killing => {} }
    }
    let moved = bench.owned_by("new").await;
    println!("{moved} of 800 had moved");
    assert!(moved > 0);
    let plugin = bench.provider().await;
    let mut ownership = plugin.resource(OWNERSHIP).create(given).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
    ownership.destroy().await;
    assert_eq!(bench.owned_by("new").await, 0);
}

#[tokio::test]
async fn an_apply_that_ends_half_way_is_continued_by_the_next_one() {
    let setup = "grant create on schema public to {old}; set role {old}; create table free (id int); create table held (id int)";
    let bench = Bench::new("halfway", setup).await;
    let before = bench.picture().await;
    let application = bench.holding("held").await;
    let plugin = bench.provider().await;
    let mut given = bench.of_old(config! { "on_destroy" => "restore" });
    given.insert("timeouts".into(), crate::block! { "create" => "3s" });
    let resource = plugin.resource(OWNERSHIP);
    // Ended early, not failed: an error would have Terraform give everything back and begin anew.
    let created = resource.try_create(given.clone()).await.ok();
    let mut ownership = created.expect("what was begun is kept");
    assert_eq!(
        list(ownership.get("pending")),
        [bench.fill("table public.held (owner {old})")]
    );
    assert_eq!(bench.owned_by("new").await, 1, "what could move has moved");
    application
        .batch_execute("rollback")
        .await
        .expect("the end of a long transaction");
    ownership.update(given).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
    ownership.destroy().await;
    assert_eq!(bench.picture().await, before);
}

#[tokio::test]
async fn a_restart_in_the_middle_is_survived() {
    let emulator = start().await;
    let eyes = emulator.superuser("app").await;
    let make = TWO_THOUSAND.replace("{old}", "old").replace("1..2000", "1..500");
    eyes.batch_execute(&make).await.expect("tables");
    let plugin = provider(&emulator).await;
    let given = config! {
        "server" => emulator.postgresql().fqdn.as_str(), "database" => "app", "owner" => "new",
        "previous_owners" => entradb::protocol::value::Value::from(["old"]),
    };
    let resource = plugin.resource(OWNERSHIP);
    let creating = resource.create(given);
    let restarting = async {
        let begun = || plugin.log().iter().any(|line| line.contains("are left"));
        while !begun() {
            tokio::task::yield_now().await;
        }
        emulator.faults().restart_database().await.expect("a restart");
    };
    let (mut ownership, ()) = tokio::join!(creating, restarting);
    ownership.settled().await;
    let eyes = emulator.superuser("app").await;
    eyes.batch_execute("create table late (id int); alter table late owner to old")
        .await
        .expect("a table");
    let plugin = provider(&emulator).await;
    let mut ownership = next(ownership, &plugin);
    assert_eq!(ownership.refresh().await, Found::Changed);
    assert_eq!(list(ownership.get("pending")), ["table public.late (owner old)"]);
}
