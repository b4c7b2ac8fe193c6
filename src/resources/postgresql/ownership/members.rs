//! Previous owners as members of the new one: granted before the first object moves, taken back after the last.

use std::collections::BTreeSet;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::postgresql::{Failure, POSTGRES, Postgresql};
use crate::resources::postgresql::borrowed::{granted_by, held_by_our_grant, our_grant, our_grantor, word};
use crate::resources::postgresql::ownership::record::{Member, Record};
use crate::sql;
use crate::sql::postgres::lock::{Lock, take};
use crate::sql::postgres::server_catalog::{Membership, OPTIONS, ServerCatalog};
use crate::sql::quote::Dialect;
use crate::sql::statement::{Name, Part, Statement};

/// Whether a role has everything that another one has, and may become it.
#[must_use]
pub fn is_full_member(server: &ServerCatalog, role: u32, member: u32) -> bool {
    server.inherited_by(member).contains(&role) && server.assumable_by(member).contains(&role)
}

/// The memberships that are missing, and the statements that grant them.
///
/// # Errors
/// When a previous owner cannot become a member because the owner is a member of it, and when it would have nothing of a membership.
pub fn missing(server: &ServerCatalog, owner: u32, members: &BTreeSet<u32>) -> Result<Vec<(Member, Statement)>> {
    let mut missing = Vec::new();
    for member in members.iter().filter(|member| !is_full_member(server, owner, **member)) {
        let (Some(owner_name), Some(member_name)) = (server.role_name(owner), server.role_name(*member)) else {
            continue;
        };
        if server.memberships_of(owner).contains(member) {
            let detail = format!(
                "So that {member_name} keeps working, it has to become a member of {owner_name}; but {owner_name} is a member of \
                 {member_name} already, and PostgreSQL allows no circles. Revoke {member_name} from {owner_name} first; or let a role that \
                 nobody logs in as own the objects, with both as its members; or set `previous_owner_access` to `privileges` or `none`."
            );
            return Err(Diagnostic::error("Circular membership", detail).at("previous_owner_access"));
        }
        if server.version < OPTIONS && server.roles.get(member).is_some_and(|member| !member.inherit) {
            let remedy = sql!("ALTER ROLE {} INHERIT", member_name).render(Dialect::PostgreSql);
            let detail = format!(
                "{member_name} has NOINHERIT. Before PostgreSQL {OPTIONS} such a role cannot use what it is a member of, so that as a member of \
                 {owner_name} it would lose access to what is its own now. Let it inherit (`{remedy}`), or set `previous_owner_access` to `privileges`."
            );
            return Err(Diagnostic::error("Membership without effect", detail).at("previous_owner_access"));
        }
        let before = held_by_our_grant(server, owner, *member);
        let statement = if server.version < OPTIONS {
            sql!("GRANT {} TO {}", owner_name, member_name)
        } else {
            with_options(server, owner, member_name, (true, true))
        };
        missing.push((
            Member {
                role: owner,
                member: *member,
                before,
            },
            statement,
        ));
    }
    Ok(missing)
}

/// The memberships of ours that are wanted no more, and the statements that end them.
#[must_use]
pub fn superfluous(
    server: &ServerCatalog,
    record: &Record,
    owner: u32,
    wanted: &BTreeSet<u32>,
) -> Vec<(Member, Statement)> {
    let unwanted = record
        .members
        .iter()
        .filter(|member| member.role != owner || !wanted.contains(&member.member));
    let end = |member: &Member| {
        let (Some(role), Some(name)) = (server.role_name(member.role), server.role_name(member.member)) else {
            return (member.clone(), None);
        };
        let statement = match member.before {
            _ if !is_ours(server, member) => None,
            Some(options) => Some(with_options(server, member.role, name, options)),
            None => {
                let by = granted_by(server, our_grantor(server, member.role).told());
                Some(sql!("REVOKE {} FROM {}{}", role, name, by))
            }
        };
        (member.clone(), statement)
    };
    // Roles that are gone took their memberships with them.
    unwanted
        .map(end)
        .filter_map(|(member, statement)| Some((member, statement?)))
        .collect()
}

/// The memberships of ours in other roles than the owner: an update to those was cut short.
pub fn of_others<'a>(server: &ServerCatalog, record: &'a Record, owner: u32) -> impl Iterator<Item = &'a Member> {
    let members = record.members.iter();
    members.filter(move |member| member.role != owner && is_ours(server, member))
}

/// Whether there is such a membership, whoever granted it.
#[must_use]
pub fn is_there(server: &ServerCatalog, member: &Member) -> bool {
    let mut held = server.memberships.iter();
    held.any(|held| held.role == member.role && held.member == member.member)
}

/// Whether there is such a membership, and it is still what we granted: one with other options was granted again since. Before version 16 nobody
/// else's can stand beside it.
#[must_use]
pub fn is_ours(server: &ServerCatalog, member: &Member) -> bool {
    let held = our_grant(server, member.role, member.member);
    let full = |held: &Membership| held.inherit != Some(false) && held.set != Some(false);
    held.is_some_and(|held| full(held) && (member.before.is_some() || !held.admin))
}

fn with_options(server: &ServerCatalog, role: u32, member: &Name, (inherit, set): (bool, bool)) -> Statement {
    let name = server.role_name(role).map_or(Part::Word("NONE"), Part::from);
    let by = granted_by(server, our_grantor(server, role).told());
    sql!(
        "GRANT {} TO {} WITH INHERIT {}, SET {}{}",
        name,
        member,
        word(inherit),
        word(set),
        by
    )
}

/// Changes memberships where all databases meet: what has to be done is decided behind the locks.
///
/// # Errors
/// Of the server, and of `decide`.
pub async fn change(
    server: &Postgresql<'_>,
    roles: &BTreeSet<u32>,
    decide: impl Fn(&ServerCatalog) -> Result<Vec<(Member, Statement)>> + Sync,
) -> Result<(), Failure> {
    let locks: BTreeSet<Lock> = roles.iter().map(|role| Lock::role(*role)).collect();
    let (locks, decide) = (&take(&locks), &decide);
    server
        .write(POSTGRES, "the memberships", |mut session| async move {
            let (transaction, answers) = session.begin_and_ask(locks, &ServerCatalog::QUESTIONS[..2]).await?;
            let statements: Vec<Statement> = {
                let present = ServerCatalog::of(transaction.version(), &answers)?;
                decide(&present)?.into_iter().map(|(_, statement)| statement).collect()
            };
            transaction.execute_all(&statements).await?;
            Ok(transaction.commit().await?)
        })
        .await
}
