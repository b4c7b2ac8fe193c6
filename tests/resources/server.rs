//! `entradb_server`

use entradb::protocol::value::Value;
use entradb_emulator::{Failure, Method};

use crate::config;
use crate::harness::azure;

const TYPE: &str = "entradb_server";

#[tokio::test]
async fn a_server_is_described_as_it_is() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let expected = azure.postgresql();
    let throttled = Failure::Status {
        status: 429,
        retry_after: Some(1),
    };
    azure
        .faults()
        .fail_next(Method::GET, "flexibleServers/PG-DATA", 1, throttled);
    let id = expected.id.replace("pg-data", "PG-DATA");
    let server = plugin.read_data_source(TYPE, config! { "server_id" => id }).await;
    let known = [
        ("kind", Value::from("postgresql")),
        ("host", Value::from(expected.fqdn.as_str())),
        ("port", Value::from(5432)),
        ("location", Value::from("West Europe")),
        ("version", Value::from(expected.major.to_string())),
        ("entra_enabled", Value::Bool(true)),
        ("password_enabled", Value::Bool(true)),
        ("tenant_id", Value::from(azure.tenant_id())),
        ("replication_role", Value::from("Primary")),
        ("primary_server_id", Value::Null),
        ("private", Value::Bool(false)),
    ];
    for (name, value) in known {
        assert_eq!(server[name], value, "{name}");
    }
    assert!(server["network"].as_str().is_some_and(|why| why.contains("firewall")));
    assert!(plugin.shut_down().await.success());
}

#[tokio::test]
async fn what_is_no_server_is_refused_where_it_is_named() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let id = azure.postgresql().id.as_str();
    for wrong in [
        azure.cluster_id().to_owned(),
        format!("{id}-2"),
        format!("{id}/administrators/x"),
        "pg".to_owned(),
    ] {
        let told = plugin
            .try_read_data_source(TYPE, config! { "server_id" => wrong.as_str() })
            .await;
        let told = told.expect_err("no server");
        assert_eq!(told[0].path.to_string(), "server_id", "{wrong}: {told:?}");
    }
}
