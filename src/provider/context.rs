//! What a resource may use during one call: the clients, the patience, and what it leaves behind besides its result.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::lock::Held;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::model::Model;
use crate::protocol::value::Object;
use crate::provider::clients::Clients;
use crate::retry::{Backoff, Interrupted, Patience, StopSignal, within};

/// One call of Terraform's, as a resource sees it.
pub struct Context {
    clients: Result<Arc<Clients>>,
    patience: Patience,
    left: Mutex<Left>,
}

/// What a call leaves behind besides its result.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) private: Vec<u8>,
    pub(crate) checkpoint: Option<Object>,
}

impl Context {
    pub(crate) fn new(clients: Result<Arc<Clients>>, limit: Duration, stop: StopSignal, private: Vec<u8>) -> Self {
        let patience = Patience::new(limit, Backoff::OPERATION, stop);
        Self {
            clients,
            patience,
            left: Mutex::new(Left {
                private,
                ..Left::default()
            }),
        }
    }

    /// What talks to Azure and to the databases.
    ///
    /// # Errors
    /// When the provider block is not known yet, or says nothing usable.
    pub fn clients(&self) -> Result<&Clients> {
        self.clients.as_deref().map_err(Clone::clone)
    }

    /// How long this call may wait.
    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Whether waiting is over: the person wants to stop, or the time of this call has passed.
    pub fn is_over(&self) -> bool {
        self.patience.stop.is_stopped() || self.patience.left().is_zero()
    }

    /// Our turn on something that takes one change at a time within this process. Who has waited past a stop begins nothing any more.
    ///
    /// # Errors
    /// When the person wants to stop, or the time of this call has passed meanwhile.
    pub async fn turn(&self, key: String) -> Result<Held> {
        let what = format!("our turn on {key}");
        let held = self.clients()?.locks.hold(key);
        let held = within(&self.patience, what, "another resource of this run is at it", held).await;
        let held = match held {
            Err(timed_out @ Interrupted::TimedOut { .. }) => return Err(timed_out.into()),
            other => other.ok(),
        };
        held.filter(|_| !self.patience.stop.is_stopped())
            .ok_or_else(|| Diagnostic::error("Stopped", "Nothing was begun; the next apply does it."))
    }

    /// Tells the person; the call goes on.
    pub fn warn(&self, summary: &'static str, detail: impl Into<String>) {
        self.left().warnings.push(Diagnostic::warning(summary, detail));
    }

    /// Tells that the call ends before what it began: Azure has accepted `what`, or may have.
    pub fn warn_not_waited_for(&self, what: &str, ended: &Diagnostic) {
        let detail = format!(
            "Azure has accepted {what}, or may have, and was not waited for. The next plan shows what became of it.\n\n{}",
            ended.detail
        );
        self.warn("Not waited for", detail);
    }

    /// Remembers what exists already: if a later step fails, Terraform keeps this, and nothing is orphaned.
    pub fn checkpoint<M: Model>(&self, so_far: &M) {
        self.left().checkpoint = Some(so_far.clone().into_object());
    }

    /// The record that an earlier call of this resource kept beside the state.
    pub fn record<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.left().private).ok()
    }

    /// Keeps a record beside the state, never shown and never compared.
    pub fn keep_record<T: Serialize>(&self, record: &T) {
        if let Ok(bytes) = serde_json::to_vec(record) {
            self.left().private = bytes;
        }
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn finish(self) -> Left {
        self.left.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
