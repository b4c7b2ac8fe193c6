//! The application that is running all the while, as the old user with the password: it must not notice anything.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use entradb_emulator::Emulator;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::demo::application::login;
use crate::demo::console::{Context, Failure, Result, number, seconds};
use crate::demo::database::{DATABASE, OLD_USER};

/// Between two rounds of work.
const PAUSE: Duration = Duration::from_millis(15);

/// A round in so many also alters a table, as a migration does, and the next one logs in anew.
const MIGRATION: usize = 10;

/// What is done in each round: a row is written, one is changed, and a view is read.
const WORK: [&str; 3] = [
    "insert into change_event (kind, json) values ('entityUpdated', '{\"by\": \"the old user\"}')",
    "update user_entity set json = jsonb_set(json, '{seen}', 'true') where name = 'user 7'",
    "select count(*) from user_overview",
];
const ALTERATION: &str = "alter table user_entity alter column status set default 'approved'";

/// The running application.
pub(crate) struct OldApplication {
    stopping: Arc<AtomicBool>,
    working: JoinHandle<Result<Report>>,
}

/// What it lived through.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rounds: usize,
    pub(crate) logins: usize,
    pub(crate) alterations: usize,
    pub(crate) slowest: Duration,
}

impl Report {
    /// Whether it did enough to prove something.
    pub(crate) fn is_telling(&self) -> bool {
        self.alterations > 1
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} rounds of writing and reading, {} logins, {} ALTER TABLE, no failure, slowest statement {}",
            number(self.rounds),
            self.logins,
            self.alterations,
            seconds(self.slowest),
        )
    }
}

impl OldApplication {
    pub(crate) fn start(emulator: Arc<Emulator>, password: String) -> OldApplication {
        let stopping = Arc::new(AtomicBool::new(false));
        let working = tokio::spawn(work(emulator, password, stopping.clone()));
        OldApplication { stopping, working }
    }

    /// Lets it finish its round; the first thing that failed is the failure.
    pub(crate) async fn stop(self) -> Result<Report> {
        self.stopping.store(true, Ordering::Relaxed);
        self.working.await.context("the old application")?
    }
}

async fn work(emulator: Arc<Emulator>, password: String, stopping: Arc<AtomicBool>) -> Result<Report> {
    let mut report = Report::default();
    let mut pause = tokio::time::interval(PAUSE);
    let mut session: Option<Client> = None;
    while !stopping.load(Ordering::Relaxed) {
        pause.tick().await;
        let client = match session.take() {
            Some(client) => client,
            None => {
                report.logins += 1;
                login(&emulator, OLD_USER, &password, DATABASE).await?
            }
        };
        report.rounds += 1;
        let migrates = report.rounds.is_multiple_of(MIGRATION);
        for statement in WORK.iter().chain(migrates.then_some(&ALTERATION)) {
            let began = Instant::now();
            client.batch_execute(statement).await.map_err(|error| {
                let reason = error
                    .as_db_error()
                    .map_or_else(|| error.to_string(), |error| error.message().to_owned());
                Failure(format!(
                    "After {} rounds the old application failed at `{statement}`: {reason}",
                    report.rounds
                ))
            })?;
            report.slowest = report.slowest.max(began.elapsed());
        }
        report.alterations += usize::from(migrates);
        session = (!migrates).then_some(client);
    }
    Ok(report)
}
