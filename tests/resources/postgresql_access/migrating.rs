//! An application that migrates all the while: neither it nor the provider may fail.

use super::stage::Stage;
use crate::harness::resource::Action;
use crate::resources::migrating::while_changing;
use crate::resources::world::session_of;

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

#[tokio::test]
async fn an_application_that_migrates_while_privileges_change_never_fails() {
    let stage = Stage::new("migrating", TABLES).await;
    let mut access = stage.create(stage.level("read")).await;
    let mut work = Vec::new();
    for each in WORK {
        work.push((
            session_of(stage.emulator, &stage.role("owner"), &stage.database).await,
            each,
        ));
    }
    let done = while_changing(ROUNDS, work, async |round| {
        let level = ["all", "read"][round % 2];
        assert_eq!(access.update(stage.level(level)).await, Action::Update);
    });
    let done = done.await;
    assert!(done > 100, "it was busy: {done}");
    access.settled().await;
    access.destroy().await;
    assert_eq!(stage.privileges_of("app").await, 0);
    stage.nothing_is_borrowed().await;
}
