//! Federated credentials: limits, conflicts of writes that overlap, and the exchange that they allow.

use entradb_emulator::Method;
use serde_json::{Value, json};

use crate::client::{Arm, post_token, shared};

const EXCHANGE: &str = "api://AzureADTokenExchange";

fn body(issuer: &str, subject: &str) -> Value {
    json!({"properties": {"issuer": issuer, "subject": subject, "audiences": [EXCHANGE]}})
}

fn at(arm: &Arm<'_>, identity: &str, name: &str) -> String {
    format!(
        "{}/federatedIdentityCredentials/{name}?api-version=2023-01-31",
        arm.identity(identity)
    )
}

async fn exchange(emulator: &entradb_emulator::Emulator, client: &str, assertion: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
        ("scope", "https://ossrdbms-aad.database.windows.net/.default"),
    ];
    let answer = post_token(emulator, &form).await;
    (answer.status, answer.body["error_codes"][0].clone())
}

#[tokio::test]
async fn a_credential_lives_as_recorded() {
    let arm = Arm::new(shared().await);
    arm.make_identity("federated").await;
    let path = at(&arm, "federated", "aks");
    let made = arm
        .put(&path, body("https://issuer.example/one/", "system:serviceaccount:a:b"))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.body["id"].as_str().unwrap();
    assert!(id.contains("/resourcegroups/") && id.ends_with("/federatedIdentityCredentials/aks"));
    assert!(made.header("location").starts_with(id));
    assert_eq!(
        made.body["type"],
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
    );
    let changed = arm
        .put(&path, body("https://issuer.example/one/", "system:serviceaccount:a:c"))
        .await;
    assert_eq!(
        (changed.status, &changed.body["properties"]["subject"]),
        (200, &json!("system:serviceaccount:a:c"))
    );
    let list = arm.get(&at(&arm, "federated", "").replace("/?", "?")).await;
    assert_eq!(list.body, json!({"value": [changed.body]}));
    assert_eq!(arm.delete(&path).await.status, 200);
    assert_eq!(arm.delete(&path).await.status, 204);
    let gone = arm.get(&path).await;
    assert_eq!((gone.status, gone.code()), (404, "NotFound"));
    let orphan = arm.get(&at(&arm, "nobody", "aks")).await;
    assert_eq!((orphan.status, orphan.code()), (404, "ParentResourceNotFound"));
}

#[tokio::test]
async fn limits_are_kept_in_azures_words() {
    let arm = Arm::new(shared().await);
    arm.make_identity("limited").await;
    let refused = async |name: &str, body: Value| {
        let answer = arm.put(&at(&arm, "limited", name), body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.message().to_owned()
    };
    let good = body("https://issuer.example/", "one");
    assert_eq!(
        refused("a", good.clone()).await,
        "Federated Identity Credential name 'a' is invalid."
    );
    let empty = refused("empty", json!({})).await;
    assert_eq!(
        empty,
        "Federated Identity Credential from HTTP body has empty properties"
    );
    let mut two = good.clone();
    two["properties"]["audiences"] = json!(["one", "two"]);
    assert_eq!(
        refused("two", two).await,
        "Federated identity credentials must have exactly one audience."
    );
    refused("plain", body("http://issuer.example/", "one")).await;
    refused("long", body("https://issuer.example/", &"x".repeat(601))).await;
    for number in 0..20 {
        let path = at(&arm, "limited", &format!("credential-{number}"));
        let answer = arm
            .put(&path, body("https://issuer.example/", &format!("subject {number}")))
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let same = refused("same", body("https://issuer.example/", "subject 7")).await;
    assert_eq!(
        same,
        "Issuer and subject combination already exists for this Managed Identity."
    );
    refused("one-too-many", body("https://issuer.example/", "subject 20")).await;
}

#[tokio::test]
async fn writes_that_overlap_conflict_under_one_identity_only() {
    let arm = Arm::new(shared().await);
    arm.make_identity("crowded").await;
    arm.make_identity("quiet").await;
    let (one, two, other) = (
        at(&arm, "crowded", "one"),
        at(&arm, "crowded", "two"),
        at(&arm, "quiet", "one"),
    );
    let (first, second, third) = tokio::join!(
        arm.put(&one, body("https://issuer.example/", "one")),
        arm.put(&two, body("https://issuer.example/", "two")),
        arm.put(&other, body("https://issuer.example/", "one")),
    );
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!((statuses, third.status), ([201, 409], 201));
}

#[tokio::test]
async fn a_pod_gets_a_token_when_issuer_subject_and_audience_fit() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let cluster = arm
        .get(&format!("{}?api-version=2024-09-01", emulator.cluster_id()))
        .await;
    let issuer = cluster.body["properties"]["oidcIssuerProfile"]["issuerURL"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(issuer, emulator.cluster_issuer());
    assert!(issuer.ends_with('/'));
    let identity = arm.make_identity("pod").await;
    let client = identity["properties"]["clientId"].as_str().unwrap();
    let assertion = emulator.service_account_token("openmetadata", "openmetadata-sa");

    let foreign = emulator.external_token(
        "https://elsewhere.example/",
        "system:serviceaccount:openmetadata:openmetadata-sa",
    );
    assert_eq!(exchange(emulator, client, &assertion).await, (401, json!(700_213)));
    let path = at(&arm, "pod", "aks");
    let body = body(&issuer, "system:serviceaccount:openmetadata:openmetadata-sa");
    assert_eq!(arm.put(&path, body).await.status, 201);
    assert_eq!(exchange(emulator, client, &assertion).await.0, 200);
    assert_eq!(exchange(emulator, client, &foreign).await, (401, json!(700_211)));
    let other = emulator.service_account_token("openmetadata", "default");
    assert_eq!(exchange(emulator, client, &other).await, (401, json!(700_213)));
    let mut forged = assertion.clone();
    forged.truncate(forged.len() - 8);
    forged.push_str("AAAAAAAA");
    assert_eq!(exchange(emulator, client, &forged).await, (401, json!(50013)));
    assert_eq!(arm.send(Method::DELETE, &path, None).await.status, 200);
    assert_eq!(exchange(emulator, client, &assertion).await.0, 401);
}
