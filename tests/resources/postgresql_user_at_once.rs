//! `entradb_postgresql_user` in bad company: a process that is killed, and many at once.

use std::time::Duration;

use entradb::protocol::value::Object;
use entradb_emulator::{Access, Emulator};

use crate::harness::plugin::Plugin;
use crate::harness::resource::Resource;
use crate::resources::world::{emulator, fact, provider};
use crate::{block, config};

fn users(plugin: &Plugin) -> Resource<'_> {
    plugin.resource("entradb_postgresql_user")
}

/// A user for a new application of the same name.
async fn user(emulator: &Emulator, name: &str) -> Object {
    let application = emulator
        .add_application(name, Access::None)
        .await
        .expect("an application");
    config! {
        "server" => emulator.postgresql().id.as_str(),
        "name" => name,
        "object_id" => application.object_id.as_str(),
        "principal_type" => "ServicePrincipal",
        "settings" => block! { "jit" => "off" },
    }
}

#[tokio::test]
async fn an_apply_that_is_killed_leaves_nothing_half_done() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let given = user(emulator, "killed").await;
    // The setting cannot be written while the table of settings is locked: the role is made by then, but not for good.
    let mut holder = emulator.superuser("postgres").await;
    let holding = holder.transaction().await.expect("a transaction");
    holding
        .simple_query("lock table pg_catalog.pg_db_role_setting in exclusive mode")
        .await
        .expect("a lock");
    let (users, id) = (users(&plugin), plugin.process().expect("a process").id());
    let planned = users.plan_create(given.clone()).await;
    let killing = async {
        let waiting = "select count(*) from pg_locks where not granted and relation = 'pg_db_role_setting'::regclass";
        while fact(emulator, "postgres", waiting).await.as_deref() == Some("0") {
            tokio::task::yield_now().await;
        }
        let killed = std::process::Command::new("kill")
            .args(["-9", &id.to_string()])
            .status();
        assert!(killed.is_ok_and(|status| status.success()));
    };
    let creating = async {
        use futures_util::FutureExt;
        let creating = std::panic::AssertUnwindSafe(users.create_planned(planned, given.clone()));
        assert!(creating.catch_unwind().await.is_err(), "the process is killed");
    };
    tokio::join!(creating, killing);
    drop(holding);
    drop(plugin);

    let plugin = provider(emulator).await;
    let mut made = self::users(&plugin).create(given).await;
    made.settled().await;
    made.destroy().await;
}

#[tokio::test]
async fn many_users_at_once_from_two_processes() {
    let emulator = emulator().await;
    let (one, other) = (provider(emulator).await, provider(emulator).await);
    let mut given = Vec::new();
    for index in 0..8 {
        given.push(user(emulator, &format!("crowd-{index}")).await);
    }
    let make = |plugin| {
        let users = users(plugin);
        let making = given
            .iter()
            .map(move |given| async move { users.create(given.clone()).await });
        futures_util::future::join_all(making)
    };
    let everything = async { tokio::join!(make(&one), make(&other)) };
    let (ours, theirs) = tokio::time::timeout(Duration::from_secs(120), everything)
        .await
        .expect("no deadlock");
    for (our, their) in ours.iter().zip(&theirs) {
        assert_eq!(our.state, their.state);
    }
    let destroying = ours.into_iter().chain(theirs).map(|user| user.destroy());
    futures_util::future::join_all(destroying).await;
    assert_eq!(
        fact(
            emulator,
            "postgres",
            "select 1 from pg_roles where rolname like 'crowd-%'"
        )
        .await,
        None
    );
}
