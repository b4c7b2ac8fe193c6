//! Statements as values: a fixed template and typed parts. Knows no server.
//!
//! A value becomes text only through a [`Part`], and a `String` is not one: what a person wrote has to be
//! declared a [`Name`] or a [`Text`] first, and is then quoted by the dialect that runs the statement.

use crate::sql::quote::Dialect;
use std::fmt;
use std::str::FromStr;

/// Builds a [`Statement`](crate::sql::statement::Statement); the number of `{}` is checked at compile time.
///
/// ```
/// use entradb::sql::{quote::Dialect, statement::Name};
/// let role = Name::new("app")?;
/// let statement = entradb::sql!("GRANT {} ON SCHEMA {} TO {}", "USAGE", Name::new("public")?, &role);
/// assert_eq!(statement.render(Dialect::PostgreSql), r#"GRANT USAGE ON SCHEMA "public" TO "app""#);
/// # Ok::<(), entradb::sql::statement::InvalidName>(())
/// ```
///
/// A `String` is no part, and a wrong number of parts does not compile:
///
/// ```compile_fail
/// entradb::sql!("DROP ROLE {}", String::from("app"));
/// ```
///
/// ```compile_fail
/// entradb::sql!("GRANT {} TO {}", "USAGE");
/// ```
#[macro_export]
macro_rules! sql {
    ($template:literal $(, $part:expr)* $(,)?) => {{
        const {
            assert!(
                $crate::sql::statement::placeholders($template) == <[&str]>::len(&[$(stringify!($part)),*]),
                "the template has another number of placeholders than there are parts"
            );
        }
        $crate::sql::statement::Statement::new($template, vec![$($crate::sql::statement::Part::from($part)),*])
    }};
}

/// A statement, or a piece of one: a template and the parts that fill its `{}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    template: &'static str,
    parts: Vec<Part>,
}

impl Statement {
    /// For the `sql!` macro, which has checked that template and parts agree.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(template: &'static str, parts: Vec<Part>) -> Statement {
        Statement { template, parts }
    }

    /// The text without any value: what may be logged.
    #[must_use]
    pub fn template(&self) -> &'static str {
        self.template
    }

    /// The text that the server gets.
    #[must_use]
    pub fn render(&self, dialect: Dialect) -> String {
        let mut text = String::with_capacity(self.template.len() + 24 * self.parts.len());
        self.render_into(dialect, &mut text);
        text
    }

    fn render_into(&self, dialect: Dialect, out: &mut String) {
        let mut parts = self.parts.iter();
        let mut rest = self.template;
        while let Some(position) = rest.find("{}") {
            out.push_str(&rest[..position]);
            if let Some(part) = parts.next() {
                part.render_into(dialect, out);
            }
            rest = &rest[position + 2..];
        }
        out.push_str(rest);
    }
}

/// What may fill a `{}`: a closed set, so that nothing unquoted can get in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// An identifier, quoted.
    Name(Name),
    /// A string literal, quoted.
    Text(Text),
    /// A keyword that stands in our own source.
    Word(&'static str),
    /// An operator's name, which is never quoted.
    Symbol(Symbol),
    /// A number: a limit, an object's number.
    Number(i64),
    /// Parts with commas between them.
    List(Vec<Part>),
    /// A piece built by `sql!` itself, such as a qualified name.
    Piece(Statement),
}

impl Part {
    /// A list of parts, written with commas between them.
    pub fn list<P: Into<Part>>(parts: impl IntoIterator<Item = P>) -> Part {
        Part::List(parts.into_iter().map(Into::into).collect())
    }

    fn render_into(&self, dialect: Dialect, out: &mut String) {
        match self {
            Part::Name(name) => dialect.quote_name(&name.0, out),
            Part::Text(text) => dialect.quote_text(&text.0, out),
            Part::Word(word) => out.push_str(word),
            Part::Symbol(symbol) => out.push_str(&symbol.0),
            Part::Number(number) => out.push_str(&number.to_string()),
            Part::Piece(piece) => piece.render_into(dialect, out),
            Part::List(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    part.render_into(dialect, out);
                }
            }
        }
    }
}

/// The name of a role, a schema, a table: something that is quoted as an identifier.
///
/// Never empty, without NUL, and never so long that PostgreSQL would silently cut it (63 bytes).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The longest name in bytes that PostgreSQL keeps whole.
    pub const LONGEST: usize = 63;

    /// Checks a name that a person gave.
    pub fn new(name: impl Into<String>) -> Result<Name, InvalidName> {
        let name = name.into();
        if name.is_empty() {
            Err(InvalidName::Empty)
        } else if name.contains('\0') {
            Err(InvalidName::Nul)
        } else if name.len() > Name::LONGEST {
            Err(InvalidName::TooLong { bytes: name.len() })
        } else {
            Ok(Name(name))
        }
    }

    /// A name that a catalogue gave: the server's own, so there is nothing to refuse.
    pub(crate) fn from_catalog(name: &str) -> Name {
        Name(name.to_owned())
    }

    /// The name as it is, unquoted.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Name, InvalidName> {
        Name::new(name)
    }
}

