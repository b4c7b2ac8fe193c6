//! `entradb_federated_credential`

mod planning;
mod validation;

use crate::azure::error::Kind;
use crate::azure::federation::{
    COLLECTION, FEDERATED_CREDENTIAL, FederatedCredential as Found, Federation, MOST, NewFederatedCredential,
};
use crate::azure::managed_identity::API_VERSION;
use crate::azure::resource_id::ResourceId;
use crate::lock::Held;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Rule;
use crate::protocol::typed::{Computed, Timeouts};
use crate::protocol::value::Object;
use crate::provider::context::Context;
use crate::provider::import::{self, Parts};
use crate::provider::plan::Plan;
use crate::provider::resource::Resource;
use crate::resources::attributes::AzureName;
use crate::resources::identity::put;

model! {
    /// A federated credential of a user-assigned identity: whoever holds a certain OpenID token, such as the pods of a Kubernetes service account, signs in
    /// as the identity, without a secret.
    ///
    /// Issuer, subject and audience must match the token exactly. A new credential takes some minutes until Microsoft Entra accepts it everywhere. An
    /// identity has at most 20 of them, and each combination of issuer and subject only once. They are written one after the other, also when several
    /// runs of Terraform write at once.
    ///
    /// A credential that exists already, exactly as configured, is taken over with a warning, and destroying this resource then deletes it. One that
    /// differs is an error that names the import command.
    pub struct FederatedCredential {
        /// The name of the credential: 3 to 120 letters, digits, `-` and `_`.
        #[replace]
        pub name: AzureName,
        /// The ARM ID of the user-assigned identity that is signed in as.
        #[replace]
        pub managed_identity_id: ResourceId,
        /// The issuer of the token, exactly as the token names it, a slash at its end included. Where `aks_cluster_id` is given, it is the cluster's.
        #[optional]
        pub issuer: Computed<String>,
        /// The ARM ID of the Azure Kubernetes Service cluster whose tokens are trusted. Its OpenID issuer must be enabled. When the issuer of the cluster
        /// changes, as it does when the cluster is re-created, the next plan follows it.
        pub aks_cluster_id: Option<ResourceId>,
        /// The subject of the token. Where `namespace` and `service_account` are given, it is `system:serviceaccount:<namespace>:<service account>`.
        #[optional]
        pub subject: Computed<String>,
        /// The Kubernetes namespace of the service account.
        pub namespace: Option<String>,
        /// The Kubernetes service account.
        pub service_account: Option<String>,
        /// The audience of the token. Default: that of the cloud, `api://AzureADTokenExchange` in the public one.
        #[optional]
        pub audience: Computed<String>,
        /// The ARM ID of the credential.
        #[stable]
        pub id: Computed<ResourceId>,
        pub timeouts: Timeouts,
    }
    rules:
        Rule::ExactlyOneOf(&["issuer", "aks_cluster_id"]),
        Rule::ExactlyOneOf(&["subject", "service_account"]),
        Rule::Requires("service_account", "namespace"),
        Rule::Requires("namespace", "service_account")
}

