//! Azure Resource Manager that fails again and again, and servers that are busy: what a client must live through.

use entradb_emulator::{Emulator, Method, Options, Stumble};
use serde_json::json;

use crate::client::{Arm, MANAGEMENT, http};

async fn own() -> Emulator {
    Emulator::start(Options::default()).await.unwrap()
}

/// Sends this many reads and writes one after the other; answers each status, 0 for a cut connection.
async fn statuses(emulator: &Emulator, count: usize) -> Vec<(bool, u16)> {
    let token = emulator.access_token(&emulator.runner().object_id, MANAGEMENT);
    let client = http(emulator);
    let group = format!(
        "{}/subscriptions/{}/resourceGroups/{}",
        emulator.resource_manager_endpoint(),
        emulator.subscription_id(),
        emulator.resource_group()
    );
    let mut seen = Vec::new();
    for index in 0..count {
        let writes = index % 2 == 0;
        let name = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/storm-{index}");
        let request = match writes {
            true => client
                .put(format!("{name}?api-version=2023-01-31"))
                .json(&json!({"location": "westeurope"})),
            false => client.get(format!("{group}?api-version=2022-09-01")),
        };
        let status = match request.bearer_auth(&token).send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                let waits = response.headers().contains_key("retry-after");
                assert!(status != 429 || waits, "429 says how long");
                status
            }
            Err(_) => 0,
        };
        seen.push((writes, status));
    }
    seen
}

#[tokio::test]
async fn a_third_of_the_answers_fails_and_half_of_the_failed_writes_took_effect() {
    let emulator = own().await;
    emulator.faults().stumble(Stumble { percent: 30, seed: 7 });
    let seen = statuses(&emulator, 200).await;
    let failed = seen.iter().filter(|(_, status)| *status == 0 || *status >= 400).count();
    assert!((40..=80).contains(&failed), "{failed} of 200");
    for kind in [0, 429, 500, 503] {
        assert!(seen.iter().any(|(_, status)| *status == kind), "no {kind} in {seen:?}");
    }
    let answered = seen.iter().filter(|(writes, status)| *writes && *status == 201).count();
    let unanswered = seen.iter().filter(|(writes, _)| *writes).count() - answered;
    let effects = emulator.writes().len();
    let hidden = effects - answered;
    assert!(
        hidden * 3 >= unanswered && hidden * 3 <= unanswered * 2,
        "{hidden} of {unanswered} took effect"
    );

    assert_eq!(emulator.faults().steady(), failed);
    assert!(
        statuses(&emulator, 20)
            .await
            .iter()
            .all(|(_, status)| [200, 201].contains(status))
    );
    let again = own().await;
    again.faults().stumble(Stumble { percent: 30, seed: 7 });
    assert_eq!(statuses(&again, 200).await, seen, "the same seed, the same storm");
}

#[tokio::test]
async fn a_busy_server_refuses_writes_in_its_providers_words() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    let switch = json!({"properties": {"azureADOnlyAuthentication": true}});
    let postgresql = emulator.postgresql().id.clone();
    let user = emulator.add_user("dba@example.com", "DBA").await.unwrap();
    let administrator = json!({"properties": {
        "principalType": "User", "principalName": "dba@example.com", "tenantId": emulator.tenant_id(),
    }});
    let expected = [
        (&postgresql, "", Method::PATCH, json!({"tags": {}}), 409, "ServerIsBusy"),
        (
            &postgresql,
            &format!("/administrators/{user}"),
            Method::PUT,
            administrator,
            409,
            "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible",
        ),
        (
            &emulator.mysql().id,
            "",
            Method::PATCH,
            json!({"tags": {}}),
            409,
            "ServerIsBusy",
        ),
        (
            &emulator.sql_server().id,
            "/azureADOnlyAuthentications/Default",
            Method::PUT,
            switch.clone(),
            409,
            "ConflictingServerOperation",
        ),
        (
            &emulator.managed_instance().id,
            "/azureADOnlyAuthentications/Default",
            Method::PUT,
            switch,
            400,
            "ManagedInstanceIsBusy",
        ),
    ];
    for (server, child, method, body, status, code) in expected {
        emulator.set_administrator(server, "dba", &user, "User");
        emulator.faults().busy(server, 2);
        let version = if server.contains("DBforMySQL") {
            "2023-12-30"
        } else {
            "2024-08-01"
        };
        let version = if server.contains("Microsoft.Sql") {
            "2021-11-01"
        } else {
            version
        };
        let path = format!("{server}{child}?api-version={version}");
        for _ in 0..2 {
            let answer = arm.send(method.clone(), &path, Some(body.clone())).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{path}");
            assert_eq!(
                arm.get(&format!("{server}?api-version={version}")).await.status,
                200,
                "reads go on"
            );
        }
        if !child.starts_with("/administrators") {
            assert_eq!(arm.send(method, &path, Some(body)).await.status, 202, "{path}");
        }
    }
}

#[tokio::test]
async fn overlapping_changes_of_one_server_are_refused() {
    let emulator = own().await;
    let arm = Arm::new(&emulator);
    emulator.faults().slow_operations(std::time::Duration::from_millis(500));
    for (server, code) in [
        (&emulator.mysql().id, "ServerIsBusy"),
        (&emulator.sql_server().id, "ConflictingServerOperation"),
    ] {
        let version = if server.contains("MySQL") {
            "2023-12-30"
        } else {
            "2021-11-01"
        };
        let path = format!("{server}?api-version={version}");
        let first = arm.patch(&path, json!({"tags": {"a": "1"}})).await;
        assert_eq!(arm.patch(&path, json!({"tags": {"a": "2"}})).await.code(), code);
        arm.finish(&first).await;
        let seen = arm.get(&path).await.body;
        assert_eq!(seen["tags"], json!({"a": "1"}));
        emulator
            .faults()
            .fail_operation(server, "InternalServerError", "An unexpected error occured.");
        let failed = arm.patch(&path, json!({"tags": {"a": "3"}})).await;
        assert_eq!(arm.finish(&failed).await.0["status"], "Failed");
        assert_eq!(
            arm.patch(&path, json!({"tags": {}})).await.status,
            202,
            "a failed operation blocks nobody"
        );
    }
}
