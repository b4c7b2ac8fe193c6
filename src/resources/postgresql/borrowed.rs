//! Memberships that we take for the length of a transaction, to act for other roles. Pure: it gives the statements.

use std::collections::BTreeSet;

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
    let names = || Part::list(roles.iter().map(|role| &role.name));
    let begin = if catalog.version >= 16 {
        sql!("GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE", names())
    } else {
        sql!("GRANT {} TO CURRENT_USER", names())
    };
    let (weaker, new): (Vec<&Role>, Vec<&Role>) = roles.iter().partition(|role| as_before(catalog, role).is_some());
    let mut end = Vec::new();
    if !new.is_empty() {
        end.push(sql!(
            "REVOKE {} FROM CURRENT_USER",
            Part::list(new.iter().map(|role| &role.name))
        ));
    }
    end.extend(weaker.iter().filter_map(|role| as_before(catalog, role)));
    Ok(Loan {
        begin: vec![begin],
        end,
    })
}

/// A membership of ours with fewer options, from version 16 on, gets those again: to revoke would take what was held before. The grant
/// that comes with creating a role is the bootstrap superuser's, and stands beside ours.
fn as_before(catalog: &ServerCatalog, role: &Role) -> Option<Statement> {
    let ours = |held: &&Membership| held.role == role.oid && held.member == catalog.current_role;
    let held = catalog
        .memberships
        .iter()
        .filter(ours)
        .find(|held| held.grantor != BOOTSTRAP)?;
    let word = |option: bool| if option { "TRUE" } else { "FALSE" };
    let (inherit, set) = (word(held.inherit?), word(held.set?));
    Some(sql!(
        "GRANT {} TO CURRENT_USER WITH INHERIT {}, SET {}",
        &role.name,
        inherit,
        set
    ))
}

fn may_act_for(catalog: &ServerCatalog, role: &Role) -> Result<()> {
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
    use crate::sql::statement::Name;

    fn role(oid: u32, name: &str) -> (u32, Role) {
        let role = Role {
            oid,
            name: Name::new(name).unwrap(),
            login: true,
            superuser: false,
            inherit: true,
            create_role: false,
            create_database: false,
            replication: false,
            bypass_row_security: false,
            connection_limit: None,
            valid_until: None,
            settings: Default::default(),
            database_settings: Default::default(),
            comment: None,
            label: None,
        };
        (oid, role)
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
        server.memberships = vec![weak(10)];
        assert_eq!(
            text(&borrow(&server, [3]).unwrap().end),
            [r#"REVOKE "a""b" FROM CURRENT_USER"#]
        );
        server.memberships = vec![weak(1)];
        let loan = borrow(&server, [3]).unwrap();
        assert_eq!(
            text(&loan.end),
            [r#"GRANT "a""b" TO CURRENT_USER WITH INHERIT FALSE, SET TRUE"#]
        );
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
