//! User-assigned identities as recorded: statuses, lower-case `resourcegroups`, new IDs after re-creation.

use entradb_emulator::Method;
use serde_json::json;

use crate::client::{Arm, shared};

#[tokio::test]
async fn an_identity_lives_as_recorded() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let path = format!("{}?api-version=2023-01-31", arm.identity("recorded"));
    let made = arm.put(&path, json!({"location": "westeurope"})).await;
    assert_eq!(made.status, 201);
    let id = format!(
        "/subscriptions/{}/resourcegroups/data-platform/providers/Microsoft.ManagedIdentity/userAssignedIdentities/recorded",
        emulator.subscription_id()
    );
    assert!(made.header("location").starts_with(&id), "{made:?}");
    let properties = &made.body["properties"];
    let expected = json!({
        "id": id, "name": "recorded", "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "location": "westeurope", "tags": {},
        "properties": {
            "tenantId": emulator.tenant_id(), "principalId": properties["principalId"],
            "clientId": properties["clientId"],
        },
    });
    assert_eq!(made.body, expected);

    let again = arm
        .put(&path, json!({"location": "westeurope", "tags": {"team": "data"}}))
        .await;
    assert_eq!((again.status, &again.body["properties"]), (200, properties));
    let patched = arm
        .send(Method::PATCH, &path, Some(json!({"tags": {"team": "platform"}})))
        .await;
    assert_eq!(patched.body["tags"], json!({"team": "platform"}));
    let shouted = arm.get(&path.replace("data-platform", "DATA-PLATFORM")).await;
    assert_eq!(shouted.body["id"], id, "IDs compare without case");
    let list = format!("{}?api-version=2023-01-31", arm.identity("").trim_end_matches('/'));
    let all = arm.get(&list).await;
    assert!(all.body["value"].as_array().unwrap().contains(&patched.body));

    assert_eq!(arm.delete(&path).await.status, 200);
    assert_eq!(arm.delete(&path).await.status, 204);
    let gone = arm.get(&path).await;
    assert_eq!((gone.status, gone.code()), (404, "ResourceNotFound"));
    let second = arm.put(&path, json!({"location": "westeurope"})).await;
    assert_ne!(second.body["properties"]["principalId"], properties["principalId"]);
}

#[tokio::test]
async fn what_an_identity_cannot_be_is_refused() {
    let arm = Arm::new(shared().await);
    let at = |name: &str| format!("{}?api-version=2023-01-31", arm.identity(name));
    let short = arm.put(&at("ab"), json!({"location": "westeurope"})).await;
    assert_eq!((short.status, short.code()), (400, "InvalidResourceName"));
    let nowhere = arm.put(&at("nowhere"), json!({})).await;
    assert_eq!(nowhere.status, 400);
    arm.put(&at("settled"), json!({"location": "westeurope"})).await;
    let moved = arm.put(&at("settled"), json!({"location": "eastus"})).await;
    assert_eq!((moved.status, moved.code()), (409, "InvalidResourceLocation"));
    let newer = arm.identity("isolated") + "?api-version=2024-11-30";
    let body = json!({"location": "westeurope", "properties": {"isolationScope": "Regional"}});
    assert_eq!(
        arm.put(&newer, body.clone()).await.body["properties"]["isolationScope"],
        "Regional"
    );
    assert_eq!(
        arm.put(&at("isolated"), body).await.status,
        400,
        "the older version does not know it"
    );
}

#[tokio::test]
async fn a_machines_own_identity_is_found_by_its_scope() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    let at = |machine: &str| {
        format!(
            "{}/providers/Microsoft.Compute/virtualMachines/{machine}/providers/Microsoft.ManagedIdentity/identities/default\
             ?api-version=2023-01-31",
            arm.group()
        )
    };
    let found = arm.get(&at("terraform-vm")).await;
    assert_eq!(
        found.body["properties"]["principalId"],
        json!(emulator.machine_identity())
    );
    assert_eq!(arm.get(&at("other")).await.status, 404);
}
