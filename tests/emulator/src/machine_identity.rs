//! Which identities the pretended machine, app or job has, and which of them a token request means.
//! It does not know the forms of requests.

use crate::directory::Principal;
use crate::http::Ask;
use crate::journal::hold;
use crate::tokens;
use crate::world::World;

/// Which identity is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Client(String),
    Object(String),
    Resource(String),
}

/// A parameter's name, and what its value selects by.
pub(crate) type Choice<'a> = (&'a str, fn(String) -> Selector);

impl Selector {
    /// The selector of a request; more than one is refused.
    pub(crate) fn of(ask: &Ask, names: &[Choice<'_>]) -> Result<Option<Selector>, String> {
        let given: Vec<(&str, Selector)> = names
            .iter()
            .filter_map(|(name, make)| ask.parameter(name).map(|value| (*name, make(value.to_owned()))))
            .collect();
        match given.as_slice() {
            [] => Ok(None),
            [(_, selector)] => Ok(Some(selector.clone())),
            [(first, _), (second, _), ..] => Err(format!("Only one of '{first}' and '{second}' may be given")),
        }
    }
}

/// Why no identity was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Several,
    Unknown,
}

impl Missing {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Missing::Several => {
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the \
                 token request"
            }
            Missing::Unknown => "Identity not found",
        }
    }
}

/// The system-assigned identity.
pub(crate) fn system(world: &World) -> Option<Principal> {
    let state = hold(&world.state);
    let object_id = state.machine_system_identity.as_ref()?;
    state.directory.get(object_id).cloned()
}

/// The identity that is meant; without a selector the system-assigned one, else the only other one.
pub(crate) fn choose(world: &World, selector: Option<&Selector>) -> Result<Principal, Missing> {
    let system = system(world);
    let state = hold(&world.state);
    let assigned: Vec<&Principal> = state
        .machine_identities
        .iter()
        .filter_map(|object_id| state.directory.get(object_id))
        .collect();
    let same = |own: Option<&str>, given: &str| own.is_some_and(|own| own.eq_ignore_ascii_case(given));
    let is = |one: &Principal| match selector {
        Some(Selector::Client(id)) => same(one.app_id.as_deref(), id),
        Some(Selector::Object(id)) => same(Some(&one.object_id), id),
        Some(Selector::Resource(id)) => same(one.resource_id.as_deref(), id),
        None => true,
    };
    if selector.is_none() {
        return match (system, assigned.as_slice()) {
            (Some(system), _) => Ok(system),
            (None, [only]) => Ok((*only).clone()),
            (None, []) => Err(Missing::Unknown),
            (None, _) => Err(Missing::Several),
        };
    }
    let found = assigned.into_iter().chain(&system).find(|one| is(one)).cloned();
    found.ok_or(Missing::Unknown)
}

/// The resource that a token is asked for, out of the query.
pub(crate) fn resource(world: &World, ask: &Ask) -> Result<String, String> {
    let given = ask.parameter("resource").filter(|resource| !resource.is_empty());
    let given = given.ok_or_else(|| "Required query variable 'resource' is missing".to_owned())?;
    known(world, given)
}

/// The resource, when the tenant knows it.
pub(crate) fn known(world: &World, resource: &str) -> Result<String, String> {
    if tokens::is_known_resource(world, resource) {
        return Ok(resource.to_owned());
    }
    Err(format!(
        "AADSTS500011: The resource principal named {resource} was not found in the tenant named {}.",
        world.tenant()
    ))
}
