//! The only loop that sleeps: waits with a deadline, a reason and a stop signal. It does not know what is waited for.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// What one attempt came to.
#[derive(Debug)]
pub enum Attempt<T> {
    /// The wait is over.
    Done(T),
    /// Another attempt may succeed.
    Again {
        /// Why this attempt did not succeed, as a fragment: "the server is Updating".
        because: String,
        /// How long the other side asks us to wait.
        after: Option<Duration>,
    },
}

impl<T> Attempt<T> {
    /// Another attempt after our own delay.
    pub fn again(because: impl Into<String>) -> Attempt<T> {
        Attempt::Again {
            because: because.into(),
            after: None,
        }
    }
}

/// How the delay between attempts grows: doubled each time, between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    jitter: bool,
}

/// The bounds of a [`Backoff`] contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBackoff {
    /// A loop without a delay would be a busy loop.
    #[error("the first delay is zero")]
    Zero,
    /// The delay can only grow.
    #[error("the longest delay is shorter than the first")]
    Reversed,
}

impl Backoff {
    /// For a request that was throttled or lost: 0.8 seconds to one minute.
    pub const REQUEST: Backoff = Backoff::checked(Duration::from_millis(800), Duration::from_secs(60));
    /// For a session or a lock in a database, which others give back within moments: a quarter of a second to 10 seconds.
    pub const DATABASE: Backoff = Backoff::checked(Duration::from_millis(250), Duration::from_secs(10));
    /// For an operation that takes seconds to minutes: 2 to 30 seconds.
    pub const OPERATION: Backoff = Backoff::checked(Duration::from_secs(2), Duration::from_secs(30));
    /// For something that becomes visible after a while: 3 to 10 seconds.
    pub const PROPAGATION: Backoff = Backoff::checked(Duration::from_secs(3), Duration::from_secs(10));

    /// Delays from `first` to `longest`, with jitter.
    pub const fn new(first: Duration, longest: Duration) -> Result<Backoff, InvalidBackoff> {
        if first.is_zero() {
            return Err(InvalidBackoff::Zero);
        }
        if longest.as_nanos() < first.as_nanos() {
            return Err(InvalidBackoff::Reversed);
        }
        Ok(Backoff {
            first,
            longest,
            jitter: true,
        })
    }

    /// For constants: wrong bounds do not compile.
    const fn checked(first: Duration, longest: Duration) -> Backoff {
        match Backoff::new(first, longest) {
            Ok(backoff) => backoff,
            Err(_) => panic!("the bounds of a constant backoff contradict each other"),
        }
    }

    /// The same delays, always in full: for tests that check them.
    #[must_use]
    pub const fn without_jitter(self) -> Backoff {
        Backoff { jitter: false, ..self }
    }

    /// The delay after the attempt with this number, counted from zero.
    fn delay(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.min(31));
        let full = self.first.saturating_mul(factor).min(self.longest);
        if !self.jitter {
            return full;
        }
        // Between half and the whole, so that those who failed together do not come back together.
        full.mul_f64(0.5 + 0.5 * random_fraction())
    }
}

/// A number in `0.0..1.0`; good enough to spread retries, and for nothing else.
fn random_fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

/// Says that the person wants us to end: waiting ends, work in hand is finished.
#[derive(Clone)]
pub struct StopSignal(Arc<watch::Sender<bool>>);

impl StopSignal {
    /// A signal that has not been given yet.
    pub fn new() -> StopSignal {
        StopSignal(Arc::new(watch::Sender::new(false)))
    }

    /// Gives the signal to every clone, for good.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether the signal was given.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the signal is given.
    pub async fn stopped(&self) {
        let mut receiver = self.0.subscribe();
        receiver
            .wait_for(|stopped| *stopped)
            .await
            .expect("the sender is alive: it is a field of self");
    }
}

impl Default for StopSignal {
    fn default() -> Self {
        StopSignal::new()
    }
}

impl fmt::Debug for StopSignal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("StopSignal").field(&self.is_stopped()).finish()
    }
}

/// How long to wait, with which delays, and what ends it early.
#[derive(Debug, Clone)]
pub struct Patience {
    /// The delays between attempts.
    pub backoff: Backoff,
    /// No attempt begins after this.
    pub deadline: Instant,
    /// Ends the waiting, never an attempt in hand.
    pub stop: StopSignal,
}

impl Patience {
    /// Patience for `limit` from now.
    pub fn new(limit: Duration, backoff: Backoff, stop: StopSignal) -> Patience {
        Patience {
            backoff,
            deadline: deadline_after(limit),
            stop,
        }
    }

