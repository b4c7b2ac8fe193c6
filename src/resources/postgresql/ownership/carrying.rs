//! Carrying objects over: pass by pass, batch by batch, giving way to whoever uses them. It does not know where they have to go.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::context::Context;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::postgresql::access::locking::{Relations, cannot_lock};
use crate::resources::postgresql::borrowed::Loan;
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::borrowing::Needs;
use crate::resources::postgresql::ownership::goal::Goal;
use crate::resources::postgresql::ownership::moving::{Move, batch};
use crate::resources::postgresql::ownership::note::Intent;
use crate::resources::postgresql::ownership::notebook::Notebook;
use crate::resources::postgresql::ownership::record::Record;
use crate::resources::postgresql::ownership::rights::hold_back;
use crate::resources::postgresql::ownership::verdict::{Verdict, verdict};
use crate::retry::{Attempt, Backoff, until};
use crate::sql::error::{Error, Kind};
use crate::sql::postgres::lock::{self, Lock, take};
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::session::Session;
use crate::sql::statement::{Name, Statement};

/// How long a transaction of ours should hold its locks, less the wait for the last one of them ([`lock::GIVING_WAY`]): together well below the
/// server's `deadlock_timeout`.
const SHORT: Duration = Duration::from_millis(250);

/// How many objects the first transaction moves; the next ones as many as are short.
const FIRST_BATCH: usize = 50;

/// The work on one database.
pub struct Carrier<'a> {
    cx: &'a Context,
    /// The server.
    pub server: Postgresql<'a>,
    /// The database.
    pub database: &'a Name,
    record: Mutex<Record>,
    /// How many objects the next transaction moves.
    size: Mutex<usize>,
    /// What the connection broke under: whether it was committed, only another look can tell.
    uncertain: Mutex<Vec<Intent>>,
    /// Where the record is written down, unless everything goes back.
    notebook: Option<Notebook>,
}

/// What a pass over everything came to.
enum Pass {
    /// There was nothing left, as this look shows.
    Done(Box<Inventory>),
    /// Something was moved; another look will tell what is left.
    Moved,
    /// Something is in use.
    Busy(String),
}

