//! Privileges as sets: what a class of objects knows, what is held, what is missing. Knows no statement.

use std::fmt;
use std::str::FromStr;

/// One privilege of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are PostgreSQL's own")]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Maintain,
    Usage,
    Create,
    Connect,
    Temporary,
    Execute,
    Set,
    AlterSystem,
}

use Privilege::*;

/// Keyword, and the letter of access lists.
const PRIVILEGES: [(Privilege, &str, char); 15] = [
    (Select, "SELECT", 'r'),
    (Insert, "INSERT", 'a'),
    (Update, "UPDATE", 'w'),
    (Delete, "DELETE", 'd'),
    (Truncate, "TRUNCATE", 'D'),
    (References, "REFERENCES", 'x'),
    (Trigger, "TRIGGER", 't'),
    (Maintain, "MAINTAIN", 'm'),
    (Usage, "USAGE", 'U'),
    (Create, "CREATE", 'C'),
    (Connect, "CONNECT", 'c'),
    (Temporary, "TEMPORARY", 'T'),
    (Execute, "EXECUTE", 'X'),
    (Set, "SET", 's'),
    (AlterSystem, "ALTER SYSTEM", 'A'),
];

impl Privilege {
    /// As it is written in GRANT.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        PRIVILEGES[self as usize].1
    }

    /// As it is written in access lists.
    #[must_use]
    pub fn letter(self) -> char {
        PRIVILEGES[self as usize].2
    }

    /// The privilege of a letter; newer servers may have letters that we do not know.
    #[must_use]
    pub fn of_letter(letter: char) -> Option<Privilege> {
        PRIVILEGES
            .iter()
            .find(|(_, _, known)| *known == letter)
            .map(|(privilege, _, _)| *privilege)
    }
}

/// A text that is no privilege.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a privilege of PostgreSQL")]
pub struct UnknownPrivilege(pub String);

impl FromStr for Privilege {
    type Err = UnknownPrivilege;

    fn from_str(text: &str) -> Result<Privilege, UnknownPrivilege> {
        if text.eq_ignore_ascii_case("TEMP") {
            return Ok(Temporary);
        }
        PRIVILEGES
            .iter()
            .find(|(_, keyword, _)| keyword.eq_ignore_ascii_case(text))
            .map(|(privilege, _, _)| *privilege)
            .ok_or_else(|| UnknownPrivilege(text.to_owned()))
    }
}

/// A set of privileges.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Privileges(u16);

impl Privileges {
    /// None at all.
    pub const NONE: Privileges = Privileges(0);

    /// A set of these.
    #[must_use]
    pub const fn of(privileges: &[Privilege]) -> Privileges {
        let (mut bits, mut index) = (0, 0);
        while index < privileges.len() {
            bits |= 1 << privileges[index] as u8;
            index += 1;
        }
        Privileges(bits)
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it has this one.
    #[must_use]
    pub const fn has(self, privilege: Privilege) -> bool {
        self.0 & (1 << privilege as u8) != 0
    }

    /// Whether it has all of these.
    #[must_use]
    pub const fn covers(self, other: Privileges) -> bool {
        other.0 & !self.0 == 0
    }

    /// What either has.
    #[must_use]
    pub const fn union(self, other: Privileges) -> Privileges {
        Privileges(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn intersection(self, other: Privileges) -> Privileges {
        Privileges(self.0 & other.0)
    }

    /// What the other one lacks.
    #[must_use]
    pub const fn without(self, other: Privileges) -> Privileges {
        Privileges(self.0 & !other.0)
    }

    /// One by one, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        PRIVILEGES
            .iter()
            .map(|(privilege, _, _)| *privilege)
            .filter(move |privilege| self.has(*privilege))
    }

    /// The keywords, for a statement.
    pub fn keywords(self) -> impl Iterator<Item = &'static str> {
        self.iter().map(Privilege::keyword)
    }
}

impl FromIterator<Privilege> for Privileges {
    fn from_iter<I: IntoIterator<Item = Privilege>>(privileges: I) -> Privileges {
        privileges
            .into_iter()
            .fold(Privileges::NONE, |set, one| set.union(Privileges::of(&[one])))
    }
}

impl fmt::Display for Privileges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.keywords().collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Privileges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{self}]")
    }
}

/// What somebody has on one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// What was granted.
    pub granted: Privileges,
    /// Whether it is the owner, who has everything without a grant.
    pub owner: bool,
}

/// What differs from the wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// To be granted.
    pub missing: Privileges,
    /// To be revoked, by whoever claims to say everything.
    pub unexpected: Privileges,
}

impl Holding {
    /// Compares with the wish. Of an owner nothing is missing, and nothing is ever revoked from it:
    /// the grants in the list are part of its ownership.
    #[must_use]
    pub const fn difference(self, wanted: Privileges) -> Difference {
        if self.owner {
            return Difference {
                missing: Privileges::NONE,
                unexpected: Privileges::NONE,
            };
        }
        Difference {
            missing: wanted.without(self.granted),
            unexpected: self.granted.without(wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, (privilege, keyword, letter)) in PRIVILEGES.into_iter().enumerate() {
            assert_eq!(privilege as usize, index);
            assert_eq!(Privilege::of_letter(letter), Some(privilege));
            assert_eq!(keyword.to_lowercase().parse(), Ok(privilege));
        }
    }

    #[test]
    fn a_difference_is_grants_and_revokes() {
        let wanted = Privileges::of(&[Select, Insert]);
        let holding = Holding {
            granted: Privileges::of(&[Select, Delete]),
            owner: false,
        };
        let difference = holding.difference(wanted);
        assert_eq!(difference.missing.to_string(), "INSERT");
        assert_eq!(difference.unexpected.to_string(), "DELETE");
    }

    #[test]
    fn an_owner_lacks_nothing_and_loses_nothing() {
        let holding = Holding {
            granted: Privileges::of(&[Delete]),
            owner: true,
        };
        assert_eq!(holding.difference(Privileges::of(&[Select])), Difference::default());
    }
}
