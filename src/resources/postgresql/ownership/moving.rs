//! Moves as values: what goes where, in which order, how much of it in one transaction. Pure.

use std::collections::HashMap;

use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::record::{Granted, Place, Taken, place};
use crate::resources::postgresql::ownership::rights::heights;
use crate::sql;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::privilege::Privilege;
use crate::sql::statement::{Name, Part, Statement};

/// The template of the statement that moves an object.
pub const MOVE: &str = "ALTER {} OWNER TO {}";

/// One object, where it goes, and what has to be granted or revoked after it has gone there.
#[derive(Clone, Debug)]
pub struct Move<'a> {
    /// The object.
    pub object: &'a Object,
    /// Its next owner, which may be its present one.
    pub to: u32,
    /// What follows in the same transaction.
    pub after: Vec<Statement>,
    /// What is to be remembered of the object, and of what follows it.
    pub remember: Vec<(Place, Taken)>,
    /// Sequences that follow their table.
    pub followers: usize,
}

/// Objects that may share a transaction. What is borrowed on a schema or database must not be mixed with moving that itself:
/// a privilege that became part of an ownership could not be given back any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Schemas.
    Schemas,
    /// Tables of every kind and sequences. Before views, which read them in the name of the views' owner.
    Relations,
    /// Everything that stands between tables and what runs on them.
    Others,
    /// Views and functions.
    Readers,
    /// The database.
    Database,
}

impl Phase {
    /// The phase of a kind of object.
    #[must_use]
    pub fn of(kind: ObjectKind) -> Phase {
        match kind {
            ObjectKind::Schema => Phase::Schemas,
            ObjectKind::Table | ObjectKind::PartitionedTable | ObjectKind::ForeignTable | ObjectKind::Sequence => {
                Phase::Relations
            }
            ObjectKind::View
            | ObjectKind::MaterializedView
            | ObjectKind::Function
            | ObjectKind::Procedure
            | ObjectKind::Aggregate => Phase::Readers,
            ObjectKind::Database => Phase::Database,
            _ => Phase::Others,
        }
    }

    fn mixes_with(self, other: Phase) -> bool {
        let alone = |phase| matches!(phase, Phase::Schemas | Phase::Database);
        self == other || !alone(self) && !alone(other)
    }
}

impl Move<'_> {
    /// Every statement of the move. Nothing when the object or the role cannot be named any more.
    #[must_use]
    pub fn statements(&self, inventory: &Inventory) -> Vec<Statement> {
        let mut statements = Vec::with_capacity(1 + self.after.len());
        if self.moves()
            && let (Some(address), Some(to)) = (self.object.address(), inventory.role_name(self.to))
        {
            let range = (self.object.kind == ObjectKind::Type).then_some(self.object.oid);
            if let Some(multirange) = range.and_then(|oid| inventory.multiranges.get(&oid)) {
                statements.push(sql!("ALTER {} OWNER TO {}", multirange, to));
            }
            statements.push(sql!("ALTER {} OWNER TO {}", address, to));
        }
        statements.extend(self.after.iter().cloned());
        statements
    }

    /// Whether the owner changes, or only privileges.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.object.owner != self.to
    }

    /// The locks that it takes.
    #[must_use]
    pub fn locks(&self) -> usize {
        self.object.locks as usize + self.followers
    }
}

