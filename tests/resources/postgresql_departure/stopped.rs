//! A destroy in steps that is stopped, or whose time is over: it ends between two of them, and the next one goes on.

use std::time::Duration;

use entradb::protocol::value::Value;
use entradb_emulator::{Emulator, Moment};

use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;
use crate::resources::postgresql_departure::steps::CRAMPED;
use crate::resources::postgresql_departure::{exists, made};
use crate::resources::world::{alone, by_hand, fact, provider, with};
use crate::{block, config};

const TABLES: u32 = 60;

/// Longer than the destroy may take.
const LONG: Duration = Duration::from_millis(3500);

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Stopped,
    TimedOut,
}

/// A role with tables in two databases, far more than a transaction has room for.
async fn role_of_many<'a>(plugin: &'a Plugin, emulator: &Emulator, owned: &str, end: End) -> Instance<'a> {
    let mut more = config! { "owned_objects" => owned };
    if owned == "reassign" {
        more = with(more, config! { "reassign_owned_to" => "heir" });
    }
    if end == End::TimedOut {
        more = with(more, config! { "timeouts" => block! { "delete" => "3s" } });
    }
    let leaving = made(plugin, emulator, "leaver", more).await;
    for database in ["app", "openmetadata_db"] {
        by_hand(emulator, database, "create schema d authorization leaver").await;
        for portion in 0..TABLES / 20 {
            let tables = format!(
                "set role leaver; do $$ begin for i in 1..20 loop execute format('create table d.t_{portion}_%s (id int)', i); end loop; end $$"
            );
            by_hand(emulator, database, &tables).await;
        }
    }
    leaving
}

/// How many tables the role has in both databases.
async fn left(emulator: &Emulator) -> u32 {
    let mut sum = 0;
    for database in ["app", "openmetadata_db"] {
        let count = "select count(*) from pg_class where relkind = 'r' and relowner = to_regrole('leaver')";
        let count = fact(emulator, database, count).await.expect("a count");
        sum += count.parse::<u32>().expect("a number");
    }
    sum
}

#[tokio::test]
async fn a_destroy_that_is_interrupted_ends_between_two_steps_and_the_next_one_goes_on() {
    let emulator = &alone(&CRAMPED).await;
    let plugin = provider(emulator).await;
    made(&plugin, emulator, "heir", config! {}).await;
    for owned in ["drop", "reassign"] {
        let undisturbed = role_of_many(&plugin, emulator, owned, End::Stopped).await;
        let counted = emulator.faults().hold_statement(0, Moment::Before);
        undisturbed.destroy().await;
        let statements = counted.count();
        for end in [End::Stopped, End::TimedOut] {
            clean(emulator).await;
            let (first, second) = (provider(emulator).await, provider(emulator).await);
            let mut leaving = role_of_many(&first, emulator, owned, end).await;
            // It begins with a long look.
            let held = emulator.faults().hold_statement(statements * 2 / 3, Moment::Before);
            let interrupt = async {
                held.reached().await;
                match end {
                    End::Stopped => first.stop().await,
                    End::TimedOut => pass(LONG).await,
                }
                held.release();
            };
            let (told, ()) = tokio::join!(leaving.try_destroy(), interrupt);
            let told = told.expect_err("it was not finished");
            let expected = match end {
                End::Stopped => "Stopped",
                End::TimedOut => "Timed out",
            };
            assert_eq!(told[0].summary, expected, "{owned}: {told:#?}");
            assert!(told[0].detail.contains("goes on"), "{told:#?}");
            let left = left(emulator).await;
            assert!((1..2 * TABLES).contains(&left), "{owned}, {end:?}: {left} are left");

            let mut leaving = Instance {
                resource: second.resource("entradb_postgresql_role"),
                ..leaving
            };
            if end == End::TimedOut {
                // With time enough; what is not applied does not count.
                let Value::Map(state) = &mut leaving.state else {
                    panic!("a state")
                };
                state.insert("timeouts".to_owned(), Value::Null);
            }
            leaving.destroy().await;
            assert!(!exists(emulator, "leaver").await);
        }
        clean(emulator).await;
    }
}

/// Takes away what was moved.
async fn clean(emulator: &Emulator) {
    for database in ["app", "openmetadata_db"] {
        for portion in 0..TABLES / 20 {
            let drop = format!(
                "do $$ begin for i in 1..20 loop execute format('drop table if exists d.t_{portion}_%s', i); end loop; \
                 exception when invalid_schema_name then null; end $$"
            );
            by_hand(emulator, database, &drop).await;
        }
        by_hand(emulator, database, "drop schema if exists d").await;
    }
}

/// Lets time go by.
async fn pass(time: Duration) {
    let mut clock = tokio::time::interval(time);
    clock.tick().await;
    clock.tick().await;
}
