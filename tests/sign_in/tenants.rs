//! Auxiliary tenants: a machine whose image another tenant shares is changed only with that tenant's word.

use entradb::protocol::value::Object;
use entradb_emulator::{Emulator, Options};

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;

/// Switches the machine's own identity on; summary and detail when that is refused.
async fn assigned<'a>(plugin: &'a Plugin, target: &str) -> Result<Instance<'a>, String> {
    let given: Object = config! { "target_id" => target, "system_assigned" => true };
    let made = plugin.resource("entradb_identity_assignment").try_create(given).await;
    made.map_err(|failed| format!("{}: {}", failed.told[0].summary, failed.told[0].detail))
}

#[tokio::test]
async fn what_another_tenant_shares_is_used_with_its_word() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let (partner, client_id) = (azure.add_tenant("partner"), azure.runner().client_id.clone());
    let machine = azure.targets().virtual_machine.clone();
    azure.use_image_of(&machine, &partner);
    let (tenant, subscription) = (partner.tenant_id.as_str(), partner.subscription_id.as_str());

    let plugin = azure::provider(&azure).await;
    let told = assigned(&plugin, &machine).await.err().expect("without its word");
    for words in [subscription, "name that tenant in `auxiliary_tenant_ids`"] {
        assert!(told.contains(words), "{words} is missing in {told}");
    }

    let word = [("ARM_AUXILIARY_TENANT_IDS", tenant)];
    let plugin = azure::provider_with(&azure, &word).await;
    let told = assigned(&plugin, &machine).await.err().expect("it does not know us");
    assert!(told.starts_with("Invalid provider configuration: "), "{told}");
    for words in [
        tenant,
        "an administrator of that tenant lets it in",
        "AADSTS700016",
        &client_id,
    ] {
        assert!(told.contains(words), "{words} is missing in {told}");
    }
    assert!(azure.resource(&machine)["identity"]["principalId"].is_null());

    azure.allow_in_tenant(&client_id, tenant);
    let plugin = azure::provider_with(&azure, &word).await;
    let mut made = assigned(&plugin, &machine).await.expect("with its word");
    made.settled().await;
    assert!(azure.resource(&machine)["identity"]["principalId"].is_string());
    made.destroy().await;
    assert!(azure.resource(&machine)["identity"]["principalId"].is_null());
}

#[tokio::test]
async fn a_tenant_that_does_not_exist_is_named() {
    let azure = azure::shared().await;
    let nowhere = "99999999-0000-4000-8000-000000000000";
    let plugin = azure::provider_with(azure, &[("ARM_AUXILIARY_TENANT_IDS", nowhere)]).await;
    let told = assigned(&plugin, &azure.targets().function_app)
        .await
        .err()
        .expect("no such tenant");
    assert!(told.starts_with("Sign-in failed: "), "{told}");
    for words in [
        &format!("signing in to the auxiliary tenant {nowhere}"),
        "The tenant does not exist",
    ] {
        assert!(told.contains(words), "{words} is missing in {told}");
    }
}
