//! Azure SQL servers and managed instances in ARM: the administrator, Entra-only authentication, identities.

use entradb_emulator::{Emulator, Options};
use serde_json::{Value, json};

use crate::client::Arm;

const VERSION: &str = "api-version=2021-11-01";
const SOMEBODY: &str = "11111111-2222-3333-4444-555555555555";

async fn own() -> Emulator {
    Emulator::start(Options::default()).await.unwrap()
}

fn administrator(emulator: &Emulator, sid: &str) -> Value {
    json!({"properties": {
        "administratorType": "ActiveDirectory", "login": "dba", "sid": sid, "tenantId": emulator.tenant_id(),
    }})
}

fn only(wanted: bool) -> Value {
    json!({"properties": {"azureADOnlyAuthentication": wanted}})
}

#[tokio::test]
async fn passwords_are_refused_only_with_an_administrator() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    for (server, managed) in [
        (&emulator.sql_server().id, ""),
        (&emulator.managed_instance().id, "Managed"),
    ] {
        let sid = emulator
            .add_user(&format!("dba{managed}@example.com"), "DBA")
            .await
            .unwrap();
        let who = format!("{server}/administrators/ActiveDirectory?{VERSION}");
        let switch = format!("{server}/azureADOnlyAuthentications/Default?{VERSION}");
        let early = arm.put(&switch, only(true)).await;
        let code = format!("Invalid{managed}ServerAADOnlyAuthNoAADAdminPropertyName");
        assert_eq!((early.status, early.code()), (400, code.as_str()));

        let first = arm.put(&who, administrator(&emulator, &sid)).await;
        assert_eq!(first.body["operation"], "CreateActiveDirectoryAdministrator");
        arm.finish(&first).await;
        let second = arm.put(&who, administrator(&emulator, &sid)).await;
        assert_eq!(second.body["operation"], "UpdateActiveDirectoryAdministrator");
        arm.finish(&second).await;
        let on = arm.put(&switch, only(true)).await;
        assert_eq!(on.body["operation"], "UpdateActiveDirectoryAdministrator");
        assert!(
            on.header("azure-asyncoperation")
                .contains("/resourceGroups/data-platform/providers/Microsoft.Sql/")
        );
        arm.finish(&on).await;
        assert!(emulator.entra_only(server));

        let kept = arm.delete(&who).await;
        let code = format!("Invalid{managed}ServerAzureADAdminDeleteOperation");
        assert_eq!((kept.status, kept.code()), (400, code.as_str()));
        arm.finish(&arm.put(&switch, only(false)).await).await;
        let dropped = arm.delete(&who).await;
        assert_eq!(dropped.body["operation"], "DropActiveDirectoryAdministrator");
        arm.finish(&dropped).await;
        assert_eq!(arm.get(&who).await.code(), "ResourceNotFound");
        let gone = if managed.is_empty() { 204 } else { 200 };
        assert_eq!(arm.delete(&who).await.status, gone);
    }
}

#[tokio::test]
async fn only_a_managed_instance_looks_the_principal_up() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    let server = format!("{}/administrators/ActiveDirectory?{VERSION}", emulator.sql_server().id);
    let (end, _) = arm
        .finish(&arm.put(&server, administrator(&emulator, SOMEBODY)).await)
        .await;
    assert_eq!(end["status"], "Succeeded");
    let instance = format!(
        "{}/administrators/ActiveDirectory?{VERSION}",
        emulator.managed_instance().id
    );
    let (end, _) = arm
        .finish(&arm.put(&instance, administrator(&emulator, SOMEBODY)).await)
        .await;
    assert_eq!(
        (&end["status"], &end["error"]["code"]),
        (&json!("Failed"), &json!("PrincipalNotFoundInTenant"))
    );
    assert_eq!(arm.get(&instance).await.status, 404);
}

#[tokio::test]
async fn a_managed_instance_looks_up_only_what_it_may_read() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    let instance = &emulator.managed_instance().id;
    let sid = emulator.add_user("dba@example.com", "DBA").await.unwrap();
    let who = format!("{instance}/administrators/ActiveDirectory?{VERSION}");
    emulator.set_instance_reads_directory(instance, false);
    let (end, _) = arm.finish(&arm.put(&who, administrator(&emulator, &sid)).await).await;
    assert_eq!(
        (&end["status"], &end["error"]["code"]),
        (&json!("Failed"), &json!("ServicePrincipalLookupInAadFailed"))
    );
    assert_eq!(arm.get(&who).await.status, 404);
    emulator.set_instance_reads_directory(instance, true);
    let (end, _) = arm.finish(&arm.put(&who, administrator(&emulator, &sid)).await).await;
    assert_eq!(end["status"], "Succeeded");
}

