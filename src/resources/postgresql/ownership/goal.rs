//! Where the objects are to be: with the new owner, or back where they came from. Pure: each look gives what is left to do.

use std::collections::BTreeSet;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::resources::postgresql::inventory::{Inventory, obstacle};
use crate::resources::postgresql::ownership::argument::PreviousOwnerAccess;
use crate::resources::postgresql::ownership::moving::{self, Move, followers_of, grant_again, granted, leave};
use crate::resources::postgresql::ownership::record::{Place, Record, Taken, place};
use crate::resources::postgresql::ownership::scope::{Scope, Selection, refusal};
use crate::sql::postgres::object::{Object, Parent};
use crate::sql::postgres::server_catalog::Role;
use crate::sql::statement::{Name, Statement};

/// What is left to do, by a look at what is there.
pub trait Goal: Sync {
    /// The moves that are left, in their order.
    ///
    /// # Errors
    /// When the goal cannot be reached, whatever is tried.
    fn moves<'a>(&self, inventory: &'a Inventory, record: &Record) -> Result<Vec<Move<'a>>>;

    /// Whether large objects of this role have to be looked at.
    fn asks_for_large_objects(&self, role: &str) -> bool;
}

/// Everything declared belongs to the owner.
#[derive(Clone, Debug)]
pub struct Handover<'a> {
    /// What is declared.
    pub scope: Scope<'a>,
    /// The new owner.
    pub owner: &'a Name,
    /// Other owners of before: of before an update, and the one to whom an update was cut short.
    pub former: BTreeSet<Name>,
    /// What previous owners can still do.
    pub access: PreviousOwnerAccess,
}

/// Everything goes back to where it came from.
#[derive(Clone, Copy, Debug)]
pub struct Restoration<'a> {
    /// What is declared.
    pub scope: Scope<'a>,
    /// The present owner.
    pub owner: &'a Name,
    /// Who has a part of it too, where a change of the owner was cut short.
    pub next: Option<&'a Name>,
    /// Who gets what has no record.
    pub restore_to: Option<&'a Name>,
    /// Whether that was said, so that it holds for what the owner had from the start too.
    pub said: bool,
}

/// A role that has to exist.
///
/// # Errors
/// When it does not.
pub fn role<'a>(inventory: &'a Inventory, name: &Name, attribute: &str) -> Result<&'a Role> {
    let missing = || {
        let detail = format!(
            "There is no role {name} on the server. Create it first, and refer to the resource that does: names are case-sensitive."
        );
        Diagnostic::error("Role not found", detail).at(attribute)
    };
    inventory.server.role(name.as_str()).ok_or_else(missing)
}

impl Goal for Handover<'_> {
    fn moves<'a>(&self, inventory: &'a Inventory, record: &Record) -> Result<Vec<Move<'a>>> {
        let owner = role(inventory, self.owner, "owner")?.oid;
        let mut moves = self.of_former_owners(inventory, record, owner);
        let passed_on: BTreeSet<Place> = moves.iter().map(|next| place(next.object)).collect();
        let mut pending = self.scope.select(inventory, owner, record).pending;
        pending.retain(|object| !passed_on.contains(&place(object)));
        let left = self.access == PreviousOwnerAccess::Privileges;
        moves.extend(moving::forward(pending, inventory, owner, left));
        moves.extend(self.of_access(inventory, record, owner));
        moving::sort(&mut moves, inventory, false);
        Ok(moves)
    }

    fn asks_for_large_objects(&self, role: &str) -> bool {
        self.scope.asks_for_large_objects(role) || self.former.iter().any(|former| former.as_str() == role)
    }
}

