//! What surrounds every call of the protocol: the log's fields, the duration, and that a panic or a
//! mistake becomes a diagnostic. Knows no call in particular.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use tonic::{Request, Response, Status};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::protocol::diagnostic::{self, Diagnostic};
use crate::provider::Provider;
use crate::provider::session::Session;
use crate::wire::convert;
use crate::wire::proto::tfplugin5 as pb;
use crate::wire::redact::redact;
use crate::wire::{MINOR_VERSION, SOURCE_ADDRESS};

/// What serves one connection. A clone serves the same one.
#[derive(Clone)]
pub struct Served {
    /// What it can do.
    pub provider: Provider,
    /// What it was configured with.
    pub session: Arc<Session>,
}

impl Served {
    /// Serves a connection that has said nothing yet.
    #[must_use]
    pub fn new(provider: Provider) -> Self {
        let session = Arc::new(provider.session());
        Self { provider, session }
    }
}

/// Which call it is, and what it is about.
#[derive(Debug, Clone)]
pub struct Call {
    rpc: &'static str,
    subject: Option<(&'static str, String)>,
}

impl Call {
    /// A call about the provider as a whole.
    #[must_use]
    pub fn new(rpc: &'static str) -> Self {
        Self { rpc, subject: None }
    }

    /// A call about a managed resource.
    #[must_use]
    pub fn resource(rpc: &'static str, name: &str) -> Self {
        Self {
            rpc,
            subject: Some(("tf_resource_type", name.to_owned())),
        }
    }

    /// A call about a data source.
    #[must_use]
    pub fn data_source(rpc: &'static str, name: &str) -> Self {
        Self {
            rpc,
            subject: Some(("tf_data_source_type", name.to_owned())),
        }
    }

    /// A call about an ephemeral resource.
    #[must_use]
    pub fn ephemeral(rpc: &'static str, name: &str) -> Self {
        Self {
            rpc,
            subject: Some(("tf_ephemeral_resource_type", name.to_owned())),
        }
    }

    /// A call about a list resource.
    #[must_use]
    pub fn list(rpc: &'static str, name: &str) -> Self {
        Self {
            rpc,
            subject: Some(("tf_list_resource_type", name.to_owned())),
        }
    }

    /// A call about an action.
    #[must_use]
    pub fn action(rpc: &'static str, name: &str) -> Self {
        Self {
            rpc,
            subject: Some(("tf_action_type", name.to_owned())),
        }
    }

    /// A call of a function.
    #[must_use]
    pub fn function(rpc: &'static str, name: &str) -> Self {
        Self {
            rpc,
            subject: Some(("tf_function_name", name.to_owned())),
        }
    }

    /// Fields have the names that other providers use.
    fn span(&self) -> Span {
        let span = tracing::error_span!(
            "call",
            tf_rpc = self.rpc,
            tf_req_id = %uuid::Uuid::new_v4(),
            tf_provider_addr = SOURCE_ADDRESS,
            tf_proto_version = MINOR_VERSION,
            tf_resource_type = Empty,
            tf_data_source_type = Empty,
            tf_ephemeral_resource_type = Empty,
            tf_list_resource_type = Empty,
            tf_action_type = Empty,
            tf_function_name = Empty,
        );
        if let Some((field, name)) = &self.subject {
            span.record(*field, name.as_str());
        }
        span
    }
}

/// An answer that can say what went wrong.
pub trait Answer: Sized {
    /// The answer when nothing can be said but this.
    fn failed(diagnostic: Diagnostic) -> Self;
    /// What the person is told.
    fn told(&self) -> &[pb::Diagnostic];
}

/// Does the work of one call. Never fails: what goes wrong is told to the person.
///
/// # Errors
///
/// None; the type is what the server wants.
pub async fn answer<Q, A, W, F>(call: Call, request: Request<Q>, work: W) -> Result<Response<A>, Status>
where
    A: Answer,
    W: FnOnce(Served, Q) -> F,
    F: Future<Output = diagnostic::Result<A>>,
{
    let span = call.span();
    let work = async {
        let start = Instant::now();
        tracing::trace!("asked");
        let (_, extensions, message) = request.into_parts();
        let answer = match extensions.get::<Served>() {
            Some(served) => caught(async { work(served.clone(), message).await }).await.flatten(),
            None => Err(Diagnostic::bug("A call came in on no connection.")),
        };
        let answer = answer.unwrap_or_else(A::failed);
        log(answer.told(), start);
        Ok(Response::new(answer))
    };
    work.instrument(span).await
}

/// Does the work, and makes a diagnostic of a panic.
///
/// # Errors
///
/// The work panicked.
pub async fn caught<T>(work: impl Future<Output = T>) -> diagnostic::Result<T> {
    // What the work left half changed is not looked at again: shared state is behind locks that
    // know of poisoning, everything else belongs to the work.
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = redact(text.unwrap_or("no message"));
        Diagnostic::bug(format!("An operation ended in a panic: {text}."))
    })
}

