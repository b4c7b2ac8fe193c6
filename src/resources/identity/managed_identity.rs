//! `entradb_managed_identity`

use std::collections::BTreeMap;

use crate::azure::managed_identity::{API_VERSION, Identity, NewIdentity, USER_ASSIGNED, user_assigned};
use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::{Computed, Timeouts};
use crate::protocol::value::{Object, Value};
use crate::provider::context::Context;
use crate::provider::import::Parts;
use crate::provider::resource::Resource;
use crate::resources::attributes::{AzureName, Location};
use crate::resources::identity::put;

model! {
    /// A user-assigned managed identity: what an application signs in as, without a password.
    ///
    /// Its subscription is that of the provider block. An identity that is re-created under the same name has other IDs; the resources of this provider
    /// that name it by its `id` notice that and follow.
    ///
    /// An identity that exists already, exactly as configured, is taken over with a warning, and destroying this resource then deletes it. One that
    /// differs is an error that names the import command.
    pub struct ManagedIdentity {
        /// The name of the identity: 3 to 128 letters, digits, `-` and `_`.
        #[replace]
        pub name: AzureName,
        /// The name of the resource group.
        #[replace]
        pub resource_group_name: AzureName,
        /// The Azure region.
        #[replace]
        pub location: Location,
        /// The tags of the identity.
        pub tags: Option<BTreeMap<String, String>>,
        /// The ARM ID of the identity.
        #[stable]
        pub id: Computed<ResourceId>,
        /// The client (application) ID of the identity.
        #[stable]
        pub client_id: Computed<String>,
        /// The object ID of the identity's service principal.
        #[stable]
        pub principal_id: Computed<String>,
        /// The ID of the tenant that the identity belongs to.
        #[stable]
        pub tenant_id: Computed<String>,
        pub timeouts: Timeouts,
    }
}

impl Resource for ManagedIdentity {
    const NAME: &'static str = "entradb_managed_identity";
    const IDENTITY: &'static [&'static str] = &["id"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let name = config.get("name").and_then(Value::as_str);
        let mistake = name.filter(|name| !is_name(name)).map(|_| {
            let detail = "The name of an identity has 3 to 128 characters: letters, digits, `-` and `_`; the first is a letter or a digit.";
            Diagnostic::error("Invalid name", detail).at("name")
        });
        mistake.into_iter().collect()
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let clients = cx.clients()?;
        let subscription = clients.subscription()?;
        let id =
            user_assigned(subscription, self.resource_group_name.as_str(), self.name.as_str()).map_err(|error| {
                Diagnostic::error(
                    "Invalid name",
                    format!("No ARM ID can be made of these names: {error}."),
                )
            })?;
        if let Some(found) = clients.azure().identity(&id, cx.patience()).await? {
            self.adopt(&found, &id, cx)?;
        }
        let tags = self.tags.clone().unwrap_or_default();
        let body = NewIdentity {
            location: Some(&self.location.to_string()),
            tags: &tags,
        };
        tracing::info!(%id, "creating the identity");
        let state = |made: Identity| self.clone().with(made, id.clone());
        let made = put(&id, &body, state, (clients, cx)).await;
        clients.forget_identity(&id);
        Ok(made?)
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(id) = self.id.get().cloned() else {
            return Ok(None);
        };
        let found = cx.clients()?.azure().identity(&id, cx.patience()).await?;
        Ok(found.map(|found| {
            let tags = (!found.tags.is_empty() || self.tags.is_some()).then(|| found.tags.clone());
            Self {
                tags,
                ..self.with(found, id)
            }
        }))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        let Some(id) = prior.id.into_inner() else {
            return Err(Diagnostic::bug("The identity in the state has no ID."));
        };
        let tags = self.tags.clone().unwrap_or_default();
        let change = NewIdentity {
            location: None,
            tags: &tags,
        };
        let clients = cx.clients()?;
        let made: Identity = clients.azure().patch(&id, API_VERSION, &change, cx.patience()).await?;
        clients.forget_identity(&id);
        Ok(self.with(made, id))
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        let Some(id) = self.id.into_inner() else { return Ok(()) };
        cx.clients()?.azure().delete(&id, API_VERSION, cx.patience()).await?;
        cx.clients()?.forget_identity(&id);
        Ok(())
    }

    async fn import(parts: &Parts, cx: &Context) -> Result<Self> {
        let id: ResourceId = parts.parse("id")?;
        let invalid = |detail: String| Diagnostic::error("Invalid import ID", detail);
        if !id.is_type(USER_ASSIGNED) {
            return Err(invalid(format!("The ARM ID of a {USER_ASSIGNED} is required.")));
        }
        let Some(found) = cx.clients()?.azure().identity(&id, cx.patience()).await? else {
            let detail = format!("Azure knows no identity {id}.");
            return Err(Diagnostic::error("Nothing to import", detail));
        };
        let name = |text: &str| {
            text.parse()
                .map_err(|error| invalid(format!("`{text}` is no name: {error}.")))
        };
        let location = found.location.parse();
        let imported = Self {
            name: name(id.name())?,
            resource_group_name: name(id.resource_group().unwrap_or_default())?,
            location: location.map_err(|error| invalid(format!("The identity has no usable region: {error}.")))?,
            tags: (!found.tags.is_empty()).then(|| found.tags.clone()),
            id: Computed::UNKNOWN,
            client_id: Computed::UNKNOWN,
            principal_id: Computed::UNKNOWN,
            tenant_id: Computed::UNKNOWN,
            timeouts: Timeouts::default(),
        };
        Ok(imported.with(found, id))
    }
}

impl ManagedIdentity {
    /// With what Azure decided. The tags stay as planned: a policy may add some, and the next Read shows them.
    fn with(self, found: Identity, id: ResourceId) -> Self {
        Self {
            location: found.location.parse().unwrap_or(self.location),
            id: Computed::known(id),
            client_id: Computed::known(found.properties.client_id),
            principal_id: Computed::known(found.properties.principal_id),
            tenant_id: Computed::known(found.properties.tenant_id),
            ..self
        }
    }

    /// An identity that is there already is ours if it is exactly what is asked for: what an apply that was killed leaves behind.
    fn adopt(&self, found: &Identity, id: &ResourceId, cx: &Context) -> Result<()> {
        let location: Result<Location, _> = found.location.parse();
        if location.as_ref() == Ok(&self.location) && found.tags == self.tags.clone().unwrap_or_default() {
            cx.warn(
                "Found already",
                format!(
                    "The identity {id} existed already, exactly as configured; it is managed by Terraform from now on."
                ),
            );
            return Ok(());
        }
        let detail = format!(
            "The identity exists already, with another location or other tags. To manage it, import it:\n\n  terraform import <address> '{id}'"
        );
        Err(Diagnostic::error("Already exists in Azure", detail))
    }
}

fn is_name(name: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    (3..=128).contains(&name.len()) && name.chars().all(plain) && !name.starts_with(['-', '_'])
}