impl Handover<'_> {
    /// What former owners have still of what they hand on: what they were given, and what they made since. What was left with one of those
    /// before them, is handed on as soon as it can be.
    pub fn handed_on<'b>(&self, inventory: &'b Inventory, record: &Record, owner: u32) -> Selection<'b> {
        let former = self
            .former
            .iter()
            .filter_map(|name| inventory.server.role(name.as_str()));
        let former: BTreeSet<u32> = former.map(|role| role.oid).filter(|role| *role != owner).collect();
        let given = |object: &&Object| {
            let ours = record.taken.contains_key(&place(object))
                || self.scope.covers(object) && !record.own.contains_key(&place(object));
            let handed = former.contains(&object.owner) && ours || object.owner != owner && left_behind(object, record);
            handed && is_free(object, inventory) && refusal(record, object).is_none()
        };
        Selection::of(inventory.objects().filter(given).collect(), inventory, owner)
    }

    /// The moves of what former owners hand on. Where each thing came from stays on record.
    fn of_former_owners<'a>(&self, inventory: &'a Inventory, record: &Record, owner: u32) -> Vec<Move<'a>> {
        let followers = inventory.followers();
        let each = |object: &'a Object| {
            let following = followers_of(object, &followers).map_or(&[][..], Vec::as_slice);
            let (mut after, mut remember) = (Vec::new(), Vec::new());
            for object in std::iter::once(object).chain(following.iter().copied()) {
                if let Some(taken) = record.taken.get(&place(object)) {
                    let former = inventory.role_name(object.owner);
                    after.extend(
                        former
                            .into_iter()
                            .flat_map(|former| grant_again(object, &taken.granted, former)),
                    );
                    remember.push((
                        place(object),
                        Taken {
                            granted: granted(object, inventory, owner),
                            ..taken.clone()
                        },
                    ));
                }
            }
            Move {
                object,
                to: owner,
                after,
                remember,
                followers: following.len(),
            }
        };
        let handed_on = self.handed_on(inventory, record, owner).pending;
        handed_on.into_iter().map(each).collect()
    }

    /// What was moved earlier, where previous owners are to have other access to it now.
    fn of_access<'a>(&self, inventory: &'a Inventory, record: &Record, owner: u32) -> Vec<Move<'a>> {
        let left = self.access == PreviousOwnerAccess::Privileges;
        let differs = |object: &'a Object| {
            let taken = record
                .taken
                .get(&place(object))
                .filter(|taken| taken.left != left && object.owner == owner)?;
            let statement = leave(object, inventory.role_name(taken.from)?, left)?;
            let remember = vec![(place(object), Taken { left, ..taken.clone() })];
            Some(Move {
                object,
                to: owner,
                after: vec![statement],
                remember,
                followers: 0,
            })
        };
        inventory.objects().filter_map(differs).collect()
    }
}

impl Goal for Restoration<'_> {
    fn moves<'a>(&self, inventory: &'a Inventory, record: &Record) -> Result<Vec<Move<'a>>> {
        let owners = self.owners(inventory);
        let heir = self
            .restore_to
            .map(|name| role(inventory, name, "restore_to"))
            .transpose()?;
        let followers = inventory.followers();
        let mut moves = Vec::new();
        for object in inventory
            .objects()
            .filter(|object| owners.contains(&object.owner) || left_behind(object, record))
            .filter(|object| is_free(object, inventory))
            .filter(|object| refusal(record, object).is_none())
        {
            let Some(to) = self.destination(object, inventory, record, heir) else {
                continue;
            };
            let following = followers_of(object, &followers).map_or(&[][..], Vec::as_slice);
            let again = |object: &Object| -> Vec<Statement> {
                let taken = record.taken.get(&place(object)).zip(inventory.role_name(object.owner));
                taken
                    .map(|(taken, owner)| grant_again(object, &taken.granted, owner))
                    .unwrap_or_default()
            };
            let after = std::iter::once(object)
                .chain(following.iter().copied())
                .flat_map(again)
                .collect();
            moves.push(Move {
                object,
                to,
                after,
                remember: Vec::new(),
                followers: following.len(),
            });
        }
        moving::sort(&mut moves, inventory, true);
        Ok(moves)
    }

    fn asks_for_large_objects(&self, role: &str) -> bool {
        self.owner.as_str() == role || self.next.is_some_and(|next| next.as_str() == role)
    }
}

impl Restoration<'_> {
    /// Who has what is to go back.
    fn owners(&self, inventory: &Inventory) -> BTreeSet<u32> {
        let named = std::iter::once(self.owner).chain(self.next);
        let found = named.filter_map(|name| inventory.server.role(name.as_str()));
        found.map(|role| role.oid).collect()
    }

    /// Whose an object was; else, who gets what has no record.
    fn destination(&self, object: &Object, inventory: &Inventory, record: &Record, heir: Option<&Role>) -> Option<u32> {
        let heir = heir.map(|role| role.oid);
        let to = match record.taken.get(&place(object)) {
            Some(taken) if inventory.server.roles.contains_key(&taken.from) => Some(taken.from),
            Some(_) => heir,
            None if self.scope.covers(object) && (self.said || !record.own.contains_key(&place(object))) => heir,
            None => None,
        };
        to.filter(|to| *to != object.owner)
    }

    /// What stays with the owner because nobody is there to get it.
    #[must_use]
    pub fn stranded<'a>(&self, inventory: &'a Inventory, record: &Record) -> Vec<&'a Object> {
        let owners = self.owners(inventory);
        let concerns = |object: &&Object| {
            let ours = record.taken.contains_key(&place(object))
                || self.scope.covers(object) && !record.own.contains_key(&place(object));
            owners.contains(&object.owner) && ours && is_free(object, inventory) && self.restore_to.is_none()
        };
        inventory.objects().filter(concerns).collect()
    }
}

/// Whether an owner from before has still what it was given.
fn left_behind(object: &Object, record: &Record) -> bool {
    record.former_owners.contains(&object.owner) && record.taken.contains_key(&place(object))
}

/// Whether an object has an owner of its own that can be changed.
fn is_free(object: &Object, inventory: &Inventory) -> bool {
    !matches!(object.parent, Some(Parent::SequenceOf(_))) && obstacle(object, inventory).is_none()
}
