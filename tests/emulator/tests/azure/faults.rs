//! Faults on demand.

use std::time::Duration;

use entradb_emulator::{Emulator, Failure, Method, Options};
use serde_json::json;

use crate::client::{Arm, MANAGEMENT, administrator, http, post_token, refusal, token};

#[tokio::test]
async fn requests_fail_as_planned_and_then_work() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let path = arm.identity("faulty") + "?api-version=2023-01-31";
    let body = json!({"location": "westeurope"});

    let throttle = Failure::Status {
        status: 429,
        retry_after: Some(7),
    };
    emulator
        .faults()
        .fail_next(Method::PUT, "/userassignedidentities/faulty", 2, throttle);
    for _ in 0..2 {
        let answer = arm.put(&path, body.clone()).await;
        assert_eq!(
            (answer.status, answer.header("retry-after"), answer.code()),
            (429, "7", "TooManyRequests")
        );
    }
    assert_eq!(
        arm.get(&path).await.status,
        404,
        "another method is not touched, and nothing was done"
    );

    emulator
        .faults()
        .fail_next(Method::PUT, "faulty", 1, Failure::DropConnection);
    let address = format!("{}{path}", emulator.resource_manager_endpoint());
    let send = || http(&emulator).put(&address).bearer_auth(&arm.token).json(&body).send();
    assert!(send().await.is_err());
    assert_eq!(arm.get(&path).await.status, 404);
    emulator
        .faults()
        .fail_next(Method::PUT, "faulty", 1, Failure::DropAfterWrite);
    assert!(send().await.is_err());
    assert_eq!(arm.get(&path).await.status, 200, "it was done all the same");
    assert_eq!(emulator.log().iter().filter(|entry| entry.status == 0).count(), 2);

    emulator.faults().fail_any(
        "/oauth2/v2.0/token",
        1,
        Failure::Status {
            status: 503,
            retry_after: None,
        },
    );
    let answer = post_token(&emulator, &[]).await;
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (503, &json!("temporarily_unavailable"))
    );
    token(&emulator, emulator.runner(), MANAGEMENT).await;
    emulator.faults().fail_any("faulty", 1, Failure::Html(502));
    assert_eq!(arm.get(&path).await.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn operations_are_slow_or_fail_as_planned() {
    let emulator = Emulator::start(Options {
        retry_after: 3,
        ..Options::default()
    })
    .await
    .unwrap();
    let arm = Arm::new(&emulator);
    let runner = emulator.runner();
    let path = format!(
        "{}/administrators/{}?api-version=2026-10-01",
        emulator.postgresql().id,
        runner.object_id
    );
    let body = json!({"properties": {"principalType": "ServicePrincipal", "principalName": "terraform",
        "tenantId": emulator.tenant_id()}});
    emulator.faults().fail_operation(
        "/administrators/",
        "InternalServerError",
        "An unexpected error occured.",
    );
    let started = arm.put(&path, body.clone()).await;
    assert_eq!(started.header("retry-after"), "3");
    let (end, _) = arm.finish(&started).await;
    assert_eq!(
        (&end["status"], &end["error"]["code"]),
        (&json!("Failed"), &json!("InternalServerError"))
    );
    assert_eq!(arm.get(&path).await.status, 404);

    emulator.faults().delay_operations(4);
    let started = arm.put(&path, body.clone()).await;
    let (end, polls) = arm.finish(&started).await;
    assert_eq!((&end["status"], polls), (&json!("Succeeded"), 5));
    emulator.faults().delay_operations(0);
    emulator.faults().slow_operations(Duration::from_millis(100));
    let started = arm.put(&path, body).await;
    let (end, polls) = arm.finish(&started).await;
    assert_eq!(end["status"], "Succeeded");
    assert!(polls > 1);
}

#[tokio::test]
async fn a_new_principal_is_seen_late_by_each_reader() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let admin = administrator(&emulator, "postgres").await;
    let identity = arm.make_identity("late").await;
    let oid = identity["properties"]["principalId"].as_str().unwrap();
    emulator.faults().hide_principal(oid, 2).await.unwrap();
    let create = "select pgaadauth_create_principal_with_oid('late', $1, 'service', false, false)";
    for _ in 0..2 {
        let error = admin.query(create, &[&oid]).await.unwrap_err();
        assert!(
            error
                .as_db_error()
                .unwrap()
                .message()
                .contains("not found in the tenant")
        );
    }
    admin.query(create, &[&oid]).await.unwrap();

    let reader = &emulator.runner().object_id;
    emulator.set_directory_reader(reader, true);
    let token = emulator.access_token(reader, "https://graph.microsoft.com");
    let address = format!("{}/v1.0/servicePrincipals/{oid}", emulator.graph_endpoint());
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(
            http(&emulator)
                .get(&address)
                .bearer_auth(&token)
                .send()
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
    }
    assert_eq!(statuses, [404, 404, 200]);
}

#[tokio::test]
async fn databases_restart_drop_sessions_and_refuse() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let admin = administrator(&emulator, "app").await;
    emulator.faults().drop_sessions().await.unwrap();
    assert!(admin.query("select 1", &[]).await.is_err());
    let admin = administrator(&emulator, "app").await;
    emulator.faults().restart_database().await.unwrap();
    assert!(admin.query("select 1", &[]).await.is_err());
    drop(administrator(&emulator, "app").await);
    emulator.faults().refuse_logins(1);
    let starting = ("57P03".to_owned(), "the database system is starting up".to_owned());
    assert_eq!(refusal(&emulator, "terraform", "x", "app").await, starting);
    drop(administrator(&emulator, "app").await);
}

#[tokio::test]
async fn a_federated_credential_is_seen_late() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let identity = arm.make_identity("late-pod").await;
    emulator.faults().delay_federated_credentials(2);
    let path = format!(
        "{}/federatedIdentityCredentials/aks?api-version=2023-01-31",
        arm.identity("late-pod")
    );
    let body = json!({"properties": {"issuer": emulator.cluster_issuer(), "subject": "system:serviceaccount:a:b",
        "audiences": ["api://AzureADTokenExchange"]}});
    assert_eq!(arm.put(&path, body).await.status, 201);
    let assertion = emulator.service_account_token("a", "b");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", identity["properties"]["clientId"].as_str().unwrap()),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &assertion),
        ("scope", "https://ossrdbms-aad.database.windows.net/.default"),
    ];
    for expected in [401, 401, 200] {
        let answer = post_token(&emulator, &form).await;
        assert_eq!(answer.status, expected, "{answer:?}");
        assert!(expected == 200 || answer.body["error_codes"][0] == 70021);
    }
}
