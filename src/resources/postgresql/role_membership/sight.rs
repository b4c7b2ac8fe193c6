//! A role and a member of it, looked at within the transaction that changes them: who they are, and who granted the one to the other.

use crate::resources::postgresql::role_membership::grants::{Grant, Options, Pair};
use crate::sql;
use crate::sql::error::{Error, Kind};
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::statement::{Name, Part, Statement, Text};

/// How a role is found.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// As it is called.
    Name(&'a Name),
    /// By the number that stays when the name changes.
    Number(u32),
}

impl Key<'_> {
    fn condition(self, table: &'static str) -> Part {
        match self {
            Self::Name(name) => sql!("{}.rolname = {}", table, Text::from(name)),
            Self::Number(oid) => sql!("{}.oid = {}", table, i64::from(oid)),
        }
        .into()
    }
}

/// A role and a member, as they are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The role.
    pub role: Key<'a>,
    /// The member.
    pub member: Key<'a>,
}

/// What was seen of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// There is no such role.
    NoRole,
    /// There is no such member.
    NoMember,
    /// Both are there.
    Both(Pair),
}

impl Sight {
    /// The pair, when both are there.
    pub fn both(self) -> Option<Pair> {
        match self {
            Self::Both(pair) => Some(pair),
            Self::NoRole | Self::NoMember => None,
        }
    }
}

/// The locks on every role of these pairs, in the order that all keep to. Whoever is renamed meanwhile is looked at afterwards.
#[must_use]
pub fn locks(pairs: &[Wanted<'_>]) -> Statement {
    let of_pair = |pair: &Wanted<'_>| {
        let (role, member) = (pair.role.condition("x"), pair.member.condition("x"));
        sql!(" OR {} OR {}", role, member)
    };
    let any = pairs
        .iter()
        .map(of_pair)
        .reduce(|all, one| sql!("{}{}", all, one))
        .map_or(Part::Word(""), Part::from);
    // The same numbers as `Lock::role` gives: 32 bits, signed.
    sql!(
        "SELECT pg_catalog.pg_advisory_xact_lock(1260, o.number) FROM (SELECT (CASE WHEN x.oid::bigint > 2147483647 \
         THEN x.oid::bigint - 4294967296 ELSE x.oid::bigint END)::integer AS number \
         FROM pg_catalog.pg_roles x WHERE false{} ORDER BY x.oid OFFSET 0) o",
        any
    )
}

