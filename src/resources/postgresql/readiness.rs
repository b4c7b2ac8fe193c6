//! Who logs in to a PostgreSQL server without Microsoft Entra: who breaks when passwords are switched off. It reads, and judges nothing.

use std::collections::HashMap;

use crate::provider::postgresql::{Failure, PLATFORM_DATABASES, POSTGRES, Postgresql};
use crate::resources::postgresql::role_name::is_platform;
use crate::sql::postgres::object::ObjectKind;
use crate::sql::postgres::server_catalog::{DependencyKind, ServerCatalog};

/// Sessions by role. Whose session it is is shown to everybody, what it does is not asked.
const SESSIONS: &str = "SELECT a.usesysid, pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a \
     WHERE a.usesysid IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid() GROUP BY 1";

/// A role that may log in and is bound to no Entra principal. Whether it has a password is for superusers to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordLogin {
    /// The role.
    pub name: String,
    /// How many sessions it has right now.
    pub sessions: u64,
    /// How many objects it owns in the databases, without those of the platform.
    pub owned: u64,
    /// How many databases it owns.
    pub databases: u64,
    /// Whether it is the login that the server was made with, which nobody needs who does not use it.
    pub is_server_administrator: bool,
}

impl PasswordLogin {
    /// Whether somebody would miss it. The databases that the server's administrator made tell nothing of who logs in.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        !self.is_server_administrator || self.sessions > 0 || self.owned > 0
    }
}

/// Every login without an Entra principal, by name; without those of the platform.
///
/// # Errors
/// Of the session.
pub async fn password_logins(
    server: &Postgresql<'_>,
    administrator_login: Option<&str>,
) -> Result<Vec<PasswordLogin>, Failure> {
    // What is decided by it cannot be taken back: no snapshot will do.
    server.forget();
    let catalog = server.catalog().await?;
    let session = server.session(POSTGRES).await?;
    let mut sessions = HashMap::new();
    for row in session.query(SESSIONS, &[]).await? {
        sessions.insert(row.oid(0)?, u64::try_from(row.number(1)?).unwrap_or_default());
    }
    Ok(found(&catalog, &sessions, administrator_login))
}

fn found(
    catalog: &ServerCatalog,
    sessions: &HashMap<u32, u64>,
    administrator_login: Option<&str>,
) -> Vec<PasswordLogin> {
    let is_ours = |database: u32| {
        let found = catalog.databases.get(&database);
        found.is_none_or(|found| !PLATFORM_DATABASES.contains(&found.name.as_str()))
    };
    let (mut owned, mut databases) = (HashMap::new(), HashMap::new());
    for hanging in catalog
        .dependencies
        .iter()
        .filter(|one| one.kind == DependencyKind::Owner)
    {
        let counts = match hanging.database {
            Some(database) if is_ours(database) => &mut owned,
            None if hanging.class == ObjectKind::Database.catalog() => &mut databases,
            _ => continue,
        };
        *counts.entry(hanging.role).or_default() += hanging.count;
    }
    let roles = catalog.roles.values();
    let without = roles.filter(|role| role.login && role.label.is_none() && !is_platform(role));
    let mut logins: Vec<PasswordLogin> = without
        .map(|role| PasswordLogin {
            name: role.name.as_str().to_owned(),
            sessions: sessions.get(&role.oid).copied().unwrap_or_default(),
            owned: owned.get(&role.oid).copied().unwrap_or_default(),
            databases: databases.get(&role.oid).copied().unwrap_or_default(),
            is_server_administrator: administrator_login == Some(role.name.as_str()),
        })
        .collect();
    logins.sort_by(|one, other| one.name.cmp(&other.name));
    logins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::postgres::server_catalog::{Database, Dependency, Role};
    use crate::sql::statement::Name;

    fn role(oid: u32, name: &str, change: impl FnOnce(&mut Role)) -> (u32, Role) {
        let mut role = Role::plain(oid, name);
        change(&mut role);
        (oid, role)
    }

    fn owns(role: u32, database: Option<u32>, kind: DependencyKind, count: u64) -> Dependency {
        let class = if database.is_some() { 1259 } else { 1262 };
        Dependency {
            role,
            database,
            class,
            kind,
            count,
        }
    }

    #[test]
    fn those_who_would_be_missed_are_found_and_the_platform_is_not_among_them() {
        let azure_sys = Database {
            oid: 10,
            name: Name::from_catalog("azure_sys"),
            owner: 1,
            allows_connections: true,
            template: false,
            acl: None,
        };
        let catalog = ServerCatalog {
            roles: [
                role(1, "azuresu", |role| role.superuser = true),
                role(2, "replication", |_| {}),
                role(3, "pg_monitor", |_| {}),
                role(4, "identity", |role| {
                    role.label = Some("aadauth,oid=x,type=service".into())
                }),
                role(5, "owners", |role| role.login = false),
                role(6, "pgadmin", |_| {}),
                role(7, "zoe", |_| {}),
                role(8, "app", |_| {}),
            ]
            .into(),
            dependencies: vec![
                owns(8, Some(9), DependencyKind::Owner, 2),
                owns(8, None, DependencyKind::Owner, 1),
                owns(8, Some(9), DependencyKind::Privilege, 5),
                owns(6, None, DependencyKind::Owner, 4),
                owns(6, Some(10), DependencyKind::Owner, 7),
            ],
            databases: [(10, azure_sys)].into(),
            ..ServerCatalog::default()
        };
        let logins = found(&catalog, &HashMap::from([(8, 3)]), Some("pgadmin"));
        let seen: Vec<_> = logins
            .iter()
            .map(|one| {
                (
                    one.name.as_str(),
                    one.sessions,
                    one.owned,
                    one.databases,
                    one.is_missed(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("app", 3, 2, 1, true),
                ("pgadmin", 0, 0, 4, false),
                ("zoe", 0, 0, 0, true)
            ]
        );
        let logins = found(&catalog, &HashMap::from([(6, 1)]), Some("pgadmin"));
        assert!(
            logins.iter().all(PasswordLogin::is_missed),
            "the administrator is at work"
        );
    }
}
