//! Memberships that we take for the length of a transaction, to act for other roles. Pure: it gives the statements.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::resources::postgresql::role_name::is_platform;
use crate::sql;
use crate::sql::postgres::server_catalog::{Membership, Role, ServerCatalog};
use crate::sql::statement::{Part, Statement};

/// The statements that begin and end a loan; both belong into one transaction, so that nobody ever sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loan {
    /// Before we act.
    pub begin: Vec<Statement>,
    /// After.
    pub end: Vec<Statement>,
}

/// The number of the superuser that every server begins with.
const BOOTSTRAP: u32 = 10;

/// Makes the role that is logged in a member of these roles. What it is a member of already is neither granted nor taken back.
///
/// # Errors
/// When nobody may act for one of the roles.
pub fn borrow(catalog: &ServerCatalog, roles: impl IntoIterator<Item = u32>) -> Result<Loan> {
    let us = catalog.current_role;
    if catalog.roles.get(&us).is_some_and(|role| role.superuser) {
        return Ok(Loan::default());
    }
    let (inherited, assumable) = (catalog.inherited_by(us), catalog.assumable_by(us));
    let missing: BTreeSet<u32> = roles
        .into_iter()
        .filter(|role| !(inherited.contains(role) && assumable.contains(role)))
        .collect();
    let roles: Vec<&Role> = missing.iter().filter_map(|oid| catalog.roles.get(oid)).collect();
    for role in &roles {
        may_act_for(catalog, role)?;
    }
    if roles.is_empty() {
        return Ok(Loan::default());
    }
    let mut loan = Loan::default();
    let mut groups: BTreeMap<Option<u32>, Vec<&Role>> = BTreeMap::new();
    for role in roles {
        let told = our_grantor(catalog, role.oid).told();
        groups.entry(told).or_default().push(role);
    }
    for (told, roles) in groups {
        let names = Part::list(roles.iter().map(|role| &role.name));
        let by = granted_by(catalog, told);
        loan.begin.push(if catalog.version >= OPTIONS {
            sql!("GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE{}", names, by)
        } else {
            sql!("GRANT {} TO CURRENT_USER", names)
        });
        loan.end.extend(given_back(catalog, &roles, told));
    }
    Ok(loan)
}

/// What ends a loan: a membership of ours with fewer options gets those again, since to revoke it would take what was held before.
fn given_back(catalog: &ServerCatalog, roles: &[&Role], told: Option<u32>) -> Vec<Statement> {
    let (mut new, mut statements) = (Vec::new(), Vec::new());
    for role in roles {
        let Some((inherit, set)) = held_by_our_grant(catalog, role.oid, catalog.current_role) else {
            new.push(&role.name);
            continue;
        };
        let (inherit, set, by) = (word(inherit), word(set), granted_by(catalog, told));
        statements.push(sql!(
            "GRANT {} TO CURRENT_USER WITH INHERIT {}, SET {}{}",
            &role.name,
            inherit,
            set,
            by
        ));
    }
    if !new.is_empty() {
        let revoke = sql!(
            "REVOKE {} FROM CURRENT_USER{}",
            Part::list(new),
            granted_by(catalog, told)
        );
        statements.insert(0, revoke);
    }
    statements
}

/// From this version on a membership has options, and stands once for each grantor.
pub const OPTIONS: u32 = 16;

/// In whose name the server writes down a grant of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantor {
    /// Before version 16 there is one entry for each member, whoever granted it; and where only the server knows.
    Whoever,
    /// This role: the nearest one that administers the role and whose privileges we have.
    Role(u32),
    /// This role of several that are equally near: the server picks any unless it is told.
    Chosen(u32),
}

