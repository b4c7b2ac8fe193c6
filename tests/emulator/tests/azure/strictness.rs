//! What the emulator does not know, it refuses, and says what that was.

use entradb_emulator::{Access, Method, Service};
use serde_json::json;

use crate::client::{Answer, Arm, http, shared, taken_apart};

fn refused(answer: &Answer, status: u16, code: &str, word: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
    assert!(answer.message().contains(word), "{answer:?}");
}

#[tokio::test]
async fn unknown_things_are_named() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let base = arm.identity("strict");
    let at = |query: &str| format!("{base}{query}");
    refused(
        &arm.get(&at("")).await,
        400,
        "MissingApiVersionParameter",
        "api-version",
    );
    refused(
        &arm.get(&at("?api-version=2015-01-01")).await,
        400,
        "NoRegisteredProviderFound",
        "2015-01-01",
    );
    refused(
        &arm.get(&at("?api-version=2023-01-31&colour=blue")).await,
        400,
        "InvalidQueryParameter",
        "colour",
    );
    let body = json!({"location": "westeurope", "colour": "blue"});
    refused(
        &arm.put(&at("?api-version=2023-01-31"), body).await,
        400,
        "InvalidRequestContent",
        "colour",
    );
    let post = arm.send(Method::POST, &at("?api-version=2023-01-31"), None).await;
    refused(&post, 405, "UnsupportedHttpVerb", "POST");
    let kind = format!(
        "{}/providers/Microsoft.DBforPostgreSQL/wonders/x?api-version=2024-08-01",
        arm.group()
    );
    refused(&arm.get(&kind).await, 400, "InvalidResourceType", "wonders");
    refused(
        &arm.get("/nothing?api-version=2024-08-01").await,
        400,
        "InvalidResourceNamespace",
        "/nothing",
    );
    let path = format!("{}?api-version=2024-08-01", emulator.postgresql().id);
    let body = json!({"properties": {"storage": {"storageSizeGB": 256}}});
    refused(
        &arm.send(Method::PATCH, &path, Some(body)).await,
        400,
        "InvalidRequestContent",
        "properties.storage",
    );
}

#[tokio::test]
async fn missing_things_are_told_apart() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let identity = arm.identity("absent") + "?api-version=2023-01-31";
    refused(
        &arm.get(&identity).await,
        404,
        "ResourceNotFound",
        "userAssignedIdentities/absent",
    );
    let group = identity.replace("data-platform", "elsewhere");
    refused(
        &arm.get(&group).await,
        404,
        "ResourceGroupNotFound",
        "Resource group 'elsewhere' could not be found.",
    );
    let subscription = identity.replace(emulator.subscription_id(), "99999999-0000-0000-0000-000000000000");
    refused(&arm.get(&subscription).await, 404, "SubscriptionNotFound", "99999999");
    let group = format!("{}?api-version=2022-09-01", arm.group());
    assert_eq!(
        arm.get(&group).await.body["properties"]["provisioningState"],
        "Succeeded"
    );
    let operation = format!(
        "/subscriptions/{}/providers/Microsoft.DBforPostgreSQL/locations/westeurope/azureAsyncOperation/x?api-version=2024-08-01",
        emulator.subscription_id()
    );
    refused(&arm.get(&operation).await, 404, "OperationIdNotFound", "'x'");
}

#[tokio::test]
async fn who_asks_matters() {
    let emulator = shared().await;
    let path = Arm::new(emulator).identity("guarded") + "?api-version=2023-01-31";
    let address = format!("{}{path}", emulator.resource_manager_endpoint());
    let nobody = taken_apart(http(emulator).get(&address).send().await.unwrap()).await;
    refused(&nobody, 401, "AuthenticationFailed", "Authorization");
    assert!(nobody.header("www-authenticate").contains(emulator.tenant_id()));
    let with =
        async |token: String| taken_apart(http(emulator).get(&address).bearer_auth(token).send().await.unwrap()).await;
    let runner = &emulator.runner().object_id;
    refused(
        &with(emulator.database_token(runner)).await,
        401,
        "InvalidAuthenticationToken",
        "wrong audience",
    );
    let expired = emulator.expired_token(runner, "https://management.azure.com/");
    refused(
        &with(expired).await,
        401,
        "ExpiredAuthenticationToken",
        "expiry UTC time",
    );

    let app = emulator.add_application("guest", Access::None).await.unwrap();
    let arm = Arm::of(emulator, &app.object_id);
    let action = "'Microsoft.ManagedIdentity/userAssignedIdentities/read'";
    refused(&arm.get(&path).await, 403, "AuthorizationFailed", action);
    emulator.set_access(&app.object_id, Access::Reader);
    assert_eq!(arm.get(&path).await.status, 404);
    let write = arm.put(&path, json!({"location": "westeurope"})).await;
    refused(&write, 403, "AuthorizationFailed", "userAssignedIdentities/write");
}

#[tokio::test]
async fn the_log_tells_what_was_asked() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    arm.get(&(arm.identity("logged") + "?api-version=2023-01-31")).await;
    let entry = emulator
        .log()
        .into_iter()
        .find(|entry| entry.path.ends_with("/logged"))
        .unwrap();
    assert_eq!(
        (entry.service, entry.method.as_str()),
        (Service::ResourceManager, "GET")
    );
    assert_eq!((entry.api_version.as_str(), entry.status), ("2023-01-31", 404));
}
