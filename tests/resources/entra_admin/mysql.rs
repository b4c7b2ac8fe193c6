//! What is MySQL's own: the identity with which the server asks the directory, replicas, and client IDs.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::Emulator;

use crate::config;
use crate::harness::azure;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::entra_admin::{IDENTITY, TYPE, emulated, text, written};
use crate::resources::world::with;

async fn identity(plugin: &Plugin, name: &str) -> String {
    let made = plugin.resource(IDENTITY).create(written(name)).await;
    text(made.get("id")).to_owned()
}

fn of_group(azure: &Emulator, group: &str, identity: &str) -> Object {
    config! {
        "server_id" => azure.mysql().id.as_str(), "object_id" => group, "principal_type" => "Group", "name" => "operators",
        "server_identity_id" => identity,
    }
}

fn attached(azure: &Emulator, server: &str) -> Vec<String> {
    let found = azure.server_properties(server)["identity"]["userAssignedIdentities"].clone();
    let map = found.as_object().cloned().unwrap_or_default();
    map.keys().map(|id| id.to_lowercase()).collect()
}

#[tokio::test]
async fn the_server_identity_is_attached_when_asked_and_its_lack_is_explained() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let (lookup, others) = (identity(&plugin, "lookup").await, identity(&plugin, "others").await);
    let (server, replica) = (azure.mysql().id.clone(), azure.mysql_replica().id.clone());
    azure.attach_server_identity(&server, &others);
    let given = of_group(&azure, &group, &lookup);

    let Err(refused) = plugin.resource(TYPE).try_create(given.clone()).await else {
        panic!("it is not attached")
    };
    assert_eq!(refused.told[0].path.to_string(), "server_identity_id");
    for word in ["attach_server_identity", "mysql-data", "mysql-replica"] {
        assert!(refused.told[0].detail.contains(word), "{word}: {:?}", refused.told);
    }

    let attaching = with(given, config! { "attach_server_identity" => true });
    let mut admin = plugin.resource(TYPE).create(attaching.clone()).await;
    admin.settled().await;
    assert!(
        attached(&azure, &server).contains(&others.to_lowercase()),
        "others stay"
    );
    for one in [&server, &replica] {
        assert!(attached(&azure, one).contains(&lookup.to_lowercase()), "{one}");
        assert_eq!(azure.administrators(one)[0]["sid"], serde_json::json!(group), "{one}");
    }

    let other = with(attaching, config! { "server_identity_id" => others.as_str() });
    assert_eq!(admin.update(other).await, Action::Update);
    admin.settled().await;
    let shown = azure.administrators(&server)[0]["identityResourceId"].clone();
    assert!(
        shown.as_str().is_some_and(|id| id.eq_ignore_ascii_case(&others)),
        "{shown}"
    );
    admin.destroy().await;
    for one in [&server, &replica] {
        assert!(azure.administrators(one).is_empty(), "{one}");
        assert!(
            attached(&azure, one).contains(&lookup.to_lowercase()),
            "it stays attached"
        );
    }
}

#[tokio::test]
async fn replicas_are_refused_with_the_name_of_their_primary() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let lookup = identity(&plugin, "lookup").await;
    let on = |given: Object, id: &str| with(given, config! { "server_id" => id });
    let mysql = on(of_group(&azure, &group, &lookup), &azure.mysql_replica().id);
    let mut postgresql = on(mysql.clone(), &azure.postgresql_replica().id);
    postgresql.remove("server_identity_id");
    for (given, primary) in [(mysql, &azure.mysql().id), (postgresql, &azure.postgresql().id)] {
        let Err(refused) = plugin.resource(TYPE).try_create(given).await else {
            panic!("it is a replica")
        };
        assert_eq!(refused.told[0].summary, "Server is a replica");
        assert!(refused.told[0].detail.contains(primary.as_str()), "{:?}", refused.told);
    }
}

#[tokio::test]
async fn mistakes_are_told_before_anything_is_asked() {
    let azure = azure::shared().await;
    let nowhere = [("ARM_RESOURCE_MANAGER_ENDPOINT", "https://127.0.0.1:1")];
    let plugin = azure::provider_with(azure, &nowhere).await;
    let admins = plugin.resource(TYPE);
    let object_id = "11111111-1111-1111-1111-111111111111";
    let lookup = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/lookup";
    let good = of_group(azure, object_id, lookup);
    assert_eq!(admins.plan_create(good.clone()).await.action, Action::Create);
    let mut without = good.clone();
    without.remove("server_identity_id");
    let long = "x".repeat(33);
    let sql = azure.sql_server().id.as_str();
    let table = [
        ("server_identity_id", without),
        ("name", with(good.clone(), config! { "name" => long })),
        (
            "client_id",
            with(good.clone(), config! { "principal_type" => "ServicePrincipal" }),
        ),
        ("server_identity_id", with(good.clone(), config! { "server_id" => sql })),
    ];
    for (attribute, given) in table {
        let told = admins.try_plan_create(given).await.expect_err("a mistake");
        assert!(
            told.iter().any(|one| one.path.to_string() == attribute),
            "{attribute}: {told:?}"
        );
    }
    let with_client = with(
        good,
        config! { "principal_type" => "ServicePrincipal", "client_id" => object_id },
    );
    assert_eq!(admins.plan_create(with_client).await.get("sid"), &Value::unknown());
}
