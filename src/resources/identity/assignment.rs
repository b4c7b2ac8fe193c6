//! `entradb_identity_assignment`

mod attaching;
mod planning;

use crate::azure::identity_target::{Assigned, Attached, TARGETS, Target};
use crate::azure::managed_identity::{Identity, USER_ASSIGNED};
use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Rule;
use crate::protocol::typed::{Computed, Timeouts};
use crate::protocol::value::{Object, Value};
use crate::provider::context::Context;
use crate::provider::import::Parts;
use crate::provider::plan::Plan;
use crate::provider::resource::Resource;

model! {
    /// One identity on one resource: a user-assigned identity that is attached to a virtual machine, an application or a server, or the resource's
    /// own, system-assigned one that is switched on.
    ///
    /// Only this one identity is touched, whatever others are attached, and by whom: nothing is lost when several runs of Terraform attach at once.
    /// Destroying it detaches this one identity again, also where it was attached before and creation only took it over, with a warning.
    ///
    /// Supported are virtual machines and scale sets, web and function apps with their slots, container apps and jobs, AKS clusters, PostgreSQL and
    /// MySQL flexible servers, SQL servers and SQL managed instances. Attaching needs write permission on the resource, and `Managed Identity
    /// Operator` on a user-assigned identity.
    ///
    /// Where azurerm manages the resource itself, tell it to leave the identities alone: `lifecycle { ignore_changes = [identity] }`.
    ///
    /// Some resources have rules of their own. A cluster takes one identity of one kind, so none is attached beside another, and a cluster that would
    /// be left without any keeps it on destroy. A MySQL server has no system-assigned identity, and does not tell which identity it has under an ID: one that
    /// was re-created is not noticed there, and `terraform apply -replace` attaches it. A SQL server gets its first identity as the primary
    /// one; when the primary one is detached, another of the attached ones takes its place. The instances of a scale set with a manual upgrade policy
    /// get the identity when they are upgraded.
    pub struct IdentityAssignment {
        /// The ARM ID of the resource that gets the identity.
        #[replace]
        pub target_id: ResourceId,
        /// The ARM ID of the user-assigned identity.
        #[replace]
        pub identity_id: Option<ResourceId>,
        /// `true` switches the system-assigned identity on.
        #[replace]
        pub system_assigned: Option<bool>,
        /// Which identity it is: the ARM ID of the user-assigned one, or `system`.
        #[stable]
        pub identity: Computed<Assigned>,
        /// The object ID of the identity's service principal, as the resource signs in. Null while Azure does not tell.
        #[stable]
        pub principal_id: Computed<Option<String>>,
        /// The client (application) ID of the identity.
        #[stable]
        pub client_id: Computed<Option<String>>,
        /// The ID of the tenant that the identity belongs to.
        #[stable]
        pub tenant_id: Computed<Option<String>>,
        pub timeouts: Timeouts,
    }
    rules:
        Rule::ExactlyOneOf(&["identity_id", "system_assigned"])
}

impl Resource for IdentityAssignment {
    const NAME: &'static str = "entradb_identity_assignment";
    const IDENTITY: &'static [&'static str] = &["target_id", "identity"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let id = |name: &str| config.get(name)?.as_str()?.parse::<ResourceId>().ok();
        let target = id("target_id").map(|id| supported(&id));
        let system = config.get("system_assigned").and_then(Value::as_bool);
        let invalid = |detail: String| Diagnostic::error("Invalid value", detail);
        let other = id("identity_id").filter(|id| !id.is_type(USER_ASSIGNED)).map(|_| {
            let detail = format!("The ARM ID of a {USER_ASSIGNED} is required. A system-assigned identity is switched on by `system_assigned`.");
            invalid(detail).at("identity_id")
        });
        let off = (system == Some(false)).then(|| {
            let detail = "`system_assigned` is `true` or not given: removing the resource switches the identity off.";
            invalid(detail.to_owned()).at("system_assigned")
        });
        let none = match (&target, system) {
            (Some(Ok(target)), Some(true)) if !target.system_assigned => Some(no_system_assigned(target)),
            _ => None,
        };
        let unsupported = target.and_then(|target| target.err());
        [unsupported, other, off, none].into_iter().flatten().collect()
    }

    async fn plan(plan: &mut Plan, cx: &Context) -> Result<()> {
        planning::identity(plan);
        planning::rebinding(plan, cx).await
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        attaching::attach(self, cx).await
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(assigned) = self.identity.get().cloned() else {
            return Ok(None);
        };
        let target = supported(&self.target_id)?;
        let clients = cx.clients()?;
        let resource = clients
            .target(&self.target_id, target.api_version, cx.patience())
            .await?;
        let Some(resource) = resource.as_ref() else {
            return Ok(None);
        };
        let found = Attached::of(resource);
        if !found.has(&assigned) {
            return Ok(None);
        }
        let own = match &assigned {
            Assigned::System => &self.target_id,
            Assigned::User(id) => id,
        };
        let known = clients.identity(own, cx.patience()).await?;
        Ok(Some(self.seen(&found, &assigned, known.as_ref().as_ref())))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        attaching::renew(self, prior, cx).await
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        attaching::detach(&self, cx).await
    }

    async fn import(parts: &Parts, _cx: &Context) -> Result<Self> {
        let target_id: ResourceId = parts.parse("target_id")?;
        let assigned: Assigned = parts.parse("identity")?;
        let invalid = |detail| Diagnostic::error("Invalid import ID", detail);
        supported(&target_id).map_err(|refused| invalid(refused.detail))?;
        let (identity_id, system_assigned) = match &assigned {
            Assigned::System => (None, Some(true)),
            Assigned::User(id) if id.is_type(USER_ASSIGNED) => (Some(id.clone()), None),
            Assigned::User(_) => {
                let detail = format!("The second part is the ARM ID of a {USER_ASSIGNED}, or `system`.");
                return Err(invalid(detail));
            }
        };
        Ok(Self {
            target_id,
            identity_id,
            system_assigned,
            identity: Computed::known(assigned),
            principal_id: Computed::known(None),
            client_id: Computed::known(None),
            tenant_id: Computed::known(None),
            timeouts: Timeouts::default(),
        })
    }
}

