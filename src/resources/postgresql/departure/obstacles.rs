//! What stands in the way of a role's departure, and how a person is told.

use std::collections::BTreeMap;

use crate::protocol::diagnostic::Diagnostic;
use crate::provider::postgresql::{Failure, PLATFORM_DATABASES, POSTGRES};
use crate::resources::postgresql::departure::dropping::Plan;
use crate::resources::postgresql::departure::{Departure, OwnedObjects};
use crate::sql::error::Kind;
use crate::sql::postgres::server_catalog::{Database, Dependency, DependencyKind, ServerCatalog};

/// How many are named.
const NAMED: usize = 20;

const USER_MAPPINGS: i64 = 1418;
const DEFAULT_PRIVILEGES: u32 = 826;

/// What to do about what goes with its grantor.
const PASSED_ON: &str = "What the role granted to others, on what is not its own, would be lost with it: let an owner grant the privileges anew, \
     or whoever has the ADMIN option the memberships, revoke in the name of the role what it granted, and destroy again.";

/// Everything that the role owns in the session's database, or among what all databases share, and the policies that
/// name it; in the server's own words. Default privileges are left out: they are taken back like other privileges.
const OWNED: &str = "SELECT s.deptype, s.classid, pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid) \
     FROM pg_catalog.pg_shdepend s WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = $1 \
     AND s.dbid = CASE WHEN $2 THEN 0 ELSE (SELECT d.oid FROM pg_catalog.pg_database d \
       WHERE d.datname = pg_catalog.current_database()) END \
     AND s.deptype IN ('o', 'r') AND s.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass ORDER BY 3";

/// What stands in the way, by place: a database, or the server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Obstacles(BTreeMap<String, Vec<String>>);

impl Obstacles {
    /// Looks in every database that has something of the role, beside what would be lost among what they share.
    pub(super) async fn find(
        departure: &Departure<'_>,
        server: &ServerCatalog,
        lost: Vec<String>,
    ) -> Result<Self, Failure> {
        let mut obstacles = Self::at(None, lost);
        for (database, kinds) in places(server, departure.role) {
            let found = match database.map(|database| server.databases.get(&database)) {
                None => None,
                Some(Some(found)) => Some(found),
                // Gone meanwhile, and what was in it.
                Some(None) => continue,
            };
            let name = found.map(|found| found.name.as_str());
            if found.is_some_and(is_closed) {
                let closed = "something that cannot be looked at: the database is closed";
                obstacles.add(name, vec![closed.to_owned()]);
            } else if kinds.iter().any(|kind| *kind != DependencyKind::Privilege) {
                departure.go_on()?;
                obstacles.look(departure, name).await?;
            }
        }
        Ok(obstacles)
    }

    async fn look(&mut self, departure: &Departure<'_>, database: Option<&str>) -> Result<(), Failure> {
        let session = match departure.server.session(database.unwrap_or(POSTGRES)).await {
            Err(failure) if failure.kind() == Some(Kind::DatabaseGone) => return Ok(()),
            session => session?,
        };
        let rows = session
            .query(OWNED, &[i64::from(departure.role).into(), database.is_none().into()])
            .await?;
        let mut found = Vec::new();
        for row in &rows {
            let (policy, class) = (row.text(0)? == "r", row.number(1)?);
            let in_the_way = match departure.owned {
                OwnedObjects::Refuse => true,
                OwnedObjects::Reassign => policy || class == USER_MAPPINGS,
                OwnedObjects::Drop => database.is_none(),
            };
            if in_the_way {
                found.push(
                    row.optional_text(2)?
                        .unwrap_or("something that is gone by now")
                        .to_owned(),
                );
            }
        }
        self.add(database, found);
        if let (OwnedObjects::Drop, Some(database)) = (departure.owned, database) {
            let others = Plan::others(&session, departure.role).await?;
            if !others.is_empty() {
                return Err(of_others(database, &others).into());
            }
        }
        Ok(())
    }

    /// These, in one place.
    pub(super) fn at(database: Option<&str>, what: Vec<String>) -> Self {
        let mut obstacles = Self::default();
        obstacles.add(database, what);
        obstacles
    }

