//! What drops the objects of a role when that is too much for one transaction, step by step.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::resources::postgresql::departure::leaving::goes_by_itself;
use crate::resources::postgresql::departure::order::{ForeignKey, Key, Next, in_order};
use crate::sql;
use crate::sql::error::Error;
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::object::{Object, Parent};
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::session::Session;
use crate::sql::statement::{Name, Part, Statement};

const RELATIONS: u32 = 1259;

/// The locks of a foreign key, at each partition: two tables, the constraint, and its triggers on both.
const FOREIGN_KEY_LOCKS: u64 = 8;

/// `along` is everything that goes with an object that the role owns: what has no owner of its own, such as indexes, row types, rules and constraints,
/// and what an extension brought, whoever owns it.
/// Then, each by its word: `locks`, how much goes with an object; `edge`, what hangs on which other object of the role; `other`, what hangs on
/// an object of the role and is not the role's, even if it would go without a word, as a partition does; `key`, foreign keys among tables of the role,
/// as the topmost table has them, with each partition that they refer to.
const PLAN: &str = "WITH RECURSIVE owned AS (SELECT s.classid, s.objid FROM pg_catalog.pg_shdepend s \
       WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = $1 AND s.deptype = 'o' \
       AND s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())), \
     along (classid, objid, topclass, top) AS (SELECT o.classid, o.objid, o.classid, o.objid FROM owned o \
       UNION SELECT d.classid, d.objid, a.topclass, a.top FROM along a JOIN pg_catalog.pg_depend d \
       ON d.refclassid = a.classid AND d.refobjid = a.objid AND d.deptype IN ('e', 'a', 'i', 'P', 'S') \
       WHERE d.deptype = 'e' OR NOT EXISTS (SELECT FROM pg_catalog.pg_shdepend s WHERE s.classid = d.classid AND s.objid = d.objid AND s.deptype = 'o' \
         AND s.dbid = (SELECT c.oid FROM pg_catalog.pg_database c WHERE c.datname = pg_catalog.current_database()))), \
     hanging AS (SELECT d.classid, d.objid, d.objsubid, a.topclass, a.top, f.oid IS NOT NULL AS is_key FROM along a \
       JOIN pg_catalog.pg_depend d ON d.refclassid = a.classid AND d.refobjid = a.objid \
         AND (d.deptype IN ('n', 'x') OR d.deptype = 'a' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass) \
       LEFT JOIN pg_catalog.pg_constraint f ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND f.oid = d.objid AND f.contype = 'f'), \
     keys (oid, root) AS (SELECT f.oid, f.oid FROM pg_catalog.pg_constraint f JOIN owned t \
       ON t.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND t.objid = f.conrelid WHERE f.contype = 'f' AND f.conparentid = 0 \
       UNION ALL SELECT c.oid, k.root FROM keys k JOIN pg_catalog.pg_constraint c ON c.conparentid = k.oid) \
     SELECT 'locks', a.topclass, a.top, 0::oid, 0::oid, pg_catalog.count(*), \
       (SELECT i.identity FROM pg_catalog.pg_identify_object(a.topclass, a.top, 0) i) FROM along a GROUP BY a.topclass, a.top \
     UNION ALL SELECT DISTINCT 'edge', a.topclass, a.top, h.topclass, h.top, 0, NULL FROM hanging h \
       JOIN along a ON a.classid = h.classid AND a.objid = h.objid WHERE NOT h.is_key AND (a.topclass, a.top) <> (h.topclass, h.top) \
     UNION ALL SELECT DISTINCT 'other', h.topclass, h.top, 0::oid, 0::oid, 0, pg_catalog.pg_describe_object(h.classid, h.objid, h.objsubid) \
       FROM hanging h WHERE NOT EXISTS (SELECT FROM along a WHERE a.classid = h.classid AND a.objid = h.objid) \
     UNION ALL SELECT DISTINCT 'key', 1259::oid, r.conrelid, 1259::oid, c.confrelid, n.count, r.conname::text \
       FROM keys k JOIN pg_catalog.pg_constraint c ON c.oid = k.oid JOIN pg_catalog.pg_constraint r ON r.oid = k.root \
       JOIN (SELECT k.root, pg_catalog.count(*) FROM keys k GROUP BY k.root) n ON n.root = k.root \
       JOIN owned t ON t.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND t.objid = c.confrelid WHERE r.conrelid <> c.confrelid \
     ORDER BY 1, 2, 3, 4, 5, 7";

