//! What fails half-way is not lost: the state holds what exists, and the next apply goes on. The same on each kind of server.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Failure, Method};

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::entra_admin::{IDENTITY, TYPE, emulated, is_bound, label, of_object, text, written};
use crate::resources::world::{by_hand, next_command, quoted, with};

fn forbidden() -> Failure {
    Failure::Error {
        status: 403,
        code: "AuthorizationFailed".to_owned(),
        message: "Not permitted.".to_owned(),
    }
}

/// A group as the administrator of a MySQL server, which has the identity to ask the directory with.
async fn of_mysql(azure: &Emulator, plugin: &Plugin, group: &str) -> Object {
    let lookup = plugin.resource(IDENTITY).create(written("lookup")).await;
    let lookup = text(lookup.get("id")).to_owned();
    for one in [azure.mysql(), azure.mysql_replica()] {
        azure.attach_server_identity(&one.id, &lookup);
    }
    let given = of_object(azure, group, "Group", "operators");
    with(
        given,
        config! { "server_id" => azure.mysql().id.as_str(), "server_identity_id" => lookup },
    )
}

/// Who sits on the MySQL server and on its replica, by ID.
fn seats(azure: &Emulator) -> [Option<String>; 2] {
    [azure.mysql(), azure.mysql_replica()].map(|one| {
        let found = azure.administrators(&one.id);
        found.first().and_then(|one| one["sid"].as_str()).map(str::to_owned)
    })
}

fn both(sid: &str) -> [Option<String>; 2] {
    [Some(sid.to_owned()), Some(sid.to_owned())]
}

#[tokio::test]
async fn a_write_whose_end_nobody_may_see_is_in_the_state() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let mysql = of_mysql(&azure, &plugin, &group).await;
    let on = |id: &str| {
        with(
            of_object(&azure, &group, "Group", "operators"),
            config! { "server_id" => id },
        )
    };
    let servers = [
        (on(&azure.postgresql().id), "PostgreSQL/locations"),
        (mysql, "MySQL/locations"),
        (on(&azure.sql_server().id), "Sql/locations"),
        (on(&azure.managed_instance().id), "Sql/locations"),
    ];
    for (given, polls) in servers {
        // Who may write may not look at operations, as with many a role of one's own.
        azure.faults().delay_operations(1);
        azure.faults().fail_next(Method::GET, polls, 1, forbidden());
        let Err(failed) = plugin.resource(TYPE).try_create(given.clone()).await else {
            panic!("{polls}: it is not permitted to look")
        };
        assert!(failed.left.exists(), "{polls}: {:?}", failed.told);
        azure.faults().delay_operations(0);
        next_command(&plugin).await;
        let mut admin = failed.left;
        assert_eq!(admin.update(given).await, Action::Replace, "{polls}");
        admin.settled().await;
        admin.destroy().await;
    }
    assert_eq!(seats(&azure), [None, None]);
}

#[tokio::test]
async fn a_replica_that_refuses_leaves_the_server_in_the_state() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let given = of_mysql(&azure, &plugin, &group).await;
    let replica = "mysql-replica/administrators";
    azure.faults().fail_next(Method::PUT, replica, 1, forbidden());
    let Err(failed) = plugin.resource(TYPE).try_create(given.clone()).await else {
        panic!("the replica refuses")
    };
    assert_eq!(seats(&azure), [Some(group.clone()), None]);
    let mut admin = failed.left;
    assert_eq!(admin.update(given.clone()).await, Action::Replace);
    admin.settled().await;
    assert_eq!(seats(&azure), both(&group));

    // The server itself goes last, so that the state has it until all are gone.
    azure
        .faults()
        .fail_next(Method::DELETE, "mysql-data/administrators", 1, forbidden());
    admin.try_destroy().await.expect_err("the server refuses");
    assert_eq!(seats(&azure), [Some(group), None]);
    admin.refresh().await;
    assert!(admin.exists());
    assert_eq!(
        admin.get("pending"),
        &Value::List(vec![Value::from("replica mysql-replica (no administrator)")])
    );
    admin.destroy().await;
    assert_eq!(seats(&azure), [None, None]);
}