fn log(told: &[pb::Diagnostic], start: Instant) {
    use pb::diagnostic::Severity;
    for diagnostic in told {
        let (summary, detail) = (diagnostic.summary.as_str(), diagnostic.detail.as_str());
        if diagnostic.severity() == Severity::Warning {
            tracing::warn!(
                diagnostic_severity = "WARNING",
                diagnostic_summary = summary,
                diagnostic_detail = detail,
                "told"
            );
        } else {
            tracing::error!(
                diagnostic_severity = "ERROR",
                diagnostic_summary = summary,
                diagnostic_detail = detail,
                "told"
            );
        }
    }
    let warnings = told.iter().filter(|one| one.severity() == Severity::Warning).count();
    tracing::debug!(
        tf_req_duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        diagnostic_error_count = told.len() - warnings,
        diagnostic_warning_count = warnings,
        "answered"
    );
}

/// For the answers that have a field for diagnostics: nearly all.
macro_rules! answers {
    ($($answer:ty),* $(,)?) => {$(
        impl Answer for $answer {
            fn failed(diagnostic: Diagnostic) -> Self {
                let mut answer = Self::default();
                answer.diagnostics.push(convert::diagnostic(diagnostic));
                answer
            }

            fn told(&self) -> &[pb::Diagnostic] {
                &self.diagnostics
            }
        }
    )*};
}

answers! {
    pb::get_metadata::Response,
    pb::get_provider_schema::Response,
    pb::get_resource_identity_schemas::Response,
    pb::get_functions::Response,
    pb::prepare_provider_config::Response,
    pb::configure::Response,
    pb::validate_resource_type_config::Response,
    pb::upgrade_resource_state::Response,
    pb::upgrade_resource_identity::Response,
    pb::read_resource::Response,
    pb::plan_resource_change::Response,
    pb::apply_resource_change::Response,
    pb::import_resource_state::Response,
    pb::move_resource_state::Response,
    pb::generate_resource_config::Response,
    pb::validate_data_source_config::Response,
    pb::read_data_source::Response,
    pb::validate_ephemeral_resource_config::Response,
    pb::open_ephemeral_resource::Response,
    pb::renew_ephemeral_resource::Response,
    pb::close_ephemeral_resource::Response,
    pb::validate_list_resource_config::Response,
    pb::validate_action_config::Response,
    pb::plan_action::Response,
}

impl Answer for pb::stop::Response {
    fn failed(diagnostic: Diagnostic) -> Self {
        Self {
            error: diagnostic.detail,
        }
    }

    fn told(&self) -> &[pb::Diagnostic] {
        &[]
    }
}

impl Answer for pb::call_function::Response {
    fn failed(diagnostic: Diagnostic) -> Self {
        let text = redact(&diagnostic.detail).into_owned();
        Self {
            result: None,
            error: Some(pb::FunctionError {
                text,
                function_argument: None,
            }),
        }
    }

    fn told(&self) -> &[pb::Diagnostic] {
        &[]
    }
}

impl Answer for pb::list_resource::Event {
    fn failed(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostic: vec![convert::diagnostic(diagnostic)],
            ..Self::default()
        }
    }

    fn told(&self) -> &[pb::Diagnostic] {
        &self.diagnostic
    }
}

impl Answer for pb::invoke_action::event::Completed {
    fn failed(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostics: vec![convert::diagnostic(diagnostic)],
        }
    }

    fn told(&self) -> &[pb::Diagnostic] {
        &self.diagnostics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_diagnostic_without_secrets() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
        let outcome: diagnostic::Result<()> = caught(async { panic!("at {token}") }).await;
        let told = outcome.expect_err("it panicked");
        assert_eq!(told.summary, "This is a bug in the provider");
        assert!(
            told.detail.starts_with("An operation ended in a panic: at (token)."),
            "{}",
            told.detail
        );
    }

    #[tokio::test]
    async fn work_that_ends_well_is_passed_on() {
        assert_eq!(caught(async { 1 }).await, Ok(1));
    }
}
