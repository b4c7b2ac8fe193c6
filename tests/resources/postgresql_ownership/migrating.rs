//! An application that alters its tables while previous owners get and lose privileges on them: neither it nor the provider may fail.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::config;
use crate::harness::resource::Action;
use crate::resources::postgresql_ownership::bench::{Bench, OWNERSHIP};

const TABLES: &str = "create schema s authorization {old}; set role {old};
    create table s.orders (id serial primary key, price int); create table s.events (id int) partition by range (id);
    create view s.totals as select sum(price) from s.orders group by id; create materialized view s.latest as select * from s.orders;
    do $$ begin for i in 1..300 loop execute format('create table s.t%s (id int)', i); end loop; end $$; reset role";

/// What each session of the application does, again and again.
const WORK: [&str; 4] = [
    "alter table s.orders add constraint counted check (price > 0); alter table s.orders drop constraint counted",
    "alter table s.events enable row level security; alter table s.events disable row level security",
    "refresh materialized view s.latest",
    "create or replace view s.totals as select sum(price) from s.orders group by id",
];

/// How often privileges change beside it.
const ROUNDS: usize = 12;

/// How often each does it. It leaves the provider room: who alters tables without a pause keeps everybody waiting.
const EVERY: Duration = Duration::from_millis(40);

async fn works(bench: &Bench, work: &str, over: &AtomicBool, done: &AtomicU64) {
    let session = bench.session("new").await;
    let mut rounds = tokio::time::interval(EVERY);
    while !over.load(Ordering::Relaxed) {
        rounds.tick().await;
        if let Err(error) = session.batch_execute(work).await {
            over.store(true, Ordering::Relaxed);
            panic!("the application failed: {error:?} in {work}");
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn an_application_that_migrates_while_access_of_previous_owners_changes_never_fails() {
    let bench = Bench::new("owner_migrates", TABLES).await;
    let plugin = bench.provider().await;
    let given = |access: &str| bench.of_old(config! { "previous_owner_access" => access });
    let mut ownership = plugin.resource(OWNERSHIP).create(given("none")).await;
    let (over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let changing = async {
        for round in 0..ROUNDS {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let access = ["privileges", "none"][round % 2];
            assert_eq!(ownership.update(given(access)).await, Action::Update);
        }
        over.store(true, Ordering::Relaxed);
    };
    let working = futures_util::future::join_all(WORK.map(|work| works(&bench, work, &over, &done)));
    tokio::join!(changing, working);
    assert!(done.into_inner() > 50, "it was busy");
    ownership.settled().await;
}