impl<'a> Carrier<'a> {
    /// Work that has nothing on record yet.
    pub fn new(cx: &'a Context, server: Postgresql<'a>, database: &'a Name) -> Carrier<'a> {
        let mut server = server;
        // Short delays: what is in use is free for a moment between two transactions of the application.
        if let Ok(backoff) = Backoff::new(Duration::from_millis(400), Duration::from_secs(5)) {
            server.patience = server.patience.with_backoff(backoff);
        }
        Carrier {
            cx,
            server,
            database,
            record: Mutex::default(),
            size: Mutex::new(FIRST_BATCH),
            uncertain: Mutex::default(),
            notebook: None,
        }
    }

    /// The record.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the record where Terraform keeps it, also when what follows fails.
    pub fn keep(&self, change: impl FnOnce(&mut Record)) {
        let mut record = self.record();
        change(&mut record);
        self.cx.keep_record(&*record);
    }

    /// Keeps this record, and writes it down where it is told.
    pub fn remember(&mut self, record: Record, notebook: Option<Notebook>) {
        self.keep(|kept| *kept = record);
        self.notebook = notebook;
    }

    /// Writes down the record and what is about to move, before anything does; nothing: this is the end.
    ///
    /// # Errors
    /// Of the server.
    pub async fn write_down(&self, moves: Option<&[Move<'_>]>, inventory: &Inventory) -> Result<(), Failure> {
        let Some(notebook) = &self.notebook else { return Ok(()) };
        let record = self.record().clone();
        let place = (&self.server, self.database);
        let written = notebook
            .write(place, &inventory.server, &record, moves.map(Intent::of))
            .await?;
        if let Some((number, writes)) = written {
            self.keep(|record| (record.note, record.writes) = (Some(number), writes));
        }
        Ok(())
    }

    /// A fresh look.
    ///
    /// # Errors
    /// Of the sessions, and when there is no such database.
    pub async fn look<G: Goal>(&self, goal: &G) -> Result<Inventory, Failure> {
        self.server.forget();
        let large = |role: &str| goal.asks_for_large_objects(role);
        let Some(mut found) = Inventory::load(&self.server, self.database, large).await? else {
            let (name, host) = (self.database, &self.server.host);
            let detail = format!("There is no database {name} on {host}. Names are case-sensitive.");
            return Err(Diagnostic::error("Database not found", detail).at("database").into());
        };
        found.read_multiranges(&self.server, self.database).await?;
        Ok(found)
    }

    /// Moves until nothing is left to move, however often somebody else is in the way. Begins with what was `seen` already, if anything, and
    /// gives the look that found nothing left.
    ///
    /// # Errors
    /// When it cannot be done, or not in time: what was moved so far stays moved, and on record.
    pub async fn carry<G: Goal>(&self, goal: &G, seen: Option<Inventory>) -> Result<Inventory, Failure> {
        let seen = Mutex::new(seen);
        let attempt = || async {
            loop {
                let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
                match self.pass(goal, seen).await? {
                    Pass::Done(inventory) => return Ok(Attempt::Done(*inventory)),
                    Pass::Busy(because) => return Ok(Attempt::again(because)),
                    Pass::Moved if self.server.patience.stop.is_stopped() || self.server.patience.left().is_zero() => {
                        return Ok(Attempt::again("some objects are left"));
                    }
                    Pass::Moved => {}
                }
            }
        };
        let result = until(
            &self.server.patience,
            format!("the objects of database {}", self.database),
            attempt,
        )
        .await;
        self.server.forget();
        result
    }

    async fn pass<G: Goal>(&self, goal: &G, seen: Option<Inventory>) -> Result<Pass, Failure> {
        let inventory = match seen {
            Some(seen) => seen,
            None => match self.look(goal).await {
                Err(Failure::Sql(error)) if error.is_transient() => return Ok(Pass::Busy(error.to_string())),
                other => other?,
            },
        };
        self.settle(&inventory);
        let moves = {
            let record = self.record();
            goal.moves(&inventory, &record)?
        };
        if moves.is_empty() {
            return Ok(Pass::Done(Box::new(inventory)));
        }
        tracing::info!(database = %self.database, left = moves.len(), "{} objects are left to move", moves.len());
        let moved = async {
            self.write_down(Some(&moves), &inventory).await?;
            self.move_all(moves, &inventory).await
        };
        match moved.await {
            Err(Failure::Sql(error)) if error.is_transient() => Ok(Pass::Busy(error.to_string())),
            other => other,
        }
    }

    /// Puts on record what was committed after all.
    fn settle(&self, inventory: &Inventory) {
        let uncertain = std::mem::take(&mut *self.uncertain());
        if !uncertain.is_empty() {
            self.keep(|record| Intent::settle(uncertain, record, inventory));
        }
    }

    fn uncertain(&self) -> MutexGuard<'_, Vec<Intent>> {
        self.uncertain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn move_all(&self, mut rest: Vec<Move<'_>>, inventory: &Inventory) -> Result<Pass, Failure> {
        let mut session = self.server.session(self.database.as_str()).await?;
        let mut budget = budget(&session).await?;
        let (all, mut busy) = (rest.len(), None);
        while !rest.is_empty() {
            let over = self.server.patience.stop.is_stopped() || self.server.patience.left().is_zero();
            if over && rest.len() < all {
                return Ok(Pass::Busy(
                    busy.unwrap_or_else(|| format!("{} of {all} objects are left", rest.len())),
                ));
            }
            let mut later = rest.split_off(batch(&rest, budget, self.size()));
            let mut now = rest;
            let Err(error) = self.transact(&mut session, &now, inventory).await else {
                rest = later;
                tracing::info!(database = %self.database, moved = now.len(), left = rest.len(), "moved {} objects, {} are left", now.len(), rest.len());
                continue;
            };
            let Failure::Sql(error) = error else { return Err(error) };
            match verdict(&error, now.len()) {
                Verdict::Split => {
                    if error.kind == Kind::OutOfLockMemory {
                        budget = (budget / 2).max(1);
                    }
                    self.resize(now.len() / 2);
                    now.append(&mut later);
                    rest = now;
                    continue;
                }
                Verdict::Later => {
                    tracing::info!(object = %now[0].object, "{} is in use: later", now[0].object);
                    busy = Some(format!("{} is in use ({error})", now[0].object));
                    hold_back(&mut later, now[0].object, inventory);
                }
                Verdict::Gone => tracing::info!(object = %now[0].object, "{} is gone", now[0].object),
                Verdict::Refused => {
                    self.refused(now[0].object, &error);
                    hold_back(&mut later, now[0].object, inventory);
                }
                Verdict::Again => return Ok(Pass::Busy(error.to_string())),
                Verdict::Fail => return Err(error.into()),
            }
            rest = later;
        }
        Ok(busy.map_or(Pass::Moved, Pass::Busy))
    }

    /// Moves some objects in one transaction. They are on record before the server knows: what the record says of an object that is not
    /// the owner's means nothing, but an object without a record would never find back.
    async fn transact(&self, session: &mut Session, moves: &[Move<'_>], inventory: &Inventory) -> Result<(), Failure> {
        let remember = || moves.iter().flat_map(|next| next.remember.iter().cloned());
        self.keep(|record| {
            for (place, taken) in remember() {
                // What an earlier move put on record says what is true until this transaction has ended.
                let known = record.taken.get(&place).is_some_and(|known| known.from == taken.from);
                if !known {
                    record.taken.insert(place, taken);
                }
            }
            record.remember_names(&inventory.server);
        });
        let started = Instant::now();
        let locks = take(&self.locks(moves, inventory));
        let borrowing = |present: &Inventory| Needs::of(moves, present).borrow(present);
        // What moves is locked by that; how many objects share a transaction has been decided.
        let staying = moves.iter().filter(|next| !next.moves()).map(|next| next.object);
        let relations: Vec<Statement> = staying.collect::<Relations<'_>>().lock(u64::MAX);
        let moving = |relations: Vec<Statement>| {
            move |present: &Inventory| -> Vec<Statement> {
                let moves = moves.iter().flat_map(|next| next.statements(present));
                [lock::give_way()]
                    .into_iter()
                    .chain(relations.clone())
                    .chain(moves)
                    .collect()
            }
        };
        let unlocked = relations.is_empty();
        let mut done = transaction(session, inventory, &locks, (borrowing, moving(relations))).await;
        if matches!(&done, Err(Failure::Sql(error)) if !unlocked && cannot_lock(error)) {
            done = transaction(session, inventory, &locks, (borrowing, moving(Vec::new()))).await;
        }
        if matches!(&done, Err(Failure::Sql(error)) if error.ends_session()) {
            self.uncertain().extend(Intent::of(moves));
        }
        done?;
        let told = {
            let record = self.record();
            remember().all(|(place, taken)| record.taken.get(&place) == Some(&taken))
        };
        if !told {
            self.keep(|record| record.taken.extend(remember()));
        }
        self.pace(moves.len(), started.elapsed());
        Ok(())
    }

    /// Acts as the owners of something, in one transaction that is repeated when it has to be.
    ///
    /// # Errors
    /// Of the server.
    pub async fn act(
        &self,
        owners: BTreeSet<u32>,
        inventory: &Inventory,
        statements: Vec<Statement>,
    ) -> Result<(), Failure> {
        let locks = take(&self.locks(&[], inventory));
        let (locks, owners, statements) = (&locks, &owners, &statements);
        self.server
            .write(
                self.database.as_str(),
                "the privileges on schemas",
                |mut session| async move {
                    let borrowing = |present: &Inventory| {
                        let owners = owners.iter().map(|owner| present.acting_owner(*owner));
                        Needs::to_act_as(owners).borrow(present)
                    };
                    let acting = |_: &Inventory| statements.clone();
                    transaction(&mut session, inventory, locks, (borrowing, acting)).await
                },
            )
            .await
    }

    /// Everybody who changes owners or privileges here takes the same locks first.
    fn locks(&self, moves: &[Move<'_>], inventory: &Inventory) -> BTreeSet<Lock> {
        let database = [Lock::name(ObjectKind::Database.catalog(), self.database.as_str())];
        let schema = |next: &Move<'_>| match &next.object.schema {
            Some(schema) => inventory.catalog.schema(schema).map(|schema| schema.oid),
            None => (next.object.kind == ObjectKind::Schema).then_some(next.object.oid),
        };
        let schemas = moves
            .iter()
            .filter_map(schema)
            .map(|oid| Lock::object(ObjectKind::Schema.catalog(), oid));
        database.into_iter().chain(schemas).collect()
    }

    fn refused(&self, object: &Object, error: &Error) {
        tracing::warn!(%object, %error, "{object} cannot be moved: {error}");
        self.keep(|record| record.refuse(object, error));
    }

    fn size(&self) -> usize {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resize(&self, size: usize) {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) = size.max(1);
    }

    /// The next transaction takes twice as many objects, as long as that is short.
    fn pace(&self, moved: usize, took: Duration) {
        let fitting = moved as f64 * SHORT.as_secs_f64() / took.as_secs_f64().max(0.001);
        self.resize((fitting as usize).clamp(moved.div_ceil(2), moved.max(1) * 2));
    }
}

/// One transaction, behind its locks. What it borrows, and whether it has to, is decided by what is true then.
async fn transaction(
    session: &mut Session,
    inventory: &Inventory,
    locks: &[Statement],
    (borrowing, work): (
        impl Fn(&Inventory) -> Result<Loan> + Send,
        impl Fn(&Inventory) -> Vec<Statement> + Send,
    ),
) -> Result<(), Failure> {
    let (transaction, answers) = session.begin_and_ask(locks, &Inventory::questions()).await?;
    let statements: Vec<Statement> = {
        let present = inventory.at_present(transaction.version(), &answers)?;
        let loan = borrowing(&present)?;
        loan.begin.into_iter().chain(work(&present)).chain(loan.end).collect()
    };
    transaction.execute_all(&statements).await?;
    Ok(transaction.commit().await?)
}

/// Our share of the lock table.
async fn budget(session: &Session) -> Result<usize, Error> {
    let share = lock::budget(session).await? / lock::SHARE;
    Ok(usize::try_from(share).unwrap_or_default().max(16))
}
