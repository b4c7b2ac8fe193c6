//! The server's own resource: its shape, the authentication switches and what they do, identities, databases.

use entradb_emulator::{Emulator, Method, Options};
use serde_json::{Value, json};

use crate::client::{Arm, administrator, connect, refusal, shared};

#[tokio::test]
async fn a_server_is_shown_as_recorded() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let answer = arm
        .get(&format!("{}?api-version=2024-08-01", emulator.postgresql().id))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["location"], "West Europe");
    let properties = &answer.body["properties"];
    assert_eq!(
        properties["fullyQualifiedDomainName"],
        "pg-data.postgres.database.azure.com"
    );
    let authentication =
        json!({"activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled", "tenantId": emulator.tenant_id()});
    assert_eq!(properties["authConfig"], authentication);
    assert_eq!(properties["administratorLogin"], "pgadmin");
    let all = format!(
        "{}/providers/Microsoft.DBforPostgreSQL/flexibleServers?api-version=2024-08-01",
        arm.group()
    );
    let list = arm.get(&all).await;
    assert_eq!(list.body["value"][0]["id"], answer.body["id"]);
}

#[tokio::test]
async fn entra_is_switched_on_by_a_patch_that_restarts() {
    let options = Options {
        entra_enabled: false,
        ..Options::default()
    };
    let emulator = Emulator::start(options).await.unwrap();
    let arm = Arm::new(&emulator);
    let server = emulator.postgresql();
    let (user, password) = (&server.administrator, &server.administrator_password);
    let before = connect(&emulator, user, password, "postgres").await.unwrap();
    let missing = before
        .query("select * from pgaadauth_list_principals(false)", &[])
        .await
        .unwrap_err();
    assert_eq!(missing.code().unwrap().code(), "42883");
    let administrators = format!(
        "{}/administrators/{}?api-version=2024-08-01",
        server.id,
        emulator.runner().object_id
    );
    let body = json!({"properties": {"principalType": "ServicePrincipal", "principalName": "terraform",
        "tenantId": emulator.tenant_id()}});
    assert_eq!(arm.put(&administrators, body).await.status, 400, "Entra is off");

    let path = format!("{}?api-version=2024-08-01", server.id);
    let patch = async |config: Value| {
        arm.send(
            Method::PATCH,
            &path,
            Some(json!({"properties": {"authConfig": config}})),
        )
        .await
    };
    assert_eq!(
        patch(json!({"activeDirectoryAuth": "Enabled"})).await.status,
        400,
        "the tenant is needed"
    );
    let tenant = emulator.tenant_id();
    let started = patch(json!({"activeDirectoryAuth": "Enabled", "passwordAuth": "Enabled", "tenantId": tenant})).await;
    assert_eq!(started.body["operation"], "UpsertServerManagementOperationV2");
    assert_eq!(arm.finish(&started).await.0["status"], "Succeeded");
    assert!(
        before.query("select 1", &[]).await.is_err(),
        "the restart ended the session"
    );
    let client = administrator(&emulator, "postgres").await;
    client
        .query("select * from pgaadauth_list_principals(true)", &[])
        .await
        .unwrap();

    let started = patch(json!({"passwordAuth": "Disabled"})).await;
    assert_eq!(arm.finish(&started).await.0["status"], "Succeeded");
    assert_eq!(refusal(&emulator, user, password, "postgres").await.0, "28P01");
    assert_eq!(
        patch(json!({"activeDirectoryAuth": "Disabled"})).await.status,
        400,
        "one way in must stay"
    );
}

#[tokio::test]
async fn identities_of_a_server_are_merged() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let one = arm.make_identity("server-one").await["id"].as_str().unwrap().to_owned();
    let path = format!("{}?api-version=2024-08-01", emulator.postgresql().id);
    let body = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {&one: {}}}});
    // Other tests write administrators to this server: a busy server is met as any client meets it.
    let started = loop {
        let answer = arm.send(Method::PATCH, &path, Some(body.clone())).await;
        if answer.status != 409 {
            break answer;
        }
    };
    arm.finish(&started).await;
    let seen = arm.get(&path).await;
    assert!(
        seen.body["identity"]["userAssignedIdentities"][&one]["principalId"].is_string(),
        "{seen:?}"
    );
    let unknown = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {"/nothing": {}}}});
    assert_eq!(arm.send(Method::PATCH, &path, Some(unknown)).await.status, 400);
}

#[tokio::test]
async fn databases_are_listed_made_and_dropped() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let base = format!("{}/databases", emulator.postgresql().id);
    let names = async || {
        let list = arm.get(&format!("{base}?api-version=2024-08-01")).await;
        let names = list.body["value"].as_array().unwrap().iter();
        names
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names().await,
        ["app", "azure_maintenance", "azure_sys", "openmetadata_db", "postgres"]
    );
    let path = format!("{base}/extra?api-version=2024-08-01");
    let started = arm
        .put(
            &path,
            json!({"properties": {"charset": "UTF8", "collation": "en_US.utf8"}}),
        )
        .await;
    assert_eq!(arm.finish(&started).await.0["status"], "Succeeded");
    let owner = "select pg_get_userbyid(datdba) from pg_database where datname = 'extra'";
    let eyes = emulator.superuser("extra").await;
    assert_eq!(eyes.query_one(owner, &[]).await.unwrap().get::<_, String>(0), "pgadmin");
    let schema = "select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'public'";
    assert_eq!(
        eyes.query_one(schema, &[]).await.unwrap().get::<_, String>(0),
        "azure_pg_admin"
    );
    let started = arm.delete(&path).await;
    assert_eq!(arm.finish(&started).await.0["status"], "Succeeded");
    assert_eq!(arm.get(&path).await.status, 404);
    let system = arm.delete(&format!("{base}/azure_sys?api-version=2024-08-01")).await;
    assert_eq!(system.status, 400);
}
