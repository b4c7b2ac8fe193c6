//! Identities on machines, scale sets, apps, jobs and clusters, as recorded and specified.

use entradb_emulator::{Emulator, Failure, Method, Options};
use serde_json::{Value, json};

use crate::client::{Answer, Arm, shared};

/// The status of the operation behind a header.
pub(crate) async fn polled(arm: &Arm<'_>, started: &Answer) -> Value {
    let address = started.header("azure-asyncoperation").to_owned();
    for _ in 0..2_000 {
        let poll = arm.at(Method::GET, &address, None).await;
        assert_eq!(poll.status, 200, "{poll:?}");
        if poll.body["status"] != "InProgress" {
            return poll.body;
        }
    }
    panic!("the operation does not end");
}

/// What a `Location` answers in the end.
async fn located(arm: &Arm<'_>, started: &Answer) -> Answer {
    let mut address = started.header("location").to_owned();
    for _ in 0..2_000 {
        let poll = arm.at(Method::GET, &address, None).await;
        if poll.status != 202 {
            return poll;
        }
        poll.header("location").clone_into(&mut address);
    }
    panic!("the operation does not end");
}

async fn patch(arm: &Arm<'_>, id: &str, version: &str, identity: Value) -> Answer {
    let path = format!("{id}?api-version={version}");
    arm.send(Method::PATCH, &path, Some(json!({"identity": identity})))
        .await
}

async fn emulator() -> Emulator {
    Emulator::start(Options::default()).await.unwrap()
}

