//! Federated credentials of user-assigned identities, and the issuers of Kubernetes clusters, as Resource Manager shows them.
//!
//! Source: Microsoft.ManagedIdentity 2023-01-31, Microsoft.ContainerService 2024-09-01.

use serde::{Deserialize, Serialize};

use crate::azure::Azure;
use crate::azure::error::Error;
use crate::azure::managed_identity::API_VERSION;
use crate::azure::resource_id::ResourceId;
use crate::retry::Patience;

/// The resource type of a federated credential.
pub const FEDERATED_CREDENTIAL: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";

/// What the credentials of an identity are called in its ID.
pub const COLLECTION: &str = "federatedIdentityCredentials";

/// How many credentials an identity may have.
pub const MOST: usize = 20;

/// The resource type of a Kubernetes cluster.
pub const CLUSTER: &str = "Microsoft.ContainerService/managedClusters";

const CLUSTER_API_VERSION: &str = "2024-09-01";

/// A federated credential.
#[derive(Clone, Debug, Deserialize)]
pub struct FederatedCredential {
    /// Its name.
    pub name: String,
    /// What it trusts.
    pub properties: Federation,
}

/// Which tokens a federated credential trusts. All three must match exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federation {
    /// Who issued the token; a slash at the end counts.
    pub issuer: String,
    /// Whom the token is about.
    #[serde(default)]
    pub subject: String,
    /// Whom the token is for: exactly one.
    #[serde(default)]
    pub audiences: Vec<String>,
}

/// What is sent to set a federated credential.
#[derive(Clone, Debug, Serialize)]
pub struct NewFederatedCredential<'a> {
    /// What it shall trust.
    pub properties: &'a Federation,
}

/// A Kubernetes cluster; only what is used.
#[derive(Clone, Debug, Deserialize)]
pub struct Cluster {
    #[serde(default)]
    properties: ClusterProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClusterProperties {
    oidc_issuer_profile: IssuerProfile,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct IssuerProfile {
    #[serde(rename = "issuerURL")]
    issuer_url: Option<String>,
}

impl Cluster {
    /// The issuer of its service accounts' tokens, exactly as they name it; none while it is switched off.
    pub fn issuer(&self) -> Option<&str> {
        let issuer = self.properties.oidc_issuer_profile.issuer_url.as_deref();
        issuer.filter(|issuer| !issuer.is_empty())
    }
}

impl Azure {
    /// Reads all federated credentials of an identity.
    ///
    /// # Errors
    /// Of Resource Manager; [`Error::is_gone`] when there is no such identity.
    pub async fn federated_credentials(
        &self,
        identity: &ResourceId,
        patience: &Patience,
    ) -> Result<Vec<FederatedCredential>, Error> {
        self.list(identity, COLLECTION, API_VERSION, patience).await
    }

    /// Reads a federated credential; nothing when it, or its identity, does not exist.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn federated_credential(
        &self,
        id: &ResourceId,
        patience: &Patience,
    ) -> Result<Option<FederatedCredential>, Error> {
        self.find(id, API_VERSION, patience).await
    }

    /// Reads a cluster; nothing when it does not exist.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn cluster(&self, id: &ResourceId, patience: &Patience) -> Result<Option<Cluster>, Error> {
        self.find(id, CLUSTER_API_VERSION, patience).await
    }
}
