//! When the process ends: the host's word, a signal, or a host that is gone. Decides; does not exit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// How often a process without a connection looks whether its host still lives.
const LOOK_FOR_HOST_EVERY: Duration = Duration::from_secs(1);

/// Says once, to all who wait, that the process ends. Clones are the same.
#[derive(Debug, Clone)]
pub struct Ending(Arc<watch::Sender<bool>>);

impl Ending {
    /// Nothing ends yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// The process ends now.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the process ends.
    pub async fn begun(&self) {
        let mut receiver = self.0.subscribe();
        // Cannot fail: the sender is ours.
        let _ = receiver.wait_for(|begun| *begun).await;
    }
}

impl Default for Ending {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts the open connections. A clone counts the same ones.
#[derive(Debug, Default, Clone)]
pub struct Presence(Arc<AtomicUsize>);

impl Presence {
    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Counts one connection until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> Present {
        self.0.fetch_add(1, Ordering::Relaxed);
        Present(Arc::clone(&self.0))
    }
}

/// One open connection.
#[derive(Debug)]
pub struct Present(Arc<AtomicUsize>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until nobody is connected and the process that started this one is gone.
///
/// A killed host says nothing: its connection breaks and its children get a new parent.
pub async fn host_gone(presence: &Presence) {
    let host = parent();
    let mut look = tokio::time::interval(LOOK_FOR_HOST_EVERY);
    loop {
        look.tick().await;
        if presence.is_empty() && parent() != host {
            return;
        }
    }
}

#[cfg(unix)]
fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// Elsewhere nobody can tell: the host's job object ends its children.
#[cfg(not(unix))]
fn parent() -> u32 {
    0
}

/// The signals of this process, caught from the moment this exists.
///
/// Ctrl-C alone ends nothing unless a person started the process: the terminal sends it to host and
/// provider alike, and it is the host that decides.
#[derive(Debug)]
#[cfg(unix)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Catches the signals; needs the runtime.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn catch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for a signal that asks this process to end.
    pub async fn ask_to_end(&mut self, interrupt_counts: bool) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => if interrupt_counts { return },
                _ = self.terminate.recv() => return,
            }
        }
    }
}

/// The signals of this process, caught from the moment this exists.
#[derive(Debug)]
#[cfg(windows)]
pub struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Signals {
    /// Catches the signals; needs the runtime.
    ///
    /// # Errors
    ///
    /// The operating system refuses.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: tokio::signal::windows::ctrl_c()?,
        })
    }

    /// Waits for a signal that asks this process to end.
    pub async fn ask_to_end(&mut self, interrupt_counts: bool) {
        loop {
            self.interrupt.recv().await;
            if interrupt_counts {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_ending_reaches_who_waits_and_who_comes_late() {
        let ending = Ending::new();
        let waiting = tokio::spawn({
            let ending = ending.clone();
            async move { ending.begun().await }
        });
        ending.begin();
        waiting.await.expect("no panic");
        ending.begun().await;
    }

    #[test]
    fn a_connection_counts_until_it_is_dropped() {
        let presence = Presence::default();
        let guard = presence.enter();
        assert!(!presence.is_empty());
        drop(guard);
        assert!(presence.is_empty());
    }
}
