use crate::retry::*;

const SECOND: Duration = Duration::from_secs(1);

fn patience(limit: u64) -> Patience {
    let backoff = Backoff::new(SECOND, 5 * SECOND).unwrap().without_jitter();
    Patience::new(Duration::from_secs(limit), backoff, StopSignal::new())
}

/// Runs a wait whose attempts never succeed; gives the seconds at which each was made, and the end.
async fn attempts(patience: &Patience, after: Option<Duration>) -> (Vec<u64>, Interrupted) {
    let begin = Instant::now();
    let mut at = Vec::new();
    let end = until(patience, "the server", || {
        at.push(begin.elapsed().as_secs());
        async move {
            Ok::<_, Interrupted>(Attempt::<()>::Again {
                because: "it is Updating".to_owned(),
                after,
            })
        }
    })
    .await;
    (at, end.unwrap_err())
}

#[tokio::test(start_paused = true)]
async fn delays_double_up_to_the_longest_and_the_last_attempt_is_at_the_deadline() {
    let (at, end) = attempts(&patience(20), None).await;
    assert_eq!(at, [0, 1, 3, 7, 12, 17, 20]);
    assert_eq!(end.to_string(), "waited 20 seconds for the server: it is Updating");
}

#[tokio::test(start_paused = true)]
async fn the_longer_delay_wins() {
    let (at, _) = attempts(&patience(16), Some(3 * SECOND)).await;
    assert_eq!(at, [0, 3, 6, 10, 15]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_more_than_is_left_ends_the_wait_at_once() {
    let (at, end) = attempts(&patience(10), Some(60 * SECOND)).await;
    assert_eq!(at, [0]);
    assert_eq!(
        end.to_string(),
        "waited 0 seconds for the server: it is Updating; the next attempt may only be made in 60 seconds, \
         which is after the deadline"
    );
}

#[tokio::test(start_paused = true)]
async fn stop_ends_the_sleep_and_not_the_first_attempt() {
    let patience = patience(1000);
    let signal = patience.stop.clone();
    let waiting = tokio::spawn(async move { attempts(&patience, Some(100 * SECOND)).await });
    tokio::time::advance(10 * SECOND).await;
    signal.stop();
    let (at, end) = waiting.await.unwrap();
    assert_eq!(at.len(), 1);
    assert_eq!(end.to_string(), "stopped while waiting for the server: it is Updating");
}

#[tokio::test(start_paused = true)]
async fn an_error_and_a_success_end_the_loop() {
    let failed: Result<(), Interrupted> = until(&patience(9), "x", || async {
        Err(Interrupted::Stopped {
            what: "y".into(),
            because: "z".into(),
        })
    })
    .await;
    assert!(failed.is_err());
    let mut left = 3;
    let done: Result<u8, Interrupted> = until(&patience(9), "x", || {
        left -= 1;
        let done = left == 0;
        async move {
            Ok(if done {
                Attempt::Done(7)
            } else {
                Attempt::again("not yet")
            })
        }
    })
    .await;
    assert_eq!(done, Ok(7));
}

#[test]
fn bounds_are_validated_and_jitter_stays_between_half_and_whole() {
    assert_eq!(Backoff::new(Duration::ZERO, SECOND), Err(InvalidBackoff::Zero));
    assert_eq!(Backoff::new(2 * SECOND, SECOND), Err(InvalidBackoff::Reversed));
    let backoff = Backoff::new(SECOND, 8 * SECOND).unwrap();
    for attempt in 0..100 {
        let full = backoff.without_jitter().delay(attempt);
        let delay = backoff.delay(attempt);
        assert!(delay >= full / 2 && delay <= full, "{attempt}: {delay:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn patience_can_only_be_shortened() {
    let patience = patience(30);
    assert_eq!(patience.at_most(10 * SECOND).left(), 10 * SECOND);
    assert_eq!(patience.at_most(90 * SECOND).left(), 30 * SECOND);
}