/// Finds the grantor of what we grant of a role.
#[must_use]
pub fn our_grantor(catalog: &ServerCatalog, role: u32) -> Grantor {
    let us = catalog.current_role;
    if catalog.version < OPTIONS {
        return Grantor::Whoever;
    }
    if catalog.roles.get(&us).is_some_and(|us| us.superuser) {
        return Grantor::Role(BOOTSTRAP);
    }
    let administers = |member: &u32| {
        let grants = catalog.memberships.iter();
        grants
            .filter(|held| held.role == role && held.member == *member)
            .any(|held| held.admin)
    };
    let (mut level, mut seen) = (BTreeSet::from([us]), BTreeSet::from([us]));
    while !level.is_empty() {
        let mut found = level.iter().copied().filter(administers);
        if let Some(first) = found.next() {
            return match found.next() {
                None => Grantor::Role(first),
                Some(_) => Grantor::Chosen(first),
            };
        }
        let inherited = catalog.memberships.iter().filter(|held| {
            let own = catalog.roles.get(&held.member).is_some_and(|member| member.inherit);
            level.contains(&held.member) && held.inherit.unwrap_or(own)
        });
        level = inherited
            .map(|held| held.role)
            .filter(|role| !seen.contains(role))
            .collect();
        seen.extend(&level);
    }
    Grantor::Whoever
}

impl Grantor {
    /// Whom a statement has to name.
    #[must_use]
    pub fn told(self) -> Option<u32> {
        match self {
            Self::Chosen(grantor) => Some(grantor),
            Self::Whoever | Self::Role(_) => None,
        }
    }
}

/// The end of a GRANT or REVOKE of a membership, where the server has to be told the grantor.
#[must_use]
pub fn granted_by(catalog: &ServerCatalog, told: Option<u32>) -> Statement {
    match told.and_then(|grantor| catalog.role_name(grantor)) {
        Some(name) => sql!(" GRANTED BY {}", name),
        None => sql!(""),
    }
}

/// The options `inherit` and `set` of the membership that a grant of ours would change. From version 16 on, one of another grantor stands
/// beside ours and is not touched: that of the bootstrap superuser, for example, which comes with creating a role.
#[must_use]
pub fn held_by_our_grant(catalog: &ServerCatalog, role: u32, member: u32) -> Option<(bool, bool)> {
    let grantor = our_grantor(catalog, role);
    let ours = |held: &&Membership| match grantor {
        Grantor::Whoever => held.grantor != BOOTSTRAP,
        Grantor::Role(grantor) | Grantor::Chosen(grantor) => held.grantor == grantor,
    };
    let mut held = catalog.memberships.iter();
    let held = held.find(|held| held.role == role && held.member == member && ours(held))?;
    Some((held.inherit?, held.set?))
}

/// An option as statements write it.
#[must_use]
pub fn word(option: bool) -> &'static str {
    if option { "TRUE" } else { "FALSE" }
}

