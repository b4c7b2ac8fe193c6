//! What was read a moment ago, shared by all who ask: loaded once, forgotten after a few seconds or at a write. A failure that would only repeat
//! itself is shared too, so that a thousand resources do not wait for a dead server in turn.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::retry::{Interrupted, Patience};

/// How long a snapshot is good for: about as long as a refresh of many resources takes.
const LIFE: Duration = Duration::from_secs(10);
/// How long a failure stands for those who come after it: as long as for a sign-in.
const FAILURE_LIFE: Duration = Duration::from_secs(15);
/// Who has so little more time than another has just as much.
const MOMENT: Duration = Duration::from_secs(1);

/// Snapshots by key.
#[derive(Debug)]
pub struct Snapshots<K, V, E>(Mutex<HashMap<K, Entry<V, E>>>);

/// One snapshot, or the way to it.
#[derive(Debug)]
struct Entry<V, E> {
    begun: Instant,
    cell: Arc<OnceCell<Loaded<V, E>>>,
}

type Loaded<V, E> = Result<Arc<V>, Failed<E>>;

#[derive(Debug)]
struct Failed<E> {
    error: E,
    at: Instant,
    /// How long the loading took.
    waited: Duration,
}

/// A failure that may be shared.
pub trait Shared: Clone + From<Interrupted> {
    /// Whether who asks a moment later would only fail in the same way, after the same wait.
    fn lasts(&self) -> bool;
    /// Whether it only says that who loaded gave up: its time had passed, or it was stopped.
    fn gave_up(&self) -> bool;
}

impl<K, V, E> Default for Snapshots<K, V, E> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash + Clone, V, E: Shared> Snapshots<K, V, E> {
    /// The snapshot; loaded by the first who asks, while the others wait for it, each no longer than its patience. Who loads and gives up fails
    /// alone: the next one who has more time loads. `what` names it, as a fragment.
    ///
    /// # Errors
    /// Of the loading, for all who waited for it; and [`Interrupted`].
    pub async fn get<F: Future<Output = Result<V, E>>>(
        &self,
        key: &K,
        patience: &Patience,
        what: &str,
        load: impl Fn() -> F,
    ) -> Result<Arc<V>, E> {
        loop {
            let cell = self.cell(key);
            let leads = AtomicBool::new(false);
            let loaded = cell.get_or_init(|| async {
                leads.store(true, Ordering::Relaxed);
                let begun = Instant::now();
                load().await.map(Arc::new).map_err(|error| Failed {
                    error,
                    at: Instant::now(),
                    waited: begun.elapsed(),
                })
            });
            tokio::pin!(loaded);
            let loaded = tokio::select! {
                biased;
                loaded = &mut loaded => loaded,
                interrupted = patience.interrupted(what, "another resource is at it") => {
                    // Who loads knows its own patience, and a better reason.
                    if !leads.load(Ordering::Relaxed) {
                        return Err(interrupted.into());
                    }
                    loaded.await
                }
            };
            match loaded {
                Ok(value) => return Ok(value.clone()),
                Err(failed) if leads.load(Ordering::Relaxed) || failed.stands_for(patience) => {
                    return Err(failed.error.clone());
                }
                Err(_) => self.entries().retain(|_, entry| !Arc::ptr_eq(&entry.cell, &cell)),
            }
        }
    }

    fn cell(&self, key: &K) -> Arc<OnceCell<Loaded<V, E>>> {
        let mut entries = self.entries();
        entries.retain(|_, entry| entry.is_good());
        let entry = entries.entry(key.clone()).or_insert_with(|| Entry {
            begun: Instant::now(),
            cell: Arc::default(),
        });
        entry.cell.clone()
    }

