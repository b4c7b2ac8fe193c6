//! Sessions that are kept and shared: a few for each server, however many databases and resources there are.
//!
//! Knows neither tokens nor how to connect: who asks brings that along, and it is used only when no
//! session is idle. An open session outlives its token.

use crate::retry::{Interrupted, Patience, within};
use crate::sql::error::Error;
use crate::sql::session::Session;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Sessions that may be used for one another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The server's own name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who is logged in.
    pub user: String,
    /// The database.
    pub database: String,
}

/// Open sessions, in use and idle; clones share them.
///
/// Who holds a session of a server and waits for a second one may wait for somebody who does the same:
/// give one back before asking for another.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    limit: usize,
    longest_idle: Duration,
    servers: Mutex<HashMap<(String, u16), Arc<Server>>>,
}

/// The sessions of one server.
struct Server {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    key: Key,
    session: Session,
    since: Instant,
}

/// Azure's load balancers forget a silent connection after four minutes.
const LONGEST_IDLE: Duration = Duration::from_secs(180);

impl Default for Pool {
    /// Four sessions for each server: what a small server can spare.
    fn default() -> Pool {
        Pool::new(4)
    }
}

impl Pool {
    /// At most `limit` sessions for each server, idle ones included.
    #[must_use]
    pub fn new(limit: usize) -> Pool {
        Pool::keeping(limit, LONGEST_IDLE)
    }

    fn keeping(limit: usize, longest_idle: Duration) -> Pool {
        Pool(Arc::new(Shared {
            limit: limit.max(1),
            longest_idle,
            servers: Mutex::default(),
        }))
    }

    /// Gives an idle session, or connects; waits while all of the server's sessions are in use, as long as the patience lasts.
    ///
    /// # Errors
    /// Of the connecting; and [`Interrupted`] when no session became free.
    pub async fn session<F, E>(&self, key: Key, patience: &Patience, connect: impl FnOnce() -> F) -> Result<Pooled, E>
    where
        F: Future<Output = Result<Session, Error>>,
        E: From<Error> + From<Interrupted>,
    {
        let server = self.server(&key);
        let what = format!("a free session with {}", key.host);
        let permit = within(patience, what, "all are in use", server.permits.clone().acquire_owned()).await?;
        let permit = permit.expect("the semaphore is never closed");
        let session = match server.take(&key, &self.0) {
            Some(session) => session,
            None => connect().await?,
        };
        Ok(Pooled {
            session: Some(session),
            key,
            server,
            _permit: permit,
        })
    }

    /// Ends the idle sessions of a server: after it was restarted, or when another login is wanted.
    pub fn forget(&self, host: &str, port: u16) {
        let server = locked(&self.0.servers).get(&(host.to_owned(), port)).cloned();
        if let Some(server) = server {
            locked(&server.idle).clear();
        }
    }

    fn server(&self, key: &Key) -> Arc<Server> {
        let mut servers = locked(&self.0.servers);
        let server = servers.entry((key.host.clone(), key.port)).or_insert_with(|| {
            let permits = Arc::new(Semaphore::new(self.0.limit));
            Arc::new(Server {
                permits,
                idle: Mutex::default(),
            })
        });
        server.clone()
    }
}

impl Server {
    /// Takes an idle session of this key. Otherwise makes room for a new one: the server counts idle ones too.
    fn take(&self, key: &Key, shared: &Shared) -> Option<Session> {
        let mut idle = locked(&self.idle);
        idle.retain(|idle| idle.session.is_usable() && idle.since.elapsed() < shared.longest_idle);
        if let Some(index) = idle.iter().rposition(|idle| idle.key == *key) {
            return Some(idle.remove(index).session);
        }
        let in_use = shared.limit - self.permits.available_permits();
        while !idle.is_empty() && idle.len() + in_use > shared.limit {
            idle.remove(0);
        }
        None
    }
}

/// A session out of the pool; dropped, it goes back, unless it is broken.
pub struct Pooled {
    session: Option<Session>,
    key: Key,
    server: Arc<Server>,
    /// Given back last, when the session is idle already.
    _permit: OwnedSemaphorePermit,
}

impl Deref for Pooled {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("taken only by drop")
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect("taken only by drop")
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(session) = self.session.take().filter(Session::is_usable) {
            let idle = Idle {
                key: self.key.clone(),
                session,
                since: Instant::now(),
            };
            locked(&self.server.idle).push(idle);
        }
    }
}

