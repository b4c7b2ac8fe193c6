//! Other tenants than the emulator's own: each manages one subscription, and knows those of our applications that were
//! let in. It does not know what Azure Resource Manager asks of them.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::Emulator;
use crate::directory::{Principal, PrincipalKind};
use crate::journal::hold;
use crate::world::{State, World};

/// Another tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The tenant's ID.
    pub tenant_id: String,
    /// The name that it was added with.
    pub name: String,
    /// The only subscription that it manages.
    pub subscription_id: String,
}

/// Another tenant with its service principals of our applications.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    pub(crate) tenant: Tenant,
    /// The object ID there, by the object ID here.
    members: BTreeMap<String, String>,
}

/// The other tenant with this ID.
fn foreign<'a>(state: &'a State, tenant: &str) -> Option<&'a Foreign> {
    let mut all = state.tenants.iter();
    all.find(|foreign| foreign.tenant.tenant_id.eq_ignore_ascii_case(tenant))
}

/// The tenant that manages a subscription, when it is not the emulator's own.
pub(crate) fn managing(state: &State, subscription: &str) -> Option<Tenant> {
    let mut all = state.tenants.iter().map(|foreign| &foreign.tenant);
    all.find(|tenant| tenant.subscription_id.eq_ignore_ascii_case(subscription))
        .cloned()
}

/// A tenant's ID as Entra spells it; `None` when there is no such tenant.
pub(crate) fn known(world: &World, tenant: &str) -> Option<String> {
    if tenant.eq_ignore_ascii_case(world.tenant()) {
        return Some(world.tenant().to_owned());
    }
    let state = hold(&world.state);
    foreign(&state, tenant).map(|foreign| foreign.tenant.tenant_id.clone())
}

/// The service principal of one of our applications in a tenant; `None` when the tenant does not know it.
pub(crate) fn service_principal(world: &World, tenant: &str, home: &Principal) -> Option<Principal> {
    if tenant == world.tenant() {
        return Some(home.clone());
    }
    let state = hold(&world.state);
    let object_id = foreign(&state, tenant)?.members.get(&home.object_id)?.clone();
    Some(Principal {
        object_id,
        ..home.clone()
    })
}

/// A service principal of any tenant, with that tenant's ID.
pub(crate) fn anywhere(world: &World, object_id: &str) -> Option<(String, Principal)> {
    let state = hold(&world.state);
    if let Some(principal) = state.directory.get(object_id) {
        return Some((world.tenant().to_owned(), principal.clone()));
    }
    state.tenants.iter().find_map(|foreign| {
        let (home, there) = foreign.members.iter().find(|(_, there)| *there == object_id)?;
        let principal = Principal {
            object_id: there.clone(),
            ..state.directory.get(home)?.clone()
        };
        Some((foreign.tenant.tenant_id.clone(), principal))
    })
}

impl Emulator {
    /// Adds a tenant with a subscription of its own. It knows no application yet: see [`Emulator::allow_in_tenant`].
    ///
    /// Nothing in its subscription can be asked for. Something of ours can point there, though: an image (see
    /// [`Emulator::use_image_of`]) or an identity in a request. Azure Resource Manager then wants a token of that tenant
    /// in `x-ms-authorization-auxiliary`.
    pub fn add_tenant(&self, name: &str) -> Tenant {
        let tenant = Tenant {
            tenant_id: Uuid::new_v4().to_string(),
            name: name.to_owned(),
            subscription_id: Uuid::new_v4().to_string(),
        };
        hold(&self.world.state).tenants.push(Foreign {
            tenant: tenant.clone(),
            members: BTreeMap::new(),
        });
        tenant
    }

    /// Lets an application (client ID) into another tenant, as its administrator's consent does: the token endpoint there
    /// takes its credentials from now on, and it may read what that tenant shares. Answers the object ID of its service
    /// principal there, which [`Emulator::access_token`] and [`Emulator::expired_token`] know too.
    ///
    /// # Panics
    /// When there is no such application or tenant. A managed identity is at home in one tenant only.
    pub fn allow_in_tenant(&self, client_id: &str, tenant_id: &str) -> String {
        let mut state = hold(&self.world.state);
        let home = state.directory.by_app_id(client_id);
        let home = home.filter(|one| one.kind == PrincipalKind::Application);
        let home = home
            .expect("the test names an application that exists")
            .object_id
            .clone();
        let mut all = state.tenants.iter_mut();
        let foreign = all.find(|one| one.tenant.tenant_id.eq_ignore_ascii_case(tenant_id));
        let members = &mut foreign.expect("the test names a tenant that was added").members;
        members
            .entry(home)
            .or_insert_with(|| Uuid::new_v4().to_string())
            .clone()
    }
}
