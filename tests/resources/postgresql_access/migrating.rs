//! An application that migrates all the while: neither it nor the provider may fail.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_postgres::NoTls;

use super::stage::Stage;
use crate::harness::resource::Action;

const TABLES: &str = "
    set role {owner};
    create table sales.orders (id serial primary key, price int);
    create table sales.customers (id int primary key);
    create table sales.events (id int) partition by range (id);
    create view sales.totals as select sum(price) from sales.orders group by id;
    create materialized view sales.latest as select * from sales.orders;
    create unique index on sales.latest (id);
    do $$ begin for i in 1..300 loop execute format('create table sales.t%s (id int)', i); end loop; end $$;
    reset role;";

/// What each session of the application does, again and again.
const WORK: [&str; 7] = [
    "alter table sales.orders add constraint counted check (price > 0); alter table sales.orders drop constraint counted",
    "alter table sales.events enable row level security; alter table sales.events disable row level security",
    "refresh materialized view sales.latest",
    "refresh materialized view concurrently sales.latest",
    "truncate sales.orders restart identity",
    "create or replace view sales.totals as select sum(price) from sales.orders group by id",
    // The first trigger on a table is written down at the table, as the first foreign key to it.
    "create table sales.referring (id int references sales.customers); drop table sales.referring;
     drop table sales.customers; create table sales.customers (id int primary key)",
];

/// How often privileges change beside it.
const ROUNDS: usize = 12;

/// How often each does it. It leaves the provider room: who alters tables without a pause keeps everybody waiting.
const EVERY: Duration = Duration::from_millis(40);

/// One session's work until it is told to end. Every statement has to succeed.
async fn works(stage: &Stage, work: &str, over: &AtomicBool, done: &AtomicU64) {
    let mut config = tokio_postgres::Config::new();
    config
        .host_path(&stage.emulator.postgresql().unix_socket_dir)
        .user(stage.role("owner"))
        .dbname(&stage.database);
    let (session, connection) = config.connect(NoTls).await.expect("a session");
    tokio::spawn(connection);
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
async fn an_application_that_migrates_while_privileges_change_never_fails() {
    let stage = Stage::new("migrating", TABLES).await;
    let mut access = stage.create(stage.level("read")).await;
    let (over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let granting = async {
        for round in 0..ROUNDS {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let level = ["all", "read"][round % 2];
            assert_eq!(access.update(stage.level(level)).await, Action::Update);
        }
        over.store(true, Ordering::Relaxed);
    };
    let working = futures_util::future::join_all(WORK.map(|work| works(&stage, work, &over, &done)));
    tokio::join!(granting, working);
    let done = done.into_inner();
    assert!(done > 100, "it was busy: {done}");
    access.settled().await;
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
    stage.nothing_is_borrowed().await;
}
