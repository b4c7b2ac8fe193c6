//! Whether passwords can be switched off: who would break, or why nobody can tell.

use std::time::Duration;

use crate::azure::authentication::Authentication;
use crate::azure::server::ServerKind;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::database_server::DatabaseServer;
use crate::provider::server::Server;
use crate::resources::postgresql::readiness::{PasswordLogin, password_logins};

/// How long a look at the server may take, before the server counts as out of reach.
const LONGEST_LOOK: Duration = Duration::from_secs(120);

/// How many logins are named.
const NAMED: usize = 20;

/// Who has a password on MySQL.
const MYSQL_ACCOUNTS: &str = "SELECT user, host FROM mysql.user WHERE plugin <> 'aad_auth' AND account_locked = 'N'";
/// Who is at work on MySQL.
const MYSQL_SESSIONS: &str = "SHOW PROCESSLIST";

/// Who has a password on Azure SQL.
const MSSQL_LOGINS: &str = "SELECT name, is_disabled FROM sys.sql_logins";
/// Who has a password in one of its databases.
const MSSQL_USERS: &str = "SELECT name FROM sys.database_principals WHERE authentication_type_desc = 'DATABASE'";
/// Who is at work on Azure SQL.
const MSSQL_SESSIONS: &str =
    "SELECT login_name, host_name, program_name FROM sys.dm_exec_sessions WHERE is_user_process = 1";

/// Whether the server has Entra administrators.
pub(super) async fn has_administrators(server: &DatabaseServer<'_>) -> Result<bool> {
    let azure = server.clients.azure();
    let found = azure
        .administrators(&server.id, server.kind(), server.cx.patience())
        .await;
    match found {
        Err(error) if error.is_gone() => Ok(false),
        found => Ok(!found?.is_empty()),
    }
}

/// That nobody breaks when passwords are switched off, unless that is meant.
pub(super) async fn must_be_ready(server: &DatabaseServer<'_>, now: &Authentication, force: bool) -> Result<()> {
    let kind = server.kind();
    if kind != ServerKind::Postgresql && !has_administrators(server).await? {
        return Err(no_administrator(server));
    }
    if force {
        return Ok(());
    }
    if kind != ServerKind::Postgresql {
        return Err(cannot_look(server, &by_hand(kind)));
    }
    if !now.entra {
        let why = "Microsoft Entra is not enabled on it yet, so nobody could log in any more. Enable it first, set an administrator, and switch passwords off \
                   in a later apply. ";
        return Err(cannot_look(server, why));
    }
    let looked = async {
        let mut postgresql = server.cx.existing_postgresql(&Server::Id(server.id.clone())).await?;
        postgresql.patience = postgresql.patience.at_most(LONGEST_LOOK);
        let login = server.found.administrator_login.as_deref();
        password_logins(&postgresql, login).await.map_err(Diagnostic::from)
    };
    let logins = match looked.await {
        Ok(logins) => logins,
        Err(told) => {
            let why = format!(
                "It cannot be logged in to ({}). ",
                told.detail.trim_end().trim_end_matches('.')
            );
            return Err(cannot_look(server, &why));
        }
    };
    let missed: Vec<PasswordLogin> = logins.into_iter().filter(PasswordLogin::is_missed).collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(somebody_breaks(server, &missed))
}

/// What is said where "Entra only" would leave nobody.
pub(super) fn no_administrator(server: &DatabaseServer<'_>) -> Diagnostic {
    let detail = format!(
        "{} has no Microsoft Entra administrator, and passwords can be switched off only when there is one. Set it with `entradb_entra_admin`, and refer to it \
         (`server_id = entradb_entra_admin.….server_id`).",
        server.id
    );
    Diagnostic::error("No Microsoft Entra administrator", detail).at("password_enabled")
}

/// Why nobody looks into the databases of such a server, and how a person does.
fn by_hand(kind: ServerKind) -> String {
    let looks = match kind {
        ServerKind::Mysql => vec![
            format!("`{MYSQL_ACCOUNTS}`: who has a password"),
            format!("`{MYSQL_SESSIONS}`: who is at work"),
        ],
        _ => vec![
            format!("`{MSSQL_LOGINS}`, in `master`: who has a password"),
            format!("`{MSSQL_USERS}`, in each database: who has one there"),
            format!("`{MSSQL_SESSIONS}`: who is at work"),
        ],
    };
    format!(
        "This provider does not speak to the databases of {} yet, so look yourself:\n  - {}\n\n",
        kind.title(),
        looks.join("\n  - ")
    )
}

fn cannot_look(server: &DatabaseServer<'_>, why: &str) -> Diagnostic {
    let detail = format!(
        "Nobody can tell who still logs in to {} with a password. {why}Passwords stay on. Make sure that nobody needs one, and set `force = true` to switch \
         them off without a look.",
        server.id
    );
    Diagnostic::error("Who would break is not known", detail).at("password_enabled")
}

fn somebody_breaks(server: &DatabaseServer<'_>, missed: &[PasswordLogin]) -> Diagnostic {
    let named: Vec<String> = missed.iter().take(NAMED).map(line).collect();
    let more = match missed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\n  - and {more} more"),
    };
    let detail = format!(
        "These logins of {} have no Microsoft Entra principal, and could not log in any more:\n{}{more}\n\nGive whatever still logs in a principal of its own \
         beside the login (`entradb_postgresql_user`), move what the login owns to it (`entradb_postgresql_ownership`), and then take the login away \
         (`ALTER ROLE … NOLOGIN`) or drop it. Or bind the login itself to a principal (`entradb_postgresql_user` with `adopt_existing = true`): it keeps what it \
         owns and may do, but, as far as is known, new logins take a token from that moment and no longer the password. Set `force = true` to switch passwords \
         off all the same.",
        server.id,
        named.join("\n")
    );
    Diagnostic::error("Somebody still needs a password", detail).at("password_enabled")
}

fn line(login: &PasswordLogin) -> String {
    let count = |count: u64, one: &str, more: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    };
    let sessions = count(login.sessions, "live session", "live sessions");
    let owned = count(login.owned, "object", "objects");
    let databases = match login.databases {
        0 => String::new(),
        databases => format!(" and {}", count(databases, "database", "databases")),
    };
    let administrator = match login.is_server_administrator {
        true => " (the administrator that the server was made with)",
        false => "",
    };
    format!(
        "  - `{}`{administrator}: {sessions}, owns {owned}{databases}",
        login.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_to_look_at_as_the_refusal_does() {
        let page = include_str!("../../../docs/resources/entra_authentication.md");
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        let mysql = [MYSQL_ACCOUNTS, MYSQL_SESSIONS];
        let mssql = [MSSQL_LOGINS, MSSQL_USERS, MSSQL_SESSIONS];
        for (kind, looks) in [(ServerKind::Mysql, &mysql[..]), (ServerKind::ManagedInstance, &mssql)] {
            for look in looks {
                assert!(page.contains(&format!("`{look}`")), "{look}");
                assert!(by_hand(kind).contains(&format!("`{look}`")), "{look}");
            }
        }
    }
}