/// Sorts moves so that what runs on a table never belongs to somebody who may not read the table: previous owners are members of
/// the new one, so tables go first, and inner views before outer ones; on the way back they go last.
pub fn sort(moves: &mut [Move<'_>], inventory: &Inventory, back: bool) {
    let heights = heights(inventory);
    moves.sort_by_key(|next| {
        let relation = next.object.kind.catalog() == ObjectKind::Table.catalog();
        let height = heights
            .get(&next.object.oid)
            .filter(|_| relation)
            .copied()
            .unwrap_or_default();
        let phase = match Phase::of(next.object.kind) {
            // A table whose rules use others.
            Phase::Relations if height > 0 => Phase::Readers,
            phase => phase,
        };
        (
            phase,
            height,
            next.object.kind,
            next.object.schema.clone(),
            next.object.oid,
        )
    });
    if back {
        moves.reverse();
    }
}

/// How many of the first moves fit into one transaction: of one phase, within the budget of locks, at most `most`; one always fits.
#[must_use]
pub fn batch(moves: &[Move<'_>], budget: usize, most: usize) -> usize {
    let Some(first) = moves.first() else { return 0 };
    let phase = Phase::of(first.object.kind);
    let mut locks = 0;
    let fits = |next: &&Move<'_>| {
        locks += next.locks();
        locks <= budget && phase.mixes_with(Phase::of(next.object.kind))
    };
    moves.iter().take(most).take_while(fits).count().max(1)
}

/// What a role had been granted on an object and its columns.
#[must_use]
pub fn granted(object: &Object, inventory: &Inventory, role: u32) -> Granted {
    let own = object
        .acl
        .as_ref()
        .map(|acl| Granted::letters(acl, role))
        .unwrap_or_default();
    let columns = inventory
        .catalog
        .columns
        .iter()
        .filter(|column| object.kind.catalog() == ObjectKind::Table.catalog() && column.table == object.oid);
    let columns = columns.map(|column| (column.name.as_str().to_owned(), Granted::letters(&column.acl, role)));
    Granted {
        object: own,
        columns: columns.filter(|(_, letters)| !letters.is_empty()).collect(),
    }
}

/// The statements that grant a role again what it had.
#[must_use]
pub fn grant_again(object: &Object, granted: &Granted, role: &Name) -> Vec<Statement> {
    let Some(target) = object.grant_target() else {
        return Vec::new();
    };
    let mut statements = Vec::new();
    let (grantable, plain) = Granted::read(&granted.object);
    for (privileges, option) in [(plain, ""), (grantable, " WITH GRANT OPTION")] {
        if !privileges.is_empty() {
            let privileges = Part::list(privileges.keywords());
            statements.push(sql!("GRANT {} ON {} TO {}{}", privileges, &target, role, option));
        }
    }
    for (column, letters) in &granted.columns {
        let Ok(column) = Name::new(column.as_str()) else {
            continue;
        };
        let (grantable, plain) = Granted::read(letters);
        for (privileges, option) in [(plain, ""), (grantable, " WITH GRANT OPTION")] {
            let each = privileges
                .keywords()
                .map(|privilege| Part::from(sql!("{} ({})", privilege, &column)));
            let each: Vec<Part> = each.collect();
            if !each.is_empty() {
                statements.push(sql!("GRANT {} ON {} TO {}{}", each, &target, role, option));
            }
        }
    }
    statements
}

/// Leaves a role all privileges on an object, or takes them back.
#[must_use]
pub fn leave(object: &Object, role: &Name, left: bool) -> Option<Statement> {
    let target = object.grant_target()?;
    Some(match left {
        true => sql!("GRANT ALL ON {} TO {}", target, role),
        false => sql!("REVOKE ALL ON {} FROM {}", target, role),
    })
}

/// What is remembered of an object when it moves to `owner`.
#[must_use]
pub fn taken(object: &Object, inventory: &Inventory, owner: u32, left: bool) -> (Place, Taken) {
    let granted = granted(object, inventory, owner);
    let left = left && object.grant_target().is_some();
    (
        place(object),
        Taken {
            name: object.to_string(),
            from: object.owner,
            granted,
            left,
        },
    )
}

/// Whether a schema lets a role in.
#[must_use]
pub fn lets_in(schema: &Object, inventory: &Inventory, role: u32) -> bool {
    inventory.may(role, Privilege::Usage, schema)
}

/// The moves that bring objects to a new owner.
#[must_use]
pub fn forward<'a>(pending: Vec<&'a Object>, inventory: &'a Inventory, owner: u32, left: bool) -> Vec<Move<'a>> {
    let followers = inventory.followers();
    let none = Vec::new();
    let each = |object: &'a Object| {
        let following = followers_of(object, &followers).unwrap_or(&none);
        let all = || std::iter::once(object).chain(following.iter().copied());
        let previous = inventory.role_name(object.owner).filter(|_| left);
        let after = previous
            .into_iter()
            .flat_map(|name| all().filter_map(move |object| leave(object, name, true)));
        Move {
            object,
            to: owner,
            after: after.collect(),
            remember: all().map(|object| taken(object, inventory, owner, left)).collect(),
            followers: following.len(),
        }
    };
    pending.into_iter().map(each).collect()
}

/// The sequences that follow an object, which has to be a table for that.
#[must_use]
pub fn followers_of<'a, 'b>(
    object: &Object,
    followers: &'b HashMap<u32, Vec<&'a Object>>,
) -> Option<&'b Vec<&'a Object>> {
    if object.kind.catalog() == ObjectKind::Table.catalog() {
        followers.get(&object.oid)
    } else {
        None
    }
}
