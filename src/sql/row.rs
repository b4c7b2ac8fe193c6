//! What a query takes and gives: bound values and rows, independent of any driver.

use crate::sql::error::{Error, Kind};

/// A value that the driver binds to `$1`, `$2`, …
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// `text`.
    Text(&'a str),
    /// `text[]`.
    List(&'a [String]),
    /// `bigint`.
    Number(i64),
    /// `boolean`.
    Bool(bool),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(text)
    }
}

impl<'a> From<&'a [String]> for Value<'a> {
    fn from(list: &'a [String]) -> Value<'a> {
        Value::List(list)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

/// One row of an answer, read by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<Cell>);

/// A value of a row. Queries cast what is none of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// `text`, `name`, `varchar`, `"char"`.
    Text(String),
    /// `text[]`, `name[]`; a NULL in it is left out.
    List(Vec<String>),
    /// `smallint`, `integer`, `bigint`, `oid`.
    Number(i64),
    /// `boolean`.
    Bool(bool),
}

impl Row {
    /// Makes a row, for drivers and recorded answers.
    #[must_use]
    pub fn new(cells: Vec<Cell>) -> Row {
        Row(cells)
    }

    /// A text; NULL is an error.
    pub fn text(&self, column: usize) -> Result<&str, Error> {
        match self.cell(column) {
            Cell::Text(text) => Ok(text),
            other => Err(mismatch(column, "text", other)),
        }
    }

    /// A text or NULL.
    pub fn optional_text(&self, column: usize) -> Result<Option<&str>, Error> {
        match self.cell(column) {
            Cell::Null => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    /// A number; NULL is an error.
    pub fn number(&self, column: usize) -> Result<i64, Error> {
        match self.cell(column) {
            Cell::Number(number) => Ok(*number),
            other => Err(mismatch(column, "a number", other)),
        }
    }

    /// A number or NULL.
    pub fn optional_number(&self, column: usize) -> Result<Option<i64>, Error> {
        match self.cell(column) {
            Cell::Null => Ok(None),
            _ => self.number(column).map(Some),
        }
    }

    /// An object's number; NULL is an error.
    pub fn oid(&self, column: usize) -> Result<u32, Error> {
        let number = self.number(column)?;
        u32::try_from(number).map_err(|_| mismatch(column, "an oid", self.cell(column)))
    }

    /// An object's number, or nothing for NULL and for 0, which is how catalogues say "none".
    pub fn optional_oid(&self, column: usize) -> Result<Option<u32>, Error> {
        match self.cell(column) {
            Cell::Null => Ok(None),
            _ => self.oid(column).map(|oid| Some(oid).filter(|oid| *oid != 0)),
        }
    }

    /// A truth value; NULL is an error.
    pub fn bool(&self, column: usize) -> Result<bool, Error> {
        match self.cell(column) {
            Cell::Bool(value) => Ok(*value),
            other => Err(mismatch(column, "a boolean", other)),
        }
    }

    /// A truth value or NULL.
    pub fn optional_bool(&self, column: usize) -> Result<Option<bool>, Error> {
        match self.cell(column) {
            Cell::Null => Ok(None),
            _ => self.bool(column).map(Some),
        }
    }

    /// A list; NULL is an error.
    pub fn list(&self, column: usize) -> Result<&[String], Error> {
        match self.cell(column) {
            Cell::List(list) => Ok(list),
            other => Err(mismatch(column, "a list", other)),
        }
    }

    /// A list or NULL.
    pub fn optional_list(&self, column: usize) -> Result<Option<&[String]>, Error> {
        match self.cell(column) {
            Cell::Null => Ok(None),
            _ => self.list(column).map(Some),
        }
    }

    fn cell(&self, column: usize) -> &Cell {
        self.0.get(column).unwrap_or(&Cell::Null)
    }
}

fn mismatch(column: usize, wanted: &str, found: &Cell) -> Error {
    let found = match found {
        Cell::Null => "nothing",
        Cell::Text(_) => "text",
        Cell::List(_) => "a list",
        Cell::Number(_) => "a number",
        Cell::Bool(_) => "a boolean",
    };
    let message = format!("column {column} of the answer holds {found} instead of {wanted}");
    Error::new(Kind::Unexpected, message)
}
