//! Running statements on a PostgreSQL connection: one round trip each, nothing left behind in the session.
//!
//! Everything here holds behind PgBouncer in transaction mode too: no prepared statement has a name,
//! settings outside the startup packet are `SET LOCAL`, locks are those of a transaction.

use crate::sql::error::{Error, Kind};
use crate::sql::postgres::connection::{Connection, Mode, driver_error, settings};
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
        self.run(&self.script(statements)).await.map(drop)
    }

    /// Runs statements; the last one is a query with one column, of which each row is a JSON array.
    pub(crate) async fn ask(&self, statements: &[Statement]) -> Result<Vec<Row>, Error> {
        rows(self.run(&self.script(statements).asking()).await?)
    }

    fn script(&self, statements: &[Statement]) -> Script {
        let mut script = Script::default();
        if self.mode == Mode::Pooled && !self.in_transaction.load(Ordering::Relaxed) {
            script.set_locally(self);
        }
        statements.iter().for_each(|statement| script.push(statement));
        script
    }

    pub(crate) async fn begin(&self, first: &[Statement]) -> Result<(), Error> {
        self.run(&self.first_script(first)).await.map(drop)
    }

    /// The same, and the rows of the last statement, as [`Connection::ask`] gives them.
    pub(crate) async fn begin_asking(&self, first: &[Statement]) -> Result<Vec<Row>, Error> {
        rows(self.run(&self.first_script(first).asking()).await?)
    }

    fn first_script(&self, first: &[Statement]) -> Script {
        let mut script = Script::default();
        script.push_own(BEGIN);
        if self.mode == Mode::Pooled {
            script.set_locally(self);
        }
        first.iter().for_each(|statement| script.push(statement));
        self.in_transaction.store(true, Ordering::Relaxed);
        script
    }

    /// COMMIT or ROLLBACK.
    pub(crate) async fn end(&self, statement: &'static str) -> Result<(), Error> {
        let mut script = Script::default();
        script.push_own(statement);
        let result = self.run(&script).await;
        self.in_transaction.store(false, Ordering::Relaxed);
        result.map(drop)
    }

    /// Statements and COMMIT in one message; when a statement fails, the transaction is still open.
    pub(crate) async fn commit_asking(&self, statements: &[Statement]) -> Result<Vec<Row>, Error> {
        let mut script = self.script(statements).asking();
        script.push_own("COMMIT");
        let texts = self.run(&script).await?;
        self.in_transaction.store(false, Ordering::Relaxed);
        rows(texts)
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

    /// Sends a script as one message; an error is put down to the statement that it belongs to. Gives what the
    /// statement that is asked answers in its first column.
    async fn run(&self, script: &Script) -> Result<Vec<String>, Error> {
        let running = CancelOnDrop::arm(self);
        let mut done = 0;
        let result = async {
            let mut texts = Vec::new();
            let mut answers = pin!(self.client.simple_query_raw(&script.text).await?);
            while let Some(answer) = answers.next().await {
                match answer? {
                    SimpleQueryMessage::CommandComplete(_) => done += 1,
                    SimpleQueryMessage::Row(row) if script.asked == Some(done) => {
                        texts.extend(row.get(0).map(str::to_owned));
                    }
                    _ => {}
                }
            }
            Ok(texts)
        };
        let result = result.await.map_err(driver_error);
        running.disarm();
        result.map_err(|error| error.during(script.template(done)))
    }
}

/// Several statements in one message, and which is which.
#[derive(Default)]
struct Script {
    text: String,
    templates: Vec<&'static str>,
    /// The statement whose rows are wanted.
    asked: Option<usize>,
}

impl Script {
    /// The rows of the last statement so far are wanted.
    fn asking(mut self) -> Script {
        self.asked = self.templates.len().checked_sub(1);
        self
    }

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

fn rows(texts: Vec<String>) -> Result<Vec<Row>, Error> {
    texts.iter().map(|text| Row::from_json(text)).collect()
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
