//! `entradb_managed_identity`, to be looked at

use entradb::protocol::value::{Object, Value};

use crate::config;
use crate::harness::azure;

const TYPE: &str = "entradb_managed_identity";

fn written(name: &str) -> Object {
    config! {
        "name" => name, "resource_group_name" => "data-platform", "location" => "westeurope",
        "tags" => Value::Map([("team".to_owned(), Value::from("data"))].into()),
    }
}

#[tokio::test]
async fn it_is_found_by_name_and_by_id() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let made = plugin.resource(TYPE).create(written("looked-at")).await;
    let by_name = config! { "name" => "Looked-At", "resource_group_name" => "data-platform" };
    let id = made.get("id").as_str().expect("an ID");
    for given in [by_name, config! { "id" => id }] {
        let found = plugin.read_data_source(TYPE, given).await;
        for name in ["client_id", "principal_id", "tenant_id", "location", "tags"] {
            assert_eq!(&found[name], made.get(name), "{name}");
        }
        let lower = |value: &Value| value.as_str().map(str::to_lowercase);
        for name in ["id", "name", "resource_group_name"] {
            assert_eq!(lower(&found[name]), lower(made.get(name)), "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_said_is_told() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let machine = azure.targets().virtual_machine.as_str();
    let table = [
        (
            config! { "name" => "not-there", "resource_group_name" => "data-platform" },
            "name",
        ),
        (config! { "id" => machine }, "id"),
        (config! { "name" => "alone" }, ""),
        (config! {}, ""),
    ];
    for (given, attribute) in table {
        let told = plugin
            .try_read_data_source(TYPE, given.clone())
            .await
            .expect_err(attribute);
        let at = |path: String| attribute.is_empty() || path == attribute;
        assert!(told.iter().any(|one| at(one.path.to_string())), "{given:?}: {told:?}");
    }
}
