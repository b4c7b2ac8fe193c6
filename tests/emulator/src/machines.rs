//! The resources that identities are assigned to, as tests see them past ARM: which there are, what a GET shows, and what
//! another party attaches. It does not know ARM's requests.

use serde_json::{Value, json};

use crate::arm::records;
use crate::arm::targets::assignment::{self, Assigned};
use crate::arm::targets::kinds::{self, Kind};
use crate::arm::targets::{self, Target};
use crate::error::{Error, Result};
use crate::journal::hold;
use crate::world::{State, World};
use crate::{Emulator, Tenant};

/// ARM resource IDs of what identities can be assigned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// `vm-bytebase`, without any identity.
    pub virtual_machine: String,
    /// `vmss-workers`, without any identity.
    pub scale_set: String,
    /// `app-metadata`, with a system-assigned identity.
    pub web_app: String,
    /// Slot `staging` of `app-metadata`, without any identity.
    pub web_app_slot: String,
    /// `func-loader`, without any identity.
    pub function_app: String,
    /// `ca-metadata`, without any identity.
    pub container_app: String,
    /// `job-loader`, without any identity.
    pub container_app_job: String,
    /// `aks-data`, with a system-assigned identity.
    pub cluster: String,
}

/// Makes them all, and the virtual machine whose identity the instance metadata service answers for.
pub(crate) fn furnish(state: &mut State, base: &str, location: &str, issuer: &str) -> Targets {
    let mut add = |kind: &'static Kind, rest: &str, system: bool| {
        let namespace = kind.name.split('/').next().unwrap_or_default();
        let id = format!("{base}/{namespace}/{rest}");
        let issuer = Some(issuer).filter(|_| kind.name == kinds::CLUSTER.name);
        let mut target = Target::new(kind, &id, location, issuer);
        if system {
            let principal = assignment::system_principal(&target);
            target.identities.system = Some(principal.object_id.clone());
            state.directory.add(principal);
        }
        state.targets.insert(target.key(), target);
        id
    };
    let targets = Targets {
        virtual_machine: add(&kinds::MACHINE, "virtualMachines/vm-bytebase", false),
        scale_set: add(&kinds::SCALE_SET, "virtualMachineScaleSets/vmss-workers", false),
        web_app: add(&kinds::SITE, "sites/app-metadata", true),
        web_app_slot: add(&kinds::SLOT, "sites/app-metadata/slots/staging", false),
        function_app: add(&kinds::SITE, "sites/func-loader", false),
        container_app: add(&kinds::CONTAINER_APP, "containerApps/ca-metadata", false),
        container_app_job: add(&kinds::JOB, "jobs/job-loader", false),
        cluster: add(&kinds::CLUSTER, "managedClusters/aks-data", true),
    };
    let own = add(&kinds::MACHINE, "virtualMachines/terraform-vm", false);
    if let Some(object_id) = state.machine_system_identity.clone()
        && let Some(principal) = state.directory.get_mut(&object_id)
    {
        principal.resource_id = Some(own.clone());
        if let Some(machine) = state.targets.get_mut(&own.to_ascii_lowercase()) {
            machine.identities.system = Some(object_id);
        }
    }
    targets
}

impl Emulator {
    /// The resources that identities can be assigned to.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// What a GET of one of them shows now.
    ///
    /// # Panics
    /// When there is no such resource; so do the other verbs here.
    #[must_use]
    pub fn resource(&self, target_id: &str) -> Value {
        targets::shown(&self.world, target_id).expect("the test names a resource that exists")
    }

    /// Attaches a user-assigned identity (its resource ID) as another party would, past ARM.
    ///
    /// # Panics
    /// When there is no such resource or identity.
    pub fn attach_identity(&self, target_id: &str, identity_id: &str) {
        let mut state = hold(&self.world.state);
        let identity = state.identities.get(&identity_id.to_ascii_lowercase()).cloned();
        let identity = identity.expect("the test names an identity that exists");
        let target = state.targets.get_mut(&target_id.to_ascii_lowercase());
        let target = target.expect("the test names a resource that exists");
        if target.identities.of(identity_id).is_none() {
            target.identities.assigned.push(Assigned {
                id: identity_id.to_owned(),
                object_id: identity.object_id,
                client_id: identity.client_id,
            });
        }
        target.version += 1;
    }

