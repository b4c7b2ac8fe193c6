//! How a role goes: what it owns is looked for in every database, what it was granted is taken back, then it is dropped.
//!
//! Every step can be run twice. `DROP OWNED` runs only where the person asked for it: it would drop a table that a
//! session of the role makes in the same moment.

mod dropping;
mod entry;
mod leaving;
mod memberships;
mod obstacles;
mod order;
mod seen;
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
use crate::resources::postgresql::departure::memberships::Succession;
use crate::resources::postgresql::departure::obstacles::{Obstacles, is_closed, is_out_of_reach, is_privilege, places};
use crate::resources::postgresql::departure::seen::Seen;
use crate::resources::postgresql::departure::taking_back::TakingBack;
use crate::resources::postgresql::found_role::{sessions, sessions_of};
use crate::resources::postgresql::role_name::is_platform;
use crate::resources::postgresql::user::binding;
use crate::sql;
use crate::sql::error::Kind;
use crate::sql::pool::Pooled;
use crate::sql::postgres::label::Label;
use crate::sql::postgres::lock::{self, Lock};
use crate::sql::postgres::role_look;
use crate::sql::postgres::server_catalog::{DependencyKind, OPTIONS, Role, ServerCatalog};
use crate::sql::postgres::traces;
use crate::sql::row::Row;
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

/// What is wrong with `owned_objects` and `reassign_owned_to` of the role `name`, of what is known so far.
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
        (true, Value::String(heir)) if config.get("name").and_then(Value::as_str) == Some(heir) => {
            return vec![own_heir(heir)];
        }
        _ => return Vec::new(),
    };
    vec![Diagnostic::error("Invalid combination of arguments", mistake).at("reassign_owned_to")]
}

