//! How a role leaves one database: what it owns goes as was asked for, in as many transactions as the server has room for; what it was granted
//! is taken back.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::diagnostic::Result;
use crate::provider::postgresql::Failure;
use crate::resources::postgresql::borrowed::{Loan, borrow};
use crate::resources::postgresql::departure::dropping::{Plan, Step, as_planned, fitting, still_owned};
use crate::resources::postgresql::departure::entry::Entry;
use crate::resources::postgresql::departure::obstacles::Obstacles;
use crate::resources::postgresql::departure::seen::Seen;
use crate::resources::postgresql::departure::taking_back::TakingBack;
use crate::resources::postgresql::departure::{Departure, OwnedObjects, obstacles};
use crate::sql;
use crate::sql::error::Kind;
use crate::sql::pool::Pooled;
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::lock::{self, Lock};
use crate::sql::postgres::object::{Object, ObjectKind, Parent};
use crate::sql::postgres::server_catalog::{Role, ServerCatalog};
use crate::sql::postgres::traces;
use crate::sql::session::Transaction;
use crate::sql::statement::{Name, Statement};

/// The most locks that one transaction of a large move may take: others need some too, and get theirs soon.
const LOCKS: u64 = 1000;

/// How often a plan is made anew because something changed meanwhile.
const PLANS: usize = 5;

/// What it takes to leave one database.
#[derive(Default)]
struct Parting {
    /// What others would lose.
    passed_on: Vec<String>,
    /// As whom we must act.
    lenders: BTreeSet<u32>,
    /// On what each role granted something.
    granted: BTreeMap<u32, Vec<String>>,
    /// The statements. The loan is around them.
    statements: Vec<Statement>,
}

impl Parting {
    /// The loan that it takes.
    fn borrow(&self, server: &ServerCatalog) -> Result<Loan> {
        let refused = match borrow(server, self.lenders.iter().copied()) {
            Err(refused) => refused,
            loan => return loan,
        };
        let out_of_reach = self.granted.iter();
        let out_of_reach = out_of_reach.filter(|(grantor, _)| borrow(server, [**grantor]).is_err());
        let named: Vec<String> = out_of_reach.flat_map(|(_, what)| what.iter().cloned()).collect();
        Err(obstacles::out_of_reach(refused, &named))
    }
}

