//! Microsoft Graph: look-ups, the permission switch, and reading oneself.

use entradb_emulator::{Access, Emulator, Method};
use serde_json::json;

use crate::client::{Answer, http, shared, taken_apart};

async fn get(emulator: &Emulator, object_id: &str, path: &str) -> Answer {
    let token = emulator.access_token(object_id, "https://graph.microsoft.com");
    let address = format!("{}/v1.0/{path}", emulator.graph_endpoint());
    taken_apart(http(emulator).get(address).bearer_auth(token).send().await.unwrap()).await
}

#[tokio::test]
async fn who_may_not_read_the_directory_may_read_itself() {
    let emulator = shared().await;
    let app = emulator.add_application("curious", Access::None).await.unwrap();
    let own = get(
        emulator,
        &app.object_id,
        &format!("servicePrincipals(appId='{}')", app.client_id),
    )
    .await;
    assert_eq!(
        (own.status, &own.body["id"], &own.body["displayName"]),
        (200, &json!(app.object_id), &json!("curious"))
    );
    let by_id = get(
        emulator,
        &app.object_id,
        &format!("servicePrincipals/{}?$select=id,appId", app.object_id),
    )
    .await;
    assert_eq!(by_id.body["appId"], json!(app.client_id));
    assert!(by_id.body["displayName"].is_null());
    let other = get(
        emulator,
        &app.object_id,
        &format!("servicePrincipals/{}", emulator.runner().object_id),
    )
    .await;
    assert_eq!((other.status, other.code()), (403, "Authorization_RequestDenied"));
    assert_eq!(other.message(), "Insufficient privileges to complete the operation.");
}

#[tokio::test]
async fn a_directory_reader_finds_everything_that_exists() {
    let emulator = shared().await;
    let app = emulator.add_application("reader", Access::None).await.unwrap();
    emulator.set_directory_reader(&app.object_id, true);
    let user = emulator.add_user("o'brien@example.com", "O'Brien").await.unwrap();
    let group = emulator.add_group("O'Brien's group", &[&user]).await.unwrap();
    let me = &app.object_id;
    assert_eq!(
        get(emulator, me, "users/o'brien@example.com").await.body["id"],
        json!(user)
    );
    let groups = get(emulator, me, "groups?$filter=displayName%20eq%20'O''Brien''s%20group'").await;
    assert_eq!(groups.body["value"][0]["id"], json!(group));
    let list = get(
        emulator,
        me,
        &format!("servicePrincipals?$filter=appId%20eq%20'{}'", app.client_id),
    )
    .await;
    assert_eq!(list.body["value"].as_array().unwrap().len(), 1);
    assert_eq!(
        get(emulator, me, &format!("directoryObjects/{user}")).await.body["@odata.type"],
        "#microsoft.graph.user"
    );
    let missing = get(emulator, me, "servicePrincipals/12416e4c-58d6-4b8e-b9c5-46574fd4a225").await;
    assert_eq!((missing.status, missing.code()), (404, "Request_ResourceNotFound"));
    assert_eq!(
        missing.message(),
        "Resource '12416e4c-58d6-4b8e-b9c5-46574fd4a225' does not exist or one of its queried reference-property objects are \
         not present."
    );
    assert!(missing.body["error"]["innerError"]["request-id"].is_string());
    assert_eq!(
        get(emulator, me, "applications").await.status,
        400,
        "what is not known is refused"
    );
    assert_eq!(get(emulator, me, "groups?$count=true").await.status, 400);
}

#[tokio::test]
async fn a_token_for_something_else_is_refused() {
    let emulator = shared().await;
    let token = emulator.access_token(&emulator.runner().object_id, "https://management.azure.com/");
    let address = format!("{}/v1.0/me", emulator.graph_endpoint());
    let request = http(emulator).request(Method::GET, address).bearer_auth(token);
    let answer = taken_apart(request.send().await.unwrap()).await;
    assert_eq!((answer.status, answer.code()), (401, "InvalidAuthenticationToken"));
}
