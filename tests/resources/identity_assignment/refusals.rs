//! What cannot be is told where it stands, and by name.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Options};

use crate::config;
use crate::harness::azure;
use crate::resources::identity_assignment::{TYPE, identity, system, user};

const GROUP: &str = "/subscriptions/s/resourceGroups/g/providers";

#[tokio::test]
async fn mistakes_are_told_in_the_plan() {
    let plugin = azure::provider(azure::shared().await).await;
    let vm = format!("{GROUP}/Microsoft.Compute/virtualMachines/vm");
    let own = format!("{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/i");
    let storage = format!("{GROUP}/Microsoft.Storage/storageAccounts/s");
    let mysql = format!("{GROUP}/Microsoft.DBforMySQL/flexibleServers/my");
    let off = config! { "target_id" => vm.as_str(), "system_assigned" => false };
    let both = config! { "target_id" => vm.as_str(), "system_assigned" => true, "identity_id" => own.as_str() };
    let neither = config! { "target_id" => vm.as_str() };
    let table: [(Object, &str, &str); 6] = [
        (
            user(&storage, &own),
            "target_id",
            "Microsoft.DBforPostgreSQL/flexibleServers (PostgreSQL flexible server)",
        ),
        (user(&vm, &vm), "identity_id", "userAssignedIdentities is required"),
        (off, "system_assigned", "switches the identity off"),
        (system(&mysql), "system_assigned", "has no system-assigned identity"),
        (both, "", "identity_id"),
        (neither, "", "identity_id"),
    ];
    for (given, attribute, words) in table {
        let told = plugin
            .resource(TYPE)
            .try_plan_create(given)
            .await
            .expect_err("a mistake");
        let fits = |path: String, detail: &str| (attribute.is_empty() || path == attribute) && detail.contains(words);
        assert!(
            told.iter().any(|one| fits(one.path.to_string(), &one.detail)),
            "{words}: {told:?}"
        );
    }
    for wrong in [
        format!("{vm}|{vm}"),
        format!("{storage}|system"),
        vm.clone(),
        format!("{vm}|System"),
    ] {
        assert!(plugin.resource(TYPE).try_import(&wrong).await.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_plan_to_create_asks_nobody() {
    let nowhere = [("ARM_RESOURCE_MANAGER_ENDPOINT", "https://127.0.0.1:1")];
    let plugin = azure::provider_with(azure::shared().await, &nowhere).await;
    let given = config! { "target_id" => Value::unknown(), "identity_id" => Value::unknown() };
    let planned = plugin.resource(TYPE).plan_create(given).await;
    for name in ["identity", "principal_id", "client_id", "tenant_id"] {
        assert!(planned.get(name).is_unknown(), "{name}");
    }
}

#[tokio::test]
async fn what_does_not_exist_or_is_forbidden_is_named() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let (id, _) = identity(&plugin, "refused").await;
    let vm = &azure.targets().virtual_machine;
    azure.faults().forbid_assignment(&id);
    let table = [
        (user(vm, &format!("{id}-2")), "identity_id", "Identity not found"),
        (user(&format!("{vm}-2"), &id), "target_id", "Target not found"),
        (user(vm, &id), "identity_id", "Not permitted to assign the identity"),
    ];
    for (given, attribute, summary) in table {
        let Err(refused) = plugin.resource(TYPE).try_create(given).await else {
            panic!("{summary}")
        };
        assert_eq!(
            (
                refused.told[0].path.to_string().as_str(),
                refused.told[0].summary.as_str()
            ),
            (attribute, summary)
        );
        assert!(!refused.left.exists(), "{summary}");
    }
    let missing = plugin.resource(TYPE).try_import(&format!("{vm}|{id}")).await;
    assert!(missing.is_err(), "it is not attached");
}
