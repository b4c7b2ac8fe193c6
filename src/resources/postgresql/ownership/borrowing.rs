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

/// What one transaction is about to need.
#[derive(Debug, Default)]
pub struct Needs<'a> {
    /// Roles to act as.
    roles: BTreeSet<u32>,
    /// Who needs CREATE on which schema or database.
    create: BTreeMap<(Place, u32), &'a Object>,
}

impl<'a> Needs<'a> {
    /// The needs of these moves.
    #[must_use]
    pub fn of(moves: &[Move<'_>], inventory: &'a Inventory) -> Needs<'a> {
        let mut needs = Needs::default();
        let mut looked_at = BTreeSet::new();
        for next in moves {
            needs.roles.extend([inventory.acting_owner(next.object.owner), next.to]);
            let Some(container) = container(next.object, inventory).filter(|_| next.moves()) else {
                continue;
            };
            let at = (place(container), next.to);
            if looked_at.insert(at) && !inventory.may(next.to, Privilege::Create, container) {
                needs.roles.insert(inventory.acting_owner(container.owner));
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