impl Resource for FederatedCredential {
    const NAME: &'static str = "entradb_federated_credential";
    const IDENTITY: &'static [&'static str] = &["id"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        validation::mistakes(config)
    }

    async fn plan(plan: &mut Plan, cx: &Context) -> Result<()> {
        planning::id(plan);
        planning::subject(plan);
        planning::audience(plan, cx).await?;
        planning::issuer(plan, cx).await
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let id = self.own_id()?;
        let wanted = self.federation(cx).await?;
        let _held = self.alone(cx).await?;
        let others = self.others(&wanted, cx).await?;
        match others.iter().find(|found| self.is(found)) {
            Some(found) if found.properties == wanted => cx.warn(
                "Found already",
                format!("The federated credential {id} existed already, exactly as configured; it is managed by Terraform from now on."),
            ),
            Some(_) => return Err(exists(&id)),
            None if others.len() >= MOST => return Err(self.too_many(&others)),
            None => {}
        }
        self.set(id, &wanted, cx).await
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(id) = self.id.get().cloned() else {
            return Ok(None);
        };
        let found = cx.clients()?.azure().federated_credential(&id, cx.patience()).await?;
        Ok(found.map(|found| self.with(found.properties, id)))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        let id = self.own_id()?;
        let wanted = self.federation(cx).await?;
        if wanted == prior.recorded() {
            return Ok(self.with(wanted, prior.id.into_inner().unwrap_or(id)));
        }
        let _held = self.alone(cx).await?;
        self.others(&wanted, cx).await?;
        let id = prior.id.into_inner().unwrap_or(id);
        self.set(id, &wanted, cx).await
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        let Some(id) = self.id.get() else { return Ok(()) };
        let _held = self.alone(cx).await?;
        tracing::info!(%id, "deleting the federated credential");
        Ok(cx.clients()?.azure().delete(id, API_VERSION, cx.patience()).await?)
    }

    async fn import(parts: &Parts, _cx: &Context) -> Result<Self> {
        let id: ResourceId = parts.parse("id")?;
        let (true, Some(managed_identity_id)) = (id.is_type(FEDERATED_CREDENTIAL), id.parent()) else {
            let detail = format!("The ARM ID of a {FEDERATED_CREDENTIAL} is required.");
            return Err(Diagnostic::error("Invalid import ID", detail));
        };
        let name = id.name().parse();
        Ok(Self {
            name: name
                .map_err(|error| Diagnostic::error("Invalid import ID", format!("The name is not valid: {error}.")))?,
            managed_identity_id,
            issuer: Computed::UNKNOWN,
            aks_cluster_id: None,
            subject: Computed::UNKNOWN,
            namespace: None,
            service_account: None,
            audience: Computed::UNKNOWN,
            id: Computed::known(id),
            timeouts: Timeouts::default(),
        })
    }
}

impl FederatedCredential {
    fn own_id(&self) -> Result<ResourceId> {
        let id = self.managed_identity_id.child(COLLECTION, self.name.as_str());
        id.map_err(|error| {
            Diagnostic::error("Invalid name", format!("No ARM ID can be made of the name: {error}.")).at("name")
        })
    }

    fn is(&self, other: &Found) -> bool {
        other.name.eq_ignore_ascii_case(self.name.as_str())
    }

    /// Azure refuses writes that overlap under one identity; other processes are waited out by the calls themselves.
    async fn alone(&self, cx: &Context) -> Result<Held> {
        let key = format!("federated credentials of {}", self.managed_identity_id).to_ascii_lowercase();
        cx.turn(key).await
    }

    /// What the configuration comes to.
    async fn federation(&self, cx: &Context) -> Result<Federation> {
        let issuer = match (self.issuer.get(), &self.aks_cluster_id) {
            (Some(issuer), _) => issuer.clone(),
            (None, Some(cluster)) => cluster_issuer(cluster, cx).await?,
            (None, None) => {
                return Err(Diagnostic::error(
                    "No issuer given",
                    "Set `issuer` or `aks_cluster_id`.",
                ));
            }
        };
        let subject = match (self.subject.get(), &self.namespace, &self.service_account) {
            (Some(subject), _, _) => subject.clone(),
            (None, Some(namespace), Some(account)) => service_account_subject(namespace, account),
            _ => {
                let detail = "Set `subject`, or `namespace` and `service_account`.";
                return Err(Diagnostic::error("No subject given", detail));
            }
        };
        let audience = match self.audience.get() {
            Some(audience) => audience.clone(),
            None => cx.clients()?.azure().cloud().await?.federated_audience.clone(),
        };
        Ok(Federation {
            issuer,
            subject,
            audiences: vec![audience],
        })
    }

    /// What the state says of it.
    fn recorded(&self) -> Federation {
        let text = |value: &Computed<String>| value.get().cloned().unwrap_or_default();
        Federation {
            issuer: text(&self.issuer),
            subject: text(&self.subject),
            audiences: vec![text(&self.audience)],
        }
    }

