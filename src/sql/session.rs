//! One open session, whichever driver it has: statements, queries and transactions.

use crate::sql::error::{Error, Kind};
use crate::sql::postgres::connection::Connection;
use crate::sql::question::Question;
#[cfg(test)]
use crate::sql::recorder::Recorder;
use crate::sql::row::{Row, Value};
use crate::sql::statement::Statement;
use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// An open session with a database.
///
/// A call that is dropped before it has answered cancels its statement on the server, and the session
/// is then no longer [`usable`](Session::is_usable).
pub struct Session {
    driver: Driver,
    /// For tests and logs.
    requests: AtomicU64,
    /// Set by a failed statement within a transaction: the server would turn COMMIT into ROLLBACK silently.
    aborted: AtomicBool,
}

enum Driver {
    PostgreSql(Box<Connection>),
    #[cfg(test)]
    Recorded(Recorder),
}

impl Session {
    pub(crate) fn postgresql(connection: Connection) -> Session {
        Session::over(Driver::PostgreSql(Box::new(connection)))
    }

    /// A session that writes down what it is asked and answers from a script.
    #[cfg(test)]
    pub(crate) fn recorded(recorder: Recorder) -> Session {
        Session::over(Driver::Recorded(recorder))
    }

    fn over(driver: Driver) -> Session {
        Session {
            driver,
            requests: AtomicU64::new(0),
            aborted: AtomicBool::new(false),
        }
    }

    /// Runs one statement.
    pub async fn execute(&self, statement: impl Borrow<Statement>) -> Result<(), Error> {
        self.execute_all(std::slice::from_ref(statement.borrow())).await
    }

    /// Runs statements in one round trip: all of them or, when one fails, none.
    /// The error names the one that failed.
    pub async fn execute_all(&self, statements: &[Statement]) -> Result<(), Error> {
        if statements.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let result = match &self.driver {
            Driver::PostgreSql(connection) => connection.execute_all(statements).await,
            #[cfg(test)]
            Driver::Recorded(recorder) => recorder.execute_all(statements),
        };
        let first = statements[0].template();
        self.account(first, statements.len(), started, result)
    }

    /// Runs a query with bound values. The text is a constant of ours, its catalogue names are qualified.
    pub async fn query(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let started = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let result = match &self.driver {
            Driver::PostgreSql(connection) => connection.query(sql, values).await,
            #[cfg(test)]
            Driver::Recorded(recorder) => recorder.query(sql, values),
        };
        self.account(sql, 1, started, result.map_err(|error| error.during(sql)))
    }

    /// Begins a transaction; `first` runs in the same round trip. Dropped without commit, it is rolled back.
    pub async fn begin(&mut self, first: &[Statement]) -> Result<Transaction<'_>, Error> {
        self.begin_and_ask(first, &[]).await.map(|(transaction, _)| transaction)
    }

    /// Begins a transaction and asks, all in one round trip: the answers see what `first` waited for, such as a lock.
    pub async fn begin_and_ask(
        &mut self,
        first: &[Statement],
        questions: &[Question],
    ) -> Result<(Transaction<'_>, Vec<Vec<Row>>), Error> {
        let started = Instant::now();
        *self.requests.get_mut() += 1;
        *self.aborted.get_mut() = false;
        // The guard stands before the statement is sent: a failed first statement leaves a transaction open.
        let transaction = Transaction {
            session: self,
            open: true,
        };
        let result = match &transaction.driver {
            Driver::PostgreSql(connection) => connection.begin(first, questions).await,
            #[cfg(test)]
            Driver::Recorded(recorder) => recorder.begin(first).and_then(|()| recorder.ask(questions)),
        };
        let count = first.len() + questions.len() + 1;
        let answers = transaction.account("BEGIN", count, started, result)?;
        Ok((transaction, answers))
    }

    /// The server's major version, such as 16.
    #[must_use]
    pub fn version(&self) -> u32 {
        match &self.driver {
            Driver::PostgreSql(connection) => connection.version,
            #[cfg(test)]
            Driver::Recorded(recorder) => recorder.version(),
        }
    }

    /// Whether the session can take another statement.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        match &self.driver {
            Driver::PostgreSql(connection) => connection.is_usable(),
            #[cfg(test)]
            Driver::Recorded(_) => true,
        }
    }

    /// Requests sent so far; those that are sent together share a round trip.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn account<T>(
        &self,
        template: &'static str,
        count: usize,
        started: Instant,
        result: Result<T, Error>,
    ) -> Result<T, Error> {
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(_) => tracing::debug!(statement = template, count, milliseconds, "statement done"),
            Err(error) => {
                self.aborted.store(true, Ordering::Relaxed);
                let sqlstate = error.report.sqlstate.as_deref().unwrap_or_default();
                tracing::debug!(statement = error.statement, sqlstate, kind = ?error.kind, milliseconds, "statement failed");
            }
        }
        result
    }
}

