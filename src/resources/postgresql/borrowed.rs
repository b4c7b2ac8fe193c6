//! Memberships that we take for the length of a transaction, to act for other roles. Pure: it gives the statements.

use std::collections::BTreeSet;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::resources::postgresql::role_name::is_platform;
use crate::sql;
use crate::sql::postgres::server_catalog::{Role, ServerCatalog};
use crate::sql::statement::{Part, Statement};

/// The statements that begin and end a loan; both belong into one transaction, so that nobody ever sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loan {
    /// Before we act.
    pub begin: Vec<Statement>,
    /// After.
    pub end: Vec<Statement>,
}

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
    Ok(Loan {
        begin: vec![begin],
        end: vec![sql!("REVOKE {} FROM CURRENT_USER", names())],
    })
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
    use crate::sql::postgres::server_catalog::Membership;
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

    fn catalog(version: u32) -> ServerCatalog {
        ServerCatalog {
            version,
            current_role: 1,
            roles: [
                role(1, "terraform"),
                role(2, "held"),
                role(3, "a\"b"),
                role(4, "mine"),
                role(5, "azuresu"),
            ]
            .into(),
            memberships: vec![member(2, 1), member(1, 4)],
            ..ServerCatalog::default()
        }
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
    fn nobody_acts_for_the_platform_nor_in_a_circle() {
        assert_eq!(
            borrow(&catalog(15), [5]).unwrap_err().summary,
            "Belongs to the platform"
        );
        assert_eq!(borrow(&catalog(15), [4]).unwrap_err().summary, "Circular membership");
    }
}