    /// Detaches a user-assigned identity as another party would.
    ///
    /// # Panics
    /// When there is no such resource.
    pub fn detach_identity(&self, target_id: &str, identity_id: &str) {
        let mut state = hold(&self.world.state);
        let target = state.targets.get_mut(&target_id.to_ascii_lowercase());
        let target = target.expect("the test names a resource that exists");
        target
            .identities
            .assigned
            .retain(|one| !one.id.eq_ignore_ascii_case(identity_id));
        target.version += 1;
    }

    /// Lets a virtual machine or scale set come from an image that another tenant shares; answers the image's ID. Every
    /// later change of it needs a token of that tenant too.
    ///
    /// # Panics
    /// When there is no such resource, or it is neither.
    pub fn use_image_of(&self, target_id: &str, tenant: &Tenant) -> String {
        let image = format!(
            "/subscriptions/{}/resourceGroups/images/providers/Microsoft.Compute/galleries/shared/images/base/versions/1.0.0",
            tenant.subscription_id
        );
        let mut state = hold(&self.world.state);
        let target = state.targets.get_mut(&target_id.to_ascii_lowercase());
        let target = target.expect("the test names a resource that exists");
        let place = target.image_place().expect("the test names a machine or a scale set");
        let profile = target.body.pointer_mut(place).expect("these have such a profile");
        profile["imageReference"] = json!({"id": image, "exactVersion": "1.0.0"});
        target.version += 1;
        image
    }

    /// Switches the system-assigned identity of a resource or a database server on, as another party would; answers its
    /// object ID.
    ///
    /// # Errors
    /// When a database cannot be told, or there is no such resource, or its kind has no such identity.
    pub async fn enable_system_identity(&self, id: &str) -> Result<String> {
        let system = self.switch_system_identity(id, true).await?;
        system.ok_or_else(|| Error::new(format!("the identity of {id} went away at once")))
    }

    /// Switches it off; the identity leaves the directory, and what was granted to it is in vain.
    ///
    /// # Errors
    /// As [`Emulator::enable_system_identity`].
    pub async fn disable_system_identity(&self, id: &str) -> Result<()> {
        self.switch_system_identity(id, false).await.map(drop)
    }

    async fn switch_system_identity(&self, id: &str, wanted: bool) -> Result<Option<String>> {
        let seen = own_identity(&self.world, id, |id, name, system| {
            (id.to_owned(), name.to_owned(), system.clone())
        })?;
        let (id, name, present) = seen;
        let after = records::switch_system(&self.world, &id, &name, present, wanted).await?;
        own_identity(&self.world, &id, |_, _, system| system.clone_from(&after))?;
        if let Some(target) = hold(&self.world.state).targets.get_mut(&id.to_ascii_lowercase()) {
            target.version += 1;
        }
        Ok(after)
    }
}

/// Looks at the system-assigned identity of a resource or a server, with its ID and name.
fn own_identity<T>(world: &World, id: &str, look: impl FnOnce(&str, &str, &mut Option<String>) -> T) -> Result<T> {
    let mut state = hold(&world.state);
    let key = id.to_ascii_lowercase();
    if let Some(server) = state.servers.get(&key) {
        return Ok(look(
            &server.id,
            &server.name,
            &mut hold(&server.record).system_identity,
        ));
    }
    if let Some(record) = state.records.get_mut(&key) {
        if record.kind == records::Kind::Mysql {
            return Err(Error::new("MySQL servers have no system-assigned identity"));
        }
        return Ok(look(&record.id, &record.name, &mut record.system_identity));
    }
    let target = state.targets.get_mut(&key);
    let target = target.ok_or_else(|| Error::new(format!("there is no resource {id}")))?;
    let name = target.name();
    Ok(look(&target.id, &name, &mut target.identities.system))
}
