//! On PostgreSQL, what stands in the way gives way when told so, and an adopted administrator is not taken from anybody.

use std::time::Duration;

use entradb::protocol::value::Value;

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::resources::entra_admin::{IDENTITY, TYPE, emulated, is_bound, label, of_object, text, written};
use crate::resources::world::{next_command, with};
use crate::terraform::workspace::until;

#[tokio::test]
async fn a_name_and_a_principal_are_taken_only_when_told() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let admins = plugin.resource(TYPE);
    let ann = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    let bob = azure.add_user("bob@example.com", "Bob").await.expect("a user");
    azure.add_administrator(&ann, "dba").await.expect("an administrator");
    let given = of_object(&azure, &bob, "User", "dba");
    let Err(refused) = admins.try_create(given.clone()).await else {
        panic!("the name is Ann's")
    };
    assert!(
        refused.told[0].detail.contains("replace_existing"),
        "{:?}",
        refused.told
    );
    let replacing = |given| with(given, config! { "replace_existing" => true });
    let mut admin = admins.create(replacing(given)).await;
    admin.settled().await;
    assert!(is_bound(&azure, "dba", &bob).await);

    // The same principal under another name.
    let renamed = replacing(of_object(&azure, &bob, "User", "bob@example.com"));
    let mut again = admins.create(renamed).await;
    again.settled().await;
    assert!(is_bound(&azure, "bob@example.com", &bob).await);
    assert!(label(&azure, "dba").await.is_none());
    again.destroy().await;
}

#[tokio::test]
async fn whoever_was_bound_to_the_name_by_hand_gives_way_and_is_not_taken_away_at_the_end() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let server = azure.postgresql().id.as_str();
    let ann = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    let bob = azure.add_user("bob@example.com", "Bob").await.expect("a user");
    let given = of_object(&azure, &ann, "User", "dba");
    let mut admin = plugin.resource(TYPE).create(given.clone()).await;
    let bind_to_bob = async || {
        azure.remove_administrator(server, &ann);
        azure.set_administrator(server, "dba", &bob, "User");
        next_command(&plugin).await;
    };
    bind_to_bob().await;
    assert_eq!(admin.refresh().await, Found::Changed);
    assert_eq!(admin.get("object_id"), &Value::from(bob.as_str()));
    assert_eq!(admin.update(given).await, Action::Update);
    admin.settled().await;
    assert!(is_bound(&azure, "dba", &ann).await);

    bind_to_bob().await;
    assert_eq!(admin.refresh().await, Found::Changed);
    assert_eq!(admin.refresh().await, Found::Same);
    let told = admin.try_destroy().await.expect("he is left alone");
    assert_eq!(told[0].summary, "Administrator left in place");
    let left = azure.administrators(server);
    assert!(left.iter().any(|one| one["sid"] == bob), "{left:?}");
}

#[tokio::test]
async fn a_name_that_is_bound_anew_is_not_half_done_when_that_was_stopped() {
    let azure = emulated().await;
    let (plugin, later) = (azure::provider(&azure).await, azure::provider(&azure).await);
    let ann = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    let bob = azure.add_user("bob@example.com", "Bob").await.expect("a user");
    azure.add_administrator(&ann, "dba").await.expect("an administrator");
    azure.faults().slow_operations(Duration::from_secs(2));
    azure.clear_log();
    let given = with(
        of_object(&azure, &bob, "User", "dba"),
        config! { "replace_existing" => true },
    );
    let stop = async {
        until("the former one is to go", || {
            azure.log().iter().any(|asked| asked.method == "DELETE")
        })
        .await;
        plugin.stop().await;
    };
    let admins = plugin.resource(TYPE);
    let (made, ()) = tokio::join!(admins.try_create(given.clone()), stop);
    let Err(failed) = made else {
        panic!("it has parts that are not done")
    };
    azure.faults().clear();
    let mut admin = failed.left;
    assert!(admin.exists(), "{:?}", failed.told);
    admin.resource = later.resource(TYPE);
    admin.refresh().await;
    admin.update(given).await;
    admin.settled().await;
    assert!(is_bound(&azure, "dba", &bob).await);
    admin.destroy().await;
    assert!(azure.administrators(&azure.postgresql().id).is_empty());
}

#[tokio::test]
async fn names_of_roles_have_case() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let ann = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    azure
        .add_administrator(&ann, "Ann@example.com")
        .await
        .expect("an administrator");
    let given = of_object(&azure, &ann, "User", "ann@example.com");
    let Err(failed) = plugin.resource(TYPE).try_create(given).await else {
        panic!("the role has another name")
    };
    let command = format!("terraform import <address> '{}|Ann@example.com'", azure.postgresql().id);
    assert!(failed.told[0].detail.contains(&command), "{:?}", failed.told);
}

#[tokio::test]
async fn an_adopted_one_is_not_taken_for_another() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let ann = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    let bob = azure.add_user("bob@example.com", "Bob").await.expect("a user");
    azure.add_administrator(&ann, "dba").await.expect("an administrator");
    let adopting = |object_id: &str| {
        let given = of_object(&azure, object_id, "User", "dba");
        with(given, config! { "adopt_existing" => true })
    };
    let mut admin = plugin.resource(TYPE).create(adopting(&ann)).await;
    admin.settled().await;
    assert_eq!(admin.get("adopted"), &Value::from(true));
    let told = admin.plan(adopting(&bob)).await.expect_err("it is Ann's");
    assert_eq!(told[0].path.to_string(), "object_id");
    let replacing = with(adopting(&bob), config! { "replace_existing" => true });
    assert_eq!(admin.update(replacing).await, Action::Update);
    admin.settled().await;
    assert!(is_bound(&azure, "dba", &bob).await);
    assert_eq!(admin.get("adopted"), &Value::from(false));
    admin.destroy().await;
    assert!(label(&azure, "dba").await.is_none());
}

#[tokio::test]
async fn an_adopted_one_follows_its_identity_and_stays() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let identities = plugin.resource(IDENTITY);
    let first = identities.create(written("dba")).await;
    let (id, former) = (
        text(first.get("id")).to_owned(),
        text(first.get("principal_id")).to_owned(),
    );
    azure.add_administrator(&former, "dba").await.expect("an administrator");
    let adopting = config! {
        "server_id" => azure.postgresql().id.as_str(), "identity_id" => id.as_str(), "adopt_existing" => true,
    };
    let mut admin = plugin.resource(TYPE).create(adopting.clone()).await;
    admin.settled().await;
    assert_eq!(admin.get("adopted"), &Value::from(true));

    first.destroy().await;
    let again = identities.create(written("dba")).await;
    let now = text(again.get("principal_id")).to_owned();
    assert_ne!(former, now);
    next_command(&plugin).await;
    admin.refresh().await;
    assert_eq!(admin.update(adopting).await, Action::Update);
    admin.settled().await;
    assert!(is_bound(&azure, "dba", &now).await);
    assert_eq!(admin.get("adopted"), &Value::from(true));
    admin.destroy().await;
    assert!(is_bound(&azure, "dba", &now).await, "it was there before");
}
