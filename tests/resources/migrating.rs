//! An application that migrates while something is changed beside it, so that both meet. Every statement of it has to succeed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio_postgres::Client;

/// How often each session does its work. It leaves the provider room: who alters tables without a pause keeps everybody waiting.
const EVERY: Duration = Duration::from_millis(40);

/// Does each work again and again, in a session of its own, while something changes `rounds` times beside it. Gives how often work was done.
pub async fn while_changing(rounds: usize, work: Vec<(Client, &str)>, mut change: impl AsyncFnMut(usize)) -> u64 {
    let (over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let changing = async {
        for round in 0..rounds {
            if over.load(Ordering::Relaxed) {
                break;
            }
            change(round).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let working = async |(session, work): (Client, &str)| {
        let mut beats = tokio::time::interval(EVERY);
        while !over.load(Ordering::Relaxed) {
            beats.tick().await;
            if let Err(error) = session.batch_execute(work).await {
                over.store(true, Ordering::Relaxed);
                panic!("the application failed: {error:?} in {work}");
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::join!(changing, join_all(work.into_iter().map(working)));
    done.into_inner()
}
