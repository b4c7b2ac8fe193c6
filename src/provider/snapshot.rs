//! What was read a moment ago, shared by all who ask: loaded once, forgotten after a few seconds or at a write.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long a snapshot is good for: about as long as a refresh of many resources takes.
const LIFE: Duration = Duration::from_secs(10);

/// Snapshots by key.
#[derive(Debug)]
pub struct Snapshots<K, V>(Mutex<HashMap<K, Entry<V>>>);

type Entry<V> = (Instant, Arc<OnceCell<Arc<V>>>);

impl<K, V> Default for Snapshots<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash + Clone, V> Snapshots<K, V> {
    /// The snapshot; loaded by the first who asks, while the others wait for it.
    ///
    /// # Errors
    /// When loading failed; nothing is kept then.
    pub async fn get<E, F: Future<Output = Result<V, E>>>(
        &self,
        key: &K,
        load: impl FnOnce() -> F,
    ) -> Result<Arc<V>, E> {
        let cell = self.cell(key);
        cell.get_or_try_init(|| async { load().await.map(Arc::new) })
            .await
            .cloned()
    }

    fn cell(&self, key: &K) -> Arc<OnceCell<Arc<V>>> {
        let now = Instant::now();
        let mut entries = self.entries();
        entries.retain(|_, (since, _)| now.duration_since(*since) < LIFE);
        entries
            .entry(key.clone())
            .or_insert_with(|| (now, Arc::default()))
            .1
            .clone()
    }

    /// Forgets all whose key matches: something there was changed.
    pub fn forget(&self, matches: impl Fn(&K) -> bool) {
        self.entries().retain(|key, _| !matches(key));
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_loaded_once_until_it_is_old_or_forgotten() {
        let snapshots = Snapshots::<&str, usize>::default();
        let loads = AtomicUsize::new(0);
        let load = || async { Ok::<_, ()>(loads.fetch_add(1, Ordering::SeqCst)) };
        let (one, other) = tokio::join!(snapshots.get(&"a", load), snapshots.get(&"a", load));
        assert_eq!((one, other), (Ok(Arc::new(0)), Ok(Arc::new(0))));
        tokio::time::advance(LIFE).await;
        assert_eq!(snapshots.get(&"a", load).await, Ok(Arc::new(1)));
        snapshots.forget(|key| *key == "a");
        assert_eq!(snapshots.get(&"a", load).await, Ok(Arc::new(2)));
    }
}