#[tokio::test]
async fn what_was_adopted_stays_adopted_when_its_change_fails() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let given = of_mysql(&azure, &plugin, &group).await;
    azure.set_administrator(&azure.mysql().id, "others", &group, "Group");
    let adopting = with(given, config! { "adopt_existing" => true });
    let replica = "mysql-replica/administrators";
    azure.faults().fail_next(Method::PUT, replica, 1, forbidden());
    let Err(failed) = plugin.resource(TYPE).try_create(adopting.clone()).await else {
        panic!("the replica refuses")
    };
    let mut admin = failed.left;
    assert_eq!(admin.get("adopted"), &Value::from(true));
    assert_eq!(admin.update(adopting).await, Action::Replace);
    admin.settled().await;
    admin.destroy().await;
    assert_eq!(seats(&azure), both(&group), "it was there before");
}

#[tokio::test]
async fn what_a_killed_apply_left_on_the_server_alone_is_finished() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let given = of_mysql(&azure, &plugin, &group).await;
    azure.set_administrator(&azure.mysql().id, "operators", &group, "Group");
    azure.clear_log();
    let mut admin = plugin.resource(TYPE).create(given).await;
    admin.settled().await;
    assert_eq!(seats(&azure), both(&group));
    assert_eq!(
        azure.writes().len(),
        1,
        "the server has it already: {:?}",
        azure.writes()
    );
    admin.destroy().await;
}

#[tokio::test]
async fn a_replica_that_was_changed_by_hand_is_drift() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let ann = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    let given = of_mysql(&azure, &plugin, &group).await;
    let replica = azure.mysql_replica().id.as_str();

    azure.set_administrator(replica, "ann@example.com", &ann, "User");
    let Err(refused) = plugin.resource(TYPE).try_create(given.clone()).await else {
        panic!("Ann has the seat of the replica")
    };
    for words in ["mysql-replica", "ann@example.com", "replace_existing"] {
        assert!(refused.told[0].detail.contains(words), "{words}: {:?}", refused.told);
    }
    assert_eq!(seats(&azure), [None, Some(ann.clone())]);
    let replacing = with(given.clone(), config! { "replace_existing" => true });
    let mut admin = plugin.resource(TYPE).create(replacing).await;
    admin.settled().await;
    assert_eq!(seats(&azure), both(&group));

    let stranger = format!("replica mysql-replica (`ann@example.com` with the ID {ann})");
    for (by_hand, shown) in [
        (Some(&ann), stranger.as_str()),
        (None, "replica mysql-replica (no administrator)"),
    ] {
        match by_hand {
            Some(ann) => azure.set_administrator(replica, "ann@example.com", ann, "User"),
            None => azure.remove_administrator(replica, &group),
        }
        next_command(&plugin).await;
        assert_eq!(admin.refresh().await, Found::Changed);
        assert_eq!(admin.get("pending"), &Value::List(vec![Value::from(shown)]));
        azure.clear_log();
        assert_eq!(admin.update(given.clone()).await, Action::Update);
        admin.settled().await;
        assert_eq!(seats(&azure), both(&group));
        assert_eq!(azure.writes().len(), 1, "only the replica: {:?}", azure.writes());
    }

    // Whom the replica has by the end was not set here; and it must not be shut either.
    azure.set_entra_only(replica, true);
    let told = admin
        .try_destroy()
        .await
        .expect_err("nobody could log in to the replica");
    assert!(told[0].detail.contains("mysql-replica"), "{told:?}");
    assert_eq!(seats(&azure), both(&group));
    azure.set_administrator(replica, "ann@example.com", &ann, "User");
    let told = admin.try_destroy().await.expect("the other one is left alone");
    assert_eq!(told[0].summary, "Administrator left in place");
    assert_eq!(seats(&azure), [None, Some(ann)]);
}

#[tokio::test]
async fn a_role_that_went_with_its_former_administrator_is_made_again() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let ann = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    let bob = azure.add_user("bob@example.com", "Bob").await.expect("a user");
    let mut admin = plugin
        .resource(TYPE)
        .create(of_object(&azure, &ann, "User", "dba"))
        .await;
    // As an apply leaves it that was killed after the former administrator, and the role with it, was gone.
    let server = azure.postgresql().id.as_str();
    azure.remove_administrator(server, &ann);
    by_hand(&azure, "postgres", &format!("drop role {}", quoted("dba"))).await;
    azure.set_administrator(server, "dba", &bob, "User");
    next_command(&plugin).await;
    assert_eq!(admin.refresh().await, Found::Changed);
    assert_eq!(admin.refresh().await, Found::Same, "a second look does not forget it");
    let now = of_object(&azure, &bob, "User", "dba");
    assert_eq!(admin.update(now).await, Action::Update);
    admin.settled().await;
    assert!(is_bound(&azure, "dba", &bob).await);
    admin.destroy().await;
    assert!(label(&azure, "dba").await.is_none());
}
