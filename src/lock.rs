//! One writer at a time for each key. It does not know what the keys stand for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Map = HashMap<String, Arc<AsyncMutex<()>>>;

/// Locks by key; a clone shares them. A key takes memory only while somebody holds or awaits it.
#[derive(Debug, Clone, Default)]
pub struct Locks(Arc<Mutex<Map>>);

/// The key is ours until this is dropped.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct Held {
    // The order matters: the lock is given back before the claim is withdrawn.
    _guard: OwnedMutexGuard<()>,
    _claim: Claim,
}

/// Somebody holds or awaits the key; the last one to go removes it from the map.
#[derive(Debug)]
struct Claim {
    key: String,
    lock: Arc<AsyncMutex<()>>,
    locks: Locks,
}

impl Locks {
    /// Waits for the key, in the order of asking. Dropping the future withdraws the claim.
    pub async fn hold(&self, key: impl Into<String>) -> Held {
        let claim = self.claim(key.into());
        let guard = claim.lock.clone().lock_owned().await;
        Held {
            _guard: guard,
            _claim: claim,
        }
    }

    fn claim(&self, key: String) -> Claim {
        let lock = self.map().entry(key.clone()).or_default().clone();
        Claim {
            key,
            lock,
            locks: self.clone(),
        }
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        // Nothing can panic half-way through a change of the map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut map = self.locks.map();
        // New claims are made under the same mutex, so the count is exact: the map's and ours.
        if Arc::strong_count(&self.lock) == 2 {
            map.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn one_key_has_one_holder_and_other_keys_are_free() {
        let locks = Locks::default();
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (locks, inside) = (locks.clone(), inside.clone());
                tokio::spawn(async move {
                    let _held = locks.hold("server").await;
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        let _other = locks.hold("another server").await;
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(locks.map().len(), 1);
    }

    #[tokio::test]
    async fn nothing_is_left_behind_also_when_a_waiter_gives_up() {
        let locks = Locks::default();
        let held = locks.hold("server").await;
        let waiter = tokio::spawn({
            let locks = locks.clone();
            async move { drop(locks.hold("server").await) }
        });
        tokio::task::yield_now().await;
        drop(held);
        waiter.abort();
        let _ = waiter.await;
        assert!(locks.map().is_empty());
    }
}
