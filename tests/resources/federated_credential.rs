//! `entradb_federated_credential`

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Failure, Method, Options};

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;

mod at_once;

const TYPE: &str = "entradb_federated_credential";
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// An identity of its own for a test: its ID and its client ID.
async fn identity(plugin: &Plugin, name: &str) -> (String, String) {
    let identities = plugin.resource("entradb_managed_identity");
    let made = identities.create(config! {
        "name" => name, "resource_group_name" => "data-platform", "location" => "westeurope",
    });
    let made = made.await;
    let text = |name: &str| made.get(name).as_str().expect("a text").to_owned();
    (text("id"), text("client_id"))
}

fn github(identity: &str, name: &str, subject: &str) -> Object {
    config! { "name" => name, "managed_identity_id" => identity, "issuer" => GITHUB, "subject" => subject }
}

fn cluster(azure: &Emulator, identity: &str, account: &str) -> Object {
    config! {
        "name" => "aks", "managed_identity_id" => identity, "aks_cluster_id" => azure.cluster_id(),
        "namespace" => "openmetadata", "service_account" => account,
    }
}

#[tokio::test]
async fn a_whole_life() {
    let plugin = azure::provider(azure::shared().await).await;
    let (id, _) = identity(&plugin, "fic-life").await;
    let credentials = plugin.resource(TYPE);
    let mut credential = credentials
        .create(github(&id, "github", "repo:a/b:ref:refs/heads/main"))
        .await;
    credential.settled().await;
    let own = format!("{id}/federatedIdentityCredentials/github");
    assert_eq!(credential.get("id"), &Value::from(own));
    assert_eq!(credential.get("audience"), &Value::from("api://AzureADTokenExchange"));
    let changed = github(&id, "github", "repo:a/b:environment:production");
    assert_eq!(credential.update(changed).await, Action::Update);
    credential.settled().await;
    let renamed = github(&id, "github-production", "repo:a/b:environment:production");
    assert_eq!(credential.update(renamed).await, Action::Replace);
    credential.settled().await;
    credential.destroy().await;
    assert!(plugin.shut_down().await.success());
}

#[tokio::test]
async fn a_service_account_signs_in_and_its_cluster_is_followed() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let (plugin, later) = (azure::provider(&azure).await, azure::provider(&azure).await);
    let (id, client_id) = identity(&plugin, "fic-cluster").await;
    let given = cluster(&azure, &id, "openmetadata-sa");
    let planned = plugin.resource(TYPE).plan_create(given.clone()).await;
    let subject = Value::from("system:serviceaccount:openmetadata:openmetadata-sa");
    assert_eq!(planned.get("subject"), &subject);
    assert!(planned.get("issuer").is_unknown());
    let mut credential = plugin.resource(TYPE).create(given.clone()).await;
    credential.settled().await;
    assert_eq!(credential.get("issuer"), &Value::from(azure.cluster_issuer()));

    let token = azure.service_account_token("openmetadata", "openmetadata-sa");
    let pod = [
        ("ARM_CLIENT_ID", client_id.as_str()),
        ("ARM_CLIENT_SECRET", ""),
        ("ARM_USE_OIDC", "true"),
        ("ARM_OIDC_TOKEN", &token),
    ];
    let pod = azure::provider_with(&azure, &pod).await;
    let me = pod.read_data_source("entradb_client_config", config! {}).await;
    assert_eq!(me["name"], Value::from("fic-cluster"));
    assert_eq!(me["client_id"], Value::from(client_id));

    let issuer = azure.rotate_cluster_issuer();
    // The next run of Terraform is another process.
    credential.resource = later.resource(TYPE);
    assert_eq!(credential.refresh().await, Found::Same);
    let planned = credential.plan(given.clone()).await.expect("a plan");
    assert_eq!(
        (planned.action, planned.get("issuer")),
        (Action::Update, &Value::from(issuer))
    );
    assert_eq!(credential.update(given).await, Action::Update);
    credential.settled().await;
    let other = cluster(&azure, &id, "other-sa");
    assert_eq!(credential.update(other).await, Action::Update);
    credential.settled().await;
    credential.destroy().await;
}

#[tokio::test]
async fn what_others_changed_is_put_right_and_what_they_deleted_is_made_again() {
    let azure = azure::shared().await;
    let (plugin, elsewhere) = (azure::provider(azure).await, azure::provider(azure).await);
    let (id, _) = identity(&plugin, "fic-drift").await;
    let given = github(&id, "github", "repo:a/b:pull_request");
    let mut credential = plugin.resource(TYPE).create(given.clone()).await;
    let own = credential.get("id").as_str().expect("an ID").to_owned();
    let mut same = elsewhere.resource(TYPE).import(&own).await;
    same.update(github(&id, "github", "repo:c/d:pull_request")).await;
    assert_eq!(credential.refresh().await, Found::Changed);
    assert_eq!(credential.update(given.clone()).await, Action::Update);
    credential.settled().await;
    same.destroy().await;
    assert_eq!(credential.refresh().await, Found::Gone);
    assert_eq!(credential.update(given).await, Action::Create);
    credential.settled().await;
    // With the identity its credentials are gone too.
    elsewhere
        .resource("entradb_managed_identity")
        .import(&id)
        .await
        .destroy()
        .await;
    assert_eq!(credential.refresh().await, Found::Gone);
    let refused = plugin
        .resource(TYPE)
        .try_create(github(&id, "github", "repo:a/b:pull_request"))
        .await;
    let Err(refused) = refused else {
        panic!("there is no identity")
    };
    assert_eq!(refused.told[0].path.to_string(), "managed_identity_id");
}