impl Departure<'_> {
    pub(super) async fn leave(&self, database: &str, owns: bool) -> Result<()> {
        tracing::info!(database, "taking back what the role was granted");
        let all = async {
            if owns && self.owned == OwnedObjects::Reassign {
                let mut room = self.room(database).await?;
                while self.move_some(database, &mut room).await? {
                    self.go_on()?;
                }
            } else if owns && self.owned == OwnedObjects::Drop {
                self.drop_most(database).await?;
            }
            let what = "taking back what the role was granted";
            let leave = |session| self.attempt_to_leave(session, database, owns);
            self.server.write(database, what, leave).await
        };
        match all.await {
            // The database went meanwhile, and what was in it.
            Err(failure) if failure.kind() == Some(Kind::DatabaseGone) => Ok(()),
            Err(failure) if failure.kind() == Some(Kind::OutOfLockMemory) => Err(obstacles::too_many(database)),
            outcome => Ok(outcome?),
        }
    }

    /// Tries whether the role can leave a database, and changes nothing. Gives what others would lose by it.
    pub(super) async fn rehearse(&self, database: &str, owns: bool) -> Result<Vec<String>, Failure> {
        let what = "looking whether the role can go";
        let rehearse = |session| self.attempt_to_rehearse(session, database, owns);
        match self.server.write(database, what, rehearse).await {
            Err(failure) if failure.kind() == Some(Kind::DatabaseGone) => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    async fn attempt_to_rehearse(
        &self,
        mut session: Pooled,
        database: &str,
        owns: bool,
    ) -> Result<Vec<String>, Failure> {
        let (transaction, seen) = self.see(&mut session, owns).await?;
        let parting = self.parting(&seen, database, owns);
        if parting.passed_on.is_empty() {
            let loan = parting.borrow(&seen.server)?;
            // Whether the server lets us act for somebody has to be tried.
            transaction.execute_all(&loan.begin).await?;
        }
        transaction.rollback().await?;
        Ok(parting.passed_on)
    }

    async fn attempt_to_leave(&self, mut session: Pooled, database: &str, owns: bool) -> Result<(), Failure> {
        let (transaction, seen) = self.see(&mut session, owns).await?;
        let parting = self.parting(&seen, database, owns);
        if !parting.passed_on.is_empty() {
            // What was passed on since it was looked for is not taken from anybody either.
            let role = seen.server.role_name(self.role).map_or("", Name::as_str);
            return Err(Obstacles::at(Some(database), parting.passed_on)
                .explain(role, self.owned)
                .into());
        }
        let loan = parting.borrow(&seen.server)?;
        let all: Vec<Statement> = loan
            .begin
            .into_iter()
            .chain(parting.statements)
            .chain(loan.end)
            .collect();
        transaction.commit_and_ask(&all, &[]).await?;
        Ok(())
    }

    /// Looks at the session's database, behind the lock of the role.
    async fn see<'s>(&self, session: &'s mut Pooled, owns: bool) -> Result<(Transaction<'s>, Seen), Failure> {
        let version = session.version();
        let locks = lock::take(&[Lock::role(self.role)].into());
        let questions = if owns {
            Seen::everything(self.role)
        } else {
            Seen::questions(version, self.role)
        };
        let (transaction, answers) = session.begin_and_ask(&locks, &questions).await?;
        let mut seen = Seen::read(version, &answers)?;
        if !owns {
            seen = seen.meet(&transaction, self.role).await?;
        }
        Ok((transaction, seen))
    }

    /// What it takes to leave a database; nothing when the role is gone.
    fn parting(&self, seen: &Seen, database: &str, owns: bool) -> Parting {
        let Seen { server, objects, large } = seen;
        let Some(role) = server.roles.get(&self.role) else {
            return Parting::default();
        };
        let taking = TakingBack::of(server, objects, large, self.role);
        let mut statements = taking.statements(server);
        let mut lenders = taking.lenders;
        let mut granted: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (grantor, what) in taking.granted {
            granted
                .entry(acting(server, database, grantor))
                .or_default()
                .extend(what);
        }
        match (self.owned, self.heir_in(server)) {
            (OwnedObjects::Reassign, Some(heir)) if owns => {
                let lent = Entry::of(server, database, objects, role, heir);
                lenders.extend(lent.lenders);
                statements.extend(lent.begin);
                statements.push(sql!("REASSIGN OWNED BY {} TO {}", &role.name, &heir.name));
                statements.extend(lent.end);
            }
            (OwnedObjects::Drop, _) if owns => {
                lenders.insert(self.role);
                statements.push(sql!("DROP OWNED BY {}", &role.name));
            }
            _ => {}
        }
        Parting {
            passed_on: taking.passed_on,
            lenders: by_name(server, database, lenders),
            granted,
            statements,
        }
    }

    /// Who becomes the owner; nobody when that is by now the role itself.
    fn heir_in<'c>(&self, server: &'c ServerCatalog) -> Option<&'c Role> {
        let heir = self.heir.and_then(|heir| server.role(heir.as_str()));
        heir.filter(|heir| heir.oid != self.role)
    }

    /// How many locks one transaction may take. The locks of one large transaction would be missing elsewhere: on every session of the server.
    async fn room(&self, database: &str) -> Result<u64, Failure> {
        let session = self.server.session(database).await?;
        Ok((lock::budget(&session).await? / lock::SHARE).clamp(1, LOCKS))
    }

    /// Moves as many objects as one transaction holds, unless it holds all that is left; whether there may be more. Where there was less room
    /// than thought, the next one is smaller.
    async fn move_some(&self, database: &str, room: &mut u64) -> Result<bool, Failure> {
        let most = *room;
        let move_some = |session| self.attempt_to_move(session, database, most);
        match self
            .server
            .write(database, "moving what the role owns", move_some)
            .await
        {
            Err(failure) if failure.kind() == Some(Kind::OutOfLockMemory) && most > 1 => {
                *room = most / 2;
                Ok(true)
            }
            outcome => outcome,
        }
    }

    async fn attempt_to_move(&self, mut session: Pooled, database: &str, room: u64) -> Result<bool, Failure> {
        let transaction = session.begin(&lock::take(&[Lock::role(self.role)].into())).await?;
        let server = ServerCatalog::load(&transaction).await?;
        let objects = DatabaseCatalog::load(&transaction).await?;
        let (Some(role), Some(heir)) = (server.roles.get(&self.role), self.heir_in(&server)) else {
            return Ok(false);
        };
        let batch = batch(&objects, self.role, room);
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
        transaction.commit_and_ask(&all, &[]).await?;
        Ok(true)
    }

    /// Drops what one transaction has no room for, in steps: first what nothing hangs on. Each step looks again whether everything in it is the
    /// role's, and each statement refuses what hangs on it; so a plan that is out of date drops nothing of others, and is made anew.
    async fn drop_most(&self, database: &str) -> Result<(), Failure> {
        let mut room = self.room(database).await?;
        for _ in 0..PLANS {
            let plan = self.plan(database).await?;
            if plan.locks <= room {
                return Ok(());
            }
            if !plan.others.is_empty() {
                return Err(obstacles::of_others(database, &plan.others).into());
            }
            let mut left = &plan.steps[..];
            while !left.is_empty() {
                self.go_on()?;
                let (now, later) = left.split_at(fitting(left, room));
                tracing::info!(
                    database,
                    dropped = now.len(),
                    left = later.len(),
                    "dropping what the role owns"
                );
                let drop = |session| self.attempt_to_drop_some(session, now);
                match self.server.write(database, "dropping what the role owns", drop).await {
                    Ok(true) => left = later,
                    Ok(false) => break,
                    Err(failure) if failure.kind() == Some(Kind::OutOfLockMemory) && now.len() > 1 => {
                        room = (room / 2).max(1)
                    }
                    Err(failure) if matches!(failure.kind(), Some(Kind::DependentObjects | Kind::NotFound)) => break,
                    Err(failure) => return Err(failure),
                }
            }
            if left.is_empty() {
                return Ok(self.go_on()?);
            }
        }
        Ok(())
    }

    async fn plan(&self, database: &str) -> Result<Plan, Failure> {
        let session = self.server.session(database).await?;
        Ok(Plan::load(&session, self.role).await?)
    }

    /// Whether the steps were as planned, and so were taken.
    async fn attempt_to_drop_some(&self, mut session: Pooled, steps: &[Step]) -> Result<bool, Failure> {
        let version = session.version();
        let locks = lock::take(&[Lock::role(self.role)].into());
        let questions = traces::of_roles(version, &[self.role].into());
        let (transaction, answers) = session.begin_and_ask(&locks, &questions).await?;
        let loan = borrow(&ServerCatalog::of(version, &answers)?, [self.role])?;
        let holds = steps.iter().map(|step| step.hold.clone());
        let begin: Vec<Statement> = loan.begin.into_iter().chain(holds).collect();
        let answers = transaction
            .execute_and_ask(&begin, &[still_owned(steps, self.role)])
            .await?;
        if !as_planned(steps, answers.first().map_or(&[], Vec::as_slice))? {
            transaction.rollback().await?;
            return Ok(false);
        }
        let drops = steps.iter().map(|step| step.statement.clone());
        let all: Vec<Statement> = drops.chain(loan.end).collect();
        transaction.commit_and_ask(&all, &[]).await?;
        Ok(true)
    }
}

