//! What talks to Azure and to the databases, built once for each provider block. Nothing is contacted until something is asked.

use std::sync::Arc;

use crate::azure::Azure;
use crate::azure::managed_identity::Identity;
use crate::azure::resource_id::ResourceId;
use crate::lock::Locks;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::model::Model;
use crate::protocol::value::Object;
use crate::provider::config::ProviderBlock;
use crate::provider::settings::{Settings, Variables};
use crate::provider::snapshot::Snapshots;
use crate::retry::{Patience, StopSignal};

/// The clients of one provider block.
#[derive(Debug)]
pub struct Clients {
    azure: Azure,
    settings: Settings,
    /// One writer at a time for each key, within this process.
    pub locks: Locks,
    identities: Snapshots<String, Option<Identity>>,
}

impl Clients {
    /// Reads the provider block and the environment. Does no IO beyond files that the block names.
    ///
    /// # Errors
    /// Every mistake in the block.
    pub fn configure(config: &Object, stop: StopSignal) -> Result<Self, Vec<Diagnostic>> {
        if config.values().any(|value| !value.is_wholly_known()) {
            let detail = "A value of the provider block is known only after apply, but something must be read now. \
                          Apply what the provider block depends on first (`-target`), or plan with `-refresh=false`.";
            return Err(vec![Diagnostic::error("Provider configuration not known yet", detail)]);
        }
        let block = ProviderBlock::from_object(config.clone())?;
        let settings = Settings::new(block, &Variables::of_process(), stop).map_err(|mistake| vec![mistake])?;
        let azure = Azure::new(settings.azure.clone()).map_err(|error| vec![error.into()])?;
        Ok(Self { azure, settings, locks: Locks::default(), identities: Snapshots::default() })
    }

    /// Microsoft's side.
    pub fn azure(&self) -> &Azure {
        &self.azure
    }

    /// What the provider block and the environment say.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The subscription in which resources are created.
    ///
    /// # Errors
    /// When none was given.
    pub fn subscription(&self) -> Result<&str> {
        let detail = "Set `subscription_id` in the provider block, or the environment variable ARM_SUBSCRIPTION_ID.";
        self.settings.azure.subscription_id.as_deref().ok_or_else(|| Diagnostic::error("No subscription given", detail))
    }

    /// The identity behind an ID, read once for all who ask within a few seconds. `None`: there is none.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn identity(&self, id: &ResourceId, patience: &Patience) -> Result<Arc<Option<Identity>>> {
        let key = id.to_string().to_ascii_lowercase();
        Ok(self.identities.get(&key, || self.azure.identity(id, patience)).await?)
    }

    /// Something about the identity was changed: the next one who asks reads it anew.
    pub fn forget_identity(&self, id: &ResourceId) {
        let key = id.to_string().to_ascii_lowercase();
        self.identities.forget(|known| *known == key);
    }
}
