//! What stands in the way of a role's departure, and how a person is told.

use std::collections::BTreeMap;

use crate::protocol::diagnostic::Diagnostic;
use crate::provider::postgresql::{Failure, PLATFORM_DATABASES, POSTGRES, Postgresql};
use crate::resources::postgresql::departure::OwnedObjects;
use crate::resources::postgresql::departure::taking_back::TakingBack;
use crate::sql::error::Kind;
use crate::sql::postgres::server_catalog::{DependencyKind, ServerCatalog};
use crate::sql::statement::Name;

/// How many are named.
const NAMED: usize = 20;

const DATABASES: i64 = 1262;
const TABLESPACES: i64 = 1213;
const USER_MAPPINGS: i64 = 1418;
const DEFAULT_PRIVILEGES: u32 = 826;

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
    /// Looks in every database that the catalogue names as having something of the role.
    pub(super) async fn find(
        server: &Postgresql<'_>,
        catalog: &ServerCatalog,
        role: u32,
        owned: OwnedObjects,
    ) -> Result<Self, Failure> {
        let mut obstacles = Self::default();
        for (database, kinds) in places(catalog, role) {
            let Some(database) = database else {
                obstacles.look(server, None, role, owned).await?;
                if owned == OwnedObjects::Refuse {
                    obstacles.add("the server", TakingBack::of_databases(catalog, role).passed_on);
                }
                continue;
            };
            let Some(found) = catalog.databases.get(&database) else {
                continue;
            };
            let name = found.name.as_str();
            if !found.allows_connections || PLATFORM_DATABASES.contains(&name) {
                obstacles.add(
                    &format!("database {name}"),
                    vec!["something that cannot be looked at: the database is closed".into()],
                );
                continue;
            }
            if kinds.iter().any(|kind| *kind != DependencyKind::Privilege) {
                obstacles.look(server, Some(name), role, owned).await?;
            }
            if owned == OwnedObjects::Refuse
                && kinds.contains(&DependencyKind::Privilege)
                && let Some(objects) = server.database(name).await?
            {
                let passed_on = TakingBack::of(catalog, &objects, &[], role).passed_on;
                obstacles.add(&format!("database {name}"), passed_on);
            }
        }
        Ok(obstacles)
    }

    async fn look(
        &mut self,
        server: &Postgresql<'_>,
        database: Option<&str>,
        role: u32,
        owned: OwnedObjects,
    ) -> Result<(), Failure> {
        let session = match server.session(database.unwrap_or(POSTGRES)).await {
            Err(failure) if failure.kind() == Some(Kind::DatabaseGone) => return Ok(()),
            session => session?,
        };
        let rows = session
            .query(OWNED, &[i64::from(role).into(), database.is_none().into()])
            .await?;
        let mut found = Vec::new();
        for row in &rows {
            let (policy, class) = (row.text(0)? == "r", row.number(1)?);
            let in_the_way = match owned {
                OwnedObjects::Refuse => true,
                OwnedObjects::Reassign => policy || class == USER_MAPPINGS,
                OwnedObjects::Drop => [DATABASES, TABLESPACES].contains(&class),
            };
            if in_the_way {
                found.push(
                    row.optional_text(2)?
                        .unwrap_or("something that is gone by now")
                        .to_owned(),
                );
            }
        }
        let place = database.map_or_else(|| "the server".to_owned(), |name| format!("database {name}"));
        self.add(&place, found);
        Ok(())
    }

    fn add(&mut self, place: &str, what: Vec<String>) {
        if !what.is_empty() {
            self.0.entry(place.to_owned()).or_default().extend(what);
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
                "Nothing was changed. Give them another owner (`entradb_postgresql_ownership`) and take back what the role granted to \
                 others, or set `owned_objects` to `reassign` (with `reassign_owned_to`) or to `drop`, apply that, and destroy again."
            }
            OwnedObjects::Reassign => {
                "Nothing was changed. Row security policies and user mappings have no owner to be changed: alter or drop them first, or \
                 set `owned_objects` to `drop`, apply that, and destroy again."
            }
            OwnedObjects::Drop => {
                "Nothing was changed. Databases and tablespaces are never dropped along with a role: give them another owner, or set \
                 `owned_objects` to `reassign`, apply that, and destroy again."
            }
        };
        Diagnostic::error(
            "Role still in use",
            format!("These belong to the role {role} or depend on it:\n{lines}\n\n{advice}"),
        )
    }
}

/// Where there is something of the role, and of which kinds. The server as a whole comes first.
pub(super) fn places(catalog: &ServerCatalog, role: u32) -> BTreeMap<Option<u32>, Vec<DependencyKind>> {
    let mut places: BTreeMap<Option<u32>, Vec<DependencyKind>> = BTreeMap::new();
    for dependency in catalog.dependencies.iter().filter(|one| one.role == role) {
        // Default privileges of the role's own are privileges to us, whatever PostgreSQL calls them.
        let kind = if dependency.class == DEFAULT_PRIVILEGES {
            DependencyKind::Privilege
        } else {
            dependency.kind
        };
        places.entry(dependency.database).or_default().push(kind);
    }
    places
}

/// Everything that a role owns in a database goes in one transaction, since it may hang together in every way.
pub fn too_many(role: &Name, database: &str) -> Diagnostic {
    let detail = format!(
        "What {role} owns in the database {database} is dropped in one transaction, and the server has no room for so many locks; nothing was dropped \
         there. Raise the server parameter `max_locks_per_transaction` for a while (that restarts the server), or give the objects to another role with \
         `owned_objects = \"reassign\"`, which goes in steps, and drop them from there."
    );
    Diagnostic::error("Too many objects for one transaction", detail).at("owned_objects")
}
