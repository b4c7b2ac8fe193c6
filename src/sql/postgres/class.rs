//! Which privileges a class of objects knows, and what the levels of access mean for it.

use crate::sql::privilege::Privilege::{self, *};
use crate::sql::privilege::{Privileges, UnknownPrivilege};
use std::fmt;

/// A class of objects that have privileges in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Databases.
    Database,
    /// Schemas.
    Schema,
    /// Tables of every kind, views, materialized views.
    Table,
    /// A column of one of those.
    Column,
    /// Sequences.
    Sequence,
    /// Functions, procedures, aggregates.
    Routine,
    /// Types and domains.
    Type,
    /// Procedural languages.
    Language,
    /// Foreign-data wrappers.
    ForeignDataWrapper,
    /// Foreign servers.
    ForeignServer,
    /// Large objects.
    LargeObject,
}

impl Class {
    /// What `ALL` means on a server of this major version.
    #[must_use]
    pub const fn all(self, version: u32) -> Privileges {
        match self {
            Class::Database => Privileges::of(&[Create, Connect, Temporary]),
            Class::Schema => Privileges::of(&[Usage, Create]),
            Class::Table => {
                let known = Privileges::of(&[Select, Insert, Update, Delete, Truncate, References, Trigger]);
                if version >= 17 {
                    known.union(Privileges::of(&[Maintain]))
                } else {
                    known
                }
            }
            Class::Column => Privileges::of(&[Select, Insert, Update, References]),
            Class::Sequence => Privileges::of(&[Usage, Select, Update]),
            Class::Routine => Privileges::of(&[Execute]),
            Class::Type | Class::Language | Class::ForeignDataWrapper | Class::ForeignServer => {
                Privileges::of(&[Usage])
            }
            Class::LargeObject => Privileges::of(&[Select, Update]),
        }
    }

    /// What everybody holds while nothing was ever granted or revoked.
    #[must_use]
    pub const fn initially_public(self) -> Privileges {
        match self {
            Class::Database => Privileges::of(&[Connect, Temporary]),
            Class::Routine => Privileges::of(&[Execute]),
            Class::Type | Class::Language => Privileges::of(&[Usage]),
            _ => Privileges::NONE,
        }
    }

    /// Reads a list as a person writes it; `ALL` stands for everything.
    pub fn parse<'a>(
        self,
        words: impl IntoIterator<Item = &'a str>,
        version: u32,
    ) -> Result<Privileges, WrongPrivilege> {
        let mut set = Privileges::NONE;
        for word in words {
            if word.eq_ignore_ascii_case("ALL") || word.eq_ignore_ascii_case("ALL PRIVILEGES") {
                set = set.union(self.all(version));
                continue;
            }
            let privilege: Privilege = word.parse()?;
            if !self.all(version).has(privilege) {
                return Err(WrongPrivilege::NotOfClass {
                    class: self,
                    privilege,
                    version,
                });
            }
            set = set.union(Privileges::of(&[privilege]));
        }
        Ok(set)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Class::Database => "database",
            Class::Schema => "schema",
            Class::Table => "table",
            Class::Column => "column",
            Class::Sequence => "sequence",
            Class::Routine => "function",
            Class::Type => "type",
            Class::Language => "language",
            Class::ForeignDataWrapper => "foreign-data wrapper",
            Class::ForeignServer => "foreign server",
            Class::LargeObject => "large object",
        })
    }
}

/// Why a list of privileges makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongPrivilege {
    /// No privilege at all.
    #[error(transparent)]
    Unknown(#[from] UnknownPrivilege),
    /// A privilege of other objects, or of newer servers.
    #[error("a {class} of PostgreSQL {version} has no privilege {}, it has {}", privilege.keyword(), class.all(*version))]
    NotOfClass {
        /// The class that was asked.
        class: Class,
        /// The privilege that it lacks.
        privilege: Privilege,
        /// The major version of the server.
        version: u32,
    },
}

/// How much an application may do in a schema, without naming privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Look.
    Read,
    /// Look and change rows.
    Write,
    /// Everything, new objects included.
    All,
}

impl Level {
    /// What the level means for a class of objects.
    #[must_use]
    pub const fn privileges(self, class: Class, version: u32) -> Privileges {
        match (self, class) {
            (Level::All, Class::Schema | Class::Table | Class::Sequence | Class::Routine | Class::Type) => {
                class.all(version)
            }
            (_, Class::Schema) => Privileges::of(&[Usage]),
            (Level::Read, Class::Table | Class::Sequence) => Privileges::of(&[Select]),
            (Level::Write, Class::Table) => Privileges::of(&[Select, Insert, Update, Delete]),
            (Level::Write, Class::Sequence) => Privileges::of(&[Select, Usage, Update]),
            (Level::Write, Class::Routine) => Privileges::of(&[Execute]),
            _ => Privileges::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_grows_with_the_server() {
        assert!(!Class::Table.all(16).has(Maintain));
        assert!(Class::Table.all(17).has(Maintain));
        assert_eq!(Class::Table.parse(["ALL"], 17), Ok(Class::Table.all(17)));
        assert_eq!(
            Class::Database.parse(["temp", "CONNECT"], 15),
            Ok(Privileges::of(&[Connect, Temporary]))
        );
        assert_eq!(
            Class::Table.parse(["MAINTAIN"], 16).unwrap_err().to_string(),
            "a table of PostgreSQL 16 has no privilege MAINTAIN, it has SELECT, INSERT, UPDATE, DELETE, TRUNCATE, \
             REFERENCES, TRIGGER"
        );
        assert!(Class::Schema.parse(["SELEKT"], 16).is_err());
    }

    #[test]
    fn levels_mean_what_the_manual_says() {
        let level = |level: Level, class| level.privileges(class, 17).to_string();
        assert_eq!(level(Level::Read, Class::Schema), "USAGE");
        assert_eq!(level(Level::Read, Class::Sequence), "SELECT");
        assert_eq!(level(Level::Read, Class::Routine), "");
        assert_eq!(level(Level::Write, Class::Table), "SELECT, INSERT, UPDATE, DELETE");
        assert_eq!(level(Level::Write, Class::Sequence), "SELECT, UPDATE, USAGE");
        assert_eq!(level(Level::All, Class::Schema), "USAGE, CREATE");
        assert_eq!(level(Level::All, Class::Type), "USAGE");
        assert!(Level::All.privileges(Class::Table, 17).has(Maintain));
    }
}
