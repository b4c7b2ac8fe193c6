//! Queries that travel with statements: one message asks several things, and the answers come back as text. Knows no catalogue.

use crate::sql::error::{Error, Kind};
use crate::sql::row::{Cell, Row};
use crate::sql::statement::Statement;

/// A query, and what its columns are: `t` a text, `n` a number, `b` a boolean, `l` a list of texts.
#[derive(Clone, Debug)]
pub struct Question {
    statement: Statement,
    columns: &'static str,
}

impl Question {
    /// A constant of ours; its catalogue names are qualified. A letter for each column.
    #[must_use]
    pub const fn constant(sql: &'static str, columns: &'static str) -> Question {
        Question {
            statement: Statement::new(sql, Vec::new()),
            columns,
        }
    }

    /// A query with values in it. A letter for each column.
    #[must_use]
    pub fn new(statement: Statement, columns: &'static str) -> Question {
        Question { statement, columns }
    }

    /// The same columns by another query, mostly one around this one.
    #[must_use]
    pub fn by(&self, statement: Statement) -> Question {
        Question {
            statement,
            columns: self.columns,
        }
    }

    /// The query.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Reads a row that came as text.
    pub(crate) fn row<'a>(&self, texts: impl Iterator<Item = Option<&'a str>>) -> Result<Row, Error> {
        let cells = self.columns.chars().zip(texts).map(|(letter, text)| match text {
            None => Ok(Cell::Null),
            Some(text) => cell(letter, text).ok_or_else(|| unreadable(text)),
        });
        cells.collect::<Result<_, _>>().map(Row::new)
    }
}

fn unreadable(text: &str) -> Error {
    Error::new(Kind::Unexpected, format!("{text:?} in the answer is not understood"))
}

fn cell(letter: char, text: &str) -> Option<Cell> {
    Some(match letter {
        'n' => Cell::Number(text.parse().ok()?),
        'b' => Cell::Bool(text == "t"),
        'l' => Cell::List(list(text)?),
        _ => Cell::Text(text.to_owned()),
    })
}

/// `{plain,"with \"quotes\"",NULL}`; a NULL is left out.
fn list(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?.chars().peekable();
    let mut found = Vec::new();
    while rest.peek().is_some() {
        let quoted = rest.next_if_eq(&'"').is_some();
        let mut element = String::new();
        loop {
            match rest.next() {
                Some('\\') => element.push(rest.next()?),
                Some('"') if quoted => {
                    if !matches!(rest.next(), None | Some(',')) {
                        return None;
                    }
                    break;
                }
                None if quoted => return None,
                Some(',') if !quoted => break,
                None => break,
                Some(other) => element.push(other),
            }
        }
        if quoted || element != "NULL" {
            found.push(element);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whatever_stands_in_them() {
        let read = |text: &str| list(text).map(|found| found.join("|"));
        assert_eq!(list("{}"), Some(Vec::new()));
        assert_eq!(read("{a,b}").as_deref(), Some("a|b"));
        assert_eq!(
            read(r#"{"a,b","say \"x\"","back\\slash","",NULL,"NULL",é}"#).as_deref(),
            Some(r#"a,b|say "x"|back\slash||NULL|é"#)
        );
        for broken in ["", "{", r#"{"a"#, r#"{"a"b}"#] {
            assert_eq!(list(broken), None, "{broken}");
        }
    }

    #[test]
    fn rows_are_read_by_their_letters() {
        let question = Question::constant("", "tnbl");
        let row = question
            .row([Some("7"), Some("7"), Some("t"), None].into_iter())
            .unwrap();
        let expected = [Cell::Text("7".into()), Cell::Number(7), Cell::Bool(true), Cell::Null];
        assert_eq!(row, Row::new(expected.to_vec()));
        assert!(question.row([None, Some("seven")].into_iter()).is_err());
    }
}
