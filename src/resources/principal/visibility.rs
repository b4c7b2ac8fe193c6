//! How long it is worth waiting for a server that does not know a principal (yet), and what is said when it never does.

use std::time::Duration;

use tokio::time::Instant;

use crate::azure::error::{Error, Kind};
use crate::azure::graph::{Principal as Listed, PrincipalKind};
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::context::Context;
use crate::resources::attributes::PrincipalType;
use crate::resources::principal::Principal;
use crate::retry::{Attempt, Backoff, Interrupted, Patience, until};

/// Somebody confirms that the principal exists: copies of the directory follow within minutes.
const CONFIRMED: Duration = Duration::from_secs(5 * 60);
/// Nobody may tell.
const UNASKED: Duration = Duration::from_secs(2 * 60);
/// Microsoft Graph knows no such principal; its own copies lag too.
const DENIED: Duration = Duration::from_secs(60);

/// How long to wait for a server to know a principal, and why that long, for the message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Visibility {
    /// From now on.
    limit: Duration,
    /// What is known of the principal, as a fragment.
    because: String,
}

/// Why a wait for a principal ended without success.
#[derive(Debug)]
pub enum NotKnown<E> {
    /// An attempt failed for another reason.
    Failed(E),
    /// The server does not know it, or the person stopped; in words.
    Told(Diagnostic),
}

enum Ended<E> {
    Failed(E),
    Early(Interrupted),
}

impl<E> From<Interrupted> for Ended<E> {
    fn from(interrupted: Interrupted) -> Self {
        Self::Early(interrupted)
    }
}

impl Principal {
    /// How long it is worth waiting for a server that does not know the principal (yet).
    ///
    /// # Errors
    /// When the person stopped.
    async fn visibility(&self, cx: &Context) -> Result<Visibility> {
        if self.confirmed {
            return Ok(self.confirmed_by_resource_manager());
        }
        let id = self.object_id.to_string();
        let found = cx.clients()?.azure().directory_object(&id, cx.patience()).await;
        match found {
            Err(error) if matches!(error.kind(), Kind::Stopped | Kind::TimedOut) => Err(error.into()),
            found => Ok(self.judged(found)),
        }
    }

    /// Attempts until the server knows the principal, for as long as that is worth it. `server` names it, as in "the server pg-data".
    ///
    /// # Errors
    /// Of an attempt, and when the time has passed.
    pub async fn until_known<T, E, F>(
        &self,
        cx: &Context,
        server: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, NotKnown<E>>
    where
        F: Future<Output = Result<Attempt<T>, E>>,
    {
        self.wait(cx.patience(), server, || self.visibility(cx), attempt).await
    }

    async fn wait<T, E, A, F>(
        &self,
        patience: &Patience,
        server: &str,
        ask: impl Fn() -> A,
        attempt: impl Fn() -> F,
    ) -> Result<T, NotKnown<E>>
    where
        A: Future<Output = Result<Visibility>>,
        F: Future<Output = Result<Attempt<T>, E>>,
    {
        let begin = Instant::now();
        let mut visibility = ask().await.map_err(NotKnown::Told)?;
        let what = format!("{server} to know the {} {}", self.principal_type, self.object_id);
        loop {
            let left = visibility.limit.saturating_sub(begin.elapsed());
            let limited = patience.at_most(left).with_backoff(Backoff::PROPAGATION);
            let outcome = until(&limited, &what, || async { attempt().await.map_err(Ended::Failed) });
            let because = match outcome.await {
                Ok(made) => return Ok(made),
                Err(Ended::Failed(error)) => return Err(NotKnown::Failed(error)),
                Err(Ended::Early(Interrupted::TimedOut { because, .. })) => because,
                Err(Ended::Early(stopped)) => return Err(NotKnown::Told(stopped.into())),
            };
            // Graph lags too: what it did not know a minute ago may be there now.
            if visibility.limit < CONFIRMED && !patience.left().is_zero() {
                visibility = ask().await.map_err(NotKnown::Told)?;
                if visibility.limit > begin.elapsed() {
                    continue;
                }
            }
            return Err(NotKnown::Told(self.not_known(
                server,
                begin.elapsed(),
                &visibility,
                &because,
            )));
        }
    }

    fn not_known(&self, server: &str, waited: Duration, visibility: &Visibility, said: &str) -> Diagnostic {
        let (kind, id, waited) = (self.principal_type, self.object_id, waited.as_secs());
        let detail = format!(
            "{server} does not know the {kind} with the object ID {id}, after {waited} seconds of waiting: {}.\n\nThe server's own words: {said}.",
            visibility.because
        );
        let mut characters = detail.chars();
        let detail = characters.next().map_or_else(String::new, |first| {
            format!("{}{}", first.to_uppercase(), characters.as_str())
        });
        let place = if self.confirmed { "identity_id" } else { "object_id" };
        Diagnostic::error("Principal not known to the server", detail).at(place)
    }

    fn confirmed_by_resource_manager(&self) -> Visibility {
        let because = format!(
            "Resource Manager confirms the {} with the object ID {}; the directory's copies follow within minutes",
            self.principal_type, self.object_id
        );
        Visibility {
            limit: CONFIRMED,
            because,
        }
    }

    /// What Microsoft Graph's answer is worth.
    fn judged(&self, found: Result<Option<Listed>, Error>) -> Visibility {
        let (kind, id) = (self.principal_type, self.object_id);
        let (limit, because) = match found {
            Ok(Some(found)) if is(found.kind, kind) => (
                CONFIRMED,
                format!(
                    "Microsoft Graph confirms the {kind} with the object ID {id}; the directory's copies follow within minutes"
                ),
            ),
            Ok(Some(found)) => (
                Duration::ZERO,
                format!(
                    "Microsoft Graph says that the object ID {id} is that of a {}, not of a {kind}; set `principal_type` to that",
                    named(found.kind)
                ),
            ),
            Ok(None) => (
                DENIED,
                format!(
                    "Microsoft Graph knows no {kind} with the object ID {id}; check the ID (of an application it is the object ID of the enterprise \
                     application, not of the app registration)"
                ),
            ),
            // Something that is no principal at all, such as an app registration.
            Err(error) if error.kind() == Kind::InvalidRequest => (
                DENIED,
                format!(
                    "Microsoft Graph knows no {kind} with the object ID {id}: {}; of an application the object ID of the enterprise application is \
                     needed, not of the app registration",
                    error.message()
                ),
            ),
            Err(error) if error.kind() == Kind::Forbidden => (
                UNASKED,
                format!(
                    "whether a {kind} with the object ID {id} exists cannot be asked: the signed-in principal may not read Microsoft Graph"
                ),
            ),
            Err(error) => (
                UNASKED,
                format!("whether a {kind} with the object ID {id} exists cannot be asked ({error})"),
            ),
        };
        Visibility { limit, because }
    }
}

fn is(found: PrincipalKind, wanted: PrincipalType) -> bool {
    named(found) == wanted
}

fn named(kind: PrincipalKind) -> PrincipalType {
    match kind {
        PrincipalKind::User => PrincipalType::User,
        PrincipalKind::Group => PrincipalType::Group,
        PrincipalKind::ServicePrincipal => PrincipalType::ServicePrincipal,
    }
}

#[cfg(test)]
mod tests;