/// What one statement drops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The object that goes, or of which a part goes.
    key: Key,
    /// As what the server knows it.
    identity: String,
    /// A statement that lets nobody else change the object before the transaction ends, and nothing is lost by where that one drops it.
    pub(super) hold: Statement,
    /// The statement.
    pub(super) statement: Statement,
    /// How many locks it takes.
    pub(super) locks: u64,
    /// Whether it serves the next one alone, and is not to be taken without that.
    with_next: bool,
}

/// What there is to drop in one database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Each step leaves nothing that hangs on what the next one drops. What can only go together is in none of them.
    pub(super) steps: Vec<Step>,
    /// How many locks everything takes together.
    pub(super) locks: u64,
    /// What hangs on something of the role and is not the role's.
    pub(super) others: Vec<String>,
}

impl Plan {
    /// Looks at what the role owns in the session's database.
    pub(super) async fn load(session: &Session, role: u32) -> Result<Plan, Error> {
        let rows = Self::rows(session, role).await?;
        let objects = DatabaseCatalog::load(session).await?;
        Plan::of(&objects, role, &rows)
    }

    /// What hangs on something of the role and is not the role's.
    pub(super) async fn others(session: &Session, role: u32) -> Result<Vec<String>, Error> {
        let rows = Self::rows(session, role).await?;
        let others = rows.iter().filter(|row| row.text(0).is_ok_and(|word| word == "other"));
        let others = others.map(|row| Ok(row.optional_text(6)?.map(str::to_owned)));
        others.filter_map(Result::transpose).collect()
    }

    async fn rows(session: &Session, role: u32) -> Result<Vec<Row>, Error> {
        session.query(PLAN, &[i64::from(role).into()]).await
    }

    fn of(objects: &DatabaseCatalog, role: u32, rows: &[Row]) -> Result<Plan, Error> {
        let owned = objects.objects.iter().filter(|object| object.owner == role);
        let owned: BTreeMap<Key, &Object> = owned
            .map(|object| ((object.kind.catalog(), object.oid), object))
            .collect();
        // A sequence of a column goes with its table, and so does what hangs on it.
        let whole = |key: Key| match owned.get(&key).and_then(|object| object.parent) {
            Some(Parent::SequenceOf(table)) => (RELATIONS, table),
            _ => key,
        };
        let (mut plan, mut keys, mut identities) = (Plan::default(), BTreeMap::new(), HashMap::<Key, &str>::new());
        let (mut locks, mut edges) = (HashMap::<Key, u64>::new(), BTreeSet::new());
        for row in rows {
            let (one, other) = ((row.oid(1)?, row.oid(2)?), (row.oid(3)?, row.oid(4)?));
            match row.text(0)? {
                "locks" => {
                    let count = u64::try_from(row.number(5)?).unwrap_or_default();
                    plan.locks += count;
                    *locks.entry(whole(one)).or_default() += count;
                    identities.extend(row.optional_text(6)?.map(|identity| (one, identity)));
                }
                "edge" => {
                    edges.insert((whole(one), whole(other)));
                }
                "other" => plan.others.extend(row.optional_text(6)?.map(str::to_owned)),
                _ => {
                    let (count, name) = (u64::try_from(row.number(5)?).unwrap_or_default(), row.text(6)?);
                    let key = keys.entry((one, name)).or_insert_with(|| ForeignKey {
                        table: one,
                        name: Name::from_catalog(name),
                        refers_to: BTreeSet::new(),
                        locks: FOREIGN_KEY_LOCKS * count,
                    });
                    key.refers_to.insert(other);
                }
            }
        }
        let keys: Vec<ForeignKey> = keys.into_values().collect();
        let steps: BTreeSet<Key> = owned
            .iter()
            .filter(|(_, object)| goes_by_itself(object))
            .map(|(key, _)| *key)
            .collect();
        let step = |next: Next<'_>| {
            let key = match next {
                Next::Object(key) => key,
                Next::ForeignKey(foreign) => foreign.table,
            };
            let object = owned.get(&key)?;
            let (statements, locks) = match next {
                Next::Object(_) => (dropped(object)?, locks.get(&key).copied().unwrap_or(1)),
                Next::ForeignKey(foreign) => (cut(object, foreign)?, foreign.locks),
            };
            let [hold, statement] = statements;
            Some(Step {
                key,
                identity: (*identities.get(&key)?).to_owned(),
                hold,
                statement,
                locks,
                with_next: matches!(next, Next::ForeignKey(_)),
            })
        };
        plan.steps = in_order(&steps, &edges, &keys).into_iter().filter_map(step).collect();
        Ok(plan)
    }
}