#[tokio::test]
async fn what_an_assignment_cannot_be_is_refused() {
    let emulator = emulator().await;
    let arm = Arm::new(&emulator);
    let id = &emulator.targets().virtual_machine;
    let identity = arm.make_identity("known").await;
    let known = arm.identity("known");
    let with = |kind: &str, id: &str, value: Value| {
        let mut map = serde_json::Map::new();
        map.insert(id.to_owned(), value);
        json!({"type": kind, "userAssignedIdentities": map})
    };
    let refused = async |body: Value, code: &str, word: &str| {
        let answer = patch(&arm, id, "2024-07-01", body).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{answer:?}");
        assert!(answer.message().contains(word), "{answer:?}");
    };
    let absent = arm.identity("absent");
    let text = "failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'.";
    refused(
        with("UserAssigned", &absent, json!({})),
        "FailedIdentityOperation",
        text,
    )
    .await;
    refused(
        with("SystemAssigned", &known, json!({})),
        "FailedIdentityOperation",
        "non-UserAssigned",
    )
    .await;
    refused(
        with("UserAssigned", &known, Value::Null),
        "MissingIdentityIds",
        "must not be null or empty",
    )
    .await;
    refused(json!({"type": "UserAssigned"}), "MissingIdentityIds", "'UserAssigned'").await;
    refused(
        with("UserAssigned", &known, json!({"a": 1})),
        "InvalidIdentityValues",
        "empty json objects",
    )
    .await;
    refused(
        with("UserAssigned", "known", json!({})),
        "LinkedInvalidPropertyId",
        "'known'",
    )
    .await;
    refused(
        with("SystemAssigned,UserAssigned", &known, json!({})),
        "InvalidParameterValue",
        "type",
    )
    .await;
    refused(
        json!({"kind": "UserAssigned"}),
        "InvalidRequestContent",
        "identity.kind",
    )
    .await;
    let wide = arm
        .send(
            Method::PATCH,
            &format!("{id}?api-version=2024-07-01"),
            Some(json!({"zones": ["1"]})),
        )
        .await;
    assert_eq!((wide.status, wide.code()), (400, "InvalidRequestContent"));
    assert!(
        emulator.resource(id).get("identity").is_none(),
        "nothing of it took effect"
    );

    // A fresh identity is not known everywhere at once.
    let object_id = identity["properties"]["principalId"].as_str().unwrap();
    emulator.faults().hide_principal(object_id, 1).await.unwrap();
    refused(
        with("UserAssigned", &known, json!({})),
        "FailedIdentityOperation",
        "was not found",
    )
    .await;
    let late = patch(&arm, id, "2024-07-01", with("UserAssigned", &known, json!({}))).await;
    assert_eq!(late.status, 200);
    polled(&arm, &late).await;

    emulator.faults().forbid_assignment("/OTHER");
    arm.make_identity("other").await;
    let other = arm.identity("other");
    let forbidden = patch(&arm, id, "2024-07-01", with("UserAssigned", &other, json!({}))).await;
    assert_eq!((forbidden.status, forbidden.code()), (403, "LinkedAuthorizationFailed"));
    assert!(forbidden.message().contains("userAssignedIdentities/assign/action"));
    emulator.faults().clear();
    assert_eq!(
        patch(&arm, id, "2024-07-01", with("UserAssigned", &other, json!({})))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn overlapping_and_outdated_changes_are_refused_by_each_kind() {
    let emulator = emulator().await;
    let arm = Arm::new(&emulator);
    emulator.faults().slow_operations(std::time::Duration::from_millis(400));
    let targets = emulator.targets().clone();
    let system = json!({"type": "SystemAssigned"});
    for (id, version, code) in [
        (&targets.virtual_machine, "2024-07-01", "Conflict"),
        (&targets.scale_set, "2024-07-01", "Conflict"),
        (&targets.container_app, "2024-03-01", "ContainerAppOperationInProgress"),
        (
            &targets.container_app_job,
            "2024-03-01",
            "ContainerAppOperationInProgress",
        ),
        (&targets.web_app_slot, "2024-04-01", ""),
    ] {
        let started = patch(&arm, id, version, system.clone()).await;
        let second = patch(&arm, id, version, system.clone()).await;
        assert_eq!((second.status, second.code()), (409, code), "{id}: {second:?}");
        if code.is_empty() {
            assert_eq!(second.body["Code"], "Conflict", "App Service has its own form");
            assert_eq!(started.status, 202);
        }
        let end = match started.header("location") {
            "" => polled(&arm, &started).await["status"] == "Succeeded",
            _ => located(&arm, &started).await.status == 200,
        };
        assert!(end, "{id}");
        assert!(emulator.resource(id)["identity"]["principalId"].is_string());
    }
    emulator.faults().slow_operations(std::time::Duration::ZERO);
    emulator.faults().busy(&targets.cluster, 1);
    let path = format!("{}?api-version=2024-09-01", targets.cluster);
    let tags = Some(json!({"tags": {}}));
    let refused = arm.send(Method::PATCH, &path, tags.clone()).await;
    assert_eq!((refused.status, refused.code()), (409, "OperationNotAllowed"));
    assert_eq!(arm.send(Method::PATCH, &path, tags).await.status, 200, "once only");
    let client = crate::client::http(&emulator);
    let address = format!(
        "{}{}?api-version=2024-07-01",
        emulator.resource_manager_endpoint(),
        targets.virtual_machine
    );
    let request = client
        .patch(address)
        .bearer_auth(&arm.token)
        .header("if-match", "\"1\"");
    let stale = request
        .json(&json!({"identity": {"type": "None"}}))
        .send()
        .await
        .unwrap();
    assert_eq!(stale.status(), 412);
}

#[tokio::test]
async fn apps_and_jobs_have_their_own_headers_and_spellings() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    arm.make_identity("shared").await;
    let mut map = serde_json::Map::new();
    map.insert(arm.identity("shared"), json!({}));
    let targets = emulator.targets().clone();
    for id in [&targets.container_app, &targets.container_app_job] {
        assert_eq!(emulator.resource(id)["identity"], json!({"type": "None"}));
        let spaced = json!({"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": map});
        assert_eq!(patch(&arm, id, "2024-03-01", spaced).await.status, 400);
        let body = json!({"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": map});
        let started = patch(&arm, id, "2024-03-01", body).await;
        assert_eq!((started.status, started.header("azure-asyncoperation")), (202, ""));
        assert!(started.body.is_null());
        let end = located(&arm, &started).await;
        assert_eq!(end.body["identity"]["type"], "SystemAssigned,UserAssigned");
        assert_eq!(end.body, emulator.resource(id));
    }
    for id in [&targets.web_app, &targets.web_app_slot, &targets.function_app] {
        let body = json!({"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": map});
        let done = patch(&arm, id, "2024-04-01", body).await;
        assert_eq!(done.status, 200, "{done:?}");
        let entry = &done.body["identity"]["userAssignedIdentities"][arm.identity("shared")];
        assert!(entry["clientId"].is_string(), "{done:?}");
        let default = format!("{id}/providers/Microsoft.ManagedIdentity/identities/default?api-version=2023-01-31");
        assert_eq!(
            arm.get(&default).await.body["properties"]["principalId"],
            done.body["identity"]["principalId"]
        );
    }
    let orphan = targets.web_app_slot.replace("app-metadata", "nowhere") + "?api-version=2024-04-01";
    assert_eq!(arm.get(&orphan).await.code(), "ParentResourceNotFound");
}

#[tokio::test]
async fn a_cluster_is_replaced_as_a_whole() {
    let emulator = shared().await;
    let arm = Arm::new(emulator);
    arm.make_identity("control").await;
    let id = &emulator.targets().cluster;
    let at = format!("{id}?api-version=2024-09-01");
    let before = arm.get(&at).await.body;
    assert_eq!(before["identity"]["type"], "SystemAssigned");
    let patched = patch(&arm, id, "2024-09-01", json!({"type": "None"})).await;
    assert_eq!(patched.code(), "InvalidRequestContent", "a PATCH knows tags only");

    let mut whole = before.clone();
    let mut map = serde_json::Map::new();
    map.insert(arm.identity("control"), json!({}));
    whole["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": map});
    let started = arm.put(&at, whole.clone()).await;
    assert_eq!(started.status, 200, "{started:?}");
    assert_eq!(polled(&arm, &started).await["status"], "Succeeded");
    let after = arm.get(&at).await.body;
    assert_eq!(after["properties"], before["properties"]);
    assert_eq!(after["identity"]["type"], "UserAssigned");
    assert!(after["identity"]["userAssignedIdentities"][arm.identity("control")]["clientId"].is_string());

    // Each version knows its own members, and shows no others.
    let newer = format!("{id}?api-version=2026-08-01");
    whole["properties"]["nodeProvisioningProfile"] = json!({"mode": "Manual"});
    let early = arm.put(&at, whole.clone()).await;
    assert!(early.message().contains("nodeProvisioningProfile"), "{early:?}");
    let started = arm.put(&newer, whole.clone()).await;
    assert_eq!(started.status, 200, "{started:?}");
    polled(&arm, &started).await;
    let shown = arm.get(&newer).await.body;
    assert_eq!(shown["properties"]["nodeProvisioningProfile"]["mode"], "Manual");
    assert_eq!(arm.get(&at).await.body["properties"], before["properties"]);
    whole["properties"]["enablePodSecurityPolicy"] = json!(false);
    let late = arm.put(&newer, whole.clone()).await;
    assert!(late.message().contains("enablePodSecurityPolicy"), "{late:?}");
    whole["properties"] = before["properties"].clone();

    whole["properties"]["dnsPrefix"] = json!("another");
    assert_eq!(arm.put(&at, whole.clone()).await.code(), "PropertyChangeNotAllowed");
    whole["properties"]["dnsPrefix"] = before["properties"]["dnsPrefix"].clone();
    whole["properties"]["colour"] = json!("blue");
    assert!(arm.put(&at, whole).await.message().contains("properties.colour"));
    let tags = arm.send(Method::PATCH, &at, Some(json!({"tags": {"a": "b"}}))).await;
    polled(&arm, &tags).await;
    assert_eq!(emulator.resource(id)["tags"], json!({"a": "b"}));
}