    /// These too.
    pub(super) fn add(&mut self, database: Option<&str>, what: Vec<String>) {
        if !what.is_empty() {
            self.0.entry(place(database)).or_default().extend(what);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the person is told.
    pub(super) fn explain(&self, role: &str, owned: OwnedObjects) -> Diagnostic {
        let mut left = NAMED;
        let mut lines = String::new();
        for (place, what) in &self.0 {
            let shown: Vec<&str> = what.iter().take(left).map(String::as_str).collect();
            left -= shown.len();
            if !shown.is_empty() {
                lines.push_str(&format!("\n  {place} ({}): {}", what.len(), shown.join(", ")));
            }
        }
        let count: usize = self.0.values().map(Vec::len).sum();
        if count > NAMED {
            lines.push_str(&format!("\n  and {} more", count - NAMED));
        }
        let advice = match owned {
            OwnedObjects::Refuse => {
                "Give them another owner (`entradb_postgresql_ownership`), or set `owned_objects` to `reassign` (with `reassign_owned_to`) or to \
                 `drop`, apply that, and destroy again: memberships that the role granted are then granted again."
            }
            OwnedObjects::Reassign => {
                "Row security policies and user mappings have no owner to be changed: alter or drop them first, or \
                 set `owned_objects` to `drop`, apply that, and destroy again."
            }
            OwnedObjects::Drop => {
                "Databases, tablespaces and subscriptions are never dropped along with a role: give them another owner, or set \
                 `owned_objects` to `reassign`, apply that, and destroy again."
            }
        };
        Diagnostic::error(
            "Role still in use",
            format!(
                "These belong to the role {role} or depend on it:\n{lines}\n\nNothing more was changed. {advice} {PASSED_ON}"
            ),
        )
    }
}

/// Whether nobody may look into it.
pub(super) fn is_closed(database: &Database) -> bool {
    !database.allows_connections || PLATFORM_DATABASES.contains(&database.name.as_str())
}

/// Where there is something of the role, and of which kinds. The server as a whole comes first.
pub(super) fn places(catalog: &ServerCatalog, role: u32) -> BTreeMap<Option<u32>, Vec<DependencyKind>> {
    let mut places: BTreeMap<Option<u32>, Vec<DependencyKind>> = BTreeMap::new();
    for dependency in catalog.dependencies.iter().filter(|one| one.role == role) {
        let kind = if is_privilege(dependency) {
            DependencyKind::Privilege
        } else {
            dependency.kind
        };
        places.entry(dependency.database).or_default().push(kind);
    }
    places
}

/// Default privileges of the role's own are privileges to us, whatever PostgreSQL calls them.
pub(super) fn is_privilege(dependency: &Dependency) -> bool {
    dependency.kind == DependencyKind::Privilege || dependency.class == DEFAULT_PRIVILEGES
}

fn place(database: Option<&str>) -> String {
    database.map_or_else(|| "the server".to_owned(), |name| format!("database {name}"))
}

/// What is left at last goes in one transaction, since it hangs together.
pub(super) fn too_many(database: &str) -> Diagnostic {
    let detail = format!(
        "What the role owns in the database {database} goes in steps as far as it can, but the server has no room for the locks of what can only go \
         together. Raise the server parameter `max_locks_per_transaction` for a while (that restarts the server), and destroy again: it goes on \
         where it ended."
    );
    Diagnostic::error("Too many objects for one transaction", detail).at("owned_objects")
}

/// What hangs on something of the role is not dropped along with it, unless it is the role's too.
pub(super) fn of_others(database: &str, what: &[String]) -> Diagnostic {
    let shown: Vec<&str> = what.iter().take(NAMED).map(String::as_str).collect();
    let more = match what.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let detail = format!(
        "In the database {database}, these hang on objects of the role and belong to others: {}{more}. Nothing more was changed. Drop them or let \
         them go first, and destroy again.",
        shown.join(", ")
    );
    Diagnostic::error("Others depend on owned objects", detail).at("owned_objects")
}