/// An open transaction; statements are run through the session that it gives.
pub struct Transaction<'a> {
    session: &'a mut Session,
    open: bool,
}

impl Transaction<'_> {
    /// Makes everything lasting. A transaction in which a statement failed cannot be committed.
    ///
    /// When the connection ends meanwhile ([`Kind::ConnectionLost`]), what became of it is not known.
    pub async fn commit(mut self) -> Result<(), Error> {
        if self.aborted.load(Ordering::Relaxed) {
            return Err(Error::new(
                Kind::Other,
                "a statement of the transaction failed, so it cannot be committed",
            ));
        }
        let started = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let result = match &self.session.driver {
            Driver::PostgreSql(connection) => connection.end("COMMIT").await,
            #[cfg(test)]
            Driver::Recorded(recorder) => recorder.end("COMMIT"),
        };
        // A commit that the server refused has ended the transaction too.
        self.open = false;
        self.account("COMMIT", 1, started, result)
    }

    /// Undoes everything, and waits until it is undone.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let started = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let result = match &self.session.driver {
            Driver::PostgreSql(connection) => connection.end("ROLLBACK").await,
            #[cfg(test)]
            Driver::Recorded(recorder) => recorder.end("ROLLBACK"),
        };
        self.open = false;
        self.account("ROLLBACK", 1, started, result)
    }
}

impl Transaction<'_> {
    /// Runs statements, asks what came of them and makes everything lasting, all in one round trip. When a statement fails, nothing is.
    pub async fn commit_and_ask(
        mut self,
        statements: &[Statement],
        questions: &[Question],
    ) -> Result<Vec<Vec<Row>>, Error> {
        let started = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let result = match &self.session.driver {
            Driver::PostgreSql(connection) => connection.commit_and_ask(statements, questions).await,
            #[cfg(test)]
            Driver::Recorded(recorder) => recorder
                .execute_all(statements)
                .and_then(|()| recorder.ask(questions))
                .and_then(|answers| recorder.end("COMMIT").map(|()| answers)),
        };
        let first = statements.first().map_or("COMMIT", Statement::template);
        let answers = self.account(first, statements.len() + questions.len() + 1, started, result)?;
        self.open = false;
        Ok(answers)
    }

    /// Runs statements, and asks what came of them, in one round trip.
    pub async fn execute_and_ask(
        &self,
        statements: &[Statement],
        questions: &[Question],
    ) -> Result<Vec<Vec<Row>>, Error> {
        let started = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let result = match &self.session.driver {
            Driver::PostgreSql(connection) => connection.execute_and_ask(statements, questions).await,
            #[cfg(test)]
            Driver::Recorded(recorder) => recorder.execute_all(statements).and_then(|()| recorder.ask(questions)),
        };
        let first = statements.first().map_or("SELECT", Statement::template);
        self.account(first, statements.len() + questions.len(), started, result)
    }
}

impl Deref for Transaction<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            match &self.session.driver {
                Driver::PostgreSql(connection) => connection.roll_back_later(),
                #[cfg(test)]
                Driver::Recorded(recorder) => recorder.roll_back_later(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves<T: Send>(value: T) -> T {
        value
    }

    #[tokio::test]
    async fn what_a_session_does_may_move_between_threads() {
        let mut session = Session::recorded(Recorder::default());
        let transaction = moves(session.begin(&[])).await.unwrap();
        moves(transaction.execute(crate::sql!("SELECT 1"))).await.unwrap();
        moves(transaction.query("SELECT 1", &[])).await.unwrap();
        moves(transaction.commit()).await.unwrap();
        assert_eq!(session.requests(), 4);
    }
}
