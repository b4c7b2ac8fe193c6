//! `entradb_managed_identity`

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Failure, Method};

use crate::harness::azure;
use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::{block, config};

const TYPE: &str = "entradb_managed_identity";

fn written(name: &str, tags: &[(&str, &str)]) -> Object {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value)));
    config! {
        "name" => name,
        "resource_group_name" => "data-platform",
        "location" => "West Europe",
        "tags" => Value::Map(tags.collect()),
    }
}

#[tokio::test]
async fn a_whole_life() {
    let plugin = azure::provider(azure::shared().await).await;
    let identities = plugin.resource(TYPE);
    let mut identity = identities.create(written("life", &[("team", "data")])).await;
    identity.settled().await;
    let id = identity.get("id").clone();
    assert_eq!(
        identity.update(written("life", &[("team", "web")])).await,
        Action::Update
    );
    assert_eq!(identity.get("id"), &id);
    identity.settled().await;
    assert_eq!(identity.update(written("life-2", &[])).await, Action::Replace);
    assert_ne!(identity.get("id"), &id);
    identity.settled().await;
    identity.destroy().await;
    assert!(plugin.shut_down().await.success());
}

#[tokio::test]
async fn what_others_changed_is_put_right_and_what_they_deleted_is_made_again() {
    let plugin = azure::provider(azure::shared().await).await;
    let identities = plugin.resource(TYPE);
    let mut identity = identities.create(written("drift", &[("team", "data")])).await;
    let id = identity.get("id").as_str().expect("an ID").to_owned();
    let other = azure::provider(azure::shared().await).await;
    let mut same = other.resource(TYPE).import(&id).await;
    same.update(written("drift", &[("team", "web")])).await;
    assert_eq!(identity.refresh().await, Found::Changed);
    assert_eq!(
        identity.update(written("drift", &[("team", "data")])).await,
        Action::Update
    );
    identity.settled().await;
    same.destroy().await;
    assert_eq!(identity.refresh().await, Found::Gone);
    assert_eq!(identity.update(written("drift", &[])).await, Action::Create);
    identity.settled().await;
}

#[tokio::test]
async fn imports_by_id_and_by_identity_settle() {
    let plugin = azure::provider(azure::shared().await).await;
    let identities = plugin.resource(TYPE);
    let made = identities.create(written("imported", &[("team", "data")])).await;
    let id = made.get("id").as_str().expect("an ID");
    let mut imported = identities.import(&id.to_uppercase()).await;
    imported.settled_as(written("imported", &[("team", "data")])).await;
    let generated = imported.generated_config().await;
    imported.settled_as(generated).await;
    let other = identities.try_import_identity(config! { "id" => id }).await;
    let Ok(other) = other else { panic!("it is found") };
    assert_eq!(other.get("client_id"), made.get("client_id"));
    assert!(identities.try_import(&id.replace("imported", "nowhere")).await.is_err());
    assert!(identities.try_import("no-id").await.is_err());
}

#[tokio::test]
async fn the_same_is_adopted_and_another_is_refused_with_the_command() {
    let plugin = azure::provider(azure::shared().await).await;
    let identities = plugin.resource(TYPE);
    let first = identities.create(written("taken", &[("team", "data")])).await;
    let again = identities.create(written("taken", &[("team", "data")])).await;
    assert_eq!(again.get("client_id"), first.get("client_id"));
    let refused = identities.try_create(written("taken", &[("team", "web")])).await;
    let Err(refused) = refused else { panic!("it is another") };
    assert!(
        refused.told[0].detail.contains("terraform import"),
        "{:?}",
        refused.told
    );
    assert!(!refused.left.exists());
}