impl IdentityAssignment {
    fn assigned(&self) -> Result<Assigned> {
        match (&self.identity_id, self.system_assigned) {
            (Some(id), _) => Ok(Assigned::User(id.clone())),
            (None, Some(true)) => Ok(Assigned::System),
            (None, _) => Err(Diagnostic::error(
                "No identity given",
                "Set `identity_id`, or `system_assigned = true`.",
            )),
        }
    }

    /// With the IDs that the identity has.
    fn with(self, assigned: &Assigned, known: Option<&Identity>) -> Self {
        let properties = known.map(|known| known.properties.clone());
        let (principal, client, tenant) = match properties {
            Some(ids) => (Some(ids.principal_id), Some(ids.client_id), Some(ids.tenant_id)),
            None => (None, None, None),
        };
        Self {
            identity: Computed::known(assigned.clone()),
            principal_id: Computed::known(principal),
            client_id: Computed::known(client),
            tenant_id: Computed::known(tenant),
            ..self
        }
    }

    /// As it is on the resource. An identity that was re-created since, or is gone, is still the former one there.
    fn seen(self, found: &Attached, assigned: &Assigned, known: Option<&Identity>) -> Self {
        let attached = match assigned {
            Assigned::System => None,
            Assigned::User(id) => found.user(id),
        };
        let attached_as = attached.and_then(|user| user.principal_id.as_deref());
        match known {
            Some(known) if attached_as.is_none_or(|id| id.eq_ignore_ascii_case(&known.properties.principal_id)) => {
                self.with(assigned, Some(known))
            }
            _ => {
                let or = |told: Option<String>, prior: &Computed<Option<String>>| {
                    Computed::known(told.or_else(|| prior.get().cloned().flatten()))
                };
                let told = attached.cloned();
                Self {
                    principal_id: or(
                        told.as_ref().and_then(|user| user.principal_id.clone()),
                        &self.principal_id,
                    ),
                    client_id: or(told.and_then(|user| user.client_id), &self.client_id),
                    tenant_id: or(known.map(|known| known.properties.tenant_id.clone()), &self.tenant_id),
                    ..self
                }
            }
        }
    }
}

/// How identities are attached to a resource of this type.
fn supported(id: &ResourceId) -> Result<&'static Target> {
    Target::of(id).ok_or_else(|| {
        let list = TARGETS
            .iter()
            .map(|target| format!("- {} ({})", target.resource_type, target.called));
        let what = id.resource_type().unwrap_or_else(|| "no resource".to_owned());
        let detail = format!(
            "Identities are attached to resources of these types, and {id} is {what}:\n\n{}",
            list.collect::<Vec<_>>().join("\n")
        );
        Diagnostic::error("Type of resource not supported", detail).at("target_id")
    })
}

fn no_system_assigned(target: &Target) -> Diagnostic {
    let detail = format!(
        "A {} has no system-assigned identity. Attach a user-assigned one.",
        target.called
    );
    Diagnostic::error("No system-assigned identity", detail).at("system_assigned")
}
