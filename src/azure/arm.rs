//! Azure Resource Manager: get, find, list, put, patch and delete, each to its very end. It does not know any resource.

mod modify;

pub use modify::Change;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::azure::Azure;
use crate::azure::answer::Answer;
use crate::azure::call::Call;
use crate::azure::cloud::{Scope, is_on};
use crate::azure::error::{Error, Kind};
use crate::azure::fulfilled::is_fulfilled;
use crate::azure::operation::{Operation, Step, Verb};
use crate::azure::resource_id::ResourceId;
use crate::retry::{Attempt, Patience, until};

/// How long a resource that was just written may be invisible.
const LONGEST_INVISIBLE: Duration = Duration::from_secs(120);
/// No list that we read has more pages.
const MOST_PAGES: usize = 10_000;

/// One page of a list, of Resource Manager or of Graph.
#[derive(Deserialize)]
struct Page<T> {
    value: Vec<T>,
    #[serde(rename = "nextLink", alias = "@odata.nextLink")]
    next_link: Option<String>,
}

/// What was answered to a write that was accepted.
pub struct Written(Answer);

impl Written {
    /// The resource, where the answer shows it.
    pub fn shown<T: DeserializeOwned>(&self) -> Option<T> {
        self.0.json().ok()
    }
}

impl Azure {
    /// Reads a resource.
    ///
    /// # Errors
    /// [`Kind::NotFound`] and [`Kind::ParentGone`] when it does not exist.
    pub async fn get<T: DeserializeOwned>(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        patience: &Patience,
    ) -> Result<T, Error> {
        let url = self.resource_url(id, &[], api_version).await?;
        self.call(&Call::get(Scope::ResourceManager, url), patience)
            .await?
            .json()
    }

    /// Reads a resource; nothing when it, its parent or its group does not exist.
    pub async fn find<T: DeserializeOwned>(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        patience: &Patience,
    ) -> Result<Option<T>, Error> {
        match self.get(id, api_version, patience).await {
            Err(error) if error.is_gone() => Ok(None),
            other => other.map(Some),
        }
    }

    /// Reads a resource with further query parameters; nothing when it, its parent or its group does not exist.
    pub(crate) async fn find_with<T: DeserializeOwned>(
        &self,
        id: &ResourceId,
        query: &[(&str, &str)],
        api_version: &'static str,
        patience: &Patience,
    ) -> Result<Option<T>, Error> {
        let mut url = self.resource_url(id, &[], api_version).await?;
        url.query_pairs_mut().extend_pairs(query);
        match self.call(&Call::get(Scope::ResourceManager, url), patience).await {
            Err(error) if error.is_gone() => Ok(None),
            other => other?.json().map(Some),
        }
    }

    /// Reads all pages of a collection below a scope: `list(&server, "administrators", …)`,
    /// `list(&subscription, "providers/Microsoft.DBforPostgreSQL/flexibleServers", …)`.
    pub async fn list<T: DeserializeOwned>(
        &self,
        scope: &ResourceId,
        collection: &str,
        api_version: &'static str,
        patience: &Patience,
    ) -> Result<Vec<T>, Error> {
        let collection: Vec<&str> = collection.split('/').collect();
        let url = self.resource_url(scope, &collection, api_version).await?;
        self.pages(Scope::ResourceManager, url, patience).await
    }