fn own_heir(role: impl fmt::Display) -> Diagnostic {
    let detail = format!("What the role {role} owns cannot be given to that role itself: name another one.");
    Diagnostic::error("Role is its own heir", detail).at("reassign_owned_to")
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
const ROUNDS: usize = 4;

/// What an attempt to drop the role came to.
enum Attempt {
    /// There is none.
    Gone,
    /// It was dropped, with these sessions open.
    Dropped(Name, Vec<String>),
    /// Something hangs on it that is no mere privilege on a database; or others would lose this.
    InTheWay(Box<ServerCatalog>, Vec<String>),
}

impl Departure<'_> {
    /// Takes the role away. Being gone already is success.
    ///
    /// # Errors
    /// What is in the way, or the server's own.
    pub async fn carry_out(&self, cx: &Context) -> Result<()> {
        let mut refused = None;
        for round in 1..=ROUNDS {
            if round > 1 {
                self.go_on()?;
            }
            let lower = refused.is_some();
            let drop = |session| self.attempt_to_drop(session, lower);
            match self.server.write(POSTGRES, "dropping the role", drop).await {
                Ok(Attempt::Gone) => return Ok(()),
                Ok(Attempt::InTheWay(found, lost)) => self.clear_the_way(&found, lost).await?,
                Ok(Attempt::Dropped(name, sessions)) => {
                    if !sessions.is_empty() {
                        let detail = format!(
                            "The role {name} was dropped while sessions of it were open. They end when they close, and fail before that: {}.",
                            sessions.join(", ")
                        );
                        cx.warn("Sessions of a dropped role", detail);
                    }
                    return Ok(());
                }
                Err(failure) if failure.kind() == Some(Kind::DependentObjects) && round < ROUNDS => {
                    tracing::info!(round, "something of the role appeared meanwhile; looking again");
                }
                // An administrator goes as an ordinary role: from version 16 on they have no ADMIN option on each other.
                Err(failure) if !lower && failure.kind() == Some(Kind::PermissionDenied) => refused = Some(failure),
                Err(failure) => return Err(self.explained(failure, refused).await),
            }
        }
        let catalog = self.server.catalog().await?;
        Err(Obstacles::all(self, &catalog).await?.explain_lasting())
    }

    /// Ends the work between two steps of it when the person wants to stop, or the time of the call has passed. A step in hand is finished.
    fn go_on(&self) -> Result<()> {
        let patience = &self.server.patience;
        let (summary, more) = match (patience.stop.is_stopped(), patience.left().is_zero()) {
            (true, _) => ("Stopped", ""),
            (false, true) => ("Timed out", " `delete` in `timeouts` gives it more time."),
            (false, false) => return Ok(()),
        };
        let detail = format!(
            "The destroy ended between two steps. What was done so far is done, and the next destroy goes on with the rest.{more}"
        );
        Err(Diagnostic::error(summary, detail))
    }

    async fn explained(&self, failure: Failure, refused: Option<Failure>) -> Diagnostic {
        let (Some(refused), Ok(catalog)) = (refused, self.server.catalog().await) else {
            return failure.into();
        };
        match catalog.roles.get(&self.role) {
            Some(role) if administers(role, catalog.version).is_some() => {
                binding::another_administrator(&role.name, refused)
            }
            _ => failure.into(),
        }
    }

    /// Drops the role, unless something hangs on it that has to be seen to first.
    async fn attempt_to_drop(&self, mut session: Pooled, lower: bool) -> Result<Attempt, Failure> {
        let version = session.version();
        let mut questions = traces::on_server(version, self.role).to_vec();
        questions.extend(self.heir.map(|heir| role_look::question(None, heir)));
        let (transaction, answers) = session
            .begin_and_ask(&lock::take(&[Lock::role(self.role)].into()), &questions)
            .await?;
        let (about, heir) = answers.split_at(ServerCatalog::QUESTIONS.len().min(answers.len()));
        let mut seen = Seen::read(version, about)?;
        let Some(role) = seen.server.roles.get(&self.role).cloned() else {
            return Ok(Attempt::Gone);
        };
        if is_platform(&role) {
            let detail = format!(
                "The role {} belongs to PostgreSQL or to Azure and is never dropped.",
                role.name
            );
            return Err(Diagnostic::error("Belongs to the platform", detail).into());
        }
        self.check_heir(&role.name, heir)?;
        if !seen.server.dependencies.is_empty() {
            seen = seen.meet(&transaction, self.role).await?;
        }
        let words = self.last_words(&seen.server);
        if !words.lost.is_empty() {
            return Ok(Attempt::InTheWay(Box::new(seen.server), words.lost));
        }
        let loan = borrow(&seen.server, words.lenders)?;
        let mut statements: Vec<Statement> = loan.begin.into_iter().chain(words.statements).chain(loan.end).collect();
        statements.push(sql!("DROP ROLE {}", &role.name));
        if let Some(label) = administers(&role, version).filter(|_| lower) {
            statements.insert(0, binding::update(&role.name, Label { admin: false, ..label })?);
        }
        if self.is_in_the_way(&seen.server) {
            // Before anything goes, it is tried whether the role may: the server says so first, and only then what hangs on it.
            return match transaction.execute_all(&statements).await {
                Err(error) if error.kind != Kind::DependentObjects => Err(error.into()),
                _ => Ok(Attempt::InTheWay(Box::new(seen.server), Vec::new())),
            };
        }
        tracing::info!(role = %role.name, "dropping the role");
        let answers = transaction
            .commit_and_ask(&statements, &[sessions_of(self.role)])
            .await?;
        Ok(Attempt::Dropped(role.name, sessions(&answers)?))
    }

    fn check_heir(&self, role: &Name, answers: &[Vec<Row>]) -> Result<()> {
        let Some(heir) = self.heir else { return Ok(()) };
        match role_look::read(answers, None, heir).map_err(Failure::from)? {
            Some(found) if found.role.oid == self.role => Err(own_heir(role)),
            Some(_) => Ok(()),
            None => {
                let detail =
                    format!("The server has no role {heir}, which was to become the owner of what {role} owns.");
                Err(Diagnostic::error("Role not found", detail).at("reassign_owned_to"))
            }
        }
    }

    fn is_in_the_way(&self, server: &ServerCatalog) -> bool {
        let mut hanging = server.dependencies.iter();
        hanging.any(|one| one.database.is_some() || !is_privilege(one) || is_out_of_reach(one))
    }

    /// What it takes at last: privileges on databases are taken back, and from version 16 on the memberships that the role granted are granted
    /// by us, where what the role owns goes on too.
    fn last_words(&self, server: &ServerCatalog) -> LastWords {
        let taking = TakingBack::of_databases(server, self.role);
        let mut statements = taking.statements(server);
        let (mut lost, mut lenders) = (taking.passed_on, taking.lenders);
        if self.owned == OwnedObjects::Refuse {
            lost.extend(memberships::granted(server, self.role).map(|held| memberships::named(server, held)));
        } else {
            let succession = Succession::of(server, self.role);
            lost.extend(succession.lost);
            if !succession.statements.is_empty() {
                lenders.insert(self.role);
            }
            statements.extend(succession.statements);
        }
        LastWords {
            lost,
            lenders,
            statements,
        }
    }

    /// Nothing goes anywhere before it is known that everything can.
    async fn clear_the_way(&self, found: &ServerCatalog, lost: Vec<String>) -> Result<()> {
        let mut obstacles = Obstacles::find(self, found, lost).await?;
        let (places, mut refused) = (self.places(found), None);
        // Privileges in a single database are taken back together or not at all.
        let is_one_step = matches!(places[..], [(_, false)]) && obstacles.is_empty();
        for (database, owns) in places.iter().filter(|_| !is_one_step) {
            self.go_on()?;
            match self.rehearse(database, *owns).await {
                Ok(passed_on) => obstacles.add(Some(database), passed_on),
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        if !obstacles.is_empty() {
            let name = found.role_name(self.role).map_or("", Name::as_str);
            return Err(obstacles.explain(name, self.owned));
        }
        if let Some(refused) = refused {
            return Err(refused.into());
        }
        for (database, owns) in places {
            self.go_on()?;
            self.leave(database, owns).await?;
        }
        Ok(())
    }

    /// The databases that have to be left, and whether the role owns something there that has to go.
    fn places<'c>(&self, found: &'c ServerCatalog) -> Vec<(&'c str, bool)> {
        let places = places(found, self.role).into_iter().filter_map(|(database, kinds)| {
            let owns = kinds.iter().any(|kind| *kind != DependencyKind::Privilege);
            let name = match database {
                Some(database) => {
                    let database = found.databases.get(&database);
                    database.filter(|database| !is_closed(database))?.name.as_str()
                }
                // What databases share is given away from any of them.
                None => (owns && self.owned == OwnedObjects::Reassign).then_some(POSTGRES)?,
            };
            Some((name, owns))
        });
        places.collect()
    }
}

/// What it takes to drop a role that has nothing any more in any database.
struct LastWords {
    /// What others would lose.
    lost: Vec<String>,
    /// As whom we must act.
    lenders: BTreeSet<u32>,
    /// The statements before the last one. The loan is around them.
    statements: Vec<Statement>,
}

/// The binding of an administrator, where administrators cannot change each other.
fn administers(role: &Role, version: u32) -> Option<Label> {
    role.binding().filter(|label| version >= OPTIONS && label.admin)
}
