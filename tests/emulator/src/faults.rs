//! Faults on demand: what shall go wrong next. It does not know how the fronts carry it out.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use axum::http::Method;

use crate::error::Result;
use crate::journal::hold;
use crate::postgres::relay::{Held, Moment, Watch};
use crate::world::World;

/// How one request shall fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This HTTP status in the service's own error form, optionally with `Retry-After` (seconds).
    Status {
        /// 429, 500, 503 …
        status: u16,
        /// Seconds, sent as `Retry-After`.
        retry_after: Option<u64>,
    },
    /// This status with this code and text.
    Error {
        /// The HTTP status.
        status: u16,
        /// The code of the service's error form.
        code: String,
        /// The text of the error.
        message: String,
    },
    /// A gateway's HTML page with this status.
    Html(u16),
    /// The connection is closed without an answer, and nothing was done.
    DropConnection,
    /// The request is carried out, and then the connection is closed without an answer.
    DropAfterWrite,
    /// The request is carried out and answered, but this much later.
    Delay(Duration),
    /// The request is carried out at once, but its answer comes this much later.
    DelayAfterWrite(Duration),
}

struct Rule {
    method: Option<Method>,
    path: String,
    left: u32,
    failure: Failure,
}

struct OperationFailure {
    path: String,
    code: String,
    message: String,
}

#[derive(Default)]
struct Plans {
    rules: Vec<Rule>,
    operations: Vec<OperationFailure>,
    polls: u32,
    slowness: Duration,
    refused_logins: u32,
    invisible_federations: u32,
}

/// The faults of one emulator. All of them can be set while it runs.
#[derive(Default)]
pub struct Faults {
    plans: Mutex<Plans>,
    world: Mutex<Weak<World>>,
    watch: Mutex<Weak<Watch>>,
}

impl Faults {
    pub(crate) fn attach(&self, world: &Arc<World>) {
        *hold(&self.world) = Arc::downgrade(world);
    }

    /// The next `times` requests with this method whose path contains `path` (letter case ignored) fail.
    pub fn fail_next(&self, method: Method, path: &str, times: u32, failure: Failure) {
        self.add(Some(method), path, times, failure);
    }

    /// As [`Faults::fail_next`], whatever the method.
    pub fn fail_any(&self, path: &str, times: u32, failure: Failure) {
        self.add(None, path, times, failure);
    }

    fn add(&self, method: Option<Method>, path: &str, left: u32, failure: Failure) {
        let rule = Rule {
            method,
            path: path.to_ascii_lowercase(),
            left,
            failure,
        };
        hold(&self.plans).rules.push(rule);
    }

    /// The next long-running operation on a resource whose path contains `path` ends as `Failed`, and changes nothing.
    pub fn fail_operation(&self, path: &str, code: &str, message: &str) {
        hold(&self.plans).operations.push(OperationFailure {
            path: path.to_ascii_lowercase(),
            code: code.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Every later long-running operation answers `InProgress` to this many polls before it ends. 0 is the default.
    pub fn delay_operations(&self, polls: u32) {
        hold(&self.plans).polls = polls;
    }

    /// Every later long-running operation takes at least this long.
    pub fn slow_operations(&self, time: Duration) {
        hold(&self.plans).slowness = time;
    }

    /// The next `times` database logins are refused with 57P03 `the database system is starting up`.
    pub fn refuse_logins(&self, times: u32) {
        hold(&self.plans).refused_logins = times;
    }

    /// From now on counts the statements that clients of the databases send, in all sessions together, and holds the
    /// session of the given one (the first is 1). Holds and counts no more when the answer is dropped.
    #[must_use]
    pub fn hold_statement(&self, statement: u32, moment: Moment) -> Held {
        let (held, watch) = Held::new(statement, moment);
        *hold(&self.watch) = Arc::downgrade(&watch);
        held
    }

    pub(crate) fn watch(&self) -> Option<Arc<Watch>> {
        hold(&self.watch).upgrade()
    }

    /// Every federated credential written later is not seen by the token endpoint for its first `exchanges`
    /// look-ups (AADSTS70021).
    pub fn delay_federated_credentials(&self, exchanges: u32) {
        hold(&self.plans).invisible_federations = exchanges;
    }

    /// Graph, ARM and each database miss this object for their next `lookups` look-ups, each on its own.
    ///
    /// # Errors
    /// When a database cannot be told.
    pub async fn hide_principal(&self, object_id: &str, lookups: u32) -> Result<()> {
        let world = self.world();
        hold(&world.state).directory.hide(object_id, lookups);
        for server in world.servers() {
            server.hide(object_id, lookups).await?;
        }
        Ok(())
    }

    /// Restarts every database server; sessions end as they do on Azure.
    ///
    /// # Errors
    /// When a server does not come back.
    pub async fn restart_database(&self) -> Result<()> {
        for server in self.world().servers() {
            server.restart().await?;
        }
        Ok(())
    }

    /// Ends the sessions of everybody but the platform, as a failover does.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn drop_sessions(&self) -> Result<()> {
        for server in self.world().servers() {
            server.drop_sessions().await?;
        }
        Ok(())
    }

    /// How many requests whose path contains `path` (letter case ignored) are still to fail: 0 says that all of them
    /// have arrived.
    #[must_use]
    pub fn outstanding(&self, path: &str) -> u32 {
        let path = path.to_ascii_lowercase();
        let plans = hold(&self.plans);
        let rules = plans.rules.iter().filter(|rule| rule.path == path);
        rules.map(|rule| rule.left).sum()
    }

    /// Forgets every fault that has not happened yet. Hidden principals stay hidden.
    pub fn clear(&self) {
        *hold(&self.plans) = Plans::default();
    }

    fn world(&self) -> Arc<World> {
        hold(&self.world)
            .upgrade()
            .expect("faults are reachable only through a running emulator")
    }

    pub(crate) fn next(&self, method: &Method, path: &str) -> Option<Failure> {
        let path = path.to_ascii_lowercase();
        let mut plans = hold(&self.plans);
        let rule = plans.rules.iter_mut().find(|rule| {
            rule.left > 0 && rule.method.as_ref().is_none_or(|wanted| wanted == method) && path.contains(&rule.path)
        })?;
        rule.left -= 1;
        Some(rule.failure.clone())
    }

    pub(crate) fn next_operation(&self, path: &str) -> Option<(String, String)> {
        let path = path.to_ascii_lowercase();
        let mut plans = hold(&self.plans);
        let index = plans
            .operations
            .iter()
            .position(|failure| path.contains(&failure.path))?;
        let failure = plans.operations.remove(index);
        Some((failure.code, failure.message))
    }

    pub(crate) fn pace(&self) -> (u32, Duration) {
        let plans = hold(&self.plans);
        (plans.polls, plans.slowness)
    }

    pub(crate) fn refuses_login(&self) -> bool {
        let mut plans = hold(&self.plans);
        let refused = plans.refused_logins > 0;
        plans.refused_logins = plans.refused_logins.saturating_sub(1);
        refused
    }

    pub(crate) fn invisible_federations(&self) -> u32 {
        hold(&self.plans).invisible_federations
    }
}
