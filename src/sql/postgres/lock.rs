//! Locks between those who write to one server: other resources, other processes, other machines.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::sql;
use crate::sql::error::{Error, Kind};
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::session::Session;
use crate::sql::statement::Statement;

/// What is locked: an object, by its catalogue's and its own number.
///
/// PostgreSQL keeps advisory locks apart by database. What all databases share (roles, memberships,
/// databases) is therefore locked in database `postgres`, everything else in the object's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lock {
    catalog: u32,
    object: u32,
}

impl Lock {
    /// A role: its attributes, label, settings and memberships.
    #[must_use]
    pub fn role(oid: u32) -> Lock {
        Lock {
            catalog: 1260,
            object: oid,
        }
    }

    /// An object of a catalogue.
    #[must_use]
    pub fn object(catalog: u32, oid: u32) -> Lock {
        Lock { catalog, object: oid }
    }

    /// What has no number yet: making something of this name in a catalogue.
    #[must_use]
    pub fn name(catalog: u32, name: &str) -> Lock {
        // FNV-1a: the same in every process and version, which the standard library's hash is not.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Lock {
            catalog: !catalog,
            object: hash,
        }
    }
}

/// The statements that take the locks, in the one order that all keep to; they last until the transaction ends.
/// Meant as the first statements of [`Session::begin`](crate::sql::session::Session::begin).
#[must_use]
pub fn take(locks: &BTreeSet<Lock>) -> Vec<Statement> {
    // Two numbers of 32 bits, signed: another space than the single number that other tools use.
    let signed = |number: u32| i64::from(number.cast_signed());
    let take = |lock: &Lock| {
        sql!(
            "SELECT pg_catalog.pg_advisory_xact_lock({}, {})",
            signed(lock.catalog),
            signed(lock.object)
        )
    };
    locks.iter().map(take).collect()
}

/// How long a lock on what applications use is waited for, while others may wait for us. Well below the server's `deadlock_timeout` (1 s): of two who
/// wait for each other, the server must never give up the application.
pub const GIVING_WAY: Duration = Duration::from_millis(300);

/// From here on this transaction gives way to whoever uses what it wants to lock.
pub fn give_way() -> Statement {
    sql!(
        "SET LOCAL lock_timeout = {}",
        i64::try_from(GIVING_WAY.as_millis()).unwrap_or_default()
    )
}

/// The share of the server's lock table that one transaction of ours takes at most: one in this many.
pub const SHARE: u64 = 4;

/// How many object locks the server has room for, all sessions together. A single transaction that takes
/// nearly as many ends in "out of shared memory", and takes other sessions with it.
pub async fn budget(session: &Session) -> Result<u64, Error> {
    room(&session.query(SIZE, &[]).await?)
}

/// The same, asked along with other questions.
pub const ROOM: Question = Question::constant(SIZE, "n");

const SIZE: &str = "SELECT pg_catalog.current_setting('max_locks_per_transaction')::bigint * \
         (pg_catalog.current_setting('max_connections')::bigint + \
          pg_catalog.current_setting('max_prepared_transactions')::bigint)";

/// The answer to [`ROOM`].
///
/// # Errors
/// When there is none.
pub fn room(rows: &[Row]) -> Result<u64, Error> {
    let row = rows
        .first()
        .ok_or_else(|| Error::new(Kind::Unexpected, "the server gave no settings"))?;
    Ok(u64::try_from(row.number(0)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::quote::Dialect;

    #[test]
    fn locks_are_taken_in_one_order() {
        let locks = BTreeSet::from([
            Lock::name(1260, "app"),
            Lock::role(4_000_000_000),
            Lock::object(1262, 5),
            Lock::role(7),
        ]);
        let text: Vec<String> = take(&locks)
            .iter()
            .map(|statement| statement.render(Dialect::PostgreSql))
            .collect();
        expect_test::expect![[r#"
            SELECT pg_catalog.pg_advisory_xact_lock(1260, 7)
            SELECT pg_catalog.pg_advisory_xact_lock(1260, -294967296)
            SELECT pg_catalog.pg_advisory_xact_lock(1262, 5)
            SELECT pg_catalog.pg_advisory_xact_lock(-1261, 527074092)"#]]
        .assert_eq(&text.join("\n"));
    }
}
