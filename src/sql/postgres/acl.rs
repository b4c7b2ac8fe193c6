//! Access lists: who granted what to whom on one object. By number, so that no hostile name can be misread.

use crate::sql::error::{Error, Kind};
use crate::sql::postgres::class::Class;
use crate::sql::privilege::{Privilege, Privileges};
use std::collections::BTreeSet;

/// The number that access lists have for PUBLIC.
pub const PUBLIC: u32 = 0;

/// An SQL expression that gives an access list as `text[]`, an entry for each grantee and grantor:
/// `16385=ar*w/10`. That is PostgreSQL's own form with numbers where it has names. NULL stays NULL,
/// because "nothing was ever granted" differs from "everything was revoked".
macro_rules! acl_text {
    ($column:literal) => {
        concat!(
            "CASE WHEN ",
            $column,
            " IS NOT NULL THEN ARRAY(SELECT x.grantee::text || '=' || pg_catalog.string_agg(CASE x.privilege_type \
             WHEN 'SELECT' THEN 'r' WHEN 'INSERT' THEN 'a' WHEN 'UPDATE' THEN 'w' WHEN 'DELETE' THEN 'd' \
             WHEN 'TRUNCATE' THEN 'D' WHEN 'REFERENCES' THEN 'x' WHEN 'TRIGGER' THEN 't' WHEN 'MAINTAIN' THEN 'm' \
             WHEN 'USAGE' THEN 'U' WHEN 'CREATE' THEN 'C' WHEN 'CONNECT' THEN 'c' WHEN 'TEMPORARY' THEN 'T' \
             WHEN 'EXECUTE' THEN 'X' ELSE '?' END || CASE WHEN x.is_grantable THEN '*' ELSE '' END, '') \
             || '/' || x.grantor::text FROM pg_catalog.aclexplode(",
            $column,
            ") x GROUP BY x.grantee, x.grantor ORDER BY x.grantee, x.grantor) END"
        )
    };
}
pub(crate) use acl_text;

/// One object's access list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl(pub Vec<Grant>);

/// What one role granted to another on one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who holds it; [`PUBLIC`] is everybody.
    pub grantee: u32,
    /// Who gave it; only this role, and a superuser, can take it back.
    pub grantor: u32,
    /// What was given.
    pub privileges: Privileges,
    /// What of it may be passed on.
    pub grantable: Privileges,
}

impl Acl {
    /// Reads what [`acl_text`] gives.
    pub(crate) fn parse(entries: &[String]) -> Result<Acl, Error> {
        let unreadable = |entry: &str| Error::new(Kind::Unexpected, format!("{entry:?} is not an access list entry"));
        entries
            .iter()
            .map(|entry| parse_entry(entry).ok_or_else(|| unreadable(entry)))
            .collect::<Result<_, _>>()
            .map(Acl)
    }

    /// The list that stands for NULL.
    #[must_use]
    pub fn initial(class: Class, owner: u32, version: u32) -> Acl {
        let grant = |grantee, privileges| Grant {
            grantee,
            grantor: owner,
            privileges,
            grantable: Privileges::NONE,
        };
        let mut grants = vec![grant(owner, class.all(version))];
        if !class.initially_public().is_empty() {
            grants.push(grant(PUBLIC, class.initially_public()));
        }
        Acl(grants)
    }

    /// What was granted to this role itself, by whomever.
    #[must_use]
    pub fn granted(&self, grantee: u32) -> Privileges {
        self.0
            .iter()
            .filter(|grant| grant.grantee == grantee)
            .fold(Privileges::NONE, |set, grant| set.union(grant.privileges))
    }

    /// What these roles have together, PUBLIC's part included. For somebody's effective privileges,
    /// `roles` are those whose privileges are inherited.
    #[must_use]
    pub fn effective(&self, roles: &BTreeSet<u32>) -> Privileges {
        self.0
            .iter()
            .filter(|grant| grant.grantee == PUBLIC || roles.contains(&grant.grantee))
            .fold(Privileges::NONE, |set, grant| set.union(grant.privileges))
    }
}

/// Letters that we do not know, of a newer server, are passed over.
fn parse_entry(entry: &str) -> Option<Grant> {
    let (grantee, rest) = entry.split_once('=')?;
    let (letters, grantor) = rest.split_once('/')?;
    let (mut privileges, mut grantable) = (Privileges::NONE, Privileges::NONE);
    let mut last = Privileges::NONE;
    for letter in letters.chars() {
        if letter == '*' {
            grantable = grantable.union(last);
        } else {
            last = Privilege::of_letter(letter).into_iter().collect();
            privileges = privileges.union(last);
        }
    }
    Some(Grant {
        grantee: grantee.parse().ok()?,
        grantor: grantor.parse().ok()?,
        privileges,
        grantable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::privilege::Privilege::*;

    fn acl(entries: &[&str]) -> Acl {
        Acl::parse(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn an_entry_says_who_what_and_from_whom() {
        let list = acl(&["16385=ar*w/10", "0=r/10", "16385=d?/16390"]);
        assert_eq!(list.0[0].grantable, Privileges::of(&[Select]));
        assert_eq!(list.granted(16385), Privileges::of(&[Select, Insert, Update, Delete]));
        assert_eq!(list.granted(7), Privileges::NONE);
        assert_eq!(list.effective(&BTreeSet::from([7])), Privileges::of(&[Select]));
        assert!(Acl::parse(&["app=r/postgres".to_owned()]).is_err());
    }

    #[test]
    fn the_initial_list_has_what_everybody_holds() {
        let list = Acl::initial(Class::Database, 10, 16);
        assert_eq!(list.granted(10), Class::Database.all(16));
        assert_eq!(list.granted(PUBLIC), Privileges::of(&[Connect, Temporary]));
        assert_eq!(Acl::initial(Class::Table, 10, 16).0.len(), 1);
    }
}
