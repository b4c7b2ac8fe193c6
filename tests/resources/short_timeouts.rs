//! A resource that has little time fails alone: the others load for themselves what it was waiting for.

use entradb::protocol::value::Object;
use entradb_emulator::{Failure, Method, Options};

use crate::harness::instance::Found;
use crate::resources::world::{next_command, provider, started, with};
use crate::{block, config};

fn hurried(given: Object) -> Object {
    with(given, config! { "timeouts" => block! { "read" => "1s" } })
}

#[tokio::test]
async fn what_azure_keeps_from_one_another_reads() {
    let azure = started(Options::default()).await;
    let plugin = provider(&azure).await;
    let server = azure.postgresql().id.as_str();
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let given = config! {
        "server_id" => server, "object_id" => group, "principal_type" => "Group", "name" => "operators",
    };
    let mut patient = plugin.resource("entradb_entra_admin").create(given).await;
    let switches = config! { "server_id" => server, "password_enabled" => true };
    let mut short = plugin
        .resource("entradb_entra_authentication")
        .create(hurried(switches))
        .await;
    next_command(&plugin).await;
    let throttled = Failure::Status {
        status: 429,
        retry_after: Some(60),
    };
    azure
        .faults()
        .fail_next(Method::GET, "flexibleServers/pg-data", 1, throttled);
    let told = short.try_refresh().await.expect_err("it would be told after a minute");
    assert_eq!(told[0].summary, "Timed out");
    assert_eq!(patient.refresh().await, Found::Same);
}

#[tokio::test]
async fn what_a_database_keeps_from_one_another_reads() {
    let azure = started(Options::default()).await;
    let plugin = provider(&azure).await;
    let roles = plugin.resource("entradb_postgresql_role");
    let given = |name: &str| config! { "server" => azure.postgresql().id.as_str(), "name" => name };
    let mut patient = roles.create(given("patient")).await;
    let mut short = roles.create(hurried(given("short"))).await;
    next_command(&plugin).await;
    azure.faults().refuse_logins(1000);
    let told = short.try_refresh().await.expect_err("the server is starting up");
    assert_eq!(told[0].summary, "Timed out");
    azure.faults().clear();
    assert_eq!(patient.refresh().await, Found::Same);
}