/// What holds an object, and what drops it.
fn dropped(object: &Object) -> Option<[Statement; 2]> {
    let address = object.address()?;
    Some([sql!("COMMENT ON {} IS NULL", &address), sql!("DROP {}", &address)])
}

/// What holds a table, and what drops a foreign key of it.
fn cut(table: &Object, ForeignKey { name, .. }: &ForeignKey) -> Option<[Statement; 2]> {
    let written = sql!("{}.{}", table.schema.as_ref()?, &table.name);
    Some([
        sql!("COMMENT ON CONSTRAINT {} ON {} IS NULL", name, written),
        sql!("ALTER {} DROP CONSTRAINT {}", table.address()?, name),
    ])
}

/// What the session's database says of what these steps drop, to be asked when they hold it.
pub(super) fn still_owned(steps: &[Step], role: u32) -> Question {
    let numbers = Part::list(steps.iter().map(|step| step.key.1));
    let statement = sql!(
        "SELECT s.classid, s.objid, i.identity FROM pg_catalog.pg_shdepend s, pg_catalog.pg_identify_object(s.classid, s.objid, 0) i \
         WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = {} AND s.deptype = 'o' \
         AND s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AND s.objid IN ({})",
        role,
        numbers
    );
    Question::new(statement, "nnt")
}

/// Whether that is what was planned: an object that got another owner or another name meanwhile is not dropped.
pub(super) fn as_planned(steps: &[Step], answer: &[Row]) -> Result<bool, Error> {
    let found = answer.iter().map(|row| Ok(((row.oid(0)?, row.oid(1)?), row.text(2)?)));
    let found: BTreeSet<(Key, &str)> = found.collect::<Result<_, Error>>()?;
    Ok(steps
        .iter()
        .all(|step| found.contains(&(step.key, step.identity.as_str()))))
}

/// How many of these steps one transaction has room for; one always fits. What goes together is parted only where it fits nowhere.
pub(super) fn fitting(steps: &[Step], room: u64) -> usize {
    let mut sum = 0;
    let fit = steps.iter().take_while(|step| {
        sum += step.locks;
        sum <= room
    });
    let fit = fit.count();
    let whole = steps[..fit].iter().rposition(|step| !step.with_next);
    whole.map_or(fit.max(1), |last| last + 1).min(steps.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(locks: u64) -> Step {
        Step {
            key: (RELATIONS, 1),
            identity: String::new(),
            hold: sql!("COMMENT"),
            statement: sql!("DROP"),
            locks,
            with_next: false,
        }
    }

    #[test]
    fn a_step_that_is_too_large_goes_alone() {
        let steps = [step(50), step(3), step(4), step(4)];
        assert_eq!(fitting(&steps, 10), 1);
        assert_eq!(fitting(&steps[1..], 10), 2);
        assert_eq!(fitting(&steps[3..], 10), 1);
    }

    #[test]
    fn a_foreign_key_goes_with_the_table_that_it_refers_to() {
        let step = |locks, with_next| Step {
            with_next,
            ..step(locks)
        };
        let steps = [step(3, false), step(3, true), step(3, true), step(3, false)];
        assert_eq!(fitting(&steps, 12), 4);
        assert_eq!(fitting(&steps, 11), 1);
        assert_eq!(fitting(&steps[1..], 8), 2);
        assert_eq!(fitting(&steps[1..], 2), 1);
    }
}