#[tokio::test]
async fn both_ids_of_an_application_are_returned_as_sent() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    let identity = arm.make_identity("sql-admin").await;
    for name in ["principalId", "clientId"] {
        let sid = identity["properties"][name].as_str().unwrap();
        for server in [&emulator.sql_server().id, &emulator.managed_instance().id] {
            let path = format!("{server}/administrators/activedirectory?{VERSION}");
            arm.finish(&arm.put(&path, administrator(&emulator, sid)).await).await;
            let seen = arm.get(&path).await.body;
            assert_eq!(
                (&seen["properties"]["sid"], &seen["name"]),
                (&json!(sid), &json!("ActiveDirectory"))
            );
            let server = arm
                .get(&format!("{server}?{VERSION}&$expand=administrators/activedirectory"))
                .await
                .body;
            assert_eq!(server["properties"]["administrators"]["principalType"], "Application");
        }
    }
    let plain = arm.get(&format!("{}?{VERSION}", emulator.sql_server().id)).await.body;
    assert_eq!(plain["properties"]["administrators"], Value::Null, "only when expanded");
    let odd = arm
        .get(&format!("{}?{VERSION}&$expand=everything", emulator.sql_server().id))
        .await;
    assert_eq!(odd.status, 400);
}

#[tokio::test]
async fn a_server_names_the_identity_it_acts_with() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    let (one, two) = (arm.make_identity("sql-one").await, arm.make_identity("sql-two").await);
    let (one, two) = (one["id"].as_str().unwrap(), two["id"].as_str().unwrap());
    let path = format!("{}?{VERSION}", emulator.sql_server().id);
    let assign = |map: Value| json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": map}});
    let missing = arm.patch(&path, assign(json!({one: {}}))).await;
    assert_eq!((missing.status, missing.code()), (400, "MissingPrimaryIdentity"));
    let mut body = assign(json!({one: {}}));
    body["properties"] = json!({"primaryUserAssignedIdentityId": two});
    assert_eq!(arm.patch(&path, body.clone()).await.code(), "InvalidPrimaryIdentityId");
    body["properties"] = json!({"primaryUserAssignedIdentityId": one});
    let started = arm.patch(&path, body).await;
    assert!(
        started.header("location").contains("/serverOperationResults/"),
        "{started:?}"
    );
    arm.finish(&started).await;
    arm.finish(&arm.patch(&path, assign(json!({two: {}}))).await).await;
    let seen = arm.get(&path).await.body;
    assert_eq!(
        seen["identity"]["userAssignedIdentities"].as_object().unwrap().len(),
        2,
        "a PATCH merges"
    );
    assert_eq!(seen["properties"]["primaryUserAssignedIdentityId"], one);
    let kept = arm.patch(&path, assign(json!({one: null}))).await;
    assert_eq!(kept.code(), "InvalidPrimaryIdentityId", "{kept:?}");
    arm.finish(&arm.patch(&path, json!({"identity": {"type": "SystemAssigned"}})).await)
        .await;
    let seen = arm.get(&path).await.body;
    assert_eq!(seen["identity"]["type"], "SystemAssigned");
    assert_eq!(seen["properties"]["primaryUserAssignedIdentityId"], Value::Null);
    let scope = format!(
        "{}/providers/Microsoft.ManagedIdentity/identities/default",
        emulator.sql_server().id
    );
    let own = arm.get(&format!("{scope}?api-version=2023-01-31")).await.body;
    assert_eq!(own["properties"]["principalId"], seen["identity"]["principalId"]);
    arm.finish(&arm.patch(&path, json!({"identity": {"type": "None"}})).await)
        .await;
    assert_eq!(arm.get(&path).await.body["identity"], Value::Null);
}

#[tokio::test]
async fn what_is_only_read() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    let server = &emulator.sql_server().id;
    let policy = arm
        .get(&format!("{server}/connectionPolicies/default?{VERSION}"))
        .await
        .body;
    assert_eq!(policy["properties"]["connectionType"], "Default");
    let databases = arm.get(&format!("{server}/databases?{VERSION}")).await.body;
    assert_eq!(databases["value"][0]["name"], "master");
    let instance = arm
        .get(&format!("{}?{VERSION}", emulator.managed_instance().id))
        .await
        .body;
    assert_eq!(instance["properties"]["dnsZone"], "a1b2c3d4e5f6");
    assert_eq!(
        instance["properties"]["fullyQualifiedDomainName"],
        "mi-data.a1b2c3d4e5f6.database.windows.net"
    );
    emulator.set_server_property(server, "/properties/publicNetworkAccess", json!("Disabled"));
    let closed = arm.get(&format!("{server}?{VERSION}")).await.body;
    assert_eq!(closed["properties"]["publicNetworkAccess"], "Disabled");
    let unknown = arm
        .patch(&format!("{server}?{VERSION}"), json!({"properties": {"version": "13"}}))
        .await;
    assert_eq!((unknown.status, unknown.code()), (400, "InvalidRequestContent"));
    assert!(unknown.message().contains("version"));
}