    /// Forgets all whose key matches: something there was changed.
    pub fn forget(&self, matches: impl Fn(&K) -> bool) {
        self.entries().retain(|key, _| !matches(key));
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, Entry<V, E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Shared> Failed<E> {
    /// Whether it is a failure of everybody with this patience. Who has more time than another who gave up may see the end of it.
    fn stands_for(&self, patience: &Patience) -> bool {
        !self.error.gave_up() || patience.left() <= self.waited + MOMENT
    }

    fn is_good(&self) -> bool {
        (self.error.lasts() || self.error.gave_up()) && self.at.elapsed() < FAILURE_LIFE
    }
}

impl<V, E: Shared> Entry<V, E> {
    fn is_good(&self) -> bool {
        match self.cell.get() {
            // Somebody is at it; whoever comes waits for the same.
            None => true,
            Some(Ok(_)) => self.begun.elapsed() < LIFE,
            Some(Err(failed)) => failed.is_good(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::retry::{Backoff, StopSignal, within};

    #[derive(Clone, Debug, PartialEq)]
    enum Failure {
        Dead,
        Passing,
        Interrupted(Interrupted),
    }

    impl From<Interrupted> for Failure {
        fn from(interrupted: Interrupted) -> Self {
            Failure::Interrupted(interrupted)
        }
    }

    impl Shared for Failure {
        fn lasts(&self) -> bool {
            *self == Failure::Dead
        }

        fn gave_up(&self) -> bool {
            matches!(self, Failure::Interrupted(_))
        }
    }

    fn patience(seconds: u64) -> Patience {
        Patience::new(Duration::from_secs(seconds), Backoff::REQUEST, StopSignal::new())
    }

    /// Lets time go by, on the test's clock.
    async fn pass(time: Duration) {
        Patience::new(time, Backoff::REQUEST, StopSignal::new())
            .interrupted("time", "it passes")
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_loaded_once_until_it_is_old_or_forgotten() {
        let snapshots = Snapshots::<&str, usize, Failure>::default();
        let (loads, patience) = (AtomicUsize::new(0), patience(60));
        let load = || async { Ok(loads.fetch_add(1, Ordering::SeqCst)) };
        let get = || snapshots.get(&"a", &patience, "the roles", load);
        let (one, other) = tokio::join!(get(), get());
        assert_eq!((one, other), (Ok(Arc::new(0)), Ok(Arc::new(0))));
        tokio::time::advance(LIFE).await;
        assert_eq!(get().await, Ok(Arc::new(1)));
        snapshots.forget(|key| *key == "a");
        assert_eq!(get().await, Ok(Arc::new(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_dead_is_waited_for_once_however_many_ask() {
        let snapshots = Snapshots::<&str, usize, Failure>::default();
        let (loads, patience) = (AtomicUsize::new(0), patience(600));
        let load = || async {
            loads.fetch_add(1, Ordering::SeqCst);
            pass(Duration::from_secs(60)).await;
            Err(Failure::Dead)
        };
        let get = || snapshots.get(&"a", &patience, "the roles", load);
        let begin = Instant::now();
        let early = futures_util::future::join_all((0..20).map(|_| get()));
        let late = async {
            pass(LIFE * 2).await;
            get().await
        };
        let (early, late) = tokio::join!(early, late);
        for answer in early.into_iter().chain([late, get().await]) {
            assert_eq!(answer, Err(Failure::Dead));
        }
        assert_eq!((loads.load(Ordering::SeqCst), begin.elapsed().as_secs()), (1, 60));
        tokio::time::advance(FAILURE_LIFE).await;
        assert_eq!(get().await, Err(Failure::Dead));
        assert_eq!(loads.load(Ordering::SeqCst), 2, "it may be back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_may_pass_is_not_kept() {
        let snapshots = Snapshots::<&str, usize, Failure>::default();
        let patience = patience(60);
        let failing = || async { Err(Failure::Passing) };
        assert_eq!(
            snapshots.get(&"a", &patience, "x", failing).await,
            Err(Failure::Passing)
        );
        let working = || async { Ok(1) };
        assert_eq!(snapshots.get(&"a", &patience, "x", working).await, Ok(Arc::new(1)));
    }

    /// Loads for as long as it has the patience.
    async fn loading(loads: &AtomicUsize, time: Duration, patience: &Patience) -> Result<usize, Failure> {
        let count = loads.fetch_add(1, Ordering::SeqCst);
        within(patience, "the server", "it is slow", pass(time)).await?;
        Ok(count)
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_little_time_or_is_stopped_fails_alone() {
        for hurried in [patience(5), patience(600)] {
            let snapshots = Snapshots::<&str, usize, Failure>::default();
            let loads = AtomicUsize::new(0);
            let get = async |after: u64, patience: &Patience| {
                pass(Duration::from_secs(after)).await;
                let load = || loading(&loads, Duration::from_secs(60), patience);
                snapshots.get(&"a", patience, "the roles", load).await
            };
            let stop = async {
                pass(Duration::from_secs(7)).await;
                hurried.stop.stop();
            };
            let (waiting, late) = (patience(600), patience(600));
            let (ended, waiting, late, ()) = tokio::join!(get(0, &hurried), get(1, &waiting), get(8, &late), stop);
            assert!(matches!(ended, Err(Failure::Interrupted(_))), "{ended:?}");
            assert_eq!((waiting, late), (Ok(Arc::new(1)), Ok(Arc::new(1))));
            assert_eq!(loads.load(Ordering::SeqCst), 2, "once more, by who waited for it");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_as_little_time_does_not_wait_for_the_same_again() {
        let snapshots = Snapshots::<&str, usize, Failure>::default();
        let loads = AtomicUsize::new(0);
        let get = async || {
            let patience = patience(60);
            let load = || loading(&loads, Duration::from_secs(600), &patience);
            snapshots.get(&"a", &patience, "the roles", load).await
        };
        let begin = Instant::now();
        let waited = futures_util::future::join_all((0..20).map(|_| get())).await;
        for answer in waited.into_iter().chain([get().await]) {
            assert!(matches!(answer, Err(Failure::Interrupted(_))), "{answer:?}");
        }
        assert_eq!((loads.load(Ordering::SeqCst), begin.elapsed().as_secs()), (1, 60));
        tokio::time::advance(FAILURE_LIFE).await;
        assert!(get().await.is_err());
        assert_eq!(loads.load(Ordering::SeqCst), 2, "it may be faster by now");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_another_sees_its_own_deadline_and_the_stop_signal() {
        let snapshots = Snapshots::<&str, usize, Failure>::default();
        let load = || async {
            pass(Duration::from_secs(60)).await;
            Ok(1)
        };
        let (long, short, stopped) = (patience(600), patience(5), patience(600));
        let wait = async |patience: &Patience| {
            let begin = Instant::now();
            let answer = snapshots.get(&"a", patience, "the roles", load).await;
            (answer, begin.elapsed().as_secs())
        };
        let stop = async {
            pass(Duration::from_secs(7)).await;
            stopped.stop.stop();
        };
        let (leader, (short, after), (stopped, at), ()) = tokio::join!(wait(&long), wait(&short), wait(&stopped), stop);
        assert_eq!(leader, (Ok(Arc::new(1)), 60));
        assert!(matches!(short, Err(Failure::Interrupted(Interrupted::TimedOut { .. }))));
        assert!(matches!(
            stopped,
            Err(Failure::Interrupted(Interrupted::Stopped { .. }))
        ));
        assert_eq!((after, at), (5, 7));
    }
}
