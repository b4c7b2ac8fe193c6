//! Previous owners as members of the new one: granted before the first object moves, taken back after the last.

use std::collections::BTreeSet;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::postgresql::{Failure, POSTGRES, Postgresql};
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::borrowing::{grant, with_options};
use crate::resources::postgresql::ownership::record::{Member, Record};
use crate::sql;
use crate::sql::postgres::lock::{Lock, take};
use crate::sql::postgres::server_catalog::ServerCatalog;
use crate::sql::statement::Statement;

/// Whether a role has everything that another one has, and may become it.
#[must_use]
pub fn is_full_member(server: &ServerCatalog, role: u32, member: u32) -> bool {
    // Before version 16 a membership has no options: whether it inherits is the member's own affair.
    if server.version < 16 {
        return server.memberships_of(member).contains(&role);
    }
    server.inherited_by(member).contains(&role) && server.assumable_by(member).contains(&role)
}

/// The memberships that are missing, and the statements that grant them.
///
/// # Errors
/// When a previous owner cannot become a member because the owner is a member of it.
pub fn missing(inventory: &Inventory, owner: u32, members: &BTreeSet<u32>) -> Result<Vec<(Member, Statement)>> {
    let server = &inventory.server;
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
        let held = server
            .memberships
            .iter()
            .find(|held| held.role == owner && held.member == *member);
        let before = held.and_then(|held| Some((held.inherit?, held.set?)));
        let statement = grant(owner_name, member_name, inventory.catalog.version);
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
        let held = server
            .memberships
            .iter()
            .any(|held| held.role == member.role && held.member == member.member);
        let statement = match member.before {
            _ if !held => None,
            Some((inherit, set)) => Some(with_options(role, name, inherit, set)),
            None => Some(sql!("REVOKE {} FROM {}", role, name)),
        };
        (member.clone(), statement)
    };
    // Roles that are gone took their memberships with them.
    unwanted
        .map(end)
        .filter_map(|(member, statement)| Some((member, statement?)))
        .collect()
}

/// Runs statements about memberships where all databases meet.
///
/// # Errors
/// Of the server.
pub async fn run(server: &Postgresql<'_>, changes: &[(Member, Statement)]) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    let locks: BTreeSet<Lock> = changes
        .iter()
        .flat_map(|(member, _)| [Lock::role(member.role), Lock::role(member.member)])
        .collect();
    let statements: Vec<Statement> = take(&locks)
        .into_iter()
        .chain(changes.iter().map(|(_, statement)| statement.clone()))
        .collect();
    let statements = &statements;
    server
        .write(POSTGRES, "the memberships", |mut session| async move {
            session.begin(statements).await?.commit().await?;
            Ok(())
        })
        .await
}
