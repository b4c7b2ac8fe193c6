//! The identities of database servers: by PATCH, and as another party changes them.

use entradb_emulator::{Emulator, Options};
use serde_json::{Value, json};

use crate::client::Arm;

const OWN: &str = "providers/Microsoft.ManagedIdentity/identities/default?api-version=2023-01-31";

/// Servers that have a system-assigned identity, with a version that knows it.
fn servers(emulator: &Emulator) -> [(String, &'static str); 4] {
    [
        (emulator.postgresql().id.clone(), "2025-08-01"),
        (emulator.postgresql_replica().id.clone(), "2025-08-01"),
        (emulator.sql_server().id.clone(), "2021-11-01"),
        (emulator.managed_instance().id.clone(), "2021-11-01"),
    ]
}

#[tokio::test]
async fn a_server_switches_its_own_identity_on_and_off() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    for (id, version) in servers(&emulator) {
        let path = format!("{id}?api-version={version}");
        let switched = async |word: &str| {
            let answer = arm.patch(&path, json!({"identity": {"type": word}})).await;
            assert_eq!(arm.finish(&answer).await.0["status"], "Succeeded", "{id}");
            arm.get(&path).await.body["identity"].clone()
        };
        let on = switched("SystemAssigned").await;
        assert_eq!(on["type"], "SystemAssigned", "{id}");
        let own = arm.get(&format!("{id}/{OWN}")).await;
        assert_eq!(own.body["properties"]["principalId"], on["principalId"], "{id}");
        let again = switched("SystemAssigned").await;
        assert_eq!(again["principalId"], on["principalId"], "{id}: once is enough");
        assert_eq!(switched("None").await, Value::Null, "{id}");
        assert_eq!(arm.get(&format!("{id}/{OWN}")).await.status, 404, "{id}");

        let by_hand = emulator.enable_system_identity(&id).await.unwrap();
        assert_ne!(json!(by_hand), on["principalId"], "{id}: a new one");
        let seen = arm.get(&path).await.body["identity"].clone();
        assert_eq!(seen["principalId"], json!(by_hand), "{id}");
        emulator.disable_system_identity(&id).await.unwrap();
        assert!(arm.get(&path).await.body.get("identity").is_none(), "{id}");
        assert_eq!(arm.get(&format!("{id}/{OWN}")).await.status, 404, "{id}");
    }
    let set = &emulator.targets().scale_set;
    let own = emulator.enable_system_identity(set).await.unwrap();
    assert_eq!(emulator.resource(set)["identity"]["principalId"], json!(own));
    let version = emulator.resource(set)["etag"].clone();
    emulator.disable_system_identity(set).await.unwrap();
    assert!(emulator.resource(set).get("identity").is_none());
    assert_ne!(emulator.resource(set)["etag"], version);
    let mysql = &emulator.mysql().id;
    assert!(
        emulator.enable_system_identity(mysql).await.is_err(),
        "MySQL has user-assigned identities only"
    );
    let path = format!("{mysql}?api-version=2023-12-30");
    let refused = arm.patch(&path, json!({"identity": {"type": "SystemAssigned"}})).await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[tokio::test]
async fn another_party_attaches_and_detaches() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let mut ids = Vec::new();
    for name in ["by-hand-one", "by-hand-two"] {
        ids.push(arm.make_identity(name).await["id"].as_str().unwrap().to_owned());
    }
    for id in [
        &emulator.postgresql_replica().id,
        &emulator.mysql_replica().id,
        &emulator.sql_server().id,
        &emulator.managed_instance().id,
    ] {
        for one in &ids {
            emulator.attach_server_identity(id, one);
        }
        emulator.detach_server_identity(id, &ids[0].to_ascii_uppercase());
        let shown = emulator.server_properties(id);
        let left: Vec<&String> = shown["identity"]["userAssignedIdentities"]
            .as_object()
            .unwrap()
            .keys()
            .collect();
        assert_eq!(left, [&ids[1]], "{id}");
        if id.contains("Microsoft.Sql") {
            assert_eq!(shown["properties"]["primaryUserAssignedIdentityId"], json!(ids[1]));
        }
        emulator.detach_server_identity(id, &ids[1]);
        let shown = emulator.server_properties(id);
        assert!(shown.get("identity").is_none(), "{id}");
        assert!(shown["properties"]["primaryUserAssignedIdentityId"].is_null(), "{id}");
    }
}
