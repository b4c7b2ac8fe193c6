//! What a transaction borrows and gives back: membership of the owners on both sides, and CREATE where the next owner lacks it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::moving::Move;
use crate::resources::postgresql::ownership::record::Place;
use crate::sql;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::privilege::Privilege;
use crate::sql::statement::{Name, Part, Statement};

/// The statements before and after what needs the loan.
#[derive(Clone, Debug, Default)]
pub struct Loan {
    /// Before.
    pub take: Vec<Statement>,
    /// After, in the same transaction.
    pub give_back: Vec<Statement>,
}

/// What one transaction is about to need.
#[derive(Debug, Default)]
pub struct Needs<'a> {
    /// Roles to act as.
    roles: BTreeSet<u32>,
    /// Who needs CREATE on which schema or database.
    create: BTreeMap<(Place, u32), &'a Object>,
}

impl<'a> Needs<'a> {
    /// The needs of these moves. `now` says who owns what was moved already.
    #[must_use]
    pub fn of(moves: &[Move<'a>], inventory: &'a Inventory, now: impl Fn(&Object) -> u32) -> Needs<'a> {
        let mut needs = Needs::default();
        for next in moves {
            needs.roles.extend([inventory.acting_owner(next.object.owner), next.to]);
            let Some(container) = container(next.object, inventory).filter(|_| next.moves()) else {
                continue;
            };
            let owner = inventory.acting_owner(now(container));
            let creates = inventory.powers(next.to).contains(&owner)
                || now(container) == container.owner && inventory.may(next.to, Privilege::Create, container);
            if !creates {
                needs.roles.insert(owner);
                needs
                    .create
                    .insert(((container.kind.catalog(), container.oid), next.to), container);
            }
        }
        needs
    }

    /// The need to act as the owner of an object.
    #[must_use]
    pub fn to_act_as(roles: impl IntoIterator<Item = u32>) -> Needs<'a> {
        Needs {
            roles: roles.into_iter().collect(),
            create: BTreeMap::new(),
        }
    }

    /// The statements.
    ///
    /// # Errors
    /// When something cannot be borrowed, as is known beforehand.
    pub fn borrow(&self, inventory: &Inventory) -> Result<Loan> {
        let mut loan = Loan::default();
        for role in &self.roles {
            if let Some((take, give_back)) = membership(*role, inventory)? {
                loan.take.push(take);
                loan.give_back.insert(0, give_back);
            }
        }
        for ((_, to), container) in &self.create {
            let (Some(target), Some(to)) = (container.grant_target(), inventory.role_name(*to)) else {
                continue;
            };
            loan.take.push(sql!("GRANT CREATE ON {} TO {}", &target, to));
            loan.give_back
                .insert(0, sql!("REVOKE CREATE ON {} FROM {}", &target, to));
        }
        Ok(loan)
    }
}

/// Where the next owner has to be allowed to create: the schema; the database, for schemas and publications.
fn container<'a>(object: &Object, inventory: &'a Inventory) -> Option<&'a Object> {
    match (&object.schema, object.kind) {
        (Some(schema), _) => inventory.catalog.schema(schema),
        (None, ObjectKind::Schema | ObjectKind::Publication) => inventory.database(),
        (None, _) => None,
    }
}

/// How we become a member of a role and end it again; nothing when we are one already, with all that it takes.
fn membership(role: u32, inventory: &Inventory) -> Result<Option<(Statement, Statement)>> {
    let (server, me) = (&inventory.server, inventory.server.current_role);
    if me == role || inventory.powers(me).contains(&role) && server.assumable_by(me).contains(&role) {
        return Ok(None);
    }
    let Some(found) = server.roles.get(&role) else {
        let detail = format!("{} does not exist any more. Apply again.", inventory.called(role));
        return Err(Diagnostic::error("Role not found", detail));
    };
    if found.superuser {
        let detail = format!(
            "It would take the rights of {}, which the platform keeps for itself. Leave out what belongs to it, or grant the owner CREATE \
             on the database or schema with the administrator that may.",
            found.name
        );
        return Err(Diagnostic::error("Not permitted in the database", detail));
    }
    if server.memberships_of(role).contains(&me) {
        let detail = format!(
            "To move what belongs to {} the signed-in role {} has to become a member of it for a moment, but {} is a member of {} itself, and \
             PostgreSQL allows no circles. Take that membership away, or sign in as another administrator.",
            found.name,
            inventory.called(me),
            found.name,
            inventory.called(me)
        );
        return Err(Diagnostic::error("Circular membership", detail));
    }
    let take = grant(&found.name, "CURRENT_USER", inventory.catalog.version);
    // A weaker membership of ours gets its options back: revoking would take what was there before.
    let weaker = server
        .memberships
        .iter()
        .find(|held| held.role == role && held.member == me && !by_bootstrap(held.grantor));
    let give_back = match weaker.and_then(|held| Some((held.inherit?, held.set?))) {
        Some((inherit, set)) => with_options(&found.name, "CURRENT_USER", inherit, set),
        None => sql!("REVOKE {} FROM CURRENT_USER", &found.name),
    };
    Ok(Some((take, give_back)))
}

/// The grants that come with creating a role are the bootstrap superuser's: ours stand beside them.
fn by_bootstrap(grantor: u32) -> bool {
    grantor == 10
}

/// A full membership: in version 16 the options are written out.
#[must_use]
pub fn grant(role: &Name, member: impl Into<Part>, version: u32) -> Statement {
    let member: Part = member.into();
    if version < 16 {
        sql!("GRANT {} TO {}", role, member)
    } else {
        with_options(role, member, true, true)
    }
}

/// A membership with the options of version 16.
#[must_use]
pub fn with_options(role: &Name, member: impl Into<Part>, inherit: bool, set: bool) -> Statement {
    let member: Part = member.into();
    let word = |option: bool| if option { "TRUE" } else { "FALSE" };
    sql!(
        "GRANT {} TO {} WITH INHERIT {}, SET {}",
        role,
        member,
        word(inherit),
        word(set)
    )
}
