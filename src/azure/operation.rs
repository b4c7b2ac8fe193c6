//! A long-running operation as a state machine: where to ask next, and when it is over. It does not send anything.

use serde_json::Value;
use url::Url;

use crate::azure::answer::Answer;
use crate::azure::cloud::is_on;
use crate::azure::envelope::{Envelope, classify_operation};
use crate::azure::error::{Error, Kind};

/// What began the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// PUT or PATCH: ends with a resource.
    Write,
    /// DELETE: ends with its absence.
    Delete,
}

/// An operation in progress.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    verb: Verb,
    follow: Follow,
    url: Url,
    /// What is operated upon.
    resource: Url,
    /// Resource Manager: the only host, with those below it, that sees our token.
    endpoint: Url,
}

/// Which of Azure's conventions the operation follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follow {
    /// `Azure-AsyncOperation`: the answer holds a status.
    Status,
    /// `Location`: 202 until it is over.
    Location,
    /// Neither: the resource itself tells by its `provisioningState`, or by being gone.
    Resource,
}

/// What a poll came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Over,
    /// With the server's word for it.
    InProgress(String),
}

impl Operation {
    /// What follows the answer to a PUT, PATCH or DELETE; nothing when it was the end already.
    pub(crate) fn begun_by(
        verb: Verb,
        resource: &Url,
        endpoint: &Url,
        answer: &Answer,
    ) -> Result<Option<Operation>, Error> {
        let operation = |follow, url| Operation {
            verb,
            follow,
            url,
            resource: resource.clone(),
            endpoint: endpoint.clone(),
        };
        if let Some(url) = link(answer, "azure-asyncoperation", endpoint)? {
            return Ok(Some(operation(Follow::Status, url)));
        }
        // With 201 a Location is the address of what was made, not of an operation.
        if let (202, Some(url)) = (answer.status, link(answer, "location", endpoint)?) {
            return Ok(Some(operation(Follow::Location, url)));
        }
        let by_resource = operation(Follow::Resource, resource.clone());
        if answer.status == 202 {
            return Ok(Some(by_resource));
        }
        if verb == Verb::Delete || answer.status == 204 {
            return Ok(None);
        }
        Ok(match provisioning(answer, &body(answer))? {
            Step::Over => None,
            Step::InProgress(_) => Some(by_resource),
        })
    }

    /// Where to ask next.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Takes what the poll gave: an answer that is a success, or the failure.
    pub(crate) fn polled(&mut self, polled: Result<Answer, Error>) -> Result<Step, Error> {
        let answer = match polled {
            // Not known yet, or not any more: the resource tells what became of it, and of a deletion by being gone.
            Err(error) if self.follow != Follow::Resource && is_unknown(&error) => {
                tracing::info!(%error, "the operation is not known; the resource is asked instead");
                (self.follow, self.url) = (Follow::Resource, self.resource.clone());
                return Ok(Step::InProgress("not known to Azure".to_owned()));
            }
            Err(error) if self.verb == Verb::Delete && error.is_gone() => return Ok(Step::Over),
            other => other?,
        };
        let body = body(&answer);
        match self.follow {
            Follow::Status => {
                self.move_to(link(&answer, "azure-asyncoperation", &self.endpoint)?);
                status(&answer, &body)
            }
            Follow::Location => {
                self.move_to(link(&answer, "location", &self.endpoint)?);
                match answer.status {
                    202 => Ok(Step::InProgress("Accepted".to_owned())),
                    // Some providers answer 200 with a status in the body from the beginning.
                    _ if body.get("type").is_none() => status(&answer, &body),
                    _ => Ok(Step::Over),
                }
            }
            Follow::Resource if self.verb == Verb::Delete => {
                Ok(Step::InProgress("the resource still exists".to_owned()))
            }
            Follow::Resource => provisioning(&answer, &body),
        }
    }

    fn move_to(&mut self, url: Option<Url>) {
        if let Some(url) = url {
            self.url = url;
        }
    }
}

/// Azure answers 404 with various codes, none of which is about the resource.
fn is_unknown(error: &Error) -> bool {
    error.status() == Some(404) && error.code().is_some()
}

/// The URL in a header. It may be relative; it may not be on a foreign host.
fn link(answer: &Answer, name: &str, endpoint: &Url) -> Result<Option<Url>, Error> {
    let Some(text) = answer.header(name) else {
        return Ok(None);
    };
    let url = endpoint.join(text).map_err(|error| {
        let message = format!("the header {name} does not hold a URL");
        answer.error(Kind::Unexpected, message).with_source(error)
    })?;
    if !is_on(&url, endpoint) {
        let host = url.host_str().unwrap_or_default();
        let message = format!("the header {name} leads to the foreign host {host:?}");
        return Err(answer.error(Kind::ForeignHost, message));
    }
    Ok(Some(url))
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// The body of a status URL. Without a status in it the HTTP status decides.
fn status(answer: &Answer, body: &Value) -> Result<Step, Error> {
    match body.get("status").and_then(Value::as_str) {
        Some(status) => judge(answer, status, body.get("error").unwrap_or(&Value::Null)),
        None if answer.status == 202 => Ok(Step::InProgress("Accepted".to_owned())),
        None => provisioning(answer, body),
    }
}

/// A resource; without a `provisioningState` it is ready.
fn provisioning(answer: &Answer, body: &Value) -> Result<Step, Error> {
    match body.pointer("/properties/provisioningState").and_then(Value::as_str) {
        Some(state) => {
            let error = body.get("error").or_else(|| body.pointer("/properties/error"));
            judge(answer, state, error.unwrap_or(&Value::Null))
        }
        None => Ok(Step::Over),
    }
}

fn judge(answer: &Answer, status: &str, error: &Value) -> Result<Step, Error> {
    match status.to_ascii_lowercase().as_str() {
        "succeeded" | "completed" | "ready" => Ok(Step::Over),
        "failed" | "canceled" | "cancelled" => {
            let envelope = Envelope::of(error);
            let kind = classify_operation(&envelope);
            let reason = envelope.message.as_deref().unwrap_or("the answer gives no reason");
            let message = format!("the operation ended as {status}: {reason}");
            Err(answer.error(kind, message).with_code(envelope.code))
        }
        _ => Ok(Step::InProgress(status.to_owned())),
    }
}

#[cfg(test)]
mod tests;
