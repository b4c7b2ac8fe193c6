//! What can go wrong with a database, as kinds that code can act upon. Knows no resource.

use std::fmt;
use std::sync::Arc;

/// A failure of a connection or of a statement.
///
/// `Display` gives the server's own message with its SQLSTATE, or what we found out about the connection;
/// neither the statement nor the source is repeated in it. Those who waited for the same session share it.
#[derive(Clone, Debug)]
pub struct Error {
    /// What it means.
    pub kind: Kind,
    /// The template of the statement that failed, never its values; empty when no statement was running.
    pub statement: &'static str,
    /// What the server said, or what we say about the connection.
    pub report: Box<Report>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The server's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The five characters; absent when the failure is not the server's.
    pub sqlstate: Option<String>,
    /// The primary message.
    pub message: String,
    /// DETAIL, such as the list of what depends on a role.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// CONTEXT: the function and line that failed.
    pub context: Option<String>,
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A role, schema, table or other object does not exist.
    NotFound,
    /// The database of the connection does not exist.
    DatabaseGone,
    /// There is one of that name already.
    AlreadyExists,
    /// Something else hangs on the object; the report's detail lists it.
    DependentObjects,
    /// The role that is logged in may not do this.
    PermissionDenied,
    /// The server took the connection and refused the login.
    LoginRefused(LoginRefusal),
    /// A lock was not given within `lock_timeout`.
    LockNotAvailable,
    /// The server ended a deadlock at our expense.
    Deadlock,
    /// A transaction could not be put in an order with another one.
    Serialization,
    /// Two sessions changed the same catalogue row: `tuple concurrently updated`.
    ConcurrentUpdate,
    /// The lock table is full: too many objects in one transaction.
    OutOfLockMemory,
    /// No connection slot is free.
    TooManyConnections,
    /// The server starts, stops or recovers and takes no connection yet.
    ServerStarting,
    /// The server ended the session: restart, failover, an administrator.
    ServerClosing,
    /// The connection ended in the middle; what the running statement did is not known.
    ConnectionLost,
    /// The statement was cancelled: `statement_timeout`, an administrator, or we ourselves.
    Cancelled,
    /// Entra does not show the principal to the server (yet).
    PrincipalNotVisible,
    /// The principal is of another kind (user, group, service) than was said.
    PrincipalKindMismatch,
    /// The `pgaadauth` functions are not there: Entra is not enabled, or this is not database `postgres`.
    EntraNotEnabled,
    /// A role would become a member of itself.
    CircularMembership,
    /// No connection came about.
    Unreachable(Unreachable),
    /// No verified TLS came about; nothing secret was sent.
    Tls(TlsFailure),
    /// An answer that we do not understand: a fault of ours, or a server that is none.
    Unexpected,
    /// Anything else; the SQLSTATE and the text say what.
    Other,
}

/// Why a login was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoginRefusal {
    /// The token was made for something else.
    WrongAudience,
    /// The role is bound to an identity of another object id: it was created anew.
    StaleOid,
    /// The role is labelled as another kind (user, group, service) than the token's.
    WrongPrincipalKind,
    /// The token has expired.
    ExpiredToken,
    /// The token is cut off, wrapped or not to be validated.
    BadToken,
    /// No rule of the server admits this address, or the connection was not encrypted.
    NoEncryptionOrFirewall,
    /// There is no role of that name.
    UnknownRole,
    /// The role may not log in.
    NotPermittedToLogin,
    /// The server does not say: not an Entra role, another object id, an invalid token, or Entra is off.
    Unspecified,
}

/// Why no connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// The name has no address here.
    NameResolution,
    /// The address answered that nobody listens.
    Refused,
    /// Nobody answered in time.
    TimedOut,
    /// The name leads to a private address, and nothing answers there from here.
    PrivateAddress,
    /// The proxy on the way does not lead there.
    Proxy,
    /// The network ended the attempt in another way.
    Network,
}

/// Why no verified TLS came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// The certificate comes from nobody we trust, or is out of its dates.
    Untrusted,
    /// The certificate is for another name.
    NameMismatch,
    /// The server does not offer TLS.
    NotOffered,
    /// The handshake failed in another way.
    Handshake,
}

impl Error {
    /// A failure that is not the server's own report.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        let report = Report {
            message: message.into(),
            ..Report::default()
        };
        Error {
            kind,
            statement: "",
            report: Box::new(report),
            source: None,
        }
    }

    /// A report of the server, and what it means.
    #[must_use]
    pub fn reported(kind: Kind, report: Report) -> Error {
        Error {
            kind,
            statement: "",
            report: Box::new(report),
            source: None,
        }
    }

    /// Names the statement that was running.
    #[must_use]
    pub fn during(self, statement: &'static str) -> Error {
        Error { statement, ..self }
    }

    /// Keeps the cause, for the chain that is printed.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error {
            source: Some(Arc::from(source.into())),
            ..self
        }
    }

    /// Whether the same thing can succeed when it is tried again in a moment.
    ///
    /// Not among them, because they need their own patience: [`Kind::PrincipalNotVisible`] and
    /// [`Kind::EntraNotEnabled`] (minutes, only after a change of ours), [`Kind::LoginRefused`] (only right after
    /// an administrator was set) and [`Kind::OutOfLockMemory`] (only in smaller batches).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            Kind::LockNotAvailable
                | Kind::Deadlock
                | Kind::Serialization
                | Kind::ConcurrentUpdate
                | Kind::TooManyConnections
                | Kind::ServerStarting
                | Kind::ServerClosing
                | Kind::ConnectionLost
                | Kind::Unreachable(Unreachable::Refused)
        )
    }

    /// Whether the connection is of no further use.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        matches!(
            self.kind,
            Kind::ServerClosing | Kind::ConnectionLost | Kind::Unreachable(_) | Kind::Tls(_) | Kind::Unexpected
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.report.message)?;
        match &self.report.sqlstate {
            Some(sqlstate) => write!(formatter, " (SQLSTATE {sqlstate})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_heals_by_itself_is_transient() {
        let healing = |kind| Error::new(kind, "x").is_transient();
        assert!(healing(Kind::ConcurrentUpdate));
        assert!(healing(Kind::LockNotAvailable));
        assert!(!healing(Kind::PermissionDenied));
        assert!(!healing(Kind::OutOfLockMemory));
        assert!(!healing(Kind::Unreachable(Unreachable::NameResolution)));
    }

    #[test]
    fn display_gives_the_servers_words_once() {
        let report = Report {
            sqlstate: Some("42704".into()),
            message: "role \"app\" does not exist".into(),
            ..Report::default()
        };
        let error = Error::reported(Kind::NotFound, report)
            .during("DROP ROLE {}")
            .because("the cause");
        assert_eq!(error.to_string(), "role \"app\" does not exist (SQLSTATE 42704)");
        assert_eq!(error.kind, Kind::NotFound);
    }
}
