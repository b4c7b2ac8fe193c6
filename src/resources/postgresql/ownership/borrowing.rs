//! What a transaction borrows and gives back: membership of the owners on both sides, and CREATE where the next owner lacks it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::resources::postgresql::borrowed::{Loan, borrow};
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::moving::Move;
use crate::resources::postgresql::ownership::record::{Place, place};
use crate::resources::postgresql::role_name::is_platform;
use crate::sql;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::privilege::Privilege;
use crate::sql::statement::{Name, Part, Statement};

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
        let mut looked_at = BTreeSet::new();
        for next in moves {
            needs.roles.extend([inventory.acting_owner(next.object.owner), next.to]);
            let Some(container) = container(next.object, inventory).filter(|_| next.moves()) else {
                continue;
            };
            let at = (place(container), next.to);
            if looked_at.insert(at) && !creates(next.to, container, now(container), inventory) {
                needs.roles.insert(inventory.acting_owner(now(container)));
                needs.create.insert(at, container);
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
        let powers = inventory.powers(inventory.server.current_role);
        let out_of_reach = |owner: &u32| {
            let platform = inventory.server.roles.get(owner).is_some_and(is_platform);
            platform && !powers.contains(owner)
        };
        for ((_, to), container) in &self.create {
            if out_of_reach(&inventory.acting_owner(container.owner)) {
                return Err(not_ours_to_grant(container, &inventory.called(*to), inventory));
            }
        }
        let mut loan = borrow(&inventory.server, self.roles.iter().copied())?;
        for ((_, to), container) in &self.create {
            let (Some(target), Some(to)) = (container.grant_target(), inventory.role_name(*to)) else {
                continue;
            };
            loan.begin.push(sql!("GRANT CREATE ON {} TO {}", &target, to));
            loan.end.insert(0, sql!("REVOKE CREATE ON {} FROM {}", &target, to));
        }
        Ok(loan)
    }
}

/// Whether a role may create in a schema or database that belongs to `owner` by now. What others were granted outlives a change of the
/// owner; what the owner held goes to the next one.
fn creates(role: u32, container: &Object, owner: u32, inventory: &Inventory) -> bool {
    let mut powers = inventory.powers(role);
    let unmoved = owner == container.owner && inventory.may(role, Privilege::Create, container);
    if unmoved || powers.contains(&inventory.acting_owner(owner)) {
        return true;
    }
    powers.remove(&container.owner);
    let acl = container.effective_acl(inventory.catalog.version);
    acl.is_some_and(|acl| acl.effective(&powers).has(Privilege::Create))
}

fn not_ours_to_grant(container: &Object, to: &str, inventory: &Inventory) -> Diagnostic {
    let detail = format!(
        "To own what is in {container}, {to} has to be allowed to create there, and only {} can allow it: let it run `GRANT CREATE ON {} … TO …`.",
        inventory.called(container.owner),
        container.kind.keyword()
    );
    Diagnostic::error("Not permitted in the database", detail)
}

/// Where the next owner has to be allowed to create: the schema; the database, for schemas and publications.
fn container<'a>(object: &Object, inventory: &'a Inventory) -> Option<&'a Object> {
    match (&object.schema, object.kind) {
        (Some(schema), _) => inventory.catalog.schema(schema),
        (None, ObjectKind::Schema | ObjectKind::Publication) => inventory.database(),
        (None, _) => None,
    }
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
