//! The administrators that a server and its replicas have, and whether two are the same. It asks nobody.

use crate::azure::resource_id::ResourceId;
use crate::provider::config::Guid;
use crate::resources::attributes::PrincipalType;
use crate::resources::entra_admin::Wanted;
use crate::resources::principal::Principal;

/// An administrator that a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) sid: Guid,
    /// None where the server does not say.
    pub(super) principal_type: Option<PrincipalType>,
    pub(super) name: String,
    /// None where the server does not say.
    pub(super) tenant_id: Option<Guid>,
    /// On MySQL.
    pub(super) server_identity_id: Option<ResourceId>,
}

/// Everybody who administers a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seated {
    /// Those of the server itself.
    pub(super) own: Vec<Present>,
    /// On MySQL: the replicas, each with its own.
    pub(super) replicas: Vec<(ResourceId, Option<Present>)>,
}

/// Who gives way to the administrator that is wanted, where there is one seat.
#[derive(Debug)]
pub(super) enum GivesWay {
    /// Anybody.
    Anybody,
    /// Whom the plan has named, each by a text with the ID.
    Named(Vec<String>),
}

/// Whether two names are one: those of users have no case.
pub(super) fn is_same_name(one: &str, other: &str, user: bool) -> bool {
    one == other || user && one.to_lowercase() == other.to_lowercase()
}

impl GivesWay {
    /// Nobody gives way without having been named, unless that is meant.
    pub(super) fn when(anybody: bool) -> Self {
        match anybody {
            true => Self::Anybody,
            false => Self::Named(Vec::new()),
        }
    }

    /// The plan has named these too.
    pub(super) fn name(&mut self, texts: impl IntoIterator<Item = String>) {
        if let Self::Named(named) = self {
            named.extend(texts);
        }
    }

    /// Whether this one does.
    pub(super) fn includes(&self, sid: Guid) -> bool {
        match self {
            Self::Anybody => true,
            Self::Named(named) => named.iter().any(|text| text.contains(&sid.to_string())),
        }
    }
}

impl Present {
    /// Whether it is what is wanted, to the letter.
    pub(super) fn is_exactly(&self, wanted: &Wanted) -> bool {
        let user = wanted.principal.principal_type == PrincipalType::User;
        self.sid == wanted.sid
            && is_same_name(&self.name, &wanted.name, user)
            && self.tenant_id.is_none_or(|tenant| tenant == wanted.tenant_id)
            && self.server_identity_id == wanted.server_identity_id
    }

    /// Whether another server has the same one.
    fn is_same(&self, other: &Self, user: bool) -> bool {
        self.sid == other.sid
            && is_same_name(&self.name, &other.name, user)
            && self.tenant_id == other.tenant_id
            && self.server_identity_id == other.server_identity_id
    }
}

impl Seated {
    /// Each with its server, which is `id` or a replica of it.
    pub(super) fn everybody<'a>(&'a self, id: &'a ResourceId) -> impl Iterator<Item = (&'a ResourceId, &'a Present)> {
        let own = self.own.iter().map(move |one| (id, one));
        own.chain(self.replicas.iter().filter_map(|(id, one)| Some((id, one.as_ref()?))))
    }

    /// Whether the server itself has no other one.
    pub(super) fn has_only(&self, is_ours: impl Fn(&Present) -> bool) -> bool {
        !self.own.is_empty() && self.own.iter().all(is_ours)
    }

    /// Whether a principal is among them.
    pub(super) fn has(&self, principal: &Principal) -> bool {
        let replicas = self.replicas.iter().filter_map(|(_, one)| one.as_ref());
        self.own.iter().chain(replicas).any(|one| principal.is(one.sid))
    }

    /// Whether each replica has the administrator that is wanted.
    pub(super) fn is_followed(&self, wanted: &Wanted) -> bool {
        let has = |one: &Option<Present>| one.as_ref().is_some_and(|one| one.is_exactly(wanted));
        self.replicas.iter().all(|(_, one)| has(one))
    }

    /// The replicas that have another administrator than the server, or none, as people read it.
    pub(super) fn behind(&self, sole: &Present, user: bool) -> Vec<String> {
        let behind = self.replicas.iter().filter_map(|(id, one)| match one {
            None => Some(format!("replica {} (no administrator)", id.name())),
            Some(one) if one.is_same(sole, user) => None,
            Some(one) => Some(format!(
                "replica {} (`{}` with the ID {})",
                id.name(),
                one.name,
                one.sid
            )),
        });
        let mut behind: Vec<String> = behind.collect();
        behind.sort();
        behind
    }
}
