//! One server by two addresses: its own port, and its pooler's.

use entradb::protocol::value::Value;

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Found;
use crate::storms::pooler::emulator;

#[tokio::test]
async fn what_is_written_through_the_pooler_is_seen_at_the_server_at_once() {
    let emulator = emulator().await;
    let plugin = azure::provider(emulator).await;
    let (fqdn, roles) = (&emulator.postgresql().fqdn, plugin.resource("entradb_postgresql_role"));
    let given = config! { "server" => fqdn.as_str(), "name" => "seen twice" };
    let mut direct = roles.create(given).await;
    let pooler = format!("{fqdn}:6432");
    let mut pooled = roles.import(&format!("{pooler}|seen twice")).await;
    assert_eq!(direct.refresh().await, Found::Same);
    let changed = config! { "server" => pooler.as_str(), "name" => "seen twice", "connection_limit" => 7 };
    pooled.update(changed).await;
    assert_eq!(direct.refresh().await, Found::Changed);
    assert_eq!(direct.get("connection_limit"), &Value::from(7));
    direct.destroy().await;
    assert_eq!(pooled.refresh().await, Found::Gone);
}
