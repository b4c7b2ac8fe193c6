//! Does the work: one transaction, behind a lock on the database, looked at again before it is committed.

use std::collections::BTreeSet;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::context::Context;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::postgresql::access::difference::Listing;
use crate::resources::postgresql::access::locking::cannot_lock;
use crate::resources::postgresql::access::scene::{Scene, Target};
use crate::resources::postgresql::access::work::{Job, Work};
use crate::sql::error::{Error, Kind};
use crate::sql::pool::Pooled;
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::lock::{self, Lock};
use crate::sql::postgres::server_catalog::ServerCatalog;
use crate::sql::privilege::Privilege;
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::session::Session;
use crate::sql::statement::{Name, Statement};

/// The catalogue of databases.
const DATABASES: u32 = 1262;

/// How often something may be dropped between our look and our statement.
const LOOKS: u32 = 10;

/// How many lines of a list a warning shows.
const SHOWN: usize = 20;

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether anything had to be done.
    pub changed: bool,
    /// The number of who is the grantee now.
    pub grantee: Option<u32>,
    /// What is granted and not declared, afterwards.
    pub unexpected: Listing,
    /// What could not be granted.
    pub beyond: Listing,
    /// What could not be taken back.
    pub left: Listing,
    /// What differs afterwards and stays so, and why.
    pub out_of_reach: Listing,
    /// The roles for which the server does not let us act.
    pub refused: BTreeSet<String>,
}

/// Does the job in the database.
///
/// # Errors
/// [`Kind::DatabaseGone`] when the database does not exist; otherwise whatever went wrong: nothing was changed then.
pub async fn run(server: &Postgresql<'_>, cx: &Context, database: &Name, job: Job<'_>) -> Result<Outcome, Failure> {
    let _alone = cx.turn(format!("access to {} on {}", database, server.host)).await?;
    tracing::info!(database = database.as_str(), "privileges are compared and put right");
    server
        .write(database.as_str(), "changing privileges", |session| {
            attempt(session, database, job)
        })
        .await
}

/// What one look leads to.
enum Step {
    Done(Outcome),
    /// Whether the server lets us act for these roles has to be tried: name, and the statement.
    Try(Vec<(String, Statement)>),
}

async fn attempt(mut session: Pooled, database: &Name, job: Job<'_>) -> Result<Outcome, Failure> {
    let (mut tried, mut refused, mut looks, mut locking) = (BTreeSet::new(), BTreeSet::new(), 0, true);
    loop {
        match look_and_do(&mut session, database, job, (&tried, &refused, locking)).await {
            Ok(Step::Done(outcome)) => return Ok(Outcome { refused, ..outcome }),
            Ok(Step::Try(roles)) => {
                for (name, statement) in roles {
                    if !lets_us(&mut session, statement).await? {
                        refused.insert(name.clone());
                    }
                    tried.insert(name);
                }
            }
            // Dropped by somebody between our look and our statement: another look does not see it any more.
            Err(Failure::Sql(error)) if error.kind == Kind::NotFound && looks < LOOKS => looks += 1,
            Err(Failure::Sql(error)) if locking && cannot_lock(&error) => locking = false,
            Err(failure) => return Err(failure),
        }
    }
}