    /// The credentials that the identity has, none of which may trust the same tokens under another name.
    async fn others(&self, wanted: &Federation, cx: &Context) -> Result<Vec<Found>> {
        let identity = &self.managed_identity_id;
        let found = match cx
            .clients()?
            .azure()
            .federated_credentials(identity, cx.patience())
            .await
        {
            Err(error) if error.is_gone() => {
                let detail = format!("Azure knows no identity {identity}.");
                return Err(Diagnostic::error("Identity not found", detail).at("managed_identity_id"));
            }
            other => other?,
        };
        let same =
            |other: &&Found| other.properties.issuer == wanted.issuer && other.properties.subject == wanted.subject;
        match found.iter().filter(same).find(|other| !self.is(other)) {
            None => Ok(found),
            Some(other) => {
                let detail = format!(
                    "The federated credential `{}` of the same identity has this issuer and subject already; Azure allows each combination once. \
                     Use that one, import it, or remove it first.\n\nIssuer: {}\nSubject: {}",
                    other.name, wanted.issuer, wanted.subject
                );
                Err(Diagnostic::error("Duplicate federated credential", detail))
            }
        }
    }

    fn too_many(&self, others: &[Found]) -> Diagnostic {
        let names: Vec<&str> = others.iter().map(|found| found.name.as_str()).collect();
        let detail = format!(
            "The identity {} has {} federated credentials already, and Azure allows {MOST}: {}. Remove one, or use a further identity.",
            self.managed_identity_id,
            others.len(),
            names.join(", ")
        );
        Diagnostic::error("Too many federated credentials", detail)
    }

    async fn set(self, id: ResourceId, wanted: &Federation, cx: &Context) -> Result<Self> {
        tracing::info!(%id, "writing the federated credential");
        let body = NewFederatedCredential { properties: wanted };
        let state = |made: Found| self.clone().with(made.properties, id.clone());
        match put(&id, &body, state, (cx.clients()?, cx)).await {
            Err(error) if matches!(error.kind(), Kind::InvalidRequest | Kind::Conflict) => {
                // Another process may have come first: then its credential is named.
                let others = self.others(wanted, cx).await?;
                match others.len() >= MOST && !others.iter().any(|found| self.is(found)) {
                    true => Err(self.too_many(&others)),
                    false => Err(error.into()),
                }
            }
            other => Ok(other?),
        }
    }

    fn with(self, found: Federation, id: ResourceId) -> Self {
        let audience = found.audiences.into_iter().next().unwrap_or_default();
        Self {
            issuer: Computed::known(found.issuer),
            subject: Computed::known(found.subject),
            audience: Computed::known(audience),
            id: Computed::known(id),
            ..self
        }
    }
}

fn exists(id: &ResourceId) -> Diagnostic {
    let detail = format!(
        "The federated credential exists already, with another issuer, subject or audience. To manage it, import it:\n\n  \
         terraform import <address> '{}'",
        import::id([id.as_str()])
    );
    Diagnostic::error("Already exists in Azure", detail)
}

/// The subject of a service account's tokens.
fn service_account_subject(namespace: &str, account: &str) -> String {
    format!("system:serviceaccount:{namespace}:{account}")
}

async fn cluster_issuer(id: &ResourceId, cx: &Context) -> Result<String> {
    let found = cx.clients()?.cluster(id, cx.patience()).await?;
    let (summary, detail) = match &*found {
        Some(cluster) => match cluster.issuer() {
            Some(issuer) => return Ok(issuer.to_owned()),
            None => (
                "Cluster without an issuer",
                format!(
                    "The OpenID issuer of the cluster {id} is not enabled. Enable it (`oidc_issuer_enabled` in azurerm), and workload identity with it."
                ),
            ),
        },
        None => ("Cluster not found", format!("Azure knows no cluster {id}.")),
    };
    Err(Diagnostic::error(summary, detail).at("aks_cluster_id"))
}
