//! What else hangs on a PostgreSQL server in ARM: firewall rules, server parameters, replicas, identities.

use entradb_emulator::{Emulator, Options};
use serde_json::{Value, json};

use crate::client::Arm;

const VERSION: &str = "api-version=2024-08-01";

#[tokio::test]
async fn firewall_rules_come_and_go() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let server = &emulator.postgresql().id;
    let path = format!("{server}/firewallRules/runner?{VERSION}");
    let rule = |first: &str, last: &str| json!({"properties": {"startIpAddress": first, "endIpAddress": last}});
    arm.finish(&arm.put(&path, rule("10.0.0.1", "10.0.0.9")).await).await;
    assert_eq!(arm.get(&path).await.body["properties"]["endIpAddress"], "10.0.0.9");
    let list = arm.get(&format!("{server}/firewallRules?{VERSION}")).await.body;
    assert_eq!(list["value"][0]["name"], "runner");
    assert_eq!(arm.put(&path, rule("10.0.0.9", "10.0.0.1")).await.status, 400);
    assert_eq!(arm.put(&path, rule("here", "10.0.0.1")).await.status, 400);
    let odd = format!("{server}/firewallRules/ends-with-?{VERSION}");
    assert_eq!(arm.put(&odd, rule("10.0.0.1", "10.0.0.1")).await.status, 400);
    arm.finish(&arm.delete(&path).await).await;
    assert_eq!(
        (arm.get(&path).await.status, arm.delete(&path).await.status),
        (404, 204)
    );
    emulator.set_server_property(
        server,
        "/properties/network/delegatedSubnetResourceId",
        json!("/subnet"),
    );
    assert_eq!(
        arm.put(&path, rule("10.0.0.1", "10.0.0.1")).await.status,
        400,
        "no firewall inside a network"
    );
}

#[tokio::test]
async fn parameters_are_those_of_the_real_server() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let server = &emulator.postgresql().id;
    let at = |name: &str| format!("{server}/configurations/{name}?{VERSION}");
    let set = |value: &str| json!({"properties": {"value": value, "source": "user-override"}});
    arm.finish(&arm.patch(&at("lock_timeout"), set("1500")).await).await;
    let eyes = emulator.superuser("postgres").await;
    let seen: String = eyes.query_one("show lock_timeout", &[]).await.unwrap().get(0);
    assert_eq!(seen, "1500ms");
    arm.finish(&arm.put(&at("max_locks_per_transaction"), set("128")).await)
        .await;
    let waiting = arm.get(&at("max_locks_per_transaction")).await.body;
    let flags = ["isDynamicConfig", "isConfigPendingRestart"].map(|name| waiting["properties"][name].clone());
    assert_eq!(flags, [json!(false), json!(true)], "{waiting}");
    emulator.faults().restart_database().await.unwrap();
    let after = arm.get(&at("max_locks_per_transaction")).await.body;
    assert_eq!(after["properties"]["value"], "128");
    let (end, _) = arm.finish(&arm.patch(&at("work_mem"), set("plenty")).await).await;
    assert_eq!(end["error"]["code"], "InvalidParameterValue", "{end}");
    assert_eq!(
        arm.patch(&at("log_statement"), set("none")).await.status,
        400,
        "the platform's own"
    );
    arm.finish(&arm.patch(&at("pgaadauth.enable_group_sync"), set("on")).await)
        .await;
    assert_eq!(
        arm.get(&at("pgaadauth.enable_group_sync")).await.body["properties"]["value"],
        "on"
    );
    assert_eq!(arm.get(&at("no_such_parameter")).await.status, 404);
    let all = arm.get(&format!("{server}/configurations?{VERSION}")).await.body;
    assert!(all["value"].as_array().unwrap().len() > 200);
}

#[tokio::test]
async fn a_replica_shows_its_primarys_administrators_and_takes_none() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let replica = &emulator.postgresql_replica().id;
    let seen = arm.get(&format!("{replica}?{VERSION}")).await.body;
    assert_eq!(seen["properties"]["replicationRole"], "AsyncReplica");
    assert_eq!(seen["properties"]["sourceServerResourceId"], emulator.postgresql().id);
    let list = arm
        .get(&format!("{}/replicas?{VERSION}", emulator.postgresql().id))
        .await
        .body;
    assert_eq!(list["value"][0]["id"], *replica);
    let user = emulator.add_user("dba@example.com", "DBA").await.unwrap();
    emulator.set_administrator(&emulator.postgresql().id, "dba@example.com", &user, "User");
    let path = format!("{replica}/administrators/{user}?{VERSION}");
    assert_eq!(
        arm.get(&path).await.body["id"],
        format!("{replica}/administrators/{user}")
    );
    let body = json!({"properties": {"principalType": "User", "principalName": "x", "tenantId": emulator.tenant_id()}});
    let refused = arm.put(&path, body).await;
    assert_eq!((refused.status, refused.code()), (400, "OperationNotAllowed"));
    assert!(refused.message().contains("pg-data"), "{refused:?}");
}

#[tokio::test]
async fn a_server_may_have_an_identity_of_its_own() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let server = &emulator.postgresql().id;
    let path = format!("{server}?api-version=2025-08-01");
    let old = arm
        .patch(
            &format!("{server}?{VERSION}"),
            json!({"identity": {"type": "SystemAssigned"}}),
        )
        .await;
    assert_eq!(old.status, 400, "2024-08-01 does not know it");
    arm.finish(&arm.patch(&path, json!({"identity": {"type": "SystemAssigned"}})).await)
        .await;
    let seen = arm.get(&path).await.body;
    let scope = format!("{server}/providers/Microsoft.ManagedIdentity/identities/default?api-version=2023-01-31");
    let own = arm.get(&scope).await.body;
    assert_eq!(seen["identity"]["principalId"], own["properties"]["principalId"]);
    arm.finish(&arm.patch(&path, json!({"identity": {"type": "None"}})).await)
        .await;
    assert_eq!(arm.get(&path).await.body["identity"], Value::Null);
    assert_eq!(arm.get(&scope).await.status, 404);
}