#[tokio::test]
async fn imports_by_id_and_by_identity_settle() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let (id, _) = identity(&plugin, "fic-imported").await;
    let given = github(&id, "github", "repo:a/b:pull_request");
    let made = plugin.resource(TYPE).create(given.clone()).await;
    let own = made.get("id").as_str().expect("an ID");
    let mut imported = plugin.resource(TYPE).import(&own.to_uppercase()).await;
    imported.settled_as(given.clone()).await;
    let generated = imported.generated_config().await;
    imported.settled_as(generated).await;
    let other = plugin.resource(TYPE).try_import_identity(config! { "id" => own }).await;
    let Ok(other) = other else { panic!("it is found") };
    assert_eq!(other.state, made.state);
    for wrong in [own.replace("github", "nowhere"), id.clone(), "no-id".to_owned()] {
        assert!(plugin.resource(TYPE).try_import(&wrong).await.is_err(), "{wrong}");
    }
    // What is imported by its subject is the same when a service account names it; nothing is written for that.
    let (of_account, _) = identity(&plugin, "fic-imported-account").await;
    let account = cluster(azure, &of_account, "openmetadata-sa");
    let made = plugin.resource(TYPE).create(account.clone()).await;
    let mut imported = plugin
        .resource(TYPE)
        .import(made.get("id").as_str().expect("an ID"))
        .await;
    imported.update(account).await;
    imported.settled().await;
    assert_eq!(imported.state, made.state);
}

#[tokio::test]
async fn the_same_is_adopted_and_another_is_refused_with_the_command() {
    let plugin = azure::provider(azure::shared().await).await;
    let (id, _) = identity(&plugin, "fic-taken").await;
    let credentials = plugin.resource(TYPE);
    let given = github(&id, "github", "repo:a/b:pull_request");
    credentials.create(given.clone()).await;
    credentials.create(given).await.settled().await;
    let refused = credentials
        .try_create(github(&id, "github", "repo:c/d:pull_request"))
        .await;
    let Err(refused) = refused else { panic!("it is another") };
    let command = format!("terraform import <address> '{id}/federatedIdentityCredentials/github'");
    assert!(refused.told[0].detail.contains(&command), "{:?}", refused.told);
    let refused = credentials
        .try_create(github(&id, "twin", "repo:a/b:pull_request"))
        .await;
    let Err(refused) = refused else {
        panic!("it trusts the same")
    };
    assert_eq!(refused.told[0].summary, "Duplicate federated credential");
    assert!(refused.told[0].detail.contains("`github`"), "{:?}", refused.told);
}

#[tokio::test]
async fn trouble_on_the_way_is_waited_out() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let (id, _) = identity(&plugin, "fic-trouble").await;
    let path = "fic-trouble/federatedIdentityCredentials";
    let status = |status, retry_after| Failure::Status { status, retry_after };
    let troubles = [
        (Method::GET, status(429, Some(1))),
        (Method::PUT, status(503, None)),
        (Method::PUT, Failure::DropConnection),
        (Method::PUT, Failure::DropAfterWrite),
        (Method::GET, Failure::Html(502)),
        (Method::DELETE, Failure::DropAfterWrite),
    ];
    for (method, failure) in troubles {
        azure.faults().fail_next(method, path, 1, failure);
    }
    let mut credential = plugin
        .resource(TYPE)
        .create(github(&id, "github", "repo:a/b:pull_request"))
        .await;
    credential.settled().await;
    credential.destroy().await;

    let mut credential = plugin
        .resource(TYPE)
        .create(github(&id, "github", "repo:a/b:pull_request"))
        .await;
    azure.faults().fail_next(Method::DELETE, path, 1, status(403, None));
    assert!(credential.try_destroy().await.is_err());
    assert!(credential.exists(), "what is still there is kept");
    credential.destroy().await;
}

#[tokio::test]
async fn mistakes_are_told_where_they_are() {
    let plugin = azure::provider(azure::shared().await).await;
    let identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    let good = github(identity, "github", "repo:a/b:pull_request");
    let table: [(&str, &str); 6] = [
        ("name", "no name"),
        (
            "managed_identity_id",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm",
        ),
        ("issuer", "http://insecure.example"),
        ("subject", " spaced "),
        ("audience", "two\nlines"),
        ("aks_cluster_id", identity),
    ];
    for (attribute, value) in table {
        let mut given = good.clone();
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
    let mut half = good.clone();
    half.remove("subject");
    half.insert("namespace".to_owned(), Value::from("openmetadata"));
    assert!(plugin.resource(TYPE).try_plan_create(half).await.is_err());
}

#[tokio::test]
async fn a_plan_to_create_asks_nobody() {
    let nowhere = [("ARM_RESOURCE_MANAGER_ENDPOINT", "https://127.0.0.1:1")];
    let plugin = azure::provider_with(azure::shared().await, &nowhere).await;
    let given = config! {
        "name" => "aks", "managed_identity_id" => Value::unknown(), "aks_cluster_id" => Value::unknown(),
        "namespace" => "openmetadata", "service_account" => Value::unknown(),
    };
    let planned = plugin.resource(TYPE).plan_create(given).await;
    for name in ["id", "issuer", "subject"] {
        assert!(planned.get(name).is_unknown(), "{name}");
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_named() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let (id, _) = identity(&plugin, "fic-no-cluster").await;
    let mut given = cluster(azure, &id, "openmetadata-sa");
    given.insert(
        "aks_cluster_id".to_owned(),
        Value::from(format!("{}-2", azure.cluster_id())),
    );
    let refused = plugin.resource(TYPE).try_create(given).await;
    let Err(refused) = refused else {
        panic!("there is no cluster")
    };
    assert_eq!(refused.told[0].path.to_string(), "aks_cluster_id");
    assert_eq!(refused.told[0].summary, "Cluster not found");
}
