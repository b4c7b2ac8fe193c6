//! Everything that the fronts share: the tenant, the resources, the keys, the log and the faults.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::arm::groups::ResourceGroup;
use crate::arm::identities::Identity;
use crate::arm::operations::Operation;
use crate::arm::records::Record;
use crate::arm::targets::Target;
use crate::directory::{Directory, Principal};
use crate::error::Result;
use crate::faults::Faults;
use crate::journal::{Journal, hold};
use crate::keys::Key;
use crate::options::Options;
use crate::postgres::server::Server;
use crate::tenants::Foreign;

/// Where each front listens, as a client writes it: no slash at the end.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) authority: String,
    pub(crate) resource_manager: String,
    pub(crate) graph: String,
    pub(crate) issuer: String,
    pub(crate) instance_metadata: String,
}

/// What changes while the emulator runs, under one lock that is never held across an await.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) directory: Directory,
    /// Other tenants.
    pub(crate) tenants: Vec<Foreign>,
    /// By lower-case name.
    pub(crate) groups: BTreeMap<String, ResourceGroup>,
    /// By lower-case resource ID.
    pub(crate) identities: BTreeMap<String, Identity>,
    /// Resources that identities are assigned to, by lower-case resource ID.
    pub(crate) targets: BTreeMap<String, Target>,
    /// By lower-case resource ID.
    pub(crate) servers: BTreeMap<String, Arc<Server>>,
    /// Servers without a process, by lower-case resource ID.
    pub(crate) records: BTreeMap<String, Record>,
    /// What somebody changed past this API: JSON pointers and values, by lower-case resource ID.
    pub(crate) overlays: BTreeMap<String, Vec<(String, serde_json::Value)>>,
    pub(crate) operations: BTreeMap<String, Operation>,
    /// Identities whose federated credentials are being written.
    pub(crate) federation_writes: BTreeSet<String>,
    /// Object IDs of the identities of the machine behind the instance metadata service.
    pub(crate) machine_system_identity: Option<String>,
    pub(crate) machine_identities: Vec<String>,
    /// The person who opened the pretended Cloud Shell: object ID.
    pub(crate) cloud_shell_user: String,
    pub(crate) arc: ArcKeys,
    /// Microsoft Graph's largest page.
    pub(crate) graph_page: Option<usize>,
    /// How many token requests each token proxy answered, by the last part of its path.
    pub(crate) token_proxies: BTreeMap<String, u64>,
    /// Issuers of external tokens that Entra can verify, all signed with the issuer key.
    pub(crate) issuers: BTreeSet<String>,
}

/// The files with which Azure Arc's agent proves that a client may read what only administrators can.
#[derive(Debug, Default)]
pub(crate) struct ArcKeys {
    pub(crate) folder: PathBuf,
    /// How long each file is at least; Azure's are shorter than 4096 bytes.
    pub(crate) length: usize,
    /// Contents that were not used yet.
    pub(crate) keys: BTreeSet<String>,
}

/// One emulated Azure.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) endpoints: Endpoints,
    /// Signs Entra's tokens.
    pub(crate) entra_key: Key,
    /// Signs the tokens of clusters and other issuers.
    pub(crate) issuer_key: Key,
    /// What the pretended GitHub asks for before it gives a token.
    pub(crate) token_request_secret: String,
    /// What the pretended platforms give to their apps as `IDENTITY_HEADER` or `MSI_SECRET`.
    pub(crate) platform_secret: String,
    /// SHA-1 of the certificate of the fronts, in upper-case hexadecimal digits.
    pub(crate) thumbprint: String,
    pub(crate) state: Mutex<State>,
    /// Every token that was signed, for tests that look where none may be.
    pub(crate) issued: Mutex<Vec<String>>,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
}

impl World {
    pub(crate) fn tenant(&self) -> &str {
        &self.options.tenant_id
    }

    pub(crate) fn subscription(&self) -> &str {
        &self.options.subscription_id
    }

    /// Signs Entra's or an issuer's token, and remembers it.
    pub(crate) fn sign(&self, key: &Key, claims: &serde_json::Value) -> String {
        let token = key.sign(claims);
        hold(&self.issued).push(token.clone());
        token
    }

    pub(crate) fn servers(&self) -> Vec<Arc<Server>> {
        hold(&self.state).servers.values().cloned().collect()
    }

    /// Puts an object into the directory and tells the databases.
    pub(crate) async fn add_principal(&self, principal: Principal) -> Result<()> {
        hold(&self.state).directory.add(principal.clone());
        for server in self.servers() {
            server.learn(&principal).await?;
        }
        Ok(())
    }

    /// Takes an object out of the directory and tells the databases. Roles that are bound to it stay.
    pub(crate) async fn remove_principal(&self, object_id: &str) -> Result<()> {
        hold(&self.state).directory.remove(object_id);
        for server in self.servers() {
            server.forget(object_id).await?;
        }
        Ok(())
    }
}
