//! How a role goes: what it owns is looked for in every database, what it was granted is taken back, then it is dropped.
//!
//! Every step can be run twice. `DROP OWNED` runs only where the person asked for it: it would drop a table that a
//! session of the role makes in the same moment.

mod entry;
mod obstacles;
mod taking_back;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::Parsed;
use crate::protocol::value::{Object as Config, Value};
use crate::provider::context::Context;
use crate::provider::postgresql::{Failure, POSTGRES, Postgresql};
use crate::resources::postgresql::borrowed::borrow;
use crate::resources::postgresql::departure::entry::Entry;
use crate::resources::postgresql::departure::obstacles::{Obstacles, places};
use crate::resources::postgresql::departure::taking_back::TakingBack;
use crate::resources::postgresql::found_role::open_sessions;
use crate::resources::postgresql::role_name::is_platform;
use crate::sql;
use crate::sql::error::Kind;
use crate::sql::pool::Pooled;
use crate::sql::postgres::acl::{Acl, Grant};
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::lock::{self, Lock};
use crate::sql::postgres::object::{Object, ObjectKind, Parent, Qualifier};
use crate::sql::postgres::server_catalog::{Role, ServerCatalog};
use crate::sql::privilege::Privileges;
use crate::sql::row::Row;
use crate::sql::session::Session;
use crate::sql::statement::{Name, Statement};

/// What becomes of the objects that a role owns when the role goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnedObjects {
    /// As long as there are any, the role stays.
    Refuse,
    /// They get another owner.
    Reassign,
    /// They are dropped.
    Drop,
}

impl FromStr for OwnedObjects {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "reassign" => Ok(Self::Reassign),
            "drop" => Ok(Self::Drop),
            _ => Err("`refuse`, `reassign` or `drop` is required"),
        }
    }
}

impl fmt::Display for OwnedObjects {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Refuse => "refuse",
            Self::Reassign => "reassign",
            Self::Drop => "drop",
        })
    }
}

impl Parsed for OwnedObjects {
    const WHAT: &'static str = "way with owned objects";
    const ALLOWED: &'static [&'static str] = &["refuse", "reassign", "drop"];
}

/// What is wrong with `owned_objects` and `reassign_owned_to`, of what is known so far.
pub fn mistakes(config: &Config) -> Vec<Diagnostic> {
    let reassign = match config.get("owned_objects") {
        Some(Value::String(text)) => text == "reassign",
        Some(Value::Unknown(_)) => return Vec::new(),
        _ => false,
    };
    let heir = config.get("reassign_owned_to").unwrap_or(&Value::Null);
    let mistake = match (reassign, heir) {
        (true, Value::Null) => "With `owned_objects = \"reassign\"`, `reassign_owned_to` says who becomes the owner.",
        (false, heir) if !heir.is_null() => {
            "`reassign_owned_to` means something only with `owned_objects = \"reassign\"`."
        }
        _ => return Vec::new(),
    };
    vec![Diagnostic::error("Invalid combination of arguments", mistake).at("reassign_owned_to")]
}

/// A role that shall go.
pub struct Departure<'a> {
    /// Its server.
    pub server: &'a Postgresql<'a>,
    /// Its number: a role made anew under the same name is another one.
    pub role: u32,
    /// What becomes of what it owns.
    pub owned: OwnedObjects,
    /// Who becomes the owner.
    pub heir: Option<&'a Name>,
}

/// How often we begin again when something of the role appears meanwhile.
const ROUNDS: usize = 3;

/// Locks that one transaction of a large move may take: a third of what the smallest servers have for all sessions together.
const LOCKS: u32 = 1000;

const LARGE_OBJECTS: &str = "SELECT l.oid, l.lomowner, x.grantor FROM pg_catalog.pg_largeobject_metadata l, \
     pg_catalog.aclexplode(l.lomacl) x WHERE x.grantee = $1 GROUP BY 1, 2, 3 ORDER BY 1, 3";

