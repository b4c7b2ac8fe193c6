//! Ctrl-C while something is written: waiting ends, a write in flight is seen to its end.

use entradb::protocol::value::Value;
use entradb_emulator::Moment;

use crate::config;
use crate::harness::instance::Instance;
use crate::resources::world::{emulator, fact, provider, started};

const ROLE: &str = "entradb_postgresql_role";

#[tokio::test]
async fn a_write_that_has_begun_is_finished_and_known() {
    let emulator = &started(entradb_emulator::Options::default()).await;
    let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => "in flight", "create_role" => true };
    let (calm, stopped, next) = (
        provider(emulator).await,
        provider(emulator).await,
        provider(emulator).await,
    );
    let counted = emulator.faults().hold_statement(0, Moment::Before);
    calm.resource(ROLE).create(given.clone()).await.destroy().await;
    assert!(counted.count() > 0);
    // The first statement that looks and the last that writes.
    for statement in 1..=2 {
        let held = emulator.faults().hold_statement(statement, Moment::Before);
        let stop = async {
            held.reached().await;
            stopped.stop().await;
            held.release();
        };
        let resource = stopped.resource(ROLE);
        let (made, ()) = tokio::join!(resource.create(given.clone()), stop);
        assert_eq!(made.get("create_role"), &Value::from(true), "statement {statement}");
        let mut made = Instance {
            resource: next.resource(ROLE),
            ..made
        };
        made.settled().await;
        made.destroy().await;
    }
}

#[tokio::test]
async fn waiting_for_a_lock_ends_and_nothing_was_written() {
    let emulator = emulator().await;
    let (stopped, next) = (provider(emulator).await, provider(emulator).await);
    let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => "held up" };
    let mut made = stopped.resource(ROLE).create(given.clone()).await;
    let oid = made.get("oid").as_str().expect("a number").to_owned();
    let other = emulator.superuser("postgres").await;
    let hold = format!("begin; alter role \"held up\" connection limit 9; comment on role \"held up\" is '{oid}'");
    other.batch_execute(&hold).await.expect("a lock");
    let mut changed = given.clone();
    changed.insert("connection_limit".to_owned(), Value::from(5));
    let stop = async {
        let waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%held up%'";
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
        while fact(emulator, "postgres", waits).await.is_none() {
            looks.tick().await;
        }
        stopped.stop().await;
    };
    let (told, ()) = tokio::join!(made.try_update(changed.clone()), stop);
    let told = told.expect_err("somebody has the lock");
    assert_eq!(told[0].summary, "Stopped", "{told:#?}");
    other.batch_execute("rollback").await.expect("a session");
    let limit = "select rolconnlimit::text from pg_roles where rolname = 'held up'";
    assert_eq!(fact(emulator, "postgres", limit).await.as_deref(), Some("-1"));
    let mut made = Instance {
        resource: next.resource(ROLE),
        ..made
    };
    made.update(changed).await;
    made.settled().await;
    made.destroy().await;
}
