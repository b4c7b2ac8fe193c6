//! `entradb_server`

use entradb::protocol::value::Value;
use entradb_emulator::{Emulator, Failure, Method, Options};

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

#[tokio::test]
async fn every_kind_of_server_is_described() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let (mysql, sql, instance) = (azure.mysql(), azure.sql_server(), azure.managed_instance());
    let public = format!("{}.public.", instance.name);
    let public = instance.fqdn.replacen(&format!("{}.", instance.name), &public, 1);
    let none = || Value::Null;
    let table = [
        (mysql, "mysql", 3306, false, none(), none()),
        (sql, "mssql", 1433, false, none(), none()),
        (
            instance,
            "mssql_managed_instance",
            1433,
            false,
            Value::from(public.as_str()),
            Value::from(3342),
        ),
    ];
    for (server, kind, port, private, public_host, public_port) in table {
        azure.set_administrator(&server.id, "operators", &group, "Group");
        let read = plugin
            .read_data_source(TYPE, config! { "server_id" => server.id.as_str() })
            .await;
        let known = [
            ("kind", Value::from(kind)),
            ("host", Value::from(server.fqdn.as_str())),
            ("port", Value::from(port)),
            ("private", Value::Bool(private)),
            ("public_host", public_host),
            ("public_port", public_port),
            ("entra_enabled", Value::Bool(true)),
            ("password_enabled", Value::Bool(true)),
            ("tenant_id", Value::from(azure.tenant_id())),
        ];
        for (name, value) in known {
            assert_eq!(read[name], value, "{kind}: {name}");
        }
        let administrators = read["administrators"].as_list().expect("a list");
        let first = administrators[0].as_object().expect("an object");
        assert_eq!(first["object_id"], Value::from(group.as_str()), "{kind}");
        let shown = if kind == "mysql" { none() } else { Value::from("Group") };
        assert_eq!(first["principal_type"], shown, "{kind}");
    }
}

#[tokio::test]
async fn replicas_and_closed_servers_say_what_they_are() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let (sql, instance) = (azure.sql_server().id.as_str(), azure.managed_instance().id.as_str());
    let pairs = [
        (azure.mysql_replica(), azure.mysql().id.as_str()),
        (azure.postgresql_replica(), azure.postgresql().id.as_str()),
    ];
    for (replica, primary) in pairs {
        let read = plugin
            .read_data_source(TYPE, config! { "server_id" => replica.id.as_str() })
            .await;
        assert_eq!(read["primary_server_id"], Value::from(primary), "{}", replica.name);
    }
    azure.set_server_property(sql, "/properties/publicNetworkAccess", serde_json::json!("Disabled"));
    azure.set_server_property(
        instance,
        "/properties/publicDataEndpointEnabled",
        serde_json::json!(false),
    );
    azure.set_entra_only(sql, true);
    for (server, why) in [(sql, "nothing reaches the server"), (instance, "stands in the subnet")] {
        let read = plugin.read_data_source(TYPE, config! { "server_id" => server }).await;
        assert_eq!(read["private"], Value::Bool(true), "{server}");
        assert_eq!(read["public_port"], Value::Null, "{server}");
        assert_eq!(
            read["entra_enabled"],
            Value::Bool(false),
            "{server}: it has no administrator"
        );
        assert_eq!(read["password_enabled"], Value::Bool(server == instance), "{server}");
        assert!(
            read["network"].as_str().is_some_and(|network| network.contains(why)),
            "{:?}",
            read["network"]
        );
    }
}
