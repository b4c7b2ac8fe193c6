//! Memberships that we take for the length of a transaction, to act for other roles. Pure: it gives the statements.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::resources::postgresql::role_name::is_platform;
use crate::sql;
use crate::sql::postgres::server_catalog::{Membership, OPTIONS, Role, ServerCatalog};
use crate::sql::quote::Dialect;
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
pub const BOOTSTRAP: u32 = 10;

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
    let mut loan = Loan::default();
    let circle: Vec<&Membership> = in_the_way(catalog, &missing).collect();
    loan.begin.extend(circle.iter().map(|held| taken(catalog, held)));
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
    loan.end.extend(circle.iter().map(|held| given_again(catalog, held)));
    Ok(loan)
}

/// Whether we may take away the membership of others in us, and so become a member of our own members: before version 16 with CREATEROLE. From
/// then on it takes the ADMIN option on ourselves, and who has that is a member of ours.
#[must_use]
pub fn opens_circles(catalog: &ServerCatalog) -> bool {
    let us = catalog.roles.get(&catalog.current_role);
    catalog.version < OPTIONS && us.is_some_and(|us| us.create_role)
}

/// The memberships in us through which these roles are members of ours.
fn in_the_way<'a>(catalog: &'a ServerCatalog, roles: &BTreeSet<u32>) -> impl Iterator<Item = &'a Membership> {
    let above: BTreeSet<u32> = roles.iter().flat_map(|role| catalog.memberships_of(*role)).collect();
    let us = catalog.current_role;
    let held = catalog.memberships.iter();
    held.filter(move |held| held.role == us && above.contains(&held.member))
}

/// Takes a membership away.
#[must_use]
pub fn taken(catalog: &ServerCatalog, held: &Membership) -> Statement {
    let (us, member, by) = (
        name(catalog, held.role),
        name(catalog, held.member),
        written_by(catalog, held),
    );
    sql!("REVOKE {} FROM {}{}", us, member, by)
}

/// As it was. Before version 16 the grantor is no more than a note, and becomes us.
#[must_use]
pub fn given_again(catalog: &ServerCatalog, held: &Membership) -> Statement {
    let (us, member, by) = (
        name(catalog, held.role),
        name(catalog, held.member),
        written_by(catalog, held),
    );
    match (held.inherit, held.set) {
        (Some(inherit), Some(set)) => sql!(
            "GRANT {} TO {} WITH ADMIN {}, INHERIT {}, SET {}{}",
            us,
            member,
            word(held.admin),
            word(inherit),
            word(set),
            by
        ),
        _ if held.admin => sql!("GRANT {} TO {} WITH ADMIN OPTION", us, member),
        _ => sql!("GRANT {} TO {}", us, member),
    }
}

fn name(catalog: &ServerCatalog, role: u32) -> Part {
    // Whoever stands in a membership stands in the same snapshot.
    catalog.role_name(role).map_or(Part::Word("NONE"), Part::from)
}

fn written_by(catalog: &ServerCatalog, held: &Membership) -> Statement {
    granted_by(catalog, Some(held.grantor).filter(|_| catalog.version >= OPTIONS))
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

/// The membership that a grant of ours would change. From version 16 on, one of another grantor stands beside ours and is not touched: that of the
/// bootstrap superuser, for example, which comes with creating a role.
#[must_use]
pub fn our_grant(catalog: &ServerCatalog, role: u32, member: u32) -> Option<&Membership> {
    let grantor = our_grantor(catalog, role);
    let ours = |held: &&Membership| match grantor {
        Grantor::Whoever => catalog.version < OPTIONS || held.grantor != BOOTSTRAP,
        Grantor::Role(grantor) | Grantor::Chosen(grantor) => held.grantor == grantor,
    };
    let mut held = catalog.memberships.iter();
    held.find(|held| held.role == role && held.member == member && ours(held))
}

/// Its options `inherit` and `set`, which it has from version 16 on.
#[must_use]
pub fn held_by_our_grant(catalog: &ServerCatalog, role: u32, member: u32) -> Option<(bool, bool)> {
    let held = our_grant(catalog, role, member)?;
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
    if catalog.memberships_of(role.oid).contains(&catalog.current_role) && !opens_circles(catalog) {
        return Err(circular(catalog, role));
    }
    Ok(())
}

fn circular(catalog: &ServerCatalog, role: &Role) -> Diagnostic {
    let circle: Vec<&Membership> = in_the_way(catalog, &[role.oid].into()).collect();
    let list = |write: fn(&ServerCatalog, &Membership) -> Statement| {
        let statements = circle
            .iter()
            .map(|held| write(catalog, held).render(Dialect::PostgreSql));
        statements
            .map(|text| format!("`{text}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let detail = format!(
        "To act for the role {name}, the signed-in role must become a member of it for a moment, but {name} is a member of the signed-in role, \
         which the signed-in role may not change. Let whoever granted that take it away: {}; apply; and let it be granted again: {}.",
        list(taken),
        list(given_again),
        name = role.name
    );
    Diagnostic::error("Circular membership", detail)
}

#[cfg(test)]
mod tests;
