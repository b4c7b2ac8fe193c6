//! A change to a part of what others change too: read, decide, write once, and look. It does not know what is changed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::azure::Azure;
use crate::azure::arm::json;
use crate::azure::call::{Call, REPEATS_AFTER_FAILURE};
use crate::azure::error::{Error, Kind};
use crate::azure::resource_id::ResourceId;
use crate::retry::{Attempt, Interrupted, Patience, until};

/// How often a change that was accepted may be missing when it is looked for, before it is written again.
const MOST_UNSEEN: u32 = 4;
/// How often a change that was accepted may be taken back by others.
const MOST_WRITES: u32 = 4;
/// How long a principal that Resource Manager knows may be unknown to a resource.
const LONGEST_UNKNOWN: Duration = Duration::from_secs(5 * 60);

/// How a resource is changed.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The resource.
    pub id: &'a ResourceId,
    /// The version of the API.
    pub api_version: &'static str,
    /// Whether what is written is the whole resource (PUT) or a part (PATCH).
    pub whole: bool,
    /// Whether the resource refuses a write that was made for an older version of it. Where it does not, a change is looked at twice: another
    /// process may have decided before it saw ours.
    pub versioned: bool,
}

/// What happened so far.
#[derive(Default)]
struct Progress {
    written: u32,
    failed: u32,
    unseen: u32,
    seen: u32,
    unknown_since: Option<Instant>,
}

impl Azure {
    /// Changes a resource until it is as wanted, and gives it as it is then.
    ///
    /// `decide` says what must be written, or nothing when all is well. It is asked again before every write, so that what others changed
    /// meanwhile is seen: a write that was refused, lost or overtaken is never sent again as it was. `accepted` is called when Azure has taken a
    /// write, before its end is waited for, and when it may have: its answer was lost.
    ///
    /// # Errors
    /// Of Resource Manager, and what `decide` refuses.
    pub async fn modify<E>(
        &self,
        change: Change<'_>,
        patience: &Patience,
        decide: impl Fn(&Value) -> Result<Option<Value>, E> + Sync,
        accepted: impl Fn() + Sync,
    ) -> Result<Value, E>
    where
        E: From<Error> + From<Interrupted>,
    {
        let progress = Mutex::new(Progress::default());
        let what = format!("the change of {}", change.id);
        let (decide, accepted) = (&decide, &accepted);
        until(&patience.with_backoff(self.pace().request), what, || async {
            loop {
                let resource: Value = self.get(change.id, change.api_version, patience).await?;
                let Some(body) = decide(&resource)? else {
                    return Ok(lock(&progress).found(change.versioned, resource));
                };
                if let Some(again) = lock(&progress).missing(change.id)? {
                    return Ok(again);
                }
                let outcome = self.write_decided(change, &resource, &body, patience, accepted).await;
                if let Some(again) = lock(&progress).wrote(outcome)? {
                    return Ok(again);
                }
            }
        })
        .await
    }

    async fn write_decided(
        &self,
        change: Change<'_>,
        seen: &Value,
        body: &Value,
        patience: &Patience,
        accepted: &(impl Fn() + Sync),
    ) -> Result<(), Error> {
        let version = ["etag", "eTag"].iter().find_map(|name| seen[*name].as_str());
        let method = if change.whole { Method::PUT } else { Method::PATCH };
        let call = Call {
            if_match: version.filter(|_| change.versioned).map(str::to_owned),
            ..self
                .writing(method, change.id, change.api_version, Some(json(body)?))
                .await?
        };
        let answer = self.call_once(&call).await;
        if answer.as_ref().err().is_none_or(|error| error.kind().leaves_doubt()) {
            accepted();
        }
        self.see_through(&call, change.id, &answer?, patience).await
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// All is well: the end, or, after a write of ours that others may not have seen, a reason to look once more.
    fn found(&mut self, versioned: bool, resource: Value) -> Attempt<Value> {
        self.seen += 1;
        match self.written > 0 && !versioned && self.seen < 2 {
            true => Attempt::again("it is changed; whether it stays so is looked at once more"),
            false => Attempt::Done(resource),
        }
    }

    /// Something is missing. After a write of ours it may only be invisible yet.
    fn missing(&mut self, id: &ResourceId) -> Result<Option<Attempt<Value>>, Error> {
        if self.written == 0 {
            return Ok(None);
        }
        // It was there already: somebody took it back.
        if self.seen == 0 && self.unseen < MOST_UNSEEN {
            self.unseen += 1;
            return Ok(Some(Attempt::again("it was written, and is not seen yet")));
        }
        if self.written >= MOST_WRITES {
            let message = format!(
                "the change of {id} was accepted {} times and is not there: a policy or another program takes it back",
                self.written
            );
            return Err(Error::new(Kind::Changed, message));
        }
        (self.seen, self.unseen) = (0, 0);
        Ok(None)
    }

    /// A write came to its end: nothing when it was a good one, else whether another is worth it. The resource is looked at anew in any case.
    fn wrote(&mut self, outcome: Result<(), Error>) -> Result<Option<Attempt<Value>>, Error> {
        let Err(error) = outcome else {
            self.written += 1;
            self.failed = 0;
            return Ok(None);
        };
        let worth_another = match error.kind() {
            Kind::Busy | Kind::Changed | Kind::Throttled => true,
            Kind::Transient | Kind::Unreachable | Kind::Lost => {
                self.failed += 1;
                self.failed <= REPEATS_AFTER_FAILURE
            }
            Kind::PrincipalNotFound => self.unknown_since.get_or_insert_with(Instant::now).elapsed() < LONGEST_UNKNOWN,
            _ => false,
        };
        match worth_another {
            true => Ok(Some(Attempt::Again {
                because: error.to_string(),
                after: error.after(),
            })),
            false => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
