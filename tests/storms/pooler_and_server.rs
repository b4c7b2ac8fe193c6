//! One server by two addresses: named by its ID, by its pooler's port, and by its ID again.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Access, Emulator};

use crate::harness::azure;
use crate::harness::instance::{Found, Instance};
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::world::{by_hand, role_by_hand, with};
use crate::storms::pooler::emulator;
use crate::{block, config};

fn at(server: &str, given: &Object) -> Object {
    with(given.clone(), config! { "server" => server })
}

async fn every_kind<'a>(emulator: &Emulator, plugin: &'a Plugin, server: &str) -> Vec<(Instance<'a>, Object)> {
    for role in ["twice_old", "twice_new"] {
        role_by_hand(emulator, role, "login").await;
    }
    let tables =
        "create schema twice_s authorization twice_old; set role twice_old; create table twice_s.one (id serial)";
    by_hand(emulator, "openmetadata_db", tables).await;
    let app = emulator
        .add_application("twice-app", Access::None)
        .await
        .expect("an application");
    let given = [
        (
            "entradb_postgresql_user",
            config! { "name" => "twice-app", "object_id" => app.object_id.as_str(), "principal_type" => "ServicePrincipal" },
        ),
        ("entradb_postgresql_role", config! { "name" => "twice-role" }),
        (
            "entradb_postgresql_role_membership",
            config! { "role" => "twice-role", "member" => "twice-app" },
        ),
        (
            "entradb_postgresql_access",
            config! {
                "database" => "openmetadata_db", "grantee" => "twice-app",
                "schema" => vec![block! { "name" => "twice_s", "level" => "read" }],
            },
        ),
        (
            "entradb_postgresql_ownership",
            config! {
                "database" => "openmetadata_db", "owner" => "twice_new", "previous_owners" => Value::from(["twice_old"]),
                "on_destroy" => "restore",
            },
        ),
    ];
    let mut made = Vec::new();
    for (kind, given) in given {
        made.push((plugin.resource(kind).create(at(server, &given)).await, given));
    }
    made
}

#[tokio::test]
async fn a_server_is_changed_in_place_from_its_id_to_its_pooler_and_back() {
    let emulator = emulator().await;
    let plugin = azure::provider(emulator).await;
    let (id, fqdn) = (&emulator.postgresql().id, &emulator.postgresql().fqdn);
    let pooler = format!("{fqdn}:6432");
    let mut made = every_kind(emulator, &plugin, id).await;
    for (server, host, server_id) in [
        (&pooler, &pooler, Value::Null),
        (id, fqdn, Value::from(id.as_str())),
        (&pooler, &pooler, Value::Null),
        (fqdn, fqdn, Value::Null),
    ] {
        for (instance, given) in &mut made {
            let kind = instance.resource.name;
            let action = instance.update(at(server, given)).await;
            assert_eq!(action, Action::Update, "{kind} to {server}");
            let found = ["server", "host", "server_id"].map(|name| instance.get(name).clone());
            let expected = [
                Value::from(server.as_str()),
                Value::from(host.as_str()),
                server_id.clone(),
            ];
            assert_eq!(found, expected, "{kind}");
            instance.settled().await;
        }
    }
    while let Some((instance, _)) = made.pop() {
        instance.destroy().await;
    }
    let clean = "drop schema twice_s cascade; drop role twice_old; drop role twice_new";
    by_hand(emulator, "openmetadata_db", clean).await;
}

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
