//! The memberships that a role granted to others. From version 16 on each hangs on its grantor and goes with it. Pure.

use std::collections::BTreeSet;

use crate::resources::postgresql::borrowed::{BOOTSTRAP, Grantor, given_again, our_grantor, taken};
use crate::sql;
use crate::sql::postgres::server_catalog::{Membership, OPTIONS, ServerCatalog};
use crate::sql::statement::Statement;

/// The memberships of others in others that this role granted, where they would go with it.
pub(super) fn granted(server: &ServerCatalog, role: u32) -> impl Iterator<Item = &Membership> {
    let held = server.memberships.iter();
    held.filter(move |held| {
        server.version >= OPTIONS && held.grantor == role && ![held.role, held.member].contains(&role)
    })
}

/// As a person is told.
pub(super) fn named(server: &ServerCatalog, held: &Membership) -> String {
    let name = |role| {
        server
            .role_name(role)
            .map_or("a role that is gone", |name| name.as_str())
    };
    format!("membership of {} in {}", name(held.member), name(held.role))
}

/// What becomes of these memberships when their grantor goes.
#[derive(Debug, Default)]
pub(super) struct Succession {
    /// They are granted in our name first, so that nobody is without one, then taken back in the name of the role.
    pub(super) statements: Vec<Statement>,
    /// Those that we may not grant.
    pub(super) lost: Vec<String>,
}

impl Succession {
    pub(super) fn of(server: &ServerCatalog, role: u32) -> Self {
        let staying = without(server, role);
        let (mut succession, mut revoked) = (Self::default(), Vec::new());
        for held in granted(server, role) {
            let (Grantor::Role(grantor) | Grantor::Chosen(grantor)) = our_grantor(&staying, held.role) else {
                succession.lost.push(named(server, held));
                continue;
            };
            let again = again(&staying, held, grantor);
            succession.statements.push(given_again(server, &again));
            revoked.push(sql!("{} CASCADE", taken(server, held)));
        }
        succession.statements.extend(revoked);
        succession
    }
}

/// The same membership from another grantor, who may have granted it already, with other options.
fn again(staying: &ServerCatalog, held: &Membership, grantor: u32) -> Membership {
    let others = || {
        let others = staying.memberships.iter();
        others.filter(|one| (one.role, one.member) == (held.role, held.member))
    };
    // Nobody can be given the ADMIN option by those who have theirs from it, so it is granted only where there is none.
    let has_admin = others().any(|one| one.admin && one.grantor != grantor);
    let ours = others().find(|one| one.grantor == grantor);
    let either = |one: Option<bool>, other: Option<bool>| Some(one.unwrap_or_default() || other.unwrap_or_default());
    Membership {
        grantor,
        admin: (held.admin && !has_admin) || ours.is_some_and(|ours| ours.admin),
        inherit: either(held.inherit, ours.and_then(|ours| ours.inherit)),
        set: either(held.set, ours.and_then(|ours| ours.set)),
        ..*held
    }
}

/// The server as it is when the role is gone, with all that it granted and all that was granted by virtue of that.
fn without(server: &ServerCatalog, role: u32) -> ServerCatalog {
    let concerned: BTreeSet<u32> = granted(server, role).map(|held| held.role).collect();
    let hangs = |held: &Membership| [held.role, held.member, held.grantor].contains(&role);
    let mut administrators = BTreeSet::new();
    let stays = |held: &Membership, administrators: &BTreeSet<(u32, u32)>| {
        let by_right = held.grantor == BOOTSTRAP || administrators.contains(&(held.role, held.grantor));
        !hangs(held) && (by_right || !concerned.contains(&held.role))
    };
    loop {
        let found = server.memberships.iter();
        let found = found.filter(|held| held.admin && stays(held, &administrators));
        let found: BTreeSet<(u32, u32)> = found.map(|held| (held.role, held.member)).collect();
        if found == administrators {
            break;
        }
        administrators = found;
    }
    let staying = server.memberships.iter().copied();
    ServerCatalog {
        memberships: staying.filter(|held| stays(held, &administrators)).collect(),
        ..server.clone()
    }
}
