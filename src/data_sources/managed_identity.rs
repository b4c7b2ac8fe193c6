//! `entradb_managed_identity`, to be looked at

use std::collections::BTreeMap;

use crate::azure::managed_identity::{USER_ASSIGNED, user_assigned};
use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Rule;
use crate::protocol::typed::Computed;
use crate::protocol::value::{Object, Value};
use crate::provider::context::Context;
use crate::provider::resource::DataSource;
use crate::resources::attributes::AzureName;

model! {
    /// A user-assigned managed identity that exists already: its IDs, found by its name or by its ARM ID. No permission in the directory is needed.
    pub struct FoundIdentity {
        /// The ARM ID of the identity.
        #[optional]
        pub id: Computed<ResourceId>,
        /// The name of the identity, in the subscription of the provider block, which must name one then.
        #[optional]
        pub name: Computed<AzureName>,
        /// The name of its resource group.
        #[optional]
        pub resource_group_name: Computed<AzureName>,
        /// The Azure region.
        pub location: Computed<String>,
        /// The tags of the identity.
        pub tags: Computed<BTreeMap<String, String>>,
        /// The client (application) ID of the identity.
        pub client_id: Computed<String>,
        /// The object ID of the identity's service principal.
        pub principal_id: Computed<String>,
        /// The ID of the tenant that the identity belongs to.
        pub tenant_id: Computed<String>,
    }
    rules:
        Rule::ExactlyOneOf(&["id", "name"]),
        Rule::Requires("name", "resource_group_name"),
        Rule::Requires("resource_group_name", "name")
}

impl DataSource for FoundIdentity {
    const NAME: &'static str = "entradb_managed_identity";

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let id = config
            .get("id")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<ResourceId>().ok());
        let other = id.filter(|id| !id.is_type(USER_ASSIGNED)).map(|_| {
            let detail = format!("The ARM ID of a {USER_ASSIGNED} is required.");
            Diagnostic::error("Invalid value", detail).at("id")
        });
        other.into_iter().collect()
    }

    async fn read(self, cx: &Context) -> Result<Self> {
        let clients = cx.clients()?;
        let (id, place) = match (self.id.get(), self.name.get(), self.resource_group_name.get()) {
            (Some(id), _, _) => (id.clone(), "id"),
            (None, Some(name), Some(group)) => {
                let id = user_assigned(clients.subscription()?, group.as_str(), name.as_str());
                let invalid = |error| {
                    let detail = format!("No ARM ID can be made of these names: {error}.");
                    Diagnostic::error("Invalid name", detail).at("name")
                };
                (id.map_err(invalid)?, "name")
            }
            _ => {
                let detail = "Set `id`, or `name` and `resource_group_name`.";
                return Err(Diagnostic::error("No identity given", detail));
            }
        };
        let found = clients.identity(&id, cx.patience()).await?;
        let Some(found) = found.as_ref() else {
            let detail = format!("Azure knows no identity {id}, or the signed-in principal may not see it.");
            return Err(Diagnostic::error("Identity not found", detail).at(place));
        };
        let name = |text: Option<&str>| {
            let name: Option<AzureName> = text.and_then(|text| text.parse().ok());
            name.map_or(Computed::UNKNOWN, Computed::known)
        };
        let (own_name, group) = (name(Some(id.name())), name(id.resource_group()));
        Ok(Self {
            id: Computed::known(id),
            name: own_name,
            resource_group_name: group,
            location: Computed::known(found.location.clone()),
            tags: Computed::known(found.tags.clone()),
            client_id: Computed::known(found.properties.client_id.clone()),
            principal_id: Computed::known(found.properties.principal_id.clone()),
            tenant_id: Computed::known(found.properties.tenant_id.clone()),
        })
    }
}
