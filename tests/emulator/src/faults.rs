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
    /// The request is carried out, and then answered with this status all the same.
    StatusAfterWrite {
        /// 500, 503 …
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

/// How often Azure Resource Manager fails: see [`Faults::stumble`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stumble {
    /// The share of answers that fail, 0 to 100.
    pub percent: u32,
    /// Which ones: the same seed makes the same failures for the same row of requests.
    pub seed: u64,
}

/// A row of random numbers that a seed fixes (SplitMix64).
struct Row {
    percent: u64,
    state: u64,
    writes: usize,
    reads: usize,
}

impl Row {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// How the next answer fails, if it does.
    fn failure(&mut self, writes: bool) -> Option<Failure> {
        if self.next() % 100 >= self.percent {
            return None;
        }
        let before = |status, retry_after| Failure::Status { status, retry_after };
        let after = |status| Failure::StatusAfterWrite {
            status,
            retry_after: None,
        };
        // Azure refuses a throttled request before anything is done, so a 429 never comes after the write.
        let row = match writes {
            true => [
                before(429, Some(0)),
                after(500),
                before(503, None),
                Failure::DropAfterWrite,
                before(429, Some(1)),
                after(503),
                Failure::DropConnection,
                after(500),
            ],
            false => [
                before(429, Some(0)),
                before(500, None),
                before(503, Some(0)),
                Failure::DropConnection,
                before(429, Some(1)),
                before(500, None),
                before(503, None),
                Failure::DropConnection,
            ],
        };
        let count = if writes { &mut self.writes } else { &mut self.reads };
        *count += 1;
        row.into_iter().nth((*count - 1) % 8)
    }
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
    refusal: Option<(&'static str, String)>,
    invisible_federations: u32,
    forbidden_assignments: Vec<String>,
    blocked_sign_ins: Vec<String>,
    /// Lower-case server IDs, and how many more writes find each busy.
    busy: Vec<(String, usize)>,
    stumbling: Option<Row>,
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

    /// From now on this share of Azure Resource Manager's answers fails, polls included: by turns with 429 and
    /// `Retry-After`, 500, 503 and a dropped connection, writes in half of the cases after they took effect. Which
    /// requests fail follows from the seed and their order.
    pub fn stumble(&self, stumble: Stumble) {
        hold(&self.plans).stumbling = Some(Row {
            percent: u64::from(stumble.percent),
            state: stumble.seed,
            writes: 0,
            reads: 0,
        });
    }

    /// Ends [`Faults::stumble`]; gives how many answers failed.
    #[must_use = "a test in which nothing failed has tried nothing"]
    pub fn steady(&self) -> usize {
        let stumbling = hold(&self.plans).stumbling.take();
        stumbling.map_or(0, |row| row.writes + row.reads)
    }

    pub(crate) fn stumbles(&self, method: &Method) -> Option<Failure> {
        let writes = method != Method::GET && method != Method::HEAD;
        hold(&self.plans).stumbling.as_mut()?.failure(writes)
    }

    /// The next `answers` writes on this server, or on anything in it, are refused as its resource provider does while
    /// another operation is under way. Reads are answered.
    pub fn busy(&self, server_id: &str, answers: usize) {
        hold(&self.plans).busy.push((server_id.to_ascii_lowercase(), answers));
    }

    pub(crate) fn keeps_busy(&self, server_id: &str) -> bool {
        let mut plans = hold(&self.plans);
        let mut all = plans.busy.iter_mut();
        let one = all.find(|(id, left)| id == server_id && *left > 0);
        one.map(|(_, left)| *left -= 1).is_some()
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

    /// From now on nobody may assign an identity whose ID contains `identity` (letter case ignored): 403
    /// `LinkedAuthorizationFailed`. [`Faults::clear`] ends it.
    pub fn forbid_assignment(&self, identity: &str) {
        hold(&self.plans)
            .forbidden_assignments
            .push(identity.to_ascii_lowercase());
    }

    /// From now on a Conditional Access policy keeps this application (client ID) from every token: AADSTS53003.
    /// [`Faults::clear`] ends it.
    pub fn block_sign_in(&self, client_id: &str) {
        hold(&self.plans).blocked_sign_ins.push(client_id.to_ascii_lowercase());
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

    /// Every later login is refused with this SQLSTATE and text, until the faults are cleared.
    pub fn refuse_every_login(&self, code: &'static str, text: &str) {
        hold(&self.plans).refusal = Some((code, text.to_owned()));
    }

    pub(crate) fn refusal(&self) -> Option<(&'static str, String)> {
        hold(&self.plans).refusal.clone()
    }

    pub(crate) fn refuses_login(&self) -> bool {
        let mut plans = hold(&self.plans);
        let refused = plans.refused_logins > 0;
        plans.refused_logins = plans.refused_logins.saturating_sub(1);
        refused
    }

    pub(crate) fn blocks_sign_in(&self, client_id: &str) -> bool {
        hold(&self.plans)
            .blocked_sign_ins
            .contains(&client_id.to_ascii_lowercase())
    }

    pub(crate) fn forbids_assignment(&self, identity: &str) -> bool {
        let identity = identity.to_ascii_lowercase();
        let plans = hold(&self.plans);
        plans.forbidden_assignments.iter().any(|part| identity.contains(part))
    }

    pub(crate) fn invisible_federations(&self) -> u32 {
        hold(&self.plans).invisible_federations
    }
}
