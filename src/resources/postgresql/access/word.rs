//! The words of a declaration: privileges as people write them, levels, who they are granted to. Knows no server.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::protocol::typed::Parsed;
use crate::sql::postgres::class::{Class, Level};
use crate::sql::privilege::{Privilege, Privileges};
use crate::sql::statement::{InvalidName, Name};

/// The newest version whose privileges are known: what it has not, no server has.
const NEWEST: u32 = 18;

/// A class of objects whose privileges a configuration may name.
pub trait Granted: Copy + Ord + fmt::Debug + Send + Sync + 'static {
    /// The class.
    const CLASS: Class;
    /// What a word is, for messages.
    const WHAT: &'static str;
    /// The words.
    const WORDS: &'static [&'static str];
}

macro_rules! granted {
    ($($name:ident: $class:expr, $what:literal, [$($word:literal),*];)*) => {$(
        #[doc = concat!("A ", $what, ".")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name;

        impl Granted for $name {
            const CLASS: Class = $class;
            const WHAT: &'static str = $what;
            const WORDS: &'static [&'static str] = &[$($word),*, "ALL"];
        }
    )*};
}

granted! {
    OnDatabase: Class::Database, "privilege on a database", ["CREATE", "CONNECT", "TEMPORARY"];
    OnSchema: Class::Schema, "privilege on a schema", ["USAGE", "CREATE"];
    OnTables: Class::Table, "privilege on tables",
        ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"];
    OnSequences: Class::Sequence, "privilege on sequences", ["SELECT", "UPDATE", "USAGE"];
    OnFunctions: Class::Routine, "privilege on functions", ["EXECUTE"];
}

/// A privilege of a class, or `ALL`. Case does not matter, and `TEMP` is `TEMPORARY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word<C>(Option<Privilege>, C);

impl<C: Granted + Default> FromStr for Word<C> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("ALL") || text.eq_ignore_ascii_case("ALL PRIVILEGES") {
            return Ok(Self(None, C::default()));
        }
        match text.parse::<Privilege>() {
            Ok(privilege) if C::CLASS.all(NEWEST).has(privilege) => Ok(Self(Some(privilege), C::default())),
            _ => Err(format!("{text:?} is none of {}", C::WORDS.join(", "))),
        }
    }
}

macro_rules! default {
    ($($name:ident)*) => {$(
        impl Default for $name {
            fn default() -> Self {
                Self
            }
        }
    )*};
}

default!(OnDatabase OnSchema OnTables OnSequences OnFunctions);

impl<C> fmt::Display for Word<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.map_or("ALL", Privilege::keyword))
    }
}

impl<C: Granted + Default> Parsed for Word<C> {
    const WHAT: &'static str = C::WHAT;
    const ALLOWED: &'static [&'static str] = C::WORDS;
}

/// A set of words, as a configuration gives it.
pub type Words<C> = BTreeSet<Word<C>>;

/// What the words mean on a server of this version.
pub fn meaning<C: Granted>(words: &Words<C>, version: u32) -> Privileges {
    let all = C::CLASS.all(version);
    let each = words
        .iter()
        .map(|word| word.0.map_or(all, |privilege| Privileges::of(&[privilege])));
    each.fold(Privileges::NONE, Privileges::union)
}

/// The words for a set; `ALL` when it is everything and more than one.
pub fn words<C: Granted + Default>(set: Privileges, version: u32) -> Words<C> {
    if set == C::CLASS.all(version) && set.iter().count() > 1 {
        return Words::from([Word(None, C::default())]);
    }
    set.iter()
        .map(|privilege| Word(Some(privilege), C::default()))
        .collect()
}

/// How much may be done in a schema, without naming privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessLevel(pub Level);

impl AccessLevel {
    /// From the least to the most.
    pub const ALL: [Self; 3] = [Self(Level::Read), Self(Level::Write), Self(Level::All)];
}

impl FromStr for AccessLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|level| level.to_string() == text);
        known.ok_or("`read`, `write` or `all` is required")
    }
}

impl fmt::Display for AccessLevel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.0 {
            Level::Read => "read",
            Level::Write => "write",
            Level::All => "all",
        })
    }
}

impl Parsed for AccessLevel {
    const WHAT: &'static str = "level of access";
    const ALLOWED: &'static [&'static str] = &["read", "write", "all"];
}

/// Who holds privileges: a role, or everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// `PUBLIC`: everybody.
    Public,
    /// A role.
    Role(Name),
}

impl FromStr for Grantee {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // No role can be called "public"; one that is called "PUBLIC" in capitals nobody makes.
        if text == "PUBLIC" || text == "public" {
            Ok(Self::Public)
        } else {
            text.parse().map(Self::Role)
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => out.write_str("PUBLIC"),
            Self::Role(name) => name.fmt(out),
        }
    }
}

impl Parsed for Grantee {
    const WHAT: &'static str = "name of a role (or `PUBLIC`)";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<C: Granted + Default>(text: &str) -> Result<String, String> {
        text.parse::<Word<C>>().map(|word| word.to_string())
    }

    #[test]
    fn words_are_those_of_their_class() {
        assert_eq!(parse::<OnTables>("maintain").as_deref(), Ok("MAINTAIN"));
        assert_eq!(parse::<OnDatabase>("temp").as_deref(), Ok("TEMPORARY"));
        assert_eq!(parse::<OnSchema>("all privileges").as_deref(), Ok("ALL"));
        assert_eq!(
            parse::<OnSequences>("INSERT").unwrap_err(),
            "\"INSERT\" is none of SELECT, UPDATE, USAGE, ALL"
        );
    }

    #[test]
    fn every_listed_word_is_understood() {
        fn check<C: Granted + Default>() {
            let words: Words<C> = C::WORDS.iter().map(|word| word.parse().unwrap()).collect();
            assert_eq!(meaning(&words, NEWEST), C::CLASS.all(NEWEST));
            assert_eq!(words.len(), C::WORDS.len());
        }
        check::<OnDatabase>();
        check::<OnSchema>();
        check::<OnTables>();
        check::<OnSequences>();
        check::<OnFunctions>();
    }

    #[test]
    fn all_is_written_where_it_is_all() {
        let shown = |set, version| {
            words::<OnTables>(set, version)
                .iter()
                .map(Word::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(Class::Table.all(16), 16), ["ALL"]);
        assert_eq!(shown(Class::Table.all(16), 17).len(), 7);
        assert_eq!(
            meaning(&words::<OnTables>(Class::Table.all(17), 17), 16),
            Class::Table.all(16)
        );
        assert_eq!(
            words::<OnFunctions>(Class::Routine.all(16), 16)
                .iter()
                .next()
                .unwrap()
                .to_string(),
            "EXECUTE"
        );
    }

    #[test]
    fn everybody_is_no_role() {
        assert_eq!("public".parse(), Ok(Grantee::Public));
        assert_eq!("Public".parse::<Grantee>().unwrap().to_string(), "Public");
        assert!("".parse::<Grantee>().is_err());
    }
}
