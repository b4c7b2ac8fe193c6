//! What PostgreSQL's SQLSTATEs and texts, and those of Entra in front of it, mean.

use crate::sql::error::{Kind, LoginRefusal};

/// The one table from SQLSTATE and text to kind. An empty SQLSTATE, or an empty text, stands for any;
/// the first row that fits decides.
const TABLE: &[(&str, &str, Kind)] = &[
    // Entra's own texts come in several SQLSTATEs.
    ("", "could not validate aad user", Kind::PrincipalNotVisible),
    (
        "",
        "unexpected error occurred while trying to validate",
        Kind::PrincipalNotVisible,
    ),
    (
        "",
        "incorrect object type provided for principal",
        Kind::PrincipalKindMismatch,
    ),
    ("42883", "pgaadauth_", Kind::EntraNotEnabled),
    (
        "",
        "does not have a valid audience",
        Kind::LoginRefused(LoginRefusal::WrongAudience),
    ),
    ("", "oid mismatch for role", Kind::LoginRefused(LoginRefusal::StaleOid)),
    (
        "",
        "cannot generate aad_auth_tokentype_",
        Kind::LoginRefused(LoginRefusal::WrongPrincipalKind),
    ),
    (
        "",
        "the access token has invalid format",
        Kind::LoginRefused(LoginRefusal::BadToken),
    ),
    (
        "",
        "error occurred while validating the access token",
        Kind::LoginRefused(LoginRefusal::BadToken),
    ),
    ("28P01", "expired", Kind::LoginRefused(LoginRefusal::ExpiredToken)),
    ("28000", "expired", Kind::LoginRefused(LoginRefusal::ExpiredToken)),
    (
        "28000",
        "no pg_hba.conf entry",
        Kind::LoginRefused(LoginRefusal::NoEncryptionOrFirewall),
    ),
    (
        "28000",
        "pg_hba.conf rejects connection",
        Kind::LoginRefused(LoginRefusal::NoEncryptionOrFirewall),
    ),
    (
        "28000",
        "is not permitted to log in",
        Kind::LoginRefused(LoginRefusal::NotPermittedToLogin),
    ),
    ("28000", "does not exist", Kind::LoginRefused(LoginRefusal::UnknownRole)),
    ("28P01", "", Kind::LoginRefused(LoginRefusal::Unspecified)),
    ("28000", "", Kind::LoginRefused(LoginRefusal::Unspecified)),
    // Names.
    ("3D000", "", Kind::DatabaseGone),
    ("42704", "", Kind::NotFound),
    ("42P01", "", Kind::NotFound),
    ("42883", "", Kind::NotFound),
    ("3F000", "", Kind::NotFound),
    ("42710", "", Kind::AlreadyExists),
    ("42P04", "", Kind::AlreadyExists),
    ("42P06", "", Kind::AlreadyExists),
    ("42P07", "", Kind::AlreadyExists),
    ("42723", "", Kind::AlreadyExists),
    // Two sessions that create one role meet in the index, not in the check before it.
    ("23505", "pg_authid_rolname_index", Kind::AlreadyExists),
    // The same meeting in any other catalogue: the loser's next try sees what the winner wrote.
    ("23505", "unique constraint \"pg_", Kind::ConcurrentUpdate),
    ("2BP01", "", Kind::DependentObjects),
    ("42501", "", Kind::PermissionDenied),
    // Version 16 and later: ADMIN OPTION on a role, but only by memberships that are not inherited.
    ("XX000", "no possible grantors", Kind::PermissionDenied),
    ("0LP01", "is a member of", Kind::CircularMembership),
    // Concurrency.
    ("55P03", "", Kind::LockNotAvailable),
    ("40P01", "", Kind::Deadlock),
    ("40001", "", Kind::Serialization),
    ("XX000", "tuple concurrently ", Kind::ConcurrentUpdate),
    ("53200", "out of shared memory", Kind::OutOfLockMemory),
    // The server's own life.
    ("53300", "", Kind::TooManyConnections),
    ("57P03", "", Kind::ServerStarting),
    ("57P01", "", Kind::ServerClosing),
    ("57P02", "", Kind::ServerClosing),
    ("57P05", "", Kind::ServerClosing),
    ("25P03", "", Kind::ServerClosing),
    ("57014", "", Kind::Cancelled),
    ("08000", "", Kind::ConnectionLost),
    ("08003", "", Kind::ConnectionLost),
    ("08006", "", Kind::ConnectionLost),
    ("08007", "", Kind::ConnectionLost),
    ("08001", "", Kind::ServerStarting),
    ("08004", "", Kind::ServerStarting),
    // PgBouncer's own words all come in the state of a protocol violation.
    ("08P01", "query_wait_timeout", Kind::TooManyConnections),
    ("08P01", "no more connections allowed", Kind::TooManyConnections),
    ("08P01", "server login has been failing", Kind::ServerStarting),
    ("08P01", "client_login_timeout", Kind::ServerStarting),
    ("08P01", "cannot connect to server", Kind::ServerStarting),
    ("08P01", "server conn crashed", Kind::ConnectionLost),
    ("08P01", "idle transaction timeout", Kind::ServerClosing),
    ("08P01", "client_idle_timeout", Kind::ServerClosing),
    ("08P01", "query timeout", Kind::Cancelled),
];

