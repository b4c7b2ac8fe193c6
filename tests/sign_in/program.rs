//! The provider with a certain environment, and who it then is.

use std::path::Path;

use entradb::azure::Azure;
use entradb::azure::cloud::Scope;
use entradb::protocol::model::Model;
use entradb::provider::config::ProviderBlock;
use entradb::provider::settings::{Settings, Variables};
use entradb::retry::StopSignal;
use entradb_emulator::Emulator;

use crate::config;
use crate::harness::azure;
use crate::harness::message::Told;
use crate::harness::plugin::Plugin;

const TYPE: &str = "entradb_client_config";

/// Who is signed in.
#[derive(Debug, PartialEq, Eq)]
pub struct Signed {
    object_id: String,
}

impl Signed {
    pub fn as_object(object_id: &str) -> Signed {
        let object_id = object_id.to_owned();
        Signed { object_id }
    }

    /// The same by the library alone, where the key folder of Azure Arc can be another one.
    pub async fn by_library(
        azure: &Emulator,
        platform: &[(String, String)],
        client_id: Option<&str>,
        keys: &Path,
    ) -> Result<Signed, String> {
        let variables: Variables = environment(azure, platform, client_id).into_iter().collect();
        let block = ProviderBlock::from_object(config! {}).expect("an empty block");
        let mut settings = Settings::new(block, &variables, StopSignal::new())
            .expect("settings")
            .azure;
        keys.clone_into(&mut settings.platform.arc_keys);
        let azure = Azure::new(settings).expect("an Azure");
        let token = azure
            .token(Scope::ResourceManager)
            .await
            .map_err(|error| error.to_string())?;
        let claims = token.claims().expect("a token that says whose it is");
        Ok(Signed::as_object(&claims.oid.unwrap_or_default()))
    }
}

/// A clean environment, in which the platform's identity is the only way in. Without a platform's own variables it is the emulated machine.
fn environment(azure: &Emulator, platform: &[(String, String)], client_id: Option<&str>) -> Vec<(String, String)> {
    let hides = |name: &str| match name {
        "ARM_CLIENT_ID" | "ARM_CLIENT_SECRET" => true,
        "ARM_MSI_ENDPOINT" => !platform.is_empty(),
        _ => false,
    };
    let mut all = azure.environment();
    all.retain(|(name, _)| !hides(name));
    all.extend(platform.iter().cloned());
    let mut say = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
    say("ARM_USE_MSI", "true");
    say("ARM_USE_CLI", "false");
    if let Some(client_id) = client_id {
        say("ARM_CLIENT_ID", client_id);
    }
    all
}

/// Who the real program is; summary and detail when it is nobody.
pub async fn me(environment: &[(String, String)]) -> Result<Signed, String> {
    let pairs: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let plugin = Plugin::start(&pairs).await;
    let refusal = |told: &[Told]| format!("{}: {}", told[0].summary, told[0].detail);
    let told = plugin.try_configure(config! {}).await;
    if !told.is_empty() {
        return Err(refusal(&told));
    }
    match plugin.try_read_data_source(TYPE, config! {}).await {
        Ok(me) => Ok(Signed::as_object(me["object_id"].as_str().unwrap_or_default())),
        Err(told) => Err(refusal(&told)),
    }
}

/// Who the program is on a platform.
pub async fn signed_in(azure: &Emulator, platform: &[(String, String)], client_id: Option<&str>) -> Signed {
    let me = me(&environment(azure, platform, client_id)).await;
    me.unwrap_or_else(|told| panic!("nobody is signed in: {told}"))
}

/// Why the program is nobody on a platform.
pub async fn refused(azure: &Emulator, platform: &[(String, String)], client_id: Option<&str>) -> String {
    let me = me(&environment(azure, platform, client_id)).await;
    me.expect_err("nobody is signed in")
}

/// A user-assigned identity: its client ID and its object ID.
pub async fn managed_identity(azure: &Emulator, name: &str) -> (String, String) {
    let plugin = azure::provider(azure).await;
    let given = config! { "name" => name, "resource_group_name" => "data-platform", "location" => "westeurope" };
    let made = plugin.resource("entradb_managed_identity").create(given).await;
    let text = |attribute: &str| made.get(attribute).as_str().expect("a text").to_owned();
    (text("client_id"), text("principal_id"))
}
