//! What stands in the way of a role's departure, and how a person is told.

use std::collections::BTreeMap;

use crate::protocol::diagnostic::Diagnostic;
use crate::provider::postgresql::{Failure, PLATFORM_DATABASES, POSTGRES};
use crate::resources::postgresql::departure::dropping::Plan;
use crate::resources::postgresql::departure::{Departure, OwnedObjects};
use crate::sql::error::{Error, Kind};
use crate::sql::postgres::server_catalog::{Database, Dependency, DependencyKind, ServerCatalog};
use crate::sql::row::Row;
use crate::sql::session::Session;

/// How many are named.
const NAMED: usize = 20;

const USER_MAPPINGS: u32 = 1418;
const DEFAULT_PRIVILEGES: u32 = 826;
const TABLESPACES: u32 = 1213;
const PARAMETERS: u32 = 6243;

/// What to do about what goes with its grantor.
const PASSED_ON: &str = "What the role granted to others, on what is not its own, would be lost with it: let an owner grant the privileges anew, \
     or whoever has the ADMIN option the memberships, revoke in the name of the role what it granted, and destroy again.";

/// Everything that hangs on the role in the session's database, or among what all databases share, in the server's own words. Default privileges are
/// left out: they are taken back like other privileges.
const HANGING: &str = "SELECT s.deptype, s.classid, pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid) \
     FROM pg_catalog.pg_shdepend s WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = $1 \
     AND s.dbid = CASE WHEN $2 THEN 0 ELSE (SELECT d.oid FROM pg_catalog.pg_database d \
       WHERE d.datname = pg_catalog.current_database()) END \
     AND s.deptype IN ('o', 'a', 'r') AND s.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass ORDER BY 3";

/// How what was granted to the role is named.
const PRIVILEGES: &str = "privileges on";

/// What to do about what only its grantor takes back.
const GRANTED: &str = " Privileges on a tablespace or a parameter are revoked by whoever granted them.";

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
            } else if kinds.iter().any(|kind| *kind != DependencyKind::Privilege)
                || database.is_none() && server.dependencies.iter().any(is_out_of_reach)
            {
                departure.go_on()?;
                obstacles.look(departure, name).await?;
            }
        }
        Ok(obstacles)
    }

    /// Everything that hangs on the role, wherever one may look.
    pub(super) async fn all(departure: &Departure<'_>, server: &ServerCatalog) -> Result<Self, Failure> {
        let mut obstacles = Self::default();
        for database in places(server, departure.role).into_keys() {
            let found = database.and_then(|database| server.databases.get(&database));
            if database.is_some() && found.is_none_or(is_closed) {
                continue;
            }
            let name = found.map(|found| found.name.as_str());
            let session = departure.server.session(name.unwrap_or(POSTGRES)).await?;
            let found = hanging(&session, departure.role, name).await?;
            obstacles.add(name, found.into_iter().map(|one| one.what).collect());
        }
        Ok(obstacles)
    }

    async fn look(&mut self, departure: &Departure<'_>, database: Option<&str>) -> Result<(), Failure> {
        let session = match departure.server.session(database.unwrap_or(POSTGRES)).await {
            Err(failure) if failure.kind() == Some(Kind::DatabaseGone) => return Ok(()),
            session => session?,
        };
        let found = hanging(&session, departure.role, database).await?;
        let in_the_way = found.into_iter().filter(|one| match (one.kind, departure.owned) {
            (DependencyKind::Privilege, _) => [TABLESPACES, PARAMETERS].contains(&one.class),
            (_, OwnedObjects::Refuse) => true,
            (kind, OwnedObjects::Reassign) => kind == DependencyKind::Policy || one.class == USER_MAPPINGS,
            (_, OwnedObjects::Drop) => database.is_none(),
        });
        self.add(database, in_the_way.map(|one| one.what).collect());
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

    /// What the person is told when something hangs on the role again and again.
    pub(super) fn explain_lasting(&self) -> Diagnostic {
        let detail = format!(
            "The role was cleared of everything several times, and these still hang on it:\n{}\n\nEither somebody grants it privileges or makes things in \
             its name all the while: let that end. Or these cannot be taken back in the name of whoever granted them: let that one revoke them. Then \
             destroy again.",
            self.lines()
        );
        Diagnostic::error("Role still in use", detail)
    }

    fn lines(&self) -> String {
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
        lines
    }

    /// What the person is told.
    pub(super) fn explain(&self, role: &str, owned: OwnedObjects) -> Diagnostic {
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
        let mut all = self.0.values().flatten();
        let granted = if all.any(|what| what.starts_with(PRIVILEGES)) {
            GRANTED
        } else {
            ""
        };
        Diagnostic::error(
            "Role still in use",
            format!(
                "These belong to the role {role} or depend on it:\n{}\n\nNothing more was changed. {advice} {PASSED_ON}{granted}",
                self.lines()
            ),
        )
    }
}

/// One thing that hangs on the role.
struct Hanging {
    kind: DependencyKind,
    class: u32,
    what: String,
}

async fn hanging(session: &Session, role: u32, database: Option<&str>) -> Result<Vec<Hanging>, Error> {
    let rows = session
        .query(HANGING, &[i64::from(role).into(), database.is_none().into()])
        .await?;
    let one = |row: &Row| {
        let kind = DependencyKind::read(row.text(0)?);
        let what = row.optional_text(2)?.unwrap_or("something that is gone by now");
        Ok(Hanging {
            kind,
            class: row.oid(1)?,
            what: match kind {
                DependencyKind::Privilege => format!("{PRIVILEGES} {what}"),
                _ => what.to_owned(),
            },
        })
    };
    rows.iter().map(one).collect()
}

/// Whether these are privileges that nobody takes back for a role: whoever granted them has to.
pub(super) fn is_out_of_reach(dependency: &Dependency) -> bool {
    dependency.kind == DependencyKind::Privilege && [TABLESPACES, PARAMETERS].contains(&dependency.class)
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

/// Whom nobody may act for, and on what that one granted something.
pub(super) fn out_of_reach(refused: Diagnostic, what: &[String]) -> Diagnostic {
    if what.is_empty() {
        return refused;
    }
    let detail = format!(
        "{} The role has privileges from there on {}: let whoever granted them revoke them, and destroy again.",
        refused.detail,
        shortened(what)
    );
    Diagnostic { detail, ..refused }
}

fn shortened(what: &[String]) -> String {
    let shown: Vec<&str> = what.iter().take(NAMED).map(String::as_str).collect();
    let more = match what.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
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
    let detail = format!(
        "In the database {database}, these hang on objects of the role and belong to others: {}. Nothing more was changed. Drop them or let \
         them go first, and destroy again.",
        shortened(what)
    );
    Diagnostic::error("Others depend on owned objects", detail).at("owned_objects")
}