impl Departure<'_> {
    /// Takes the role away. Being gone already is success.
    ///
    /// # Errors
    /// What is in the way, or the server's own.
    pub async fn carry_out(&self, cx: &Context) -> Result<()> {
        for round in 1..=ROUNDS {
            // Others may have written since the snapshot.
            self.server.forget();
            let catalog = self.server.catalog().await?;
            let Some(role) = catalog.roles.get(&self.role) else {
                return Ok(());
            };
            if is_platform(role) {
                let detail = format!(
                    "The role {} belongs to PostgreSQL or to Azure and is never dropped.",
                    role.name
                );
                return Err(Diagnostic::error("Belongs to the platform", detail));
            }
            self.clear_the_way(&catalog, role).await?;
            match self.drop_role(role).await {
                Err(failure) if failure.kind() == Some(Kind::DependentObjects) && round < ROUNDS => {
                    tracing::info!(role = %role.name, round, "something of the role appeared meanwhile; looking again");
                }
                outcome => {
                    let sessions = outcome?;
                    if !sessions.is_empty() {
                        let detail = format!(
                            "The role {} was dropped while sessions of it were open. They end when they close, and fail before that: {}.",
                            role.name,
                            sessions.join(", ")
                        );
                        cx.warn("Sessions of a dropped role", detail);
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn clear_the_way(&self, catalog: &ServerCatalog, role: &Role) -> Result<()> {
        let obstacles = Obstacles::find(self.server, catalog, self.role, self.owned).await?;
        if !obstacles.is_empty() {
            return Err(obstacles.explain(role.name.as_str(), self.owned));
        }
        if let Some(heir) = self.heir.filter(|heir| catalog.role(heir.as_str()).is_none()) {
            let detail = format!(
                "The server has no role {heir}, which was to become the owner of what {} owns.",
                role.name
            );
            return Err(Diagnostic::error("Role not found", detail).at("reassign_owned_to"));
        }
        for database in places(catalog, self.role).into_keys().flatten() {
            let Some(database) = catalog.databases.get(&database) else {
                continue;
            };
            self.leave(database.name.as_str(), &role.name).await?;
        }
        Ok(())
    }

    async fn leave(&self, database: &str, role: &Name) -> Result<()> {
        tracing::info!(database, "taking back what the role was granted");
        let all = async {
            // The locks of one large transaction would be missing elsewhere: on every session of the server.
            while self.owned == OwnedObjects::Reassign && self.move_some(database).await? {}
            self.leave_at_once(database).await
        };
        match all.await {
            // The database went meanwhile, and what was in it.
            Err(failure) if failure.kind() == Some(Kind::DatabaseGone) => Ok(()),
            Err(failure) if failure.kind() == Some(Kind::OutOfLockMemory) && self.owned == OwnedObjects::Drop => {
                Err(obstacles::too_many(role, database))
            }
            outcome => Ok(outcome?),
        }
    }

    async fn leave_at_once(&self, database: &str) -> Result<(), Failure> {
        self.server
            .write(database, "taking back what the role was granted", |session| {
                self.attempt_to_leave(session, database)
            })
            .await
    }

    async fn attempt_to_leave(&self, mut session: Pooled, database: &str) -> Result<(), Failure> {
        let transaction = session.begin(&lock::take(&[Lock::role(self.role)].into())).await?;
        let server = ServerCatalog::load(&transaction).await?;
        let Some(role) = server.roles.get(&self.role) else {
            return Ok(());
        };
        let objects = DatabaseCatalog::load(&transaction).await?;
        let large = large_objects(&transaction, self.role).await?;
        let taking = TakingBack::of(&server, &objects, &large, self.role);
        let mut lenders = taking.lenders.clone();
        let mut statements = taking.statements(&server);
        match (self.owned, self.heir.and_then(|heir| server.role(heir.as_str()))) {
            (OwnedObjects::Reassign, Some(heir)) => {
                let lent = Entry::of(&server, database, &objects, role, heir);
                lenders.extend(lent.lenders);
                statements.extend(lent.begin);
                statements.push(sql!("REASSIGN OWNED BY {} TO {}", &role.name, &heir.name));
                statements.extend(lent.end);
            }
            (OwnedObjects::Drop, _) => {
                lenders.insert(self.role);
                statements.push(sql!("DROP OWNED BY {}", &role.name));
            }
            _ => {}
        }
        let loan = borrow(&server, by_name(&server, database, lenders))?;
        let all: Vec<Statement> = loan.begin.into_iter().chain(statements).chain(loan.end).collect();
        transaction.execute_all(&all).await?;
        Ok(transaction.commit().await?)
    }

    /// Moves as many objects as one transaction holds, unless it holds all that is left; whether it did.
    async fn move_some(&self, database: &str) -> Result<bool, Failure> {
        self.server
            .write(database, "moving what the role owns", |session| {
                self.attempt_to_move(session, database)
            })
            .await
    }

    async fn attempt_to_move(&self, mut session: Pooled, database: &str) -> Result<bool, Failure> {
        let transaction = session.begin(&lock::take(&[Lock::role(self.role)].into())).await?;
        let server = ServerCatalog::load(&transaction).await?;
        let objects = DatabaseCatalog::load(&transaction).await?;
        let heir = self.heir.and_then(|heir| server.role(heir.as_str()));
        let (Some(role), Some(heir)) = (server.roles.get(&self.role), heir) else {
            return Ok(false);
        };
        let batch = batch(&objects, self.role);
        if batch.is_empty() {
            return Ok(false);
        }
        tracing::info!(
            database,
            count = batch.len(),
            "moving what the role owns, a batch at a time"
        );
        let moves = batch
            .iter()
            .filter_map(|object| Some(sql!("ALTER {} OWNER TO {}", object.address()?, &heir.name)));
        let moves: Vec<Statement> = moves.collect();
        let lent = Entry::of(&server, database, &objects, role, heir);
        let loan = borrow(&server, by_name(&server, database, lent.lenders))?;
        let all: Vec<Statement> = loan
            .begin
            .into_iter()
            .chain(lent.begin)
            .chain(moves)
            .chain(lent.end)
            .chain(loan.end)
            .collect();
        transaction.execute_all(&all).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn drop_role(&self, role: &Role) -> Result<Vec<String>, Failure> {
        tracing::info!(role = %role.name, "dropping the role");
        self.server
            .write(POSTGRES, "dropping the role", |session| self.attempt_to_drop(session))
            .await
    }

    async fn attempt_to_drop(&self, mut session: Pooled) -> Result<Vec<String>, Failure> {
        let transaction = session.begin(&lock::take(&[Lock::role(self.role)].into())).await?;
        let server = ServerCatalog::load(&transaction).await?;
        let Some(role) = server.roles.get(&self.role) else {
            return Ok(Vec::new());
        };
        let taking = TakingBack::of_databases(&server, self.role);
        let mut statements = taking.statements(&server);
        let mut lenders = taking.lenders;
        // From 16 on a grant of a membership depends on who granted it.
        let granted = server.memberships.iter().filter(|one| {
            server.version >= 16 && one.grantor == self.role && ![one.role, one.member].contains(&self.role)
        });
        for one in granted {
            let (Some(group), Some(member)) = (server.role_name(one.role), server.role_name(one.member)) else {
                continue;
            };
            lenders.insert(self.role);
            statements.push(sql!(
                "REVOKE {} FROM {} GRANTED BY {} CASCADE",
                group,
                member,
                &role.name
            ));
        }
        let loan = borrow(&server, lenders)?;
        let mut all: Vec<Statement> = loan.begin.into_iter().chain(statements).chain(loan.end).collect();
        all.push(sql!("DROP ROLE {}", &role.name));
        let sessions = open_sessions(&transaction, self.role).await?;
        transaction.execute_all(&all).await?;
        transaction.commit().await?;
        Ok(sessions)
    }
}

/// Whom to act as: `pg_database_owner` stands for the owner of the database, and only that one can be borrowed from.
fn by_name(server: &ServerCatalog, database: &str, lenders: BTreeSet<u32>) -> BTreeSet<u32> {
    let stands_for = server.role("pg_database_owner").map(|role| role.oid);
    let owner = server.database(database).map(|database| database.owner);
    let acting = |role| match owner {
        Some(owner) if Some(role) == stands_for => owner,
        _ => role,
    };
    lenders.into_iter().map(acting).collect()
}

/// What the role owns, as far as one transaction may move it; nothing when one transaction may move everything.
fn batch(objects: &DatabaseCatalog, role: u32) -> Vec<&Object> {
    let locks = |object: &Object| u64::from(object.locks) + 1;
    let owned = objects.objects.iter().filter(|object| object.owner == role);
    if owned.clone().map(locks).sum::<u64>() <= u64::from(LOCKS) {
        return Vec::new();
    }
    let mut sum = 0;
    owned
        .filter(|object| !object.extension && object.address().is_some())
        // These have no ALTER of their own here; REASSIGN OWNED moves them in the end.
        .filter(|object| {
            !matches!(
                object.kind,
                ObjectKind::Schema | ObjectKind::Extension | ObjectKind::ForeignDataWrapper
            )
        })
        .filter(|object| !matches!(object.parent, Some(Parent::SequenceOf(_))))
        .take_while(|object| {
            sum += locks(object);
            sum <= u64::from(LOCKS) || sum == locks(object)
        })
        .collect()
}

/// The large objects that the role was granted something on; the snapshot of a database leaves them out.
async fn large_objects(session: &Session, role: u32) -> Result<Vec<Object>, Failure> {
    let rows = session.query(LARGE_OBJECTS, &[i64::from(role).into()]).await?;
    let object = |row: &Row| {
        let grant = Grant {
            grantee: role,
            grantor: row.oid(2)?,
            privileges: Privileges::NONE,
            grantable: Privileges::NONE,
        };
        Ok(Object {
            kind: ObjectKind::LargeObject,
            oid: row.oid(0)?,
            schema: None,
            name: Name::from_catalog(&row.oid(0)?.to_string()),
            qualifier: Qualifier::None,
            owner: row.oid(1)?,
            acl: Some(Acl(vec![grant])),
            extension: false,
            parent: None,
            locks: 1,
        })
    };
    rows.iter().map(object).collect()
}
