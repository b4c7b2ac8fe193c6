//! One signed call: token, identification, and the repeats that can heal. It does not know what the call is for.

use std::error::Error as _;
use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use reqwest::Method;
use secrecy::ExposeSecret;
use url::Url;
use uuid::Uuid;

use crate::azure::Azure;
use crate::azure::answer::Answer;
use crate::azure::cloud::{Scope, is_on};
use crate::azure::error::{Error, Kind};
use crate::azure::http::{Body, Request};
use crate::azure::token::Token;
use crate::retry::{Attempt, Patience, until};

/// How often a request that nobody answers is sent again: a host that is unreachable for long stays so.
const REPEATS_WITHOUT_ANSWER: u32 = 3;
/// How often a request is sent again that a server failed to serve, and as often one whose connection was lost: about two minutes of each.
/// Throttling has no such limit.
pub(in crate::azure) const REPEATS_AFTER_FAILURE: u32 = 8;

/// A call to Resource Manager or Graph. All of ours can be repeated: reads, and writes that say what
/// shall be, not what shall change.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) scope: Scope,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Vec<u8>>,
    /// The only version of the resource that the write is meant for.
    pub(crate) if_match: Option<String>,
}

impl Call {
    pub(crate) fn get(scope: Scope, url: Url) -> Call {
        Call {
            scope,
            method: Method::GET,
            url,
            body: None,
            if_match: None,
        }
    }

    fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}

impl Azure {
    /// Sends a call until it succeeds. Throttling is waited out; so is, for writes, another operation
    /// that is in progress. A server's failure and a lost connection are tried again a few times.
    pub(crate) async fn call(&self, call: &Call, patience: &Patience) -> Result<Answer, Error> {
        self.call_unless(call, patience, || ready(Ok(None))).await
    }

    /// The same. Once an attempt failed in a way that does not tell whether the server acted upon it, `done` is asked
    /// before each further one: what it finds takes the place of the answer, and nothing is done twice.
    pub(crate) async fn call_unless<F>(
        &self,
        call: &Call,
        patience: &Patience,
        done: impl Fn() -> F,
    ) -> Result<Answer, Error>
    where
        F: Future<Output = Result<Option<Answer>, Error>>,
    {
        let what = format!("{} {}", call.method, call.url.path());
        let (unanswered, failed, lost) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        let in_doubt = AtomicBool::new(false);
        let patience = patience.with_backoff(self.pace().request);
        let outcome: Result<Answer, Error> = until(&patience, what, || async {
            if in_doubt.load(Ordering::Relaxed)
                && let Some(answer) = done().await?
            {
                tracing::debug!(request = %answer.request, "the write was done although its answer was a failure");
                return Ok(Attempt::Done(answer));
            }
            let failure = match self.attempt(call).await? {
                Ok(answer) if answer.is_success() => return Ok(Attempt::Done(answer)),
                Ok(answer) => answer.failure(),
                Err(error) => error,
            };
            if call.is_write() && failure.kind().leaves_doubt() {
                in_doubt.store(true, Ordering::Relaxed);
            }
            let again = match failure.kind() {
                Kind::Throttled => true,
                Kind::Busy => call.is_write(),
                Kind::Transient => failed.fetch_add(1, Ordering::Relaxed) < REPEATS_AFTER_FAILURE,
                Kind::Lost => lost.fetch_add(1, Ordering::Relaxed) < REPEATS_AFTER_FAILURE,
                Kind::Unreachable => unanswered.fetch_add(1, Ordering::Relaxed) < REPEATS_WITHOUT_ANSWER,
                _ => false,
            };
            match again {
                true => Ok(Attempt::Again {
                    because: chain(&failure),
                    after: failure.after(),
                }),
                false => Err(failure),
            }
        })
        .await;
        outcome.map_err(|error| error.with_doubt(in_doubt.load(Ordering::Relaxed)))
    }

    /// Sends a call once: for a write that must be thought over again before it is repeated.
    pub(crate) async fn call_once(&self, call: &Call) -> Result<Answer, Error> {
        let answer = self.attempt(call).await??;
        match answer.is_success() {
            true => Ok(answer),
            false => Err(answer.failure()),
        }
    }

    /// One attempt, with a new token when the first is not accepted. The outer error is that of the
    /// sign-in, which has been tried again already; the inner one is that of the call.
    async fn attempt(&self, call: &Call) -> Result<Result<Answer, Error>, Error> {
        let token = self.token(call.scope).await?;
        let answer = self.send(call, &token).await;
        let Ok(Answer { status: 401, .. }) = answer else {
            return Ok(answer);
        };
        tracing::debug!(scope = ?call.scope, "the token was not accepted; a new one is fetched");
        self.tokens().discard(call.scope, &token).await;
        let token = self.token(call.scope).await?;
        Ok(self.send(call, &token).await)
    }

    async fn send(&self, call: &Call, token: &Token) -> Result<Answer, Error> {
        let cloud = self.cloud().await?;
        let endpoint = cloud.endpoint(call.scope).expect("calls are made to REST scopes only");
        if !is_on(&call.url, endpoint) {
            let host = call.url.host_str().unwrap_or_default();
            let message = format!("the host {host:?} may not see a token for {endpoint}");
            return Err(Error::new(Kind::ForeignHost, message));
        }
        let own = Uuid::new_v4().to_string();
        let mut request = Request::new(call.method.clone(), call.url.clone())
            .bearer(token.secret().expose_secret())?
            .header("accept", "application/json")?;
        request = match call.scope {
            Scope::Graph => request.header("client-request-id", &own)?,
            _ => request
                .header("x-ms-client-request-id", &own)?
                .header("x-ms-correlation-request-id", self.correlation_id())?,
        };
        if let Some(version) = &call.if_match {
            request = request.header("if-match", version)?;
        }
        if call.scope == Scope::ResourceManager && call.is_write() {
            let tokens = self.auxiliary_tokens().await?;
            if !tokens.is_empty() {
                let tokens = tokens
                    .iter()
                    .map(|token| format!("Bearer {}", token.secret().expose_secret()));
                let tokens = tokens.collect::<Vec<_>>().join(", ");
                request = request.secret_header("x-ms-authorization-auxiliary", &tokens)?;
            }
        }
        if let Some(body) = &call.body {
            request.body = Body::Json(body.clone());
        }
        self.http().send(request).await
    }
}

/// An error and what is behind it, in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(inner) = at {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        at = inner.source();
    }
    text
}
