//! An application that alters its tables while previous owners get and lose privileges on them: neither it nor the provider may fail.

use crate::config;
use crate::harness::resource::Action;
use crate::resources::migrating::while_changing;
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

#[tokio::test]
async fn an_application_that_migrates_while_access_of_previous_owners_changes_never_fails() {
    let bench = Bench::new("owner_migrates", TABLES).await;
    let plugin = bench.provider().await;
    let given = |access: &str| bench.of_old(config! { "previous_owner_access" => access });
    let mut ownership = plugin.resource(OWNERSHIP).create(given("none")).await;
    let mut work = Vec::new();
    for each in WORK {
        work.push((bench.session("new").await, each));
    }
    let done = while_changing(ROUNDS, work, async |round| {
        let access = ["privileges", "none"][round % 2];
        assert_eq!(ownership.update(given(access)).await, Action::Update);
    });
    assert!(done.await > 50, "it was busy");
    ownership.settled().await;
}
