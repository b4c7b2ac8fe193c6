//! Database servers: PostgreSQL, MySQL, SQL and managed instances.

use entradb_emulator::{Emulator, Options};
use futures_util::future::join_all;

use crate::harness::azure;
use crate::resources::identity_assignment::{TYPE, identity, user};

async fn whole_life(azure: &Emulator, target: &str, name: &str) {
    let plugin = azure::provider(azure).await;
    let (id, principal) = identity(&plugin, name).await;
    let (other, _) = identity(&plugin, &format!("{name}-other")).await;
    let keys = |wanted: &str| {
        let shown = azure.server_properties(target);
        let map = shown["identity"]["userAssignedIdentities"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        map.keys()
            .any(|key| key.to_lowercase().ends_with(&format!("/{wanted}")))
    };
    let mut beside = plugin.resource(TYPE).create(user(target, &other)).await;
    let mut assignment = plugin.resource(TYPE).create(user(target, &id)).await;
    assignment.settled().await;
    beside.settled().await;
    assert_eq!(assignment.get("principal_id"), &principal);
    let mut imported = plugin.resource(TYPE).import(&format!("{target}|{id}")).await;
    imported.settled_as(user(target, &id)).await;
    // The first one is the primary one of a SQL server; it goes, and the other takes its place.
    beside.destroy().await;
    assert!(keys(name) && !keys(&format!("{name}-other")));
    assignment.settled().await;
    if target.contains("Microsoft.Sql") {
        let primary = &azure.server_properties(target)["properties"]["primaryUserAssignedIdentityId"];
        assert!(
            primary
                .as_str()
                .is_some_and(|id| id.to_lowercase().ends_with(&format!("/{name}"))),
            "{primary}"
        );
    }
    assignment.destroy().await;
    assert!(!keys(name));
}

#[tokio::test]
async fn every_kind_of_server() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let servers = [
        (azure.postgresql().id.clone(), "on-pg"),
        (azure.mysql().id.clone(), "on-mysql"),
        (azure.sql_server().id.clone(), "on-sql"),
        (azure.managed_instance().id.clone(), "on-mi"),
    ];
    join_all(servers.iter().map(|(target, name)| whole_life(&azure, target, name))).await;
}