    /// The same patience with other delays.
    #[must_use]
    pub fn with_backoff(&self, backoff: Backoff) -> Patience {
        Patience {
            backoff,
            ..self.clone()
        }
    }

    /// The same patience, for at most `limit` from now.
    #[must_use]
    pub fn at_most(&self, limit: Duration) -> Patience {
        Patience {
            deadline: self.deadline.min(deadline_after(limit)),
            ..self.clone()
        }
    }

    /// Returns at the deadline, or when the stop signal is given; says which.
    pub async fn interrupted(&self, what: impl fmt::Display, because: impl fmt::Display) -> Interrupted {
        let begin = Instant::now();
        let stopped = tokio::time::timeout_at(self.deadline, self.stop.stopped()).await;
        let (what, because) = (what.to_string(), because.to_string());
        match stopped {
            Ok(()) => Interrupted::Stopped { what, because },
            Err(_) => Interrupted::TimedOut {
                what,
                because,
                waited: begin.elapsed(),
                asked: None,
            },
        }
    }

    /// Whether nothing more is to be begun: the deadline has passed, or the stop signal was given.
    pub fn is_over(&self) -> bool {
        self.stop.is_stopped() || self.left().is_zero()
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Waits for something that others must finish first. What is ready is taken also at the last moment.
///
/// # Errors
/// The deadline, or the stop signal, came first.
pub async fn within<T>(
    patience: &Patience,
    what: impl fmt::Display,
    because: impl fmt::Display,
    ready: impl Future<Output = T>,
) -> Result<T, Interrupted> {
    tokio::select! {
        biased;
        value = ready => Ok(value),
        interrupted = patience.interrupted(what, because) => Err(interrupted),
    }
}

/// A limit beyond what the clock can hold is as good as a century.
fn deadline_after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit)
        .unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 86_400))
}

/// Why a wait ended without success; carries the last reason that an attempt gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupted {
    /// The deadline passed, or would pass before the other side takes another attempt.
    TimedOut {
        /// What was waited for.
        what: String,
        /// Why the last attempt did not succeed.
        because: String,
        /// How long the wait was.
        waited: Duration,
        /// The delay that the other side asked for, when it is longer than what was left.
        asked: Option<Duration>,
    },
    /// The stop signal was given.
    Stopped {
        /// What was waited for.
        what: String,
        /// Why the last attempt did not succeed.
        because: String,
    },
}

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interrupted::TimedOut {
                what,
                because,
                waited,
                asked: None,
            } => {
                write!(formatter, "waited {} seconds for {what}: {because}", waited.as_secs())
            }
            Interrupted::TimedOut {
                what,
                because,
                waited,
                asked: Some(asked),
            } => write!(
                formatter,
                "waited {} seconds for {what}: {because}; the next attempt may only be made in {} seconds, \
                 which is after the deadline",
                waited.as_secs(),
                asked.as_secs()
            ),
            Interrupted::Stopped { what, because } => {
                write!(formatter, "stopped while waiting for {what}: {because}")
            }
        }
    }
}

impl std::error::Error for Interrupted {}

/// Attempts until one is done, fails, the deadline passes or the stop signal is given.
///
/// `what` names the thing waited for, as a fragment. Between attempts the longer of our delay and
/// the other side's is slept; when the deadline comes before our own delay is over, one last
/// attempt is made at the deadline. The first attempt is always made.
pub async fn until<T, E, F>(
    patience: &Patience,
    what: impl fmt::Display,
    mut attempt: impl FnMut() -> F,
) -> Result<T, E>
where
    E: From<Interrupted>,
    F: Future<Output = Result<Attempt<T>, E>>,
{
    let begin = Instant::now();
    let mut count = 0;
    loop {
        let (because, after) = match attempt().await? {
            Attempt::Done(value) => return Ok(value),
            Attempt::Again { because, after } => (because, after),
        };
        let stopped = |because| Interrupted::Stopped {
            what: what.to_string(),
            because,
        };
        if patience.stop.is_stopped() {
            return Err(stopped(because).into());
        }
        let left = patience.left();
        let asked = after.filter(|asked| *asked > left);
        if left.is_zero() || asked.is_some() {
            let (what, waited) = (what.to_string(), begin.elapsed());
            return Err(Interrupted::TimedOut {
                what,
                because,
                waited,
                asked,
            }
            .into());
        }
        let delay = patience.backoff.delay(count).max(after.unwrap_or_default()).min(left);
        tracing::info!(%because, seconds = delay.as_secs_f64(), "waiting for {what}: {because}");
        if tokio::time::timeout(delay, patience.stop.stopped()).await.is_ok() {
            return Err(stopped(because).into());
        }
        count += 1;
    }
}

#[cfg(test)]
mod tests;
