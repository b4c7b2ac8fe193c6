//! Who a resource is about: an identity by its ARM ID, or any principal by its object ID. The right IDs are found here, and nowhere else.

mod visibility;

pub use visibility::NotKnown;

use crate::azure::resource_id::ResourceId;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::Computed;
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::plan::Plan;
use crate::resources::attributes::PrincipalType;

/// A principal of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The object ID: of a user, a group, or a service principal.
    pub object_id: Guid,
    /// What it is.
    pub principal_type: PrincipalType,
    /// The client (application) ID of an application or managed identity, where it is known.
    pub client_id: Option<Guid>,
    /// The tenant, where it is known.
    pub tenant_id: Option<String>,
    /// What it is called, where that is known: the name of an identity, or of the resource that has a system-assigned one.
    pub name: Option<String>,
    /// Whether Resource Manager has confirmed that it exists.
    pub confirmed: bool,
}

/// How a configuration names a principal.
#[derive(Clone, Debug)]
pub struct Named<'a> {
    /// `identity_id`
    pub identity_id: Option<&'a ResourceId>,
    /// `object_id`
    pub object_id: &'a Computed<Guid>,
    /// `principal_type`
    pub principal_type: &'a Computed<PrincipalType>,
    /// `client_id`, where the resource has it.
    pub client_id: Option<Guid>,
}

impl Named<'_> {
    /// The principal. With `identity_id` no permission in the directory is needed.
    ///
    /// # Errors
    /// When the identity does not exist.
    pub async fn resolve(&self, cx: &Context) -> Result<Principal> {
        self.resolve_or(None, cx).await
    }

    /// The principal; where the identity is gone, the last one that it was known to be, if there is one.
    ///
    /// # Errors
    /// When the identity does not exist, and there is no last one.
    pub async fn resolve_or(&self, last: Option<Principal>, cx: &Context) -> Result<Principal> {
        match (self.identity_id, self.object_id.get(), self.principal_type.get()) {
            (Some(id), _, _) => match of_identity(id, cx).await? {
                Some(principal) => Ok(principal),
                None => last.ok_or_else(|| {
                    let detail = format!(
                        "Azure knows no identity {id}. If it is a resource with a system-assigned identity, switch that on first."
                    );
                    Diagnostic::error("Identity not found", detail).at("identity_id")
                }),
            },
            (None, Some(object_id), Some(principal_type)) => Ok(Principal {
                object_id: *object_id,
                principal_type: *principal_type,
                client_id: self.client_id,
                tenant_id: None,
                name: None,
                confirmed: false,
            }),
            _ => Err(Diagnostic::error(
                "No principal given",
                "Set `identity_id`, or `object_id` and `principal_type`.",
            )),
        }
    }
}

async fn of_identity(id: &ResourceId, cx: &Context) -> Result<Option<Principal>> {
    let Some(found) = (*cx.clients()?.identity(id, cx.patience()).await?).clone() else {
        return Ok(None);
    };
    let guid = |text: &str| {
        text.parse::<Guid>().map_err(|_| {
            Diagnostic::error(
                "Unexpected answer from Azure",
                format!("The identity {id} has the ID `{text}`, which is no GUID."),
            )
        })
    };
    Ok(Some(Principal {
        object_id: guid(&found.properties.principal_id)?,
        principal_type: PrincipalType::ServicePrincipal,
        client_id: Some(guid(&found.properties.client_id)?),
        tenant_id: Some(found.properties.tenant_id),
        name: Some(id.name().to_owned()),
        confirmed: true,
    }))
}

/// Plans `object_id`, `principal_type` and, where the resource has it, `client_id`.
///
/// A re-created identity keeps its ARM ID, so the state alone cannot tell: an existing resource asks once which principal the ID is now, and a
/// difference becomes an update in place. A plan to create asks nothing.
///
/// # Errors
/// Of Resource Manager.
pub async fn plan(plan: &mut Plan, cx: &Context) -> Result<()> {
    let Some(text) = plan.planned("identity_id").as_str().map(str::to_owned) else {
        if plan.planned("identity_id").is_unknown() {
            for name in ["object_id", "principal_type", "client_id"] {
                if plan.has(name) {
                    plan.unknown(name);
                }
            }
        }
        return Ok(());
    };
    let (Ok(id), false) = (text.parse::<ResourceId>(), plan.is_create()) else {
        return Ok(());
    };
    let now = match &*cx.clients()?.identity(&id, cx.patience()).await? {
        Some(found) => found.properties.clone(),
        // It is about to be made again, or apply will say that it is missing.
        None => return Ok(()),
    };
    for (name, value) in [("object_id", &now.principal_id), ("client_id", &now.client_id)] {
        if !plan.has(name) {
            continue;
        }
        let same = plan
            .prior(name)
            .as_str()
            .is_some_and(|prior| prior.eq_ignore_ascii_case(value));
        if same {
            plan.keep(name)
        } else {
            plan.set(name, value.clone())
        }
    }
    plan.set("principal_type", PrincipalType::ServicePrincipal.to_string());
    Ok(())
}

impl Principal {
    /// Whether an ID is one of its own. Object IDs and client IDs never coincide.
    pub fn is(&self, id: Guid) -> bool {
        self.object_id == id || self.client_id == Some(id)
    }
}
