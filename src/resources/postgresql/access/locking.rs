//! Keeps statements of the application off the relations on which something is granted or revoked, until the transaction ends. Pure.
//!
//! GRANT takes no lock on a relation and writes the row that ALTER TABLE, TRUNCATE and REFRESH MATERIALIZED VIEW write too: whoever comes second
//! would fail with `tuple concurrently updated`.

use std::collections::BTreeMap;

use crate::resources::postgresql::access::declaration::ByTarget;
use crate::resources::postgresql::access::difference::Revokes;
use crate::resources::postgresql::access::scene::{Scene, Target};
use crate::resources::postgresql::access::statement::{LONGEST_LIST, written};
use crate::sql;
use crate::sql::error::{Error, Kind};
use crate::sql::postgres::lock;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::privilege::{Privilege, Privileges};
use crate::sql::statement::{Part, Statement};

/// Relations by their numbers, which is the order in which they are locked.
#[derive(Default)]
pub struct Relations<'a>(BTreeMap<u32, &'a Object>);

impl<'a> FromIterator<&'a Object> for Relations<'a> {
    fn from_iter<I: IntoIterator<Item = &'a Object>>(objects: I) -> Self {
        let objects = objects.into_iter();
        let relations = objects.filter(|object| object.kind.catalog() == ObjectKind::Table.catalog());
        Self(relations.map(|relation| (relation.oid, relation)).collect())
    }
}

impl<'a> Relations<'a> {
    /// Adds those on which this acts as their owner.
    pub fn add(&mut self, scene: &Scene<'a>, (grants, revokes): (&ByTarget, &Revokes)) {
        let own = revokes
            .keys()
            .filter(|(target, grantor)| *grantor == scene.actual_owner(target));
        let targets = grants.keys().chain(own.map(|(target, _)| target));
        let relations = targets.filter_map(|target| match target {
            Target::Object(place) => Some(scene.object(*place)),
            Target::Column(place) => scene.column(*place).map(|(_, table)| table),
            Target::Database | Target::Future { .. } => None,
        });
        self.0.append(&mut relations.collect::<Self>().0);
    }

    /// The statements that lock them, as many as the server's lock table has room for beside others.
    #[must_use]
    pub fn lock(&self, room: u64) -> Vec<Statement> {
        let most = usize::try_from(room / lock::SHARE).unwrap_or(usize::MAX);
        let (tables, others): (Vec<&Object>, Vec<&Object>) = self
            .0
            .values()
            .copied()
            .take(most)
            .partition(|relation| takes_lock(relation));
        let tables = tables.chunks(LONGEST_LIST).map(|some| {
            // The strongest mode in which the application still reads and writes, and vacuum goes on.
            let names = Part::list(some.iter().map(|table| sql!("ONLY {}", written(table))));
            sql!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", names)
        });
        let others = others.chunks(LONGEST_LIST).flat_map(|some| {
            // LOCK TABLE takes none of these. A statement that is only prepared locks what it names, and neither plans nor runs anything: no
            // function of the application is called as an administrator.
            let names = Part::list(some.iter().map(|other| written(other)));
            [
                sql!("PREPARE entradb_lock AS SELECT FROM {} FOR KEY SHARE", names),
                sql!("DEALLOCATE entradb_lock"),
            ]
        });
        let locks: Vec<Statement> = tables.chain(others).collect();
        if locks.is_empty() {
            return locks;
        }
        let patience = lock::give_way();
        std::iter::once(patience).chain(locks).collect()
    }
}

/// What we lock for the application's sake must not be what fails: others fill the server's lock table, or PostgreSQL cannot expand a view (or
/// the policies below it) that contains itself.
#[must_use]
pub fn cannot_lock(error: &Error) -> bool {
    const INVALID_DEFINITION: &str = "42P17";
    error.kind == Kind::OutOfLockMemory || error.report.sqlstate.as_deref() == Some(INVALID_DEFINITION)
}

/// Whether LOCK TABLE may be said: it is a table, and its owner did not lose what that asks for.
fn takes_lock(relation: &Object) -> bool {
    let asked = Privileges::of(&[Privilege::Update, Privilege::Delete, Privilege::Truncate]);
    let held = relation.acl.as_ref().map(|acl| acl.granted(relation.owner));
    matches!(relation.kind, ObjectKind::Table | ObjectKind::PartitionedTable)
        && held.is_none_or(|held| !held.intersection(asked).is_empty())
}
