//! A session without a server: it writes down every statement, answers from a script and fails on command.

use crate::sql::error::{Error, Kind};
use crate::sql::question::Question;
use crate::sql::quote::Dialect;
use crate::sql::row::{Row, Value};
use crate::sql::statement::Statement;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// The script and the transcript; clones share both, so a test keeps one and gives one away.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    transcript: Vec<String>,
    answers: Vec<(&'static str, VecDeque<Vec<Row>>)>,
    failures: Vec<(&'static str, Kind)>,
    version: Option<u32>,
}

impl Recorder {
    /// Answers the next query that contains `fragment`; queries without an answer get no rows.
    pub(crate) fn answer(self, fragment: &'static str, rows: Vec<Row>) -> Recorder {
        let mut state = self.state();
        match state.answers.iter_mut().find(|(known, _)| *known == fragment) {
            Some((_, queue)) => queue.push_back(rows),
            None => state.answers.push((fragment, VecDeque::from([rows]))),
        }
        drop(state);
        self
    }

    /// Makes the next statement that contains `fragment` fail, once.
    pub(crate) fn fail(self, fragment: &'static str, kind: Kind) -> Recorder {
        self.state().failures.push((fragment, kind));
        self
    }

    /// Pretends to be a server of another major version than 16.
    pub(crate) fn server_version(self, version: u32) -> Recorder {
        self.state().version = Some(version);
        self
    }

    pub(crate) fn version(&self) -> u32 {
        self.state().version.unwrap_or(16)
    }

    /// Everything that was asked so far, a line each.
    pub(crate) fn transcript(&self) -> String {
        self.state().transcript.join("\n")
    }

    pub(crate) fn execute_all(&self, statements: &[Statement]) -> Result<(), Error> {
        let mut state = self.state();
        statements.iter().try_for_each(|statement| {
            let text = statement.render(Dialect::PostgreSql);
            state.note(text).map_err(|error| error.during(statement.template()))
        })
    }

    pub(crate) fn query(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let bound = if values.is_empty() {
            String::new()
        } else {
            format!(" -- {values:?}")
        };
        self.query_as(format!("{sql}{bound}"))
    }

    fn query_as(&self, sql: String) -> Result<Vec<Row>, Error> {
        let mut state = self.state();
        state.note(sql.clone())?;
        let answer = state
            .answers
            .iter_mut()
            .find(|(fragment, queue)| sql.contains(fragment) && !queue.is_empty());
        Ok(answer.and_then(|(_, queue)| queue.pop_front()).unwrap_or_default())
    }

    pub(crate) fn ask(&self, questions: &[Question]) -> Result<Vec<Vec<Row>>, Error> {
        let ask = |question: &Question| self.query_as(question.statement().render(Dialect::PostgreSql));
        questions.iter().map(ask).collect()
    }

    pub(crate) fn begin(&self, first: &[Statement]) -> Result<(), Error> {
        self.end("BEGIN")?;
        self.execute_all(first)
    }

    pub(crate) fn end(&self, statement: &'static str) -> Result<(), Error> {
        self.state()
            .note(statement.to_owned())
            .map_err(|error| error.during(statement))
    }

    pub(crate) fn roll_back_later(&self) {
        self.state().transcript.push("ROLLBACK".to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn note(&mut self, text: String) -> Result<(), Error> {
        let failure = self.failures.iter().position(|(fragment, _)| text.contains(fragment));
        self.transcript.push(text);
        match failure {
            Some(index) => Err(Error::new(self.failures.remove(index).1, "failed on command")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::row::Cell;
    use crate::sql::session::Session;
    use crate::sql::statement::Name;

    #[tokio::test]
    async fn a_failure_within_a_transaction_rolls_it_back() {
        let recorder = Recorder::default()
            .server_version(17)
            .answer("pg_roles", vec![Row::new(vec![Cell::Number(7)])])
            .fail("GRANT", Kind::PermissionDenied);
        let mut session = Session::recorded(recorder.clone());
        assert_eq!(session.version(), 17);
        let transaction = session
            .begin(&[crate::sql!("SET LOCAL ROLE {}", Name::new("a").unwrap())])
            .await
            .unwrap();
        let rows = transaction
            .query("SELECT oid FROM pg_roles WHERE rolname = $1", &["a".into()])
            .await
            .unwrap();
        assert_eq!(rows[0].oid(0).unwrap(), 7);
        let error = transaction
            .execute(crate::sql!("GRANT {} TO {}", "x", "y"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.statement),
            (Kind::PermissionDenied, "GRANT {} TO {}")
        );
        assert!(transaction.commit().await.is_err());
        expect_test::expect![[r#"
            BEGIN
            SET LOCAL ROLE "a"
            SELECT oid FROM pg_roles WHERE rolname = $1 -- [Text("a")]
            GRANT x TO y
            ROLLBACK"#]]
        .assert_eq(&recorder.transcript());
    }
}