/// A panic elsewhere leaves a list that is still a list.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::{Backoff, StopSignal};
    use crate::sql::recorder::Recorder;
    use futures_util::FutureExt;
    use std::cell::Cell;

    /// Why there is no session.
    #[derive(Debug)]
    enum Without {
        Failed,
        Interrupted(Interrupted),
    }

    impl From<Error> for Without {
        fn from(_: Error) -> Self {
            Without::Failed
        }
    }

    impl From<Interrupted> for Without {
        fn from(interrupted: Interrupted) -> Self {
            Without::Interrupted(interrupted)
        }
    }

    fn patience() -> Patience {
        Patience::new(Duration::from_secs(30), Backoff::REQUEST, StopSignal::new())
    }

    fn key(database: &str) -> Key {
        Key {
            host: "h".into(),
            port: 5432,
            user: "u".into(),
            database: database.into(),
        }
    }

    async fn take(pool: &Pool, database: &str, connects: &Cell<u32>) -> Pooled {
        let connect = async || {
            connects.set(connects.get() + 1);
            Ok(Session::recorded(Recorder::default()))
        };
        let session: Result<_, Without> = pool.session(key(database), &patience(), connect).await;
        session.unwrap()
    }

    fn idle(pool: &Pool) -> Vec<String> {
        locked(&pool.server(&key("")).idle)
            .iter()
            .map(|idle| idle.key.database.clone())
            .collect()
    }

    #[tokio::test]
    async fn a_session_is_used_again() {
        let (pool, connects) = (Pool::default(), Cell::new(0));
        for _ in 0..100 {
            take(&pool, "a", &connects).await;
        }
        assert_eq!(connects.get(), 1);
    }

    #[tokio::test]
    async fn no_server_has_more_sessions_than_allowed() {
        let (pool, connects) = (Pool::new(2), Cell::new(0));
        let (first, second) = (take(&pool, "a", &connects).await, take(&pool, "b", &connects).await);
        assert!(take(&pool, "c", &connects).now_or_never().is_none(), "two are in use");
        drop((first, second));
        assert_eq!(idle(&pool), ["a", "b"]);
        let _third = take(&pool, "c", &connects).await;
        assert_eq!(idle(&pool), ["b"], "the one that was idle longest made room");
        assert_eq!(connects.get(), 3);
    }

    #[tokio::test]
    async fn a_session_that_was_silent_too_long_is_not_trusted() {
        let (pool, connects) = (Pool::keeping(4, Duration::ZERO), Cell::new(0));
        take(&pool, "a", &connects).await;
        take(&pool, "a", &connects).await;
        assert_eq!(connects.get(), 2);
    }

    #[tokio::test]
    async fn a_forgotten_server_is_connected_anew() {
        let (pool, connects) = (Pool::default(), Cell::new(0));
        take(&pool, "a", &connects).await;
        pool.forget("h", 5432);
        take(&pool, "a", &connects).await;
        assert_eq!(connects.get(), 2);
    }

    #[tokio::test]
    async fn a_failed_connect_gives_its_place_back() {
        let (pool, connects) = (Pool::new(1), Cell::new(0));
        let failing = async || Err(Error::new(crate::sql::error::Kind::ServerStarting, "starting"));
        let failed: Result<_, Without> = pool.session(key("a"), &patience(), failing).await;
        assert!(matches!(failed, Err(Without::Failed)));
        take(&pool, "a", &connects).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_free_session_ends_at_the_deadline_and_at_a_stop() {
        let (pool, connects) = (Pool::new(1), Cell::new(0));
        let _held = take(&pool, "a", &connects).await;
        let begin = Instant::now();
        let connect = async || Ok(Session::recorded(Recorder::default()));
        let without: Result<_, Without> = pool.session(key("a"), &patience(), connect).await;
        assert!(matches!(
            without,
            Err(Without::Interrupted(Interrupted::TimedOut { .. }))
        ));
        assert_eq!(begin.elapsed().as_secs(), 30);
        let stopped = patience();
        stopped.stop.stop();
        let without: Result<_, Without> = pool.session(key("a"), &stopped, connect).await;
        assert!(matches!(
            without,
            Err(Without::Interrupted(Interrupted::Stopped { .. }))
        ));
        assert_eq!(begin.elapsed().as_secs(), 30);
    }
}
