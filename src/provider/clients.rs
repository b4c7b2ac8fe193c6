//! What talks to Azure and to the databases, built once for each provider block. Nothing is contacted until something is asked.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::azure::Azure;
use crate::azure::error::Error as AzureError;
use crate::azure::federation::Cluster;
use crate::azure::managed_identity::Identity;
use crate::azure::resource_id::ResourceId;
use crate::azure::server::Server;
use crate::lock::Locks;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::model::Model;
use crate::protocol::value::Object;
use crate::provider::config::ProviderBlock;
use crate::provider::postgresql::Failure;
use crate::provider::server::Host;
use crate::provider::settings::{Settings, Variables};
use crate::provider::snapshot::Snapshots;
use crate::retry::{Patience, StopSignal};
use crate::sql::pool::Pool;
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::server_catalog::ServerCatalog;

/// How long after a change of its administrators a server may refuse their login.
const CHANGE_SHOWS: Duration = Duration::from_secs(5 * 60);

/// The clients of one provider block.
pub struct Clients {
    azure: Azure,
    settings: Settings,
    /// One writer at a time for each key, within this process.
    pub locks: Locks,
    pub(crate) pool: Pool,
    pub(crate) server_catalogs: Snapshots<Host, ServerCatalog, Failure>,
    pub(crate) database_catalogs: Snapshots<(Host, String), DatabaseCatalog, Failure>,
    identities: Snapshots<String, Option<Identity>, AzureError>,
    servers: Snapshots<String, Option<Server>, AzureError>,
    clusters: Snapshots<String, Option<Cluster>, AzureError>,
    targets: Snapshots<String, Option<serde_json::Value>, AzureError>,
    hosts: Mutex<HashMap<String, Known>>,
}

/// What we found out about a host, by whichever port of it.
#[derive(Default)]
struct Known {
    login: Option<String>,
    changed: Option<Instant>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Clients")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
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
        Ok(Self {
            azure,
            settings,
            locks: Locks::default(),
            pool: Pool::default(),
            server_catalogs: Snapshots::default(),
            database_catalogs: Snapshots::default(),
            identities: Snapshots::default(),
            servers: Snapshots::default(),
            clusters: Snapshots::default(),
            targets: Snapshots::default(),
            hosts: Mutex::default(),
        })
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
        self.settings
            .azure
            .subscription_id
            .as_deref()
            .ok_or_else(|| Diagnostic::error("No subscription given", detail))
    }

    /// The identity behind an ID, read once for all who ask within a few seconds. `None`: there is none.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn identity(&self, id: &ResourceId, patience: &Patience) -> Result<Arc<Option<Identity>>> {
        let key = id.to_string().to_ascii_lowercase();
        let load = || self.azure.identity(id, patience);
        Ok(self.identities.get(&key, patience, "the identity", load).await?)
    }

    /// Something about the identity was changed: the next one who asks reads it anew.
    pub fn forget_identity(&self, id: &ResourceId) {
        let key = id.to_string().to_ascii_lowercase();
        self.identities.forget(|known| *known == key);
    }

    /// A database server of any kind, read once for all who ask within a few seconds. `None`: there is none.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn server(&self, id: &ResourceId, patience: &Patience) -> Result<Arc<Option<Server>>> {
        let key = id.to_string().to_ascii_lowercase();
        let load = || self.azure.server(id, patience);
        Ok(self.servers.get(&key, patience, "the server", load).await?)
    }

    /// Something about the server was changed: the next one who asks reads it anew.
    pub fn forget_server(&self, id: &ResourceId) {
        let key = id.to_string().to_ascii_lowercase();
        self.servers.forget(|known| *known == key);
    }

    /// A Kubernetes cluster, read once for all who ask within a few seconds. `None`: there is none.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn cluster(&self, id: &ResourceId, patience: &Patience) -> Result<Arc<Option<Cluster>>> {
        let key = id.to_string().to_ascii_lowercase();
        let load = || self.azure.cluster(id, patience);
        Ok(self.clusters.get(&key, patience, "the cluster", load).await?)
    }

    /// A resource that identities are attached to, read once for all who ask within a few seconds. `None`: it does not exist.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn target(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        patience: &Patience,
    ) -> Result<Arc<Option<serde_json::Value>>> {
        let key = id.to_string().to_ascii_lowercase();
        let load = || self.azure.find(id, api_version, patience);
        Ok(self.targets.get(&key, patience, "the resource", load).await?)
    }

    /// The identities of a resource were changed: the next one who asks reads it anew.
    pub fn forget_target(&self, id: &ResourceId) {
        let key = id.to_string().to_ascii_lowercase();
        self.targets.forget(|known| *known == key);
        self.forget_identity(id);
        self.forget_server(id);
    }

    /// An administrator was set or taken away: for a while, a refused login there is worth another try.
    pub fn administrators_were_changed(&self, host: &Host) {
        let mut hosts = self.hosts();
        let known = hosts.entry(host.name.clone()).or_default();
        known.changed = Some(Instant::now());
        known.login = None;
    }

    pub(crate) fn administrators_changed_lately(&self, host: &Host) -> bool {
        self.hosts()
            .get(&host.name)
            .and_then(|known| known.changed)
            .is_some_and(|changed| changed.elapsed() < CHANGE_SHOWS)
    }

    pub(crate) fn known_login(&self, host: &Host) -> Option<String> {
        self.hosts().get(&host.name)?.login.clone()
    }

    pub(crate) fn remember_login(&self, host: &Host, user: String) {
        self.hosts().entry(host.name.clone()).or_default().login = Some(user);
    }

    pub(crate) fn forget_login(&self, host: &Host) {
        self.hosts().entry(host.name.clone()).or_default().login = None;
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