fn may_act_for(catalog: &ServerCatalog, role: &Role) -> Result<()> {
    let us = catalog.roles.get(&catalog.current_role);
    if let Some(us) = us.filter(|us| catalog.version < OPTIONS && !us.inherit) {
        let detail = format!(
            "To act for the role {}, the signed-in role {us} must inherit what it is a member of, but it has NOINHERIT. Run `ALTER ROLE … INHERIT`.",
            role.name,
            us = us.name
        );
        return Err(Diagnostic::error("Role does not inherit", detail));
    }
    if is_platform(role) {
        let detail = format!(
            "What is to be changed belongs to the role {}, and nobody but Azure may act for that.",
            role.name
        );
        return Err(Diagnostic::error("Belongs to the platform", detail));
    }
    if catalog.memberships_of(role.oid).contains(&catalog.current_role) {
        let detail = format!(
            "To act for the role {name}, the signed-in role must become a member of it for a moment, but {name} is a member of the \
             signed-in role. Take that membership away first.",
            name = role.name
        );
        return Err(Diagnostic::error("Circular membership", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::quote::Dialect;

    fn role(oid: u32, name: &str) -> (u32, Role) {
        (oid, Role::plain(oid, name))
    }

    fn member(role: u32, member: u32) -> Membership {
        Membership {
            role,
            member,
            grantor: 10,
            admin: false,
            inherit: None,
            set: None,
        }
    }

    fn filled(mut catalog: ServerCatalog, version: u32) -> ServerCatalog {
        let roles = [
            role(1, "terraform"),
            role(2, "held"),
            role(3, "a\"b"),
            role(4, "mine"),
            role(5, "azuresu"),
        ];
        (catalog.version, catalog.current_role) = (version, 1);
        catalog.roles = roles.into();
        catalog.memberships = vec![member(2, 1), member(1, 4)];
        catalog
    }

    fn catalog(version: u32) -> ServerCatalog {
        filled(ServerCatalog::default(), version)
    }

    fn text(statements: &[Statement]) -> Vec<String> {
        statements.iter().map(|one| one.render(Dialect::PostgreSql)).collect()
    }

    #[test]
    fn only_what_is_missing_is_borrowed_and_given_back() {
        let loan = borrow(&catalog(15), [1, 2, 3]).unwrap();
        assert_eq!(text(&loan.begin), [r#"GRANT "a""b" TO CURRENT_USER"#]);
        assert_eq!(text(&loan.end), [r#"REVOKE "a""b" FROM CURRENT_USER"#]);
        let newer = borrow(&catalog(16), [3]).unwrap();
        assert_eq!(
            text(&newer.begin),
            [r#"GRANT "a""b" TO CURRENT_USER WITH INHERIT TRUE, SET TRUE"#]
        );
        assert_eq!(borrow(&catalog(15), [2]), Ok(Loan::default()));
    }

    #[test]
    fn a_weaker_membership_of_ours_is_given_back_as_it_was() {
        let mut server = catalog(16);
        let weak = |grantor| Membership {
            grantor,
            inherit: Some(false),
            set: Some(true),
            ..member(3, 1)
        };
        let administered = |grantor| Membership {
            admin: true,
            ..weak(grantor)
        };
        let revoked = [r#"REVOKE "a""b" FROM CURRENT_USER"#];
        server.memberships = vec![administered(10)];
        assert_eq!(text(&borrow(&server, [3]).unwrap().end), revoked);
        // Ours stands beside what another one granted.
        server.memberships = vec![administered(10), weak(2)];
        assert_eq!(text(&borrow(&server, [3]).unwrap().end), revoked);
        server.memberships = vec![administered(10), weak(2), weak(1)];
        let loan = borrow(&server, [3]).unwrap();
        assert_eq!(
            text(&loan.end),
            [r#"GRANT "a""b" TO CURRENT_USER WITH INHERIT FALSE, SET TRUE"#]
        );
    }

    #[test]
    fn our_grants_are_those_of_the_nearest_administrator() {
        let mut server = catalog(16);
        let with = |role, member, admin| Membership {
            admin,
            inherit: Some(true),
            set: Some(true),
            ..self::member(role, member)
        };
        server.memberships = vec![with(2, 1, false), with(3, 2, true)];
        assert_eq!(our_grantor(&server, 3), Grantor::Role(2));
        // Two that are equally near: the server has to be told which.
        server.memberships.extend([with(6, 1, false), with(3, 6, true)]);
        server.roles.extend([role(6, "other")]);
        assert_eq!(our_grantor(&server, 3), Grantor::Chosen(2));
        server.memberships.push(with(3, 1, true));
        assert_eq!(our_grantor(&server, 3), Grantor::Role(1));
        assert_eq!(our_grantor(&server, 5), Grantor::Whoever);
        server.memberships.retain(|held| held.role != 3);
        server.memberships.extend([2, 6].map(|group| Membership {
            inherit: Some(false),
            set: Some(false),
            ..with(3, group, true)
        }));
        let loan = borrow(&server, [3]).unwrap();
        assert_eq!(
            text(&[loan.begin, loan.end].concat()),
            [
                r#"GRANT "a""b" TO CURRENT_USER WITH INHERIT TRUE, SET TRUE GRANTED BY "held""#,
                r#"REVOKE "a""b" FROM CURRENT_USER GRANTED BY "held""#
            ]
        );
    }

    #[test]
    fn who_does_not_inherit_is_told_so() {
        let mut server = catalog(15);
        if let Some(us) = server.roles.get_mut(&1) {
            us.inherit = false;
        }
        server.memberships = vec![member(3, 1)];
        assert_eq!(borrow(&server, [3]).unwrap_err().summary, "Role does not inherit");
    }

    #[test]
    fn nobody_acts_for_the_platform_nor_in_a_circle() {
        assert_eq!(
            borrow(&catalog(15), [5]).unwrap_err().summary,
            "Belongs to the platform"
        );
        assert_eq!(borrow(&catalog(15), [4]).unwrap_err().summary, "Circular membership");
    }
}