/// The question for these pairs.
#[must_use]
pub fn question(pairs: &[Wanted<'_>]) -> Question {
    let of_pair = |(index, pair): (usize, &Wanted<'_>)| {
        // The options of version 16 are read by name out of the row's JSON, which other versions lack without an error.
        sql!(
            "SELECT {}::integer, r.oid, r.rolname, m.oid, m.rolname, \
             ARRAY(SELECT pg_catalog.format('%s:%s:%s:%s:%s:%s', g.grantor, g.admin_option, pg_catalog.to_jsonb(g) ->> 'inherit_option', \
             pg_catalog.to_jsonb(g) ->> 'set_option', pg_catalog.pg_has_role(g.grantor, 'USAGE'), pg_catalog.pg_get_userbyid(g.grantor)) \
             FROM pg_catalog.pg_auth_members g WHERE g.roleid = r.oid AND g.member = m.oid ORDER BY g.grantor), \
             ARRAY(SELECT DISTINCT pg_catalog.pg_get_userbyid(p.member)::text FROM pg_catalog.pg_auth_members p \
             WHERE p.roleid = r.oid AND p.grantor = m.oid ORDER BY 1) \
             FROM (VALUES (1)) v LEFT JOIN pg_catalog.pg_roles r ON {} LEFT JOIN pg_catalog.pg_roles m ON {}",
            i64::try_from(index).unwrap_or(i64::MAX),
            pair.role.condition("r"),
            pair.member.condition("m")
        )
    };
    let statement = pairs
        .iter()
        .enumerate()
        .map(of_pair)
        .reduce(|all, one| sql!("{} UNION ALL {}", all, one))
        .unwrap_or_else(|| sql!("SELECT NULL WHERE false"));
    Question::new(statement, "nntntll")
}

/// What was answered: one sight for each pair, in their order.
///
/// # Errors
/// When the answer is none to this question.
pub fn read(rows: &[Row]) -> Result<Vec<Sight>, Error> {
    let mut sights: Vec<(i64, Sight)> = rows
        .iter()
        .map(|row| Ok((row.number(0)?, sight(row)?)))
        .collect::<Result<_, Error>>()?;
    sights.sort_by_key(|(index, _)| *index);
    Ok(sights.into_iter().map(|(_, sight)| sight).collect())
}

fn sight(row: &Row) -> Result<Sight, Error> {
    let Some(role) = row.optional_oid(1)? else {
        return Ok(Sight::NoRole);
    };
    let Some(member) = row.optional_oid(3)? else {
        return Ok(Sight::NoMember);
    };
    Ok(Sight::Both(Pair {
        role,
        role_name: Name::from_catalog(row.text(2)?),
        member,
        member_name: Name::from_catalog(row.text(4)?),
        grants: row
            .list(5)?
            .iter()
            .map(|entry| grant(entry).ok_or_else(|| unreadable(entry)))
            .collect::<Result<_, _>>()?,
        passed_on: row.list(6)?.to_vec(),
    }))
}

fn unreadable(entry: &str) -> Error {
    Error::new(
        Kind::Unexpected,
        format!("an answer of the server is no grant: {entry}"),
    )
}

/// `grantor:admin:inherit:set:ours:name`; the options are empty before version 16.
fn grant(entry: &str) -> Option<Grant> {
    let mut parts = entry.splitn(6, ':');
    let grantor = parts.next()?.parse().ok()?;
    let mut truth = |otherwise: bool| match parts.next()? {
        "" => Some(otherwise),
        text => Some(text.starts_with('t')),
    };
    let (admin, inherit, set, ours) = (truth(false)?, truth(true)?, truth(true)?, truth(false)?);
    Some(Grant {
        grantor,
        options: Options { admin, inherit, set },
        ours,
        grantor_name: Name::from_catalog(parts.next()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_read() {
        let question = question(&[]);
        let row = |texts: [Option<&str>; 7]| question.row(texts.into_iter()).unwrap();
        let (none, empty) = (None, Some("{}"));
        let grants = Some(r#"{10:t:false:false:f:azuresu,"6:f:::t:a:b"}"#);
        let rows = [
            row([Some("1"), none, none, Some("7"), Some("m"), empty, empty]),
            row([
                Some("0"),
                Some("5"),
                Some("r"),
                Some("4000000000"),
                Some("m"),
                grants,
                Some("{x}"),
            ]),
            row([Some("2"), Some("5"), Some("r"), none, none, empty, empty]),
        ];
        let sights = read(&rows).unwrap();
        assert_eq!(sights[1..], [Sight::NoRole, Sight::NoMember]);
        let pair = sights[0].clone().both().unwrap();
        assert_eq!((pair.role, pair.member), (5, 4_000_000_000));
        let told: Vec<(u32, bool, &str)> = pair
            .grants
            .iter()
            .map(|grant| (grant.grantor, grant.ours, grant.grantor_name.as_str()))
            .collect();
        assert_eq!(told, [(10, false, "azuresu"), (6, true, "a:b")]);
        assert_eq!(
            pair.grants[1].options.describe(),
            "`admin_option = false`, `inherit_option = true`, `set_option = true`"
        );
        let broken = row([
            Some("0"),
            Some("5"),
            Some("r"),
            Some("6"),
            Some("m"),
            Some("{x}"),
            empty,
        ]);
        assert!(read(&[broken]).is_err());
    }
}