/// Tries whether we may become a member, and undoes it.
async fn lets_us(session: &mut Session, borrow: Statement) -> Result<bool, Failure> {
    match session.begin(&[borrow]).await {
        Ok(transaction) => transaction.rollback().await.map(|()| true).map_err(Failure::from),
        Err(error) if matches!(error.kind, Kind::PermissionDenied | Kind::CircularMembership) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn look_and_do(
    session: &mut Session,
    database: &Name,
    job: Job<'_>,
    (tried, refused, locking): (&BTreeSet<String>, &BTreeSet<String>, bool),
) -> Result<Step, Failure> {
    // Whoever else writes privileges in this database waits here, and then sees what we did.
    let locks = BTreeSet::from([Lock::name(DATABASES, database.as_str())]);
    let questions = questions();
    let (transaction, answers) = session.begin_and_ask(&lock::take(&locks), &questions).await?;
    let (server, catalog, room) = seen(transaction.version(), &answers)?;
    let room = if locking { room } else { 0 };
    let (work, to_try) = {
        let scene = Scene::new(&server, database, &catalog, refused).ok_or_else(|| gone(database))?;
        let work = Work::new(job, &scene, room)?;
        let mut uncertain = scene.acting.uncertain(&work.acted_for, &work.spoken_for);
        uncertain.retain(|name, _| !tried.contains(name));
        let to_try = uncertain
            .into_iter()
            .filter_map(|(name, role)| Some((name, scene.acting.borrow(role)?)));
        (work, to_try.collect::<Vec<_>>())
    };
    if !to_try.is_empty() {
        transaction.rollback().await?;
        return Ok(Step::Try(to_try));
    }
    let mut outcome = Outcome {
        changed: !work.statements.is_empty(),
        grantee: work.grantee,
        unexpected: work.unexpected,
        beyond: work.beyond,
        left: work.left,
        out_of_reach: work.out_of_reach,
        ..Outcome::default()
    };
    if outcome.changed {
        tracing::info!(
            database = database.as_str(),
            changes = work.changes.len(),
            statements = work.statements.len(),
            "privileges are changed"
        );
        let answers = transaction
            .execute_and_ask(&work.statements, &questions)
            .await
            .map_err(|error| passed_on(error, &work.passed_on))?;
        let (server, catalog, room) = seen(transaction.version(), &answers)?;
        let scene = Scene::new(&server, database, &catalog, refused).ok_or_else(|| gone(database))?;
        let after = Work::new(job, &scene, room)?;
        unheard(&work.changes, &after.changes)?;
        not_locked_out(&scene)?;
        outcome.unexpected = after.unexpected;
        outcome.out_of_reach = after.out_of_reach;
    }
    transaction.commit().await?;
    Ok(Step::Done(outcome))
}

/// Everything that decides: it travels with the statements, so that an apply is three messages whatever it changes.
fn questions() -> Vec<Question> {
    let (server, database) = (ServerCatalog::QUESTIONS, DatabaseCatalog::QUESTIONS);
    server.into_iter().chain(database).chain([lock::ROOM]).collect()
}

/// Roles and databases, what is in the database, and for how many locks there is room.
fn seen(version: u32, answers: &[Vec<Row>]) -> Result<(ServerCatalog, DatabaseCatalog, u64), Failure> {
    let (room, catalogs) = answers
        .split_last()
        .map_or((&[][..], &[][..]), |(room, catalogs)| (room.as_slice(), catalogs));
    let (server, database) = catalogs.split_at(ServerCatalog::QUESTIONS.len().min(catalogs.len()));
    Ok((
        ServerCatalog::of(version, server)?,
        DatabaseCatalog::of(version, database)?,
        lock::room(room)?,
    ))
}

/// What the grantee passed on with its grant options is in the way of taking it back, and others would lose it.
fn passed_on(error: Error, what: &BTreeSet<String>) -> Failure {
    if error.kind != Kind::DependentObjects || what.is_empty() {
        return error.into();
    }
    let shown: Vec<&str> = what.iter().map(String::as_str).take(SHOWN).collect();
    let more = match what.len() - shown.len() {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    let detail = format!(
        "With its grant options the grantee passed on to others what is to be taken back, and they would lose it too, so nothing was changed:\n\n\
         {}{more}\n\nTake that back first, in the name of the grantee (`SET ROLE`, `REVOKE`), and give it to those who need it by an \
         `entradb_postgresql_access` of their own.",
        shown.join("\n")
    );
    Diagnostic::error("Privileges were passed on", detail)
        .at("grantee")
        .into()
}

fn gone(database: &Name) -> Diagnostic {
    Diagnostic::error(
        "Database not found",
        format!("The server has no database {database} any more."),
    )
    .at("database")
}

/// Whoever takes from everybody the right to connect may take it from the role that Terraform itself logs in as.
fn not_locked_out(scene: &Scene<'_>) -> Result<()> {
    let me = scene.server.current_role;
    let connects = scene
        .effective(&Target::Database, &scene.server.inherited_by(me))
        .has(Privilege::Connect);
    let Some(role) = scene.server.roles.get(&me).filter(|role| !connects && !role.superuser) else {
        return Ok(());
    };
    let detail = format!(
        "Without this privilege, {0} could no longer connect to the database {1}, and it is the role that Terraform itself logs in as. Nothing was \
         changed. Grant it CONNECT by itself first: an `entradb_postgresql_access` with `grantee = \"{0}\"` and `database_privileges = [\"CONNECT\"]`, \
         named in `depends_on` here.",
        role.name, scene.database.name
    );
    Err(Diagnostic::error("Terraform would be locked out", detail).at("database_privileges"))
}

/// PostgreSQL only notes it when a GRANT gives nothing: what is still to be done after the statements ran was not done.
fn unheard(wanted: &BTreeSet<String>, left: &BTreeSet<String>) -> Result<()> {
    let unheard: Vec<&str> = wanted.intersection(left).map(String::as_str).take(SHOWN).collect();
    if unheard.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "The server took the statements and changed nothing here, so nothing was kept. Most likely another role granted it, or holds the right to:\n\n{}",
        unheard.join("\n")
    );
    Err(Diagnostic::error("Privileges not changed", detail))
}

/// Tells the person what could not be changed, and why that is no difference in the next plan.
pub fn tell(outcome: &Outcome, cx: &Context) {
    let because = "for which the signed-in principal cannot act, such as those of the platform";
    warn(
        cx,
        "Some privileges cannot be granted",
        format!("These belong to roles {because}, and are left out"),
        &outcome.beyond,
    );
    warn(
        cx,
        "Some privileges cannot be taken back",
        format!("These were granted by roles {because}, and stay as they are. Whoever granted them can revoke them"),
        &outcome.left,
    );
}

fn warn(cx: &Context, summary: &'static str, detail: String, listing: &Listing) {
    if listing.count == 0 {
        return;
    }
    let shown = &listing.shown[..listing.shown.len().min(SHOWN)];
    let more = usize::try_from(listing.count).unwrap_or(usize::MAX) - shown.len();
    let more = if more == 0 {
        String::new()
    } else {
        format!("\nand {more} more")
    };
    cx.warn(summary, format!("{detail}:\n\n{}{more}", shown.join("\n")));
}