#[tokio::test]
async fn an_answer_that_is_lost_loses_nothing() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    azure
        .faults()
        .fail_next(Method::PUT, "userAssignedIdentities/lost", 1, Failure::DropAfterWrite);
    let mut identity = plugin.resource(TYPE).create(written("lost", &[])).await;
    identity.settled().await;
    let failure = Failure::Status {
        status: 403,
        retry_after: None,
    };
    azure
        .faults()
        .fail_next(Method::DELETE, "userAssignedIdentities/lost", 1, failure);
    assert!(identity.try_destroy().await.is_err());
    assert!(identity.exists(), "what is still there is kept");
    identity.destroy().await;
}

#[tokio::test]
async fn a_plan_to_create_asks_nobody() {
    let plugin = azure::provider_with(
        azure::shared().await,
        &[("ARM_RESOURCE_MANAGER_ENDPOINT", "https://127.0.0.1:1")],
    );
    let plugin = plugin.await;
    let planned = plugin
        .resource(TYPE)
        .plan_create(config! {
            "name" => Value::unknown(),
            "resource_group_name" => "g",
            "location" => "westeurope",
            "timeouts" => block! { "create" => "1m" },
        })
        .await;
    assert!(planned.get("client_id").is_unknown());
}

#[tokio::test]
async fn trouble_on_the_way_is_waited_out() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let path = "userAssignedIdentities/trouble";
    let status = |status, retry_after| Failure::Status { status, retry_after };
    let troubles = [
        (Method::GET, status(429, Some(1))),
        (Method::PUT, status(500, None)),
        (Method::PUT, Failure::DropConnection),
        (Method::GET, Failure::Html(502)),
        (Method::PATCH, status(503, Some(1))),
        (Method::DELETE, Failure::DropAfterWrite),
    ];
    for (method, failure) in troubles {
        azure.faults().fail_next(method, path, 1, failure);
    }
    let mut identity = plugin.resource(TYPE).create(written("trouble", &[])).await;
    identity.settled().await;
    identity.update(written("trouble", &[("team", "data")])).await;
    identity.settled().await;
    identity.destroy().await;
}

#[tokio::test]
async fn an_identity_that_was_made_anew_has_other_ids_and_no_change() {
    let azure = azure::shared().await;
    let (plugin, elsewhere) = (azure::provider(azure).await, azure::provider(azure).await);
    let mut identity = plugin.resource(TYPE).create(written("anew", &[])).await;
    let (id, former) = (identity.get("id").clone(), identity.get("principal_id").clone());
    elsewhere
        .resource(TYPE)
        .import(id.as_str().expect("an ID"))
        .await
        .destroy()
        .await;
    elsewhere.resource(TYPE).create(written("anew", &[])).await;
    assert_eq!(identity.refresh().await, Found::Changed);
    assert_ne!(identity.get("principal_id"), &former);
    identity.settled().await;
    assert_eq!(identity.get("id"), &id);
}

#[tokio::test]
async fn mistakes_are_told_where_they_are() {
    let plugin = azure::provider(azure::shared().await).await;
    for (attribute, value) in [
        ("name", "-x"),
        ("name", "a/b"),
        ("resource_group_name", "a/b"),
        ("location", "../x"),
    ] {
        let mut given = written("wrong", &[]);
        given.insert(attribute.to_owned(), Value::from(value));
        let told = plugin
            .resource(TYPE)
            .try_plan_create(given)
            .await
            .expect_err("a mistake");
        assert!(
            told.iter().any(|one| one.path.to_string() == attribute),
            "{attribute}: {told:?}"
        );
    }
    let mut nowhere = written("nowhere", &[]);
    nowhere.insert("resource_group_name".to_owned(), Value::from("nowhere"));
    let Err(refused) = plugin.resource(TYPE).try_create(nowhere).await else {
        panic!("there is no group")
    };
    assert!(refused.told[0].detail.contains("'nowhere'"), "{:?}", refused.told);
    let mut spelled = written("spelled", &[]);
    let mut identity = plugin.resource(TYPE).create(spelled.clone()).await;
    spelled.insert("resource_group_name".to_owned(), Value::from("Data-Platform"));
    assert_eq!(identity.update(spelled).await, Action::NoOp);
}
