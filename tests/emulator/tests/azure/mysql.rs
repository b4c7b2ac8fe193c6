//! MySQL flexible servers in ARM: identity first, then the administrator, then `aad_auth_only`.

use entradb_emulator::{Emulator, Options};
use serde_json::{Value, json};

use crate::client::Arm;

const VERSION: &str = "api-version=2023-12-30";

async fn own() -> Emulator {
    Emulator::start(Options::default()).await.unwrap()
}

fn administrator(emulator: &Emulator, sid: &str, identity: &str) -> Value {
    json!({"properties": {
        "administratorType": "ActiveDirectory", "login": "dba", "sid": sid, "tenantId": emulator.tenant_id(),
        "identityResourceId": identity,
    }})
}

#[tokio::test]
async fn the_identity_comes_first_and_leaves_last() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    let identity = arm.make_identity("mysql-lookup").await;
    let id = identity["id"].as_str().unwrap();
    let server = &emulator.mysql().id;
    let sid = emulator.add_group("dba", &[]).await.unwrap();
    let path = format!("{server}/administrators/activeDirectory?{VERSION}");

    let early = arm.put(&path, administrator(&emulator, &sid, id)).await;
    assert_eq!(
        (early.status, early.code()),
        (400, "InvalidParameterValue"),
        "{early:?}"
    );
    assert!(early.message().contains("not assigned to server"), "{early:?}");

    let change = |value: Value| json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {id: value}}});
    let server_path = format!("{server}?{VERSION}");
    let started = arm.patch(&server_path, change(json!({}))).await;
    assert_eq!(started.body["operation"], "UpsertServerManagementOperationV2");
    arm.finish(&started).await;
    let seen = arm.get(&server_path).await.body;
    let shown = &seen["identity"];
    assert_eq!(shown["principalId"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(
        shown["userAssignedIdentities"][id],
        json!({"principalId": identity["properties"]["principalId"], "tenantId": emulator.tenant_id()}),
        "no client ID"
    );
    assert_eq!(seen["location"], "West Europe");

    let started = arm.put(&path, administrator(&emulator, &sid, id)).await;
    let poll = started.header("azure-asyncoperation");
    assert!(
        poll.contains("/providers/Microsoft.DBforMySQL/locations/westeurope/azureAsyncOperation/"),
        "{poll}"
    );
    arm.finish(&started).await;
    let seen = arm.get(&path).await.body;
    assert_eq!(seen["id"], format!("{server}/administrators/ActiveDirectory"));
    assert_eq!(seen["properties"]["identityResourceId"], id);

    let other = arm
        .put(
            &path,
            administrator(&emulator, "11111111-2222-3333-4444-555555555555", id),
        )
        .await;
    arm.finish(&other).await;
    assert_eq!(
        emulator.administrators(server).len(),
        1,
        "one administrator, and any sid is taken"
    );

    let used = arm.patch(&server_path, change(Value::Null)).await;
    assert_eq!(used.status, 400, "{used:?}");
    arm.finish(&arm.delete(&path).await).await;
    assert_eq!(arm.get(&path).await.code(), "ResourceNotFound");
    assert_eq!(arm.delete(&path).await.status, 204);
    arm.finish(&arm.patch(&server_path, change(Value::Null)).await).await;
    assert_eq!(arm.get(&server_path).await.body["identity"], Value::Null);
}

#[tokio::test]
async fn the_administrator_may_go_while_passwords_are_refused() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    let server = &emulator.mysql().id;
    emulator.set_administrator(server, "dba", "11111111-2222-3333-4444-555555555555", "Group");
    let path = format!("{server}/configurations/aad_auth_only?{VERSION}");
    assert_eq!(arm.get(&path).await.body["properties"]["value"], "OFF");
    let body = json!({"properties": {"value": "ON", "source": "user-override"}});
    let started = arm.patch(&path, body).await;
    assert_eq!(started.body["operation"], "UpdateServerParameterManagementOperationV2");
    arm.finish(&started).await;
    let seen = arm.get(&path).await.body;
    assert_eq!(seen["properties"]["value"], "ON");
    assert_eq!(seen["properties"]["isReadOnly"], "False", "a text, as Azure has it");
    assert!(emulator.entra_only(server));

    let dropped = arm
        .delete(&format!("{server}/administrators/ActiveDirectory?{VERSION}"))
        .await;
    assert_eq!(
        dropped.body["operation"],
        "DropActiveDirectoryAdministratorManagementOperation"
    );
    arm.finish(&dropped).await;
    assert!(emulator.administrators(server).is_empty() && emulator.entra_only(server));

    let batch =
        json!({"value": [{"name": "aad_auth_only", "properties": {"value": "OFF"}}], "resetAllToDefault": "False"});
    let started = arm
        .post(&format!("{server}/updateConfigurations?{VERSION}"), batch)
        .await;
    arm.finish(&started).await;
    assert!(!emulator.entra_only(server));
    let bad = arm.patch(&path, json!({"properties": {"value": "MAYBE"}})).await;
    assert_eq!((bad.status, bad.code()), (400, "InvalidParameterValue"));
}

#[tokio::test]
async fn a_replica_has_an_administrator_of_its_own() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    let replica = arm
        .get(&format!("{}?{VERSION}", emulator.mysql_replica().id))
        .await
        .body;
    assert_eq!(replica["properties"]["replicationRole"], "Replica");
    assert_eq!(replica["properties"]["sourceServerResourceId"], emulator.mysql().id);
    let source = emulator.server_properties(&emulator.mysql().id);
    assert_eq!(source["properties"]["replicationRole"], "Source");
    let identity = arm.make_identity("mysql-lookup").await;
    let id = identity["id"].as_str().unwrap();
    emulator.attach_server_identity(&emulator.mysql_replica().id, id);
    let path = format!(
        "{}/administrators/ActiveDirectory?{VERSION}",
        emulator.mysql_replica().id
    );
    let started = arm.put(&path, administrator(&emulator, emulator.tenant_id(), id)).await;
    arm.finish(&started).await;
    assert!(emulator.administrators(&emulator.mysql().id).is_empty());
    let all = arm
        .get(&format!(
            "{}/providers/Microsoft.DBforMySQL/flexibleServers?{VERSION}",
            arm.group()
        ))
        .await;
    assert_eq!(all.body["value"].as_array().unwrap().len(), 2);
}