/// Why a text cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// No character at all.
    #[error("a name may not be empty")]
    Empty,
    /// It holds the character that ends a text on the wire.
    #[error("a name may not contain the character NUL")]
    Nul,
    /// The server would cut it without a word.
    #[error("a name may have {} bytes at most, this one has {bytes}", Name::LONGEST)]
    TooLong {
        /// Its length in UTF-8.
        bytes: usize,
    },
}

/// A text that is quoted as a string literal. Without NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

impl Text {
    /// Checks a text that a person gave.
    pub fn new(text: impl Into<String>) -> Result<Text, InvalidText> {
        let text = text.into();
        if text.contains('\0') {
            Err(InvalidText)
        } else {
            Ok(Text(text))
        }
    }

    /// The text as it is, unquoted.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Name> for Text {
    /// A name as a value, to compare with what a catalogue says. No name has a NUL in it.
    fn from(name: &Name) -> Text {
        Text(name.0.clone())
    }
}

/// A text with a NUL: no server can hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text may not contain the character NUL")]
pub struct InvalidText;

/// The name of an operator: it cannot be quoted, so it may hold nothing but operator characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(String);

impl Symbol {
    /// `None` when the text could be anything but an operator.
    #[must_use]
    pub fn new(text: &str) -> Option<Symbol> {
        let comment = text.contains("--") || text.contains("/*");
        let fits = !text.is_empty() && text.chars().all(|character| "+-*/<>=~!@#%^&|`?".contains(character));
        (fits && !comment).then(|| Symbol(text.to_owned()))
    }
}

/// Counts the `{}` of a template; for the `sql!` macro.
#[doc(hidden)]
#[must_use]
pub const fn placeholders(template: &str) -> usize {
    let bytes = template.as_bytes();
    let (mut index, mut count) = (0, 0);
    while index + 1 < bytes.len() {
        if bytes[index] == b'{' && bytes[index + 1] == b'}' {
            count += 1;
            index += 1;
        }
        index += 1;
    }
    count
}

macro_rules! part_from {
    ($($from:ty => |$value:ident| $part:expr;)*) => {$(
        impl From<$from> for Part {
            fn from($value: $from) -> Part {
                $part
            }
        }
    )*};
}

part_from! {
    Name => |name| Part::Name(name);
    &Name => |name| Part::Name(name.clone());
    Symbol => |symbol| Part::Symbol(symbol);
    Text => |text| Part::Text(text);
    &Text => |text| Part::Text(text.clone());
    &'static str => |word| Part::Word(word);
    i64 => |number| Part::Number(number);
    i32 => |number| Part::Number(number.into());
    u32 => |number| Part::Number(number.into());
    Vec<Part> => |parts| Part::List(parts);
    Statement => |piece| Part::Piece(piece);
    &Statement => |piece| Part::Piece(piece.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn render(statement: &Statement) -> String {
        statement.render(Dialect::PostgreSql)
    }

    #[test]
    fn parts_are_quoted_by_what_they_are() {
        let pair = sql!("{}.{}", name("my \"schema\""), name("Table"));
        let comment = Text::new("it's").unwrap();
        let statement = sql!("COMMENT ON {} {} IS {} -- {}", "TABLE", pair, comment, 7);
        assert_eq!(
            render(&statement),
            r#"COMMENT ON TABLE "my ""schema"""."Table" IS 'it''s' -- 7"#
        );
        assert_eq!(statement.template(), "COMMENT ON {} {} IS {} -- {}");
    }

    #[test]
    fn lists_have_commas() {
        let grantees = [name("a"), name("b")];
        let statement = sql!(
            "GRANT {} TO {}",
            Part::list(["SELECT", "INSERT"]),
            Part::list(&grantees)
        );
        assert_eq!(render(&statement), r#"GRANT SELECT, INSERT TO "a", "b""#);
    }

    #[test]
    fn a_value_that_looks_like_a_placeholder_stays_a_value() {
        assert_eq!(render(&sql!("{} {}", name("{}"), name("x"))), r#""{}" "x""#);
    }

    #[test]
    fn a_backslash_makes_an_escape_string() {
        assert_eq!(render(&sql!("{}", Text::new(r"C:\it's").unwrap())), r" E'C:\\it''s'");
    }

    #[test]
    fn names_that_a_server_would_not_keep_are_refused() {
        assert_eq!(Name::new(""), Err(InvalidName::Empty));
        assert_eq!(Name::new("a\0b"), Err(InvalidName::Nul));
        assert_eq!(Name::new("é".repeat(32)), Err(InvalidName::TooLong { bytes: 64 }));
        assert!(Name::new("x".repeat(63)).is_ok());
        assert_eq!(Text::new("a\0b"), Err(InvalidText));
        assert!(Symbol::new("<->").is_some());
        assert!(
            ["", "a", "--", "+/*", "= ;"]
                .iter()
                .all(|text| Symbol::new(text).is_none())
        );
    }
}
