//! An application that goes on while its objects move: it reads, writes and migrates, waits no longer than it is ready to, and never fails.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use entradb::protocol::model::Model;
use entradb::provider::config::ProviderBlock;
use entradb::provider::settings::{Settings, Variables};
use entradb::retry::StopSignal;

use crate::config;
use crate::harness::instance::Found;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP, next};

const TABLES: &str = "grant create on schema public to {old}; set role {old};
    do $$ begin for i in 1..150 loop
        execute format('create table t%s (id serial primary key, note text)', i);
        execute format('create view v%s as select * from t%s', i, i);
    end loop; end $$;
    create function total() returns bigint language sql as 'select count(*) from t1'; reset role;";

/// How long the provider waits for a lock, unless it is told otherwise.
fn lock_timeout() -> Duration {
    let block = ProviderBlock::from_object(config! {}).expect("an empty block");
    let settings = Settings::new(block, &Variables::default(), StopSignal::new());
    settings.expect("settings").lock_timeout
}

/// The longest that the application has waited for a lock, whoever had it, as the server sees it every few milliseconds.
async fn longest_wait(bench: &Bench, over: &AtomicBool) -> Duration {
    let waiting = bench.fill(
        "select coalesce(max(extract(epoch from clock_timestamp() - waitstart)), 0)::float8
         from pg_locks join pg_stat_activity using (pid) where not granted and usename = '{old}'",
    );
    let eyes = bench.emulator.superuser(&bench.database).await;
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let mut longest = 0.0_f64;
    while !over.load(Ordering::Relaxed) {
        looks.tick().await;
        let row = eyes.query_one(&waiting, &[]).await.expect("the locks");
        longest = longest.max(row.get(0));
    }
    Duration::from_secs_f64(longest)
}

/// One session's work, again and again until it is told to end. Every statement has to succeed.
async fn works(bench: &Bench, number: usize, over: &AtomicBool, done: &AtomicU64) {
    let session = bench.session("old").await;
    // The server itself fails whoever waits longer for a lock.
    let patience = format!("set lock_timeout = {}", lock_timeout().as_millis());
    session.batch_execute(&patience).await.expect("a setting");
    let mut round = 0_usize;
    while !over.load(Ordering::Relaxed) {
        let one = (number * 37 + round * 7) % 150 + 1;
        let two = (one + round % 148) % 150 + 1;
        let statements = match round % 4 {
            0 => format!("begin; insert into t{one} (note) values ('x'); insert into t{two} (note) values ('y'); commit"),
            1 => format!("select count(*) from v{one}, v{two} where false; select total()"),
            2 => format!(
                "create table made_{number}_{round} (id serial primary key); insert into made_{number}_{round} default values;
                 drop table made_{number}_{round}"
            ),
            _ => format!("alter table t{one} add column c_{number}_{round} int; alter table t{one} drop column c_{number}_{round}"),
        };
        if let Err(error) = session.batch_execute(&statements).await {
            panic!("the application failed: {error:?} in {statements}");
        }
        done.fetch_add(1, Ordering::Relaxed);
        round += 1;
    }
}

#[tokio::test]
async fn a_busy_application_never_fails_nor_waits_longer_than_the_lock_timeout() {
    let bench = Bench::new("running", TABLES).await;
    let plugin = bench.provider().await;
    let given = bench.of_old(config! { "on_destroy" => "restore" });
    let (over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let resource = plugin.resource(OWNERSHIP);
    let moving = async {
        while done.load(Ordering::Relaxed) < 10 {
            tokio::task::yield_now().await;
        }
        let mut ownership = resource.create(given.clone()).await;
        // What the application made meanwhile is drift, and moves too.
        let mut rounds = 0;
        while ownership.refresh().await == Found::Changed && rounds < 5 {
            ownership.update(given.clone()).await;
            rounds += 1;
        }
        let moved = done.load(Ordering::Relaxed);
        over.store(true, Ordering::Relaxed);
        (ownership, moved)
    };
    let applications = futures_util::future::join_all((0..3).map(|number| works(&bench, number, &over, &done)));
    let ((ownership, during), longest, _) = tokio::join!(moving, longest_wait(&bench, &over), applications);
    assert!(during > 20, "it was busy: {during}");
    println!("the application waited for {longest:?} at most, in {during} rounds of work");
    assert!(
        longest > Duration::ZERO,
        "nobody was in its way: the test shows nothing"
    );
    assert!(longest < lock_timeout(), "it waited for {longest:?}");
    let plugin = bench.provider().await;
    let mut ownership = next(ownership, &plugin);
    ownership.refresh().await;
    ownership.update(given).await;
    ownership.settled().await;
    assert_eq!(bench.owned_by("old").await, 0);
    ownership.destroy().await;
    assert_eq!(bench.owned_by("new").await, 0);
}
