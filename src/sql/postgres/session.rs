//! Running statements on a PostgreSQL connection: one round trip each, nothing left behind in the session.
//!
//! Everything here holds behind PgBouncer in transaction mode too: no prepared statement has a name,
//! settings outside the startup packet are `SET LOCAL`, locks are those of a transaction.

use crate::sql::error::{Error, Kind};
use crate::sql::postgres::connection::{Connection, Mode, driver_error, settings};
use crate::sql::question::Question;
use crate::sql::quote::Dialect;
use crate::sql::row::{Cell, Row, Value};
use crate::sql::statement::Statement;
use futures_util::{FutureExt, StreamExt};
use std::pin::pin;
use std::sync::atomic::Ordering;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::{ToSql, Type};

/// Explicit, because a role or database may have other defaults.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

impl Connection {
    pub(crate) async fn execute_all(&self, statements: &[Statement]) -> Result<(), Error> {
        let mut script = Script::default();
        if self.mode == Mode::Pooled && !self.in_transaction.load(Ordering::Relaxed) {
            script.set_locally(self);
        }
        statements.iter().for_each(|statement| script.push(statement));
        self.run(script).await
    }

    pub(crate) async fn begin(&self, first: &[Statement], questions: &[Question]) -> Result<Vec<Vec<Row>>, Error> {
        let mut script = Script::default();
        script.push_own(BEGIN);
        if self.mode == Mode::Pooled {
            script.set_locally(self);
        }
        first.iter().for_each(|statement| script.push(statement));
        self.in_transaction.store(true, Ordering::Relaxed);
        self.ask(script, questions).await
    }

    /// Within a transaction: statements and, after them, questions in one message.
    pub(crate) async fn execute_and_ask(
        &self,
        statements: &[Statement],
        questions: &[Question],
    ) -> Result<Vec<Vec<Row>>, Error> {
        let mut script = Script::default();
        statements.iter().for_each(|statement| script.push(statement));
        self.ask(script, questions).await
    }

    /// The same and COMMIT, all in one message. When a statement fails, the transaction is still open.
    pub(crate) async fn commit_and_ask(
        &self,
        statements: &[Statement],
        questions: &[Question],
    ) -> Result<Vec<Vec<Row>>, Error> {
        let mut script = Script::default();
        statements.iter().for_each(|statement| script.push(statement));
        script.last = Some("COMMIT");
        let answers = self.ask(script, questions).await?;
        self.in_transaction.store(false, Ordering::Relaxed);
        Ok(answers)
    }

    /// COMMIT or ROLLBACK.
    pub(crate) async fn end(&self, statement: &'static str) -> Result<(), Error> {
        let mut script = Script::default();
        script.push_own(statement);
        let result = self.run(script).await;
        self.in_transaction.store(false, Ordering::Relaxed);
        result
    }

    /// Puts ROLLBACK into the pipe without waiting: the server reads it before anything that follows.
    pub(crate) fn roll_back_later(&self) {
        self.in_transaction.store(false, Ordering::Relaxed);
        // The first poll hands the message over; the answer interests nobody.
        if let Some(Err(error)) = self.client.simple_query("ROLLBACK").now_or_never() {
            tracing::debug!(%error, "the session has ended before its rollback");
        }
    }

    pub(crate) async fn query(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let bound: Vec<(&(dyn ToSql + Sync), Type)> = values.iter().map(bind).collect();
        let running = CancelOnDrop::arm(self);
        let rows = if self.mode == Mode::Pooled && !self.in_transaction.load(Ordering::Relaxed) {
            self.query_in_transaction(sql, &bound).await
        } else {
            self.client.query_typed(sql, &bound).await
        };
        running.disarm();
        rows.map_err(driver_error)?.iter().map(row).collect()
    }

    /// One query with our settings around it, sent together: still one round trip.
    async fn query_in_transaction(
        &self,
        sql: &'static str,
        bound: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let mut script = Script::default();
        script.push_own(BEGIN);
        script.set_locally(self);
        // Polled in this order, each is in the pipe before the next.
        let (begun, rows, ended) = tokio::join!(
            biased;
            self.client.simple_query(&script.text),
            self.client.query_typed(sql, bound),
            self.client.simple_query("COMMIT"),
        );
        begun?;
        let rows = rows?;
        ended?;
        Ok(rows)
    }

    async fn run(&self, script: Script) -> Result<(), Error> {
        self.ask(script, &[]).await.map(drop)
    }

