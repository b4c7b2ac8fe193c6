//! An AKS cluster takes one identity of one kind, by a PUT of the whole.

use entradb::protocol::value::Value;
use entradb_emulator::{Emulator, Options};
use serde_json::{Value as Json, json};

use crate::harness::azure;
use crate::resources::identity_assignment::{TYPE, attached, identity, system, user};

/// Takes a cluster's identity away, as nothing but ARM itself can.
async fn without_identity(azure: &Emulator, id: &str, principal: Option<&str>) {
    let mut body: Json = azure.resource(id);
    body["identity"] = json!({ "type": "None" });
    if let Some(principal) = principal {
        body["properties"]["servicePrincipalProfile"] = json!({ "clientId": principal });
    }
    let root = std::fs::read(azure.ca_file()).expect("the root");
    let root = reqwest::Certificate::from_pem(&root).expect("a certificate");
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .no_proxy()
        .build()
        .expect("a client");
    let address = format!("{}{id}?api-version=2024-09-01", azure.resource_manager_endpoint());
    let token = azure.access_token(&azure.runner().object_id, "https://management.azure.com/");
    let answer = client
        .put(address)
        .bearer_auth(token)
        .json(&body)
        .send()
        .await
        .expect("an answer");
    assert!(
        answer.status().is_success(),
        "{}",
        answer.text().await.unwrap_or_default()
    );
    crate::terraform::workspace::until("the cluster has no identity", || attached(azure, id).0 == "None").await;
}

#[tokio::test]
async fn what_a_cluster_has_is_never_pushed_out() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let target = &azure.targets().cluster;
    let (id, _) = identity(&plugin, "on-aks").await;
    let Err(refused) = plugin.resource(TYPE).try_create(user(target, &id)).await else {
        panic!("it has a system-assigned one")
    };
    assert_eq!(refused.told[0].path.to_string(), "target_id");
    assert!(
        refused.told[0]
            .detail
            .contains("has a system-assigned identity already"),
        "{:?}",
        refused.told
    );

    let mut own = plugin.resource(TYPE).create(system(target)).await;
    own.settled().await;
    own.destroy().await;
    assert_eq!(
        attached(&azure, target).0,
        "SystemAssigned",
        "a cluster cannot be without one"
    );
}

#[tokio::test]
async fn a_cluster_without_one_gets_it_and_keeps_everything_else() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let target = &azure.targets().cluster;
    without_identity(&azure, target, Some("9f1d6e6e-0000-4000-8000-1f6f1b7d0001")).await;
    let before = azure.resource(target);
    let (id, principal) = identity(&plugin, "on-aks").await;
    let mut assignment = plugin.resource(TYPE).create(user(target, &id)).await;
    assignment.settled().await;
    assert_eq!(assignment.get("principal_id"), &principal);
    let after = azure.resource(target);
    assert_eq!(after["properties"], before["properties"]);
    assert_eq!((&after["tags"], &after["sku"]), (&before["tags"], &before["sku"]));
    let Err(refused) = plugin.resource(TYPE).try_create(system(target)).await else {
        panic!("it has a user-assigned one")
    };
    assert!(refused.told[0].detail.contains("on-aks already"), "{:?}", refused.told);
    assert_eq!(assignment.get("identity"), &Value::from(id.as_str()));
    assignment.destroy().await;
    assert_eq!(attached(&azure, target).0, "None");
}
