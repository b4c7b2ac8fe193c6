//! What went wrong on Microsoft's side: a kind for the code, words for the person. It does not know what to advise.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::retry::Interrupted;

/// What kind of failure it is; decides what the code does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The resource itself does not exist.
    NotFound,
    /// What the resource lives in does not exist: its parent resource or its resource group.
    ParentGone,
    /// The subscription is unknown to the signed-in tenant; says nothing about whether the resource exists.
    SubscriptionUnknown,
    /// Another operation is in progress (409); goes away by waiting.
    Busy,
    /// The request contradicts what exists (409); waiting does not help.
    Conflict,
    /// The resource has changed since it was read (412).
    Changed,
    /// Too many requests (429).
    Throttled,
    /// The signed-in principal may not do this (403).
    Forbidden,
    /// The token was not accepted (401).
    Unauthorized,
    /// The request was refused as wrong (other 4xx).
    InvalidRequest,
    /// The server failed in a way that goes away by itself (408, 5xx).
    Transient,
    /// The directory does not know the principal (yet): replication lag after it was made.
    PrincipalNotFound,
    /// A long-running operation ended as failed or cancelled.
    OperationFailed,
    /// Entra refused the sign-in; with the number of the AADSTS error when there is one.
    SignIn {
        /// The number after "AADSTS".
        aadsts: Option<u32>,
    },
    /// This way of signing in is not available here: no such endpoint, file or program.
    SignInUnavailable,
    /// The settings contradict each other or cannot be read.
    Configuration,
    /// Nobody answers: name not found, connection refused or timed out.
    Unreachable,
    /// The connection was lost before the answer came.
    Lost,
    /// The server's certificate is not trusted.
    Untrusted,
    /// The answer does not have the expected form.
    Unexpected,
    /// The URL is on a host that must not see the token.
    ForeignHost,
    /// The deadline passed.
    TimedOut,
    /// The person asked to stop.
    Stopped,
}

impl Kind {
    /// Whether a write that fails in this way may have been done all the same.
    #[must_use]
    pub fn leaves_doubt(self) -> bool {
        matches!(self, Kind::Throttled | Kind::Transient | Kind::Unreachable | Kind::Lost)
    }
}

/// A failure of a call to Azure. Cheap to clone: callers that waited for the same token share it.
#[derive(Clone)]
pub struct Error(Arc<Details>);

#[derive(Debug, Clone)]
struct Details {
    kind: Kind,
    message: String,
    code: Option<String>,
    status: Option<u16>,
    request: Option<String>,
    correlation_id: Option<String>,
    after: Option<Duration>,
    in_doubt: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with a message: a lower-case fragment.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Arc::new(Details {
            kind,
            message: message.into(),
            code: None,
            status: None,
            request: None,
            correlation_id: None,
            after: None,
            in_doubt: false,
            source: None,
        }))
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The server's own code: `AuthorizationFailed`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The server's own text, or ours when the server said nothing.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The ID under which Microsoft's support finds the request.
    pub fn correlation_id(&self) -> Option<&str> {
        self.0.correlation_id.as_deref()
    }

    /// How long the server asks us to wait before we try again.
    pub fn after(&self) -> Option<Duration> {
        self.0.after
    }

    /// Whether the resource is gone for certain: it, its parent or its group.
    pub fn is_gone(&self) -> bool {
        matches!(self.kind(), Kind::NotFound | Kind::ParentGone)
    }

    /// Whether a write may have been done all the same: it was accepted and its end was not seen, or its answer was lost.
    pub fn is_in_doubt(&self) -> bool {
        self.0.in_doubt
    }

    /// Whether waiting may turn this into a success, when what it misses was made minutes ago:
    /// a principal, an application, a certificate or a federated credential.
    pub fn heals_after_creation(&self) -> bool {
        match self.kind() {
            Kind::PrincipalNotFound => true,
            Kind::SignIn { aadsts } => matches!(aadsts, Some(70_021 | 700_211 | 700_212 | 700_213 | 700_016 | 700_027)),
            _ => false,
        }
    }

    /// Whether another tenant must agree: it manages the subscription of something that the request points to.
    pub fn wants_another_tenant(&self) -> bool {
        self.code() == Some("LinkedAuthorizationFailed") && self.message().contains("linked subscription")
    }

    /// Whether the same request may succeed a little later, without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind(), Kind::Busy | Kind::Throttled | Kind::Transient | Kind::Lost)
    }

    pub(crate) fn with_code(self, code: Option<String>) -> Error {
        self.change(|details| details.code = code)
    }

    pub(crate) fn with_status(self, status: u16) -> Error {
        self.change(|details| details.status = Some(status))
    }

    /// Method and address of the request, without its query.
    pub(crate) fn with_request(self, request: String) -> Error {
        self.change(|details| details.request = Some(request))
    }

    pub(crate) fn with_correlation_id(self, id: Option<String>) -> Error {
        self.change(|details| details.correlation_id = id)
    }

    pub(crate) fn with_after(self, after: Option<Duration>) -> Error {
        self.change(|details| details.after = after)
    }

    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Error {
        self.change(|details| details.source = Some(Arc::new(source)))
    }

    /// Says that the write may have been done all the same.
    pub(crate) fn with_doubt(self, in_doubt: bool) -> Error {
        self.change(|details| details.in_doubt |= in_doubt)
    }

    /// Says what was being done, before the message.
    pub(crate) fn during(self, what: &str) -> Error {
        self.change(|details| details.message = format!("{what}: {}", details.message))
    }

    fn change(mut self, change: impl FnOnce(&mut Details)) -> Error {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = &*self.0;
        if let Some(request) = &details.request {
            write!(formatter, "{request}: ")?;
        }
        match (details.status, &details.code) {
            (Some(status), Some(code)) => write!(formatter, "{status} {code}: ")?,
            (Some(status), None) => write!(formatter, "{status}: ")?,
            (None, Some(code)) => write!(formatter, "{code}: ")?,
            (None, None) => {}
        }
        formatter.write_str(&details.message)?;
        if let Some(id) = &details.correlation_id {
            write!(formatter, " (correlation ID {id})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Interrupted> for Error {
    fn from(interrupted: Interrupted) -> Error {
        let kind = match interrupted {
            Interrupted::TimedOut { .. } => Kind::TimedOut,
            Interrupted::Stopped { .. } => Kind::Stopped,
        };
        Error::new(kind, interrupted.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_request_code_and_correlation_and_leaves_the_source_to_the_chain() {
        let error = Error::new(Kind::Forbidden, "The client may not do this.")
            .with_code(Some("AuthorizationFailed".to_owned()))
            .with_status(403)
            .with_request("GET management.azure.com/subscriptions/S".to_owned())
            .with_correlation_id(Some("c-1".to_owned()))
            .with_source(std::io::Error::other("inner"));
        assert_eq!(
            error.to_string(),
            "GET management.azure.com/subscriptions/S: 403 AuthorizationFailed: The client may not do this. \
             (correlation ID c-1)"
        );
        assert_eq!(error.source().unwrap().to_string(), "inner");
    }
}