fn by_name(server: &ServerCatalog, database: &str, lenders: BTreeSet<u32>) -> BTreeSet<u32> {
    lenders.into_iter().map(|role| acting(server, database, role)).collect()
}

/// Whom to act as: `pg_database_owner` stands for the owner of the database, and only that one can be borrowed from.
fn acting(server: &ServerCatalog, database: &str, role: u32) -> u32 {
    let stands_for = server.role("pg_database_owner").map(|role| role.oid);
    match server.database(database) {
        Some(database) if Some(role) == stands_for => database.owner,
        _ => role,
    }
}

/// What the role owns, as far as one transaction may move it; nothing when one transaction may move everything.
fn batch(objects: &DatabaseCatalog, role: u32, room: u64) -> Vec<&Object> {
    let locks = |object: &Object| u64::from(object.locks) + 1;
    let owned = objects.objects.iter().filter(|object| object.owner == role);
    if owned.clone().map(locks).sum::<u64>() <= room {
        return Vec::new();
    }
    let mut sum = 0;
    owned
        .filter(|object| goes_by_itself(object))
        .take_while(|object| {
            sum += locks(object);
            sum <= room || sum == locks(object)
        })
        .collect()
}

/// Whether an object is moved or dropped by a statement of its own. The others go at last, with REASSIGN OWNED or DROP OWNED.
pub(super) fn goes_by_itself(object: &Object) -> bool {
    let last = [
        ObjectKind::Schema,
        ObjectKind::Extension,
        ObjectKind::ForeignDataWrapper,
    ];
    !object.extension
        && object.address().is_some()
        && !last.contains(&object.kind)
        && !matches!(object.parent, Some(Parent::SequenceOf(_)))
}
