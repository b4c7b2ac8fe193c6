//! Entra administrators of a server: ARM's long-running operations, and the role in the real server.

use entradb_emulator::{Emulator, Method, Options};
use serde_json::{Value, json};

use crate::client::{Arm, connect, shared};

fn body(emulator: &Emulator, kind: &str, name: &str) -> Value {
    json!({"properties": {"principalType": kind, "principalName": name, "tenantId": emulator.tenant_id()}})
}

fn at(emulator: &Emulator, object_id: &str) -> String {
    format!(
        "{}/administrators/{object_id}?api-version=2025-08-01",
        emulator.postgresql().id
    )
}

/// One at a time: administrators of one server must be written one after the other.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    ALONE.lock().await
}

#[tokio::test]
async fn an_administrator_lives_as_recorded() {
    let _alone = alone().await;
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let user = emulator.add_user("grace@example.com", "Grace").await.unwrap();
    let path = at(emulator, &user);
    let started = arm.put(&path, body(emulator, "User", "grace@example.com")).await;
    assert_eq!(started.status, 202, "{started:?}");
    assert_eq!(started.body["operation"], "UpsertAadAuthPrincipalManagementOperation");
    let poll = started.header("azure-asyncoperation");
    assert!(
        poll.contains("/providers/Microsoft.DBforPostgreSQL/locations/westeurope/azureAsyncOperation/"),
        "{poll}"
    );
    assert!(
        poll.contains("&t=") && poll.len() > 2000,
        "the address is signed and long"
    );
    assert!(started.header("location").contains("/operationResults/"));
    let (end, _) = arm.finish(&started).await;
    assert_eq!(end["status"], "Succeeded");
    let result = arm.at(Method::GET, started.header("location"), None).await;
    assert_eq!(
        (result.status, &result.body["properties"]["tenantId"]),
        (200, &Value::Null)
    );

    let seen = arm.get(&path).await;
    let id = format!("{}/administrators/{user}", emulator.postgresql().id);
    let expected = json!({
        "properties": {
            "principalType": "User", "principalName": "grace@example.com", "objectId": user,
            "tenantId": emulator.tenant_id(),
        },
        "id": id, "name": "grace@example.com", "type": "Microsoft.DBforPostgreSQL/flexibleServers/administrators",
    });
    assert_eq!(seen.body, expected);
    let list = arm.get(&at(emulator, "").replace("/?", "?")).await;
    let item = list.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["id"] == id)
        .cloned()
        .unwrap();
    assert_eq!(item["name"], Value::Null, "items of a list have no name");

    let client = connect(
        emulator,
        "grace@example.com",
        &emulator.database_token(&user),
        "postgres",
    )
    .await
    .unwrap();
    let query = "select rolcreaterole, rolcreatedb, rolsuper, pg_has_role(session_user, 'azure_pg_admin', 'member'),
        (select label from pg_shseclabel where objoid = r.oid) from pg_roles r where rolname = session_user";
    let row = client.query_one(query, &[]).await.unwrap();
    let flags: Vec<bool> = (0..4).map(|index| row.get(index)).collect();
    assert_eq!(flags, [true, true, false, true]);
    assert_eq!(row.get::<_, String>(4), format!("aadauth,oid={user},type=user,admin"));

    let removed = arm.delete(&path).await;
    assert_eq!(removed.body["operation"], "DropAadAuthPrincipalManagementOperation");
    assert_eq!(arm.finish(&removed).await.0["status"], "Succeeded");
    let result = arm.at(Method::GET, removed.header("location"), None).await;
    assert_eq!((result.status, result.body), (200, Value::Null));
    assert_eq!(arm.get(&path).await.status, 404);
    assert_eq!(arm.delete(&path).await.status, 204);
    let eyes = emulator.superuser("postgres").await;
    let rows = eyes
        .query("select from pg_roles where rolname = 'grace@example.com'", &[])
        .await
        .unwrap();
    assert!(rows.is_empty(), "nothing hangs on the role, so it goes");
}

#[tokio::test]
async fn what_the_directory_does_not_confirm_fails_in_the_operation() {
    let _alone = alone().await;
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let unknown = at(emulator, "11111111-2222-3333-4444-555555555555");
    let started = arm.put(&unknown, body(emulator, "User", "nobody@example.com")).await;
    let (end, _) = arm.finish(&started).await;
    assert_eq!(end["status"], "Failed");
    assert_eq!(
        end["error"]["message"],
        "Failed to create Azure AD Principal. Reason - 0LP01: An unexpected error occurred while trying to validate user."
    );
    let runner = at(emulator, &emulator.runner().object_id);
    let started = arm.put(&runner, body(emulator, "Group", "terraform")).await;
    let (end, _) = arm.finish(&started).await;
    assert!(
        end["error"]["message"]
            .as_str()
            .unwrap()
            .contains("incorrect object type"),
        "{end}"
    );
    let kindless = arm
        .put(&runner, json!({"properties": {"principalName": "x", "tenantId": "y"}}))
        .await;
    assert_eq!(kindless.status, 400);
}

#[tokio::test]
async fn a_busy_server_refuses_a_second_change() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    emulator.faults().slow_operations(std::time::Duration::from_secs(1));
    let path = at(&emulator, &emulator.runner().object_id);
    let body = body(&emulator, "ServicePrincipal", "terraform");
    let first = arm.put(&path, body.clone()).await;
    let second = arm.put(&path, body).await;
    let code = "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible";
    assert_eq!((second.status, second.code()), (409, code));
    let server = arm
        .get(&format!("{}?api-version=2025-08-01", emulator.postgresql().id))
        .await;
    assert_eq!(server.body["properties"]["state"], "Updating");
    assert_eq!(arm.finish(&first).await.0["status"], "Succeeded");
}