    /// Writes a resource whole, waits for the end of the operation, and reads the resource back.
    pub async fn put<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        body: &B,
        patience: &Patience,
    ) -> Result<T, Error> {
        self.set(id, api_version, body, patience).await?;
        let made = self.written(id, api_version, patience).await;
        made.map_err(|error| error.with_doubt(true))
    }

    /// Writes a resource whole and waits for the end of the operation: the first half of a [`put`](Azure::put), for those who must remember
    /// that it is there before they go on. What was answered to the write comes back; an operation answers nothing of use.
    pub async fn set<B: Serialize + ?Sized>(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        body: &B,
        patience: &Patience,
    ) -> Result<Written, Error> {
        let answer = self.write(Method::PUT, id, api_version, Some(json(body)?), patience);
        answer.await.map(Written)
    }

    /// Changes a part of a resource, waits for the end of the operation, and reads the resource back.
    pub async fn patch<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        body: &B,
        patience: &Patience,
    ) -> Result<T, Error> {
        self.write(Method::PATCH, id, api_version, Some(json(body)?), patience)
            .await?;
        let made = self.written(id, api_version, patience).await;
        made.map_err(|error| error.with_doubt(true))
    }

    /// Deletes a resource and waits for the end of the operation. What is gone already is success.
    pub async fn delete(&self, id: &ResourceId, api_version: &'static str, patience: &Patience) -> Result<(), Error> {
        unless_gone(self.write(Method::DELETE, id, api_version, None, patience).await)
    }

    /// Writes until the write is accepted and its operation ends well. When the operation ends because
    /// another one was in its way, it is begun again: what is written says what shall be.
    async fn write(
        &self,
        method: Method,
        id: &ResourceId,
        api_version: &'static str,
        body: Option<Vec<u8>>,
        patience: &Patience,
    ) -> Result<Answer, Error> {
        let what = format!("{method} {id}");
        let call = self.writing(method, id, api_version, body).await?;
        until(&patience.with_backoff(self.pace().operation), what, || async {
            let done = || self.already(&call, patience);
            let answer = self.call_unless(&call, patience, done).await?;
            match self.ended(&call, id, &answer, patience).await {
                Err(error) if error.kind() == Kind::Busy => Ok(Attempt::Again {
                    because: error.to_string(),
                    after: error.after(),
                }),
                ended => ended.map(|()| Attempt::Done(answer)),
            }
        })
        .await
    }

    async fn writing(
        &self,
        method: Method,
        id: &ResourceId,
        api_version: &'static str,
        body: Option<Vec<u8>>,
    ) -> Result<Call, Error> {
        Ok(Call {
            scope: Scope::ResourceManager,
            method,
            url: self.resource_url(id, &[], api_version).await?,
            body,
            if_match: None,
        })
    }

    /// Writes a resource whole, once, and waits for the end of the operation: for a write that must be thought over again before it is repeated.
    pub(crate) async fn put_once<B: Serialize + ?Sized>(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        body: &B,
        patience: &Patience,
    ) -> Result<(), Error> {
        self.write_unrepeated(Method::PUT, id, api_version, Some(json(body)?), patience)
            .await
    }

    /// Deletes a resource, once, in the same way. What is gone already is success.
    pub(crate) async fn delete_once(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        patience: &Patience,
    ) -> Result<(), Error> {
        let deleted = self.write_unrepeated(Method::DELETE, id, api_version, None, patience);
        unless_gone(deleted.await)
    }

    async fn write_unrepeated(
        &self,
        method: Method,
        id: &ResourceId,
        api_version: &'static str,
        body: Option<Vec<u8>>,
        patience: &Patience,
    ) -> Result<(), Error> {
        let call = self.writing(method, id, api_version, body).await?;
        let answer = self.call_once(&call).await.map_err(|error| {
            let in_doubt = error.kind().leaves_doubt();
            error.with_doubt(in_doubt)
        });
        self.ended(&call, id, &answer?, patience).await
    }

    /// Waits for the end of what a write began. An operation that failed says so; whatever else ends the asking says nothing of it.
    async fn ended(&self, call: &Call, id: &ResourceId, answer: &Answer, patience: &Patience) -> Result<(), Error> {
        let seen = self.see_through(call, id, answer, patience).await;
        seen.map_err(|error| {
            let says_so = [Kind::OperationFailed, Kind::Busy, Kind::PrincipalNotFound].contains(&error.kind());
            error.with_doubt(!says_so)
        })
    }

    /// Waits for the end of the operation that a write began, if it began one.
    async fn see_through(
        &self,
        call: &Call,
        id: &ResourceId,
        answer: &Answer,
        patience: &Patience,
    ) -> Result<(), Error> {
        let verb = match call.method == Method::DELETE {
            true => Verb::Delete,
            false => Verb::Write,
        };
        let endpoint = &self.cloud().await?.resource_manager_endpoint;
        match Operation::begun_by(verb, &call.url, endpoint, answer)? {
            None => Ok(()),
            Some(operation) => self.follow(operation, id, answer, patience).await,
        }
    }

    /// The resource, when it is what the write says already: the write was done, only its answer was lost. A deletion needs no look: what is gone
    /// answers so.
    async fn already(&self, call: &Call, patience: &Patience) -> Result<Option<Answer>, Error> {
        let Some(body) = &call.body else { return Ok(None) };
        let look = Call::get(call.scope, call.url.clone());
        let found = match self.call(&look, patience).await {
            Err(error) if error.is_gone() => return Ok(None),
            other => other?,
        };
        let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        Ok(is_fulfilled(&value(body), &value(&found.body)).then_some(found))
    }

    /// Asks until the operation is over. No failure of the asking ends it: the operation goes on whether we look or not.
    async fn follow(
        &self,
        operation: Operation,
        id: &ResourceId,
        begun: &Answer,
        patience: &Patience,
    ) -> Result<(), Error> {
        // The mutex is never held across a wait: it only lets the attempts share the state.
        let state = Mutex::new((operation, Some(begun.after())));
        let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
        let what = format!("the operation on {id}");
        until(&patience.with_backoff(self.pace().operation), what, || async {
            let (url, accepted) = {
                let mut state = lock();
                (state.0.url().clone(), state.1.take())
            };
            if let Some(after) = accepted {
                return Ok(Attempt::Again {
                    because: "it was accepted".to_owned(),
                    after,
                });
            }
            let polled = self.call(&Call::get(Scope::ResourceManager, url), patience).await;
            let after = match &polled {
                Ok(answer) => answer.after(),
                Err(error) => error.after(),
            };
            if let Err(error) = &polled
                && (error.is_transient() || error.kind() == Kind::Unreachable)
            {
                return Ok(Attempt::Again {
                    because: format!("its state cannot be read: {error}"),
                    after,
                });
            }
            match lock().0.polled(polled)? {
                Step::Over => Ok(Attempt::Done(())),
                Step::InProgress(status) => Ok(Attempt::Again {
                    because: format!("it is {status}"),
                    after,
                }),
            }
        })
        .await
    }

    /// Reads what was just written; it may be invisible for a moment.
    pub async fn written<T: DeserializeOwned>(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        patience: &Patience,
    ) -> Result<T, Error> {
        let patience = patience
            .at_most(LONGEST_INVISIBLE)
            .with_backoff(self.pace().propagation);
        until(&patience, format!("{id} to be visible"), || async {
            match self.find(id, api_version, &patience).await? {
                Some(resource) => Ok(Attempt::Done(resource)),
                None => Ok(Attempt::again("it was written, and is not found yet")),
            }
        })
        .await
    }

    /// Reads all pages from a URL on.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        scope: Scope,
        url: Url,
        patience: &Patience,
    ) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        let mut call = Call::get(scope, url);
        for _ in 0..MOST_PAGES {
            let answer = self.call(&call, patience).await?;
            let Page { value, next_link } = answer.json()?;
            all.extend(value);
            let Some(link) = next_link.filter(|link| !link.is_empty()) else {
                return Ok(all);
            };
            let next = call.url.join(&link).ok().filter(|next| is_on(next, &origin(&call.url)));
            let Some(next) = next.filter(|next| *next != call.url) else {
                let message = "the list continues on a foreign host, or with the same page";
                return Err(answer.error(Kind::ForeignHost, message));
            };
            call.url = next;
        }
        Err(Error::new(
            Kind::Unexpected,
            format!("the list has more than {MOST_PAGES} pages"),
        ))
    }

    async fn resource_url(&self, id: &ResourceId, below: &[&str], api_version: &'static str) -> Result<Url, Error> {
        let mut url = self.cloud().await?.resource_manager_endpoint.clone();
        url.path_segments_mut()
            .expect("an https URL has a path")
            .pop_if_empty()
            .extend(id.segments().chain(below.iter().copied()));
        url.query_pairs_mut().append_pair("api-version", api_version);
        Ok(url)
    }
}

fn json<B: Serialize + ?Sized>(body: &B) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body)
        .map_err(|error| Error::new(Kind::InvalidRequest, "the request cannot be written as JSON").with_source(error))
}

fn unless_gone<T>(deleted: Result<T, Error>) -> Result<(), Error> {
    match deleted {
        Err(error) if !error.is_gone() => Err(error),
        _ => Ok(()),
    }
}

fn origin(url: &Url) -> Url {
    url.join("/").expect("a constant path joins any base")
}

#[cfg(test)]
mod tests;