    /// Sends a script and questions as one message; an error is put down to the statement that it belongs to.
    async fn ask(&self, mut script: Script, questions: &[Question]) -> Result<Vec<Vec<Row>>, Error> {
        let statements = script.templates.len();
        questions.iter().for_each(|question| script.push(question.statement()));
        script.last.take().into_iter().for_each(|last| script.push_own(last));
        let mut rows = vec![Vec::new(); questions.len()];
        let running = CancelOnDrop::arm(self);
        let mut done = 0;
        let result = async {
            let mut answers = pin!(self.client.simple_query_raw(&script.text).await.map_err(driver_error)?);
            while let Some(answer) = answers.next().await {
                match answer.map_err(driver_error)? {
                    SimpleQueryMessage::CommandComplete(_) => done += 1,
                    SimpleQueryMessage::Row(row) if done >= statements => {
                        let place = done - statements;
                        let (Some(question), Some(rows)) = (questions.get(place), rows.get_mut(place)) else {
                            continue;
                        };
                        let texts = (0..row.len()).map(|column| row.try_get(column).unwrap_or_default());
                        rows.push(question.row(texts)?);
                    }
                    _ => {}
                }
            }
            Ok(())
        };
        let result = result.await;
        running.disarm();
        result.map_err(|error: Error| error.during(script.template(done)))?;
        Ok(rows)
    }
}

/// Several statements in one message, and which is which.
#[derive(Default)]
struct Script {
    text: String,
    templates: Vec<&'static str>,
    /// What follows after the questions.
    last: Option<&'static str>,
}

impl Script {
    fn push(&mut self, statement: &Statement) {
        self.add(statement.template(), &statement.render(Dialect::PostgreSql));
    }

    fn push_own(&mut self, statement: &'static str) {
        self.add(statement, statement);
    }

    fn set_locally(&mut self, connection: &Connection) {
        for (name, value) in settings(&connection.limits) {
            self.add("SET LOCAL", &format!("SET LOCAL {name} = {value}"));
        }
    }

    /// Which statement failed when so many were done before it.
    fn template(&self, done: usize) -> &'static str {
        self.templates
            .get(done)
            .or(self.templates.last())
            .copied()
            .unwrap_or_default()
    }

    fn add(&mut self, template: &'static str, text: &str) {
        if !self.text.is_empty() {
            self.text.push_str(";\n");
        }
        self.text.push_str(text);
        self.templates.push(template);
    }
}

/// Cancels the running statement when the call is dropped before its answer.
struct CancelOnDrop<'a>(Option<&'a Connection>);

impl<'a> CancelOnDrop<'a> {
    fn arm(connection: &'a Connection) -> CancelOnDrop<'a> {
        CancelOnDrop(Some(connection))
    }

    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0 {
            connection.tainted.store(true, Ordering::Relaxed);
            connection.canceller.cancel();
        }
    }
}

fn bind<'a>(value: &'a Value<'a>) -> (&'a (dyn ToSql + Sync), Type) {
    match value {
        Value::Text(text) => (text, Type::TEXT),
        Value::List(list) => (list, Type::TEXT_ARRAY),
        Value::Number(number) => (number, Type::INT8),
        Value::Bool(value) => (value, Type::BOOL),
    }
}

fn row(row: &tokio_postgres::Row) -> Result<Row, Error> {
    (0..row.len())
        .map(|index| cell(row, index))
        .collect::<Result<_, _>>()
        .map(Row::new)
}

fn cell(row: &tokio_postgres::Row, index: usize) -> Result<Cell, Error> {
    let kind = row.columns()[index].type_();
    let cell = match *kind {
        Type::TEXT | Type::NAME | Type::VARCHAR => row.try_get::<_, Option<String>>(index).map(|v| v.map(Cell::Text)),
        Type::BOOL => row.try_get::<_, Option<bool>>(index).map(|v| v.map(Cell::Bool)),
        Type::INT2 => row
            .try_get::<_, Option<i16>>(index)
            .map(|v| v.map(|v| Cell::Number(v.into()))),
        Type::INT4 => row
            .try_get::<_, Option<i32>>(index)
            .map(|v| v.map(|v| Cell::Number(v.into()))),
        Type::INT8 => row.try_get::<_, Option<i64>>(index).map(|v| v.map(Cell::Number)),
        Type::OID => row
            .try_get::<_, Option<u32>>(index)
            .map(|v| v.map(|v| Cell::Number(v.into()))),
        // The one-letter type of the catalogues.
        Type::CHAR => row
            .try_get::<_, Option<i8>>(index)
            .map(|v| v.map(|v| Cell::Text(char::from(v.cast_unsigned()).to_string()))),
        Type::TEXT_ARRAY | Type::NAME_ARRAY => row
            .try_get::<_, Option<Vec<Option<String>>>>(index)
            .map(|v| v.map(|v| Cell::List(v.into_iter().flatten().collect()))),
        _ => {
            let message = format!("column {index} of the answer has the type {kind}, which is not read");
            return Err(Error::new(Kind::Unexpected, message));
        }
    };
    cell.map(|cell| cell.unwrap_or(Cell::Null)).map_err(driver_error)
}