#[tokio::test]
async fn others_attach_and_operations_fail() {
    let emulator = emulator().await;
    let arm = Arm::new(&emulator);
    arm.make_identity("theirs").await;
    let id = &emulator.targets().scale_set;
    emulator.attach_identity(id, &arm.identity("theirs"));
    let system = emulator.enable_system_identity(id).await.unwrap();
    let shown = emulator.resource(id);
    assert_eq!(shown["identity"]["type"], "SystemAssigned, UserAssigned");
    assert_eq!(shown["identity"]["principalId"], json!(system));
    emulator.detach_identity(id, &arm.identity("theirs").to_ascii_uppercase());
    assert_eq!(emulator.resource(id)["identity"]["type"], "SystemAssigned");

    emulator
        .faults()
        .fail_operation("vmss-workers", "AllocationFailed", "no room");
    let started = patch(&arm, id, "2024-07-01", json!({"type": "None"})).await;
    let end = polled(&arm, &started).await;
    assert_eq!(
        (&end["status"], &end["error"]["code"]),
        (&json!("Failed"), &json!("AllocationFailed"))
    );
    assert_eq!(emulator.resource(id)["identity"]["type"], "SystemAssigned");
    let failure = Failure::Status {
        status: 503,
        retry_after: None,
    };
    emulator.faults().fail_next(Method::GET, "vmss-workers", 1, failure);
    assert_eq!(arm.get(&format!("{id}?api-version=2024-07-01")).await.status, 503);
}