/// What a report of the server means.
pub(crate) fn classify(sqlstate: &str, message: &str) -> Kind {
    let message = message.to_ascii_lowercase();
    TABLE
        .iter()
        .find(|(state, text, _)| (state.is_empty() || *state == sqlstate) && message.contains(text))
        .map_or(Kind::Other, |(_, _, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use LoginRefusal::*;

    /// What servers were seen to say.
    const SEEN: &[(&str, &str, Kind)] = &[
        (
            "28P01",
            "password authentication failed for user \"app\"",
            Kind::LoginRefused(Unspecified),
        ),
        (
            "28P01",
            "The access token does not have a valid audience claim. Please acquire a new token for the resource \
             \"https://ossrdbms-aad.database.windows.net\".",
            Kind::LoginRefused(WrongAudience),
        ),
        (
            "28000",
            "The access token has invalid format. Please ensure the token is passed exactly as returned by the \
             authentication endpoint and retry.",
            Kind::LoginRefused(BadToken),
        ),
        (
            "28P01",
            "An error occurred while validating the access token. Please acquire a new token and retry",
            Kind::LoginRefused(BadToken),
        ),
        (
            "28P01",
            "Service principal oid mismatch for role \"The oid in the security label [a] does not match the appid \
             [b] or oid [c] in the token.\"",
            Kind::LoginRefused(StaleOid),
        ),
        (
            "28000",
            "Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role[app]",
            Kind::LoginRefused(WrongPrincipalKind),
        ),
        (
            "28P01",
            "The access token does not have valid signature or is expired.",
            Kind::LoginRefused(ExpiredToken),
        ),
        (
            "28000",
            "no pg_hba.conf entry for host \"10.0.0.4\", user \"u\", database \"d\", no encryption",
            Kind::LoginRefused(NoEncryptionOrFirewall),
        ),
        (
            "28000",
            "role \"app\" is not permitted to log in",
            Kind::LoginRefused(NotPermittedToLogin),
        ),
        ("28000", "role \"app\" does not exist", Kind::LoginRefused(UnknownRole)),
        ("3D000", "database \"d\" does not exist", Kind::DatabaseGone),
        ("42501", "permission denied for database \"d\"", Kind::PermissionDenied),
        ("42704", "role \"app\" does not exist", Kind::NotFound),
        ("3F000", "schema \"x\" does not exist", Kind::NotFound),
        (
            "42883",
            "function pgaadauth_create_principal_with_oid(text, text, text, boolean, boolean) does not exist",
            Kind::EntraNotEnabled,
        ),
        ("42883", "function f(integer) does not exist", Kind::NotFound),
        ("42710", "role \"app\" already exists", Kind::AlreadyExists),
        (
            "23505",
            "duplicate key value violates unique constraint \"pg_authid_rolname_index\"",
            Kind::AlreadyExists,
        ),
        (
            "23505",
            "duplicate key value violates unique constraint \"pg_auth_members_role_member_index\"",
            Kind::ConcurrentUpdate,
        ),
        (
            "2BP01",
            "role \"app\" cannot be dropped because some objects depend on it",
            Kind::DependentObjects,
        ),
        (
            "0LP01",
            "role \"a\" is a member of role \"b\"",
            Kind::CircularMembership,
        ),
        (
            "0LP01",
            "An unexpected error occurred while trying to validate user.",
            Kind::PrincipalNotVisible,
        ),
        (
            "XX000",
            "Could not validate AAD user 6f because its name is not found in the tenant. [...]",
            Kind::PrincipalNotVisible,
        ),
        (
            "XX000",
            "incorrect object type provided for principal, given object type: 'user', actual object type: \
             'service'",
            Kind::PrincipalKindMismatch,
        ),
        ("XX000", "tuple concurrently updated", Kind::ConcurrentUpdate),
        ("XX000", "no possible grantors", Kind::PermissionDenied),
        ("XX000", "cache lookup failed for relation 5", Kind::Other),
        (
            "55P03",
            "canceling statement due to lock timeout",
            Kind::LockNotAvailable,
        ),
        ("40P01", "deadlock detected", Kind::Deadlock),
        (
            "40001",
            "could not serialize access due to concurrent update",
            Kind::Serialization,
        ),
        ("53200", "out of shared memory", Kind::OutOfLockMemory),
        ("53200", "out of memory", Kind::Other),
        ("53300", "sorry, too many clients already", Kind::TooManyConnections),
        ("57P03", "the database system is starting up", Kind::ServerStarting),
        (
            "57P01",
            "terminating connection due to administrator command",
            Kind::ServerClosing,
        ),
        ("57014", "canceling statement due to user request", Kind::Cancelled),
        ("42601", "syntax error at or near \"GRNAT\"", Kind::Other),
        // PgBouncer's own.
        ("08P01", "query_wait_timeout", Kind::TooManyConnections),
        (
            "08P01",
            "no more connections allowed (max_client_conn)",
            Kind::TooManyConnections,
        ),
        ("08P01", "server conn crashed?", Kind::ConnectionLost),
        ("08P01", "idle transaction timeout", Kind::ServerClosing),
        ("08P01", "query timeout", Kind::Cancelled),
        ("08P01", "client_login_timeout (server down)", Kind::ServerStarting),
        (
            "08P01",
            "server login has been failing, try again later (server_login_retry)",
            Kind::ServerStarting,
        ),
        (
            "08P01",
            "server login has been failing, cached error: connect failed (server_login_retry)",
            Kind::ServerStarting,
        ),
        ("08P01", "pgbouncer cannot connect to server", Kind::ServerStarting),
        ("08P01", "server login failed: wrong password type", Kind::Other),
        ("08P01", "invalid message format", Kind::Other),
    ];

    #[test]
    fn what_servers_say_is_understood() {
        for (sqlstate, message, kind) in SEEN {
            assert_eq!(classify(sqlstate, message), *kind, "{sqlstate} {message}");
        }
    }

    #[test]
    fn texts_of_the_table_are_in_small_letters() {
        for (_, text, _) in TABLE {
            assert_eq!(*text, text.to_ascii_lowercase());
        }
    }
}
