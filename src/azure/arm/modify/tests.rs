use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::azure::scripted::{Scripted, patience};

const ID: &str = "/subscriptions/S/resourceGroups/g/providers/P.X/things/t";

/// Adds a word to what the thing has, and gives what became of it, what was asked and how many writes were accepted.
async fn add(answers: &[&str], versioned: bool) -> (Result<Value, Error>, Vec<String>, usize) {
    let server = Scripted::new(answers).await;
    let id: ResourceId = ID.parse().unwrap();
    let change = Change {
        id: &id,
        api_version: "1",
        whole: false,
        versioned,
    };
    let accepted = AtomicUsize::new(0);
    let decide = |resource: &Value| {
        let words = resource["words"].as_str().unwrap_or_default();
        Ok::<_, Error>((!words.contains("ours")).then(|| json!({ "words": format!("{words}+ours") })))
    };
    let count = || {
        accepted.fetch_add(1, Ordering::SeqCst);
    };
    let outcome = server.azure().modify(change, &patience(), decide, count).await;
    let short = |line: String| line.replace(&format!("{ID}?api-version=1"), "t");
    (
        outcome,
        server.asked().into_iter().map(short).collect(),
        accepted.into_inner(),
    )
}

#[tokio::test]
async fn what_is_there_is_not_written() {
    let (outcome, asked, accepted) = add(&["200\n\n{\"words\":\"ours\"}"], false).await;
    assert_eq!(outcome.unwrap()["words"], "ours");
    assert_eq!((asked, accepted), (vec!["GET t".to_owned()], 0));
}

#[tokio::test]
async fn a_write_that_was_overtaken_is_thought_over_before_it_is_sent_again() {
    let answers = [
        "200\n\n{\"words\":\"a\",\"etag\":\"1\"}",
        "412\n\n{\"error\":{\"code\":\"PreconditionFailed\",\"message\":\"no\"}}",
        "200\n\n{\"words\":\"a+b\",\"etag\":\"2\"}",
        "409\n\n{\"error\":{\"code\":\"AnotherOperationInProgress\",\"message\":\"later\"}}",
        "200\n\n{\"words\":\"a+b+c\",\"etag\":\"3\"}",
        "429\nretry-after: 0\n\n{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"later\"}}",
        "200\n\n{\"words\":\"a+b+c\",\"etag\":\"3\"}",
        "200\n\n{}",
        "200\n\n{\"words\":\"a+b+c+ours\"}",
    ];
    let (outcome, asked, accepted) = add(&answers, true).await;
    assert_eq!(outcome.unwrap()["words"], "a+b+c+ours");
    let writes: Vec<&String> = asked.iter().filter(|line| line.starts_with("PATCH")).collect();
    assert_eq!(
        writes,
        [
            "PATCH t {\"words\":\"a+ours\"}",
            "PATCH t {\"words\":\"a+b+ours\"}",
            "PATCH t {\"words\":\"a+b+c+ours\"}",
            "PATCH t {\"words\":\"a+b+c+ours\"}"
        ]
    );
    assert_eq!(accepted, 2, "after 429 nobody knows");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_made_twice() {
    let answers = ["200\n\n{}", "drop", "200\n\n{\"words\":\"ours\"}"];
    let (outcome, asked, _) = add(&answers, true).await;
    outcome.unwrap();
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_may_have_been_accepted() {
    let forbidden = "403\n\n{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}}";
    for (answer, expected) in [("drop", 1), ("503\n\n{}", 1), ("429\n\n{}", 1), (forbidden, 0)] {
        let (outcome, _, accepted) = add(&["200\n\n{}", answer, forbidden], true).await;
        assert_eq!(outcome.unwrap_err().kind(), Kind::Forbidden);
        assert_eq!(accepted, expected, "{answer}");
    }
}

#[tokio::test]
async fn what_another_process_undid_is_put_right() {
    let answers = [
        "200\n\n{}",
        "202\nlocation: {origin}/op\n\n",
        "200\n\n",
        // Not visible at once.
        "200\n\n{}",
        "200\n\n{\"words\":\"ours\"}",
        // The other one decided before it saw ours.
        "200\n\n{\"words\":\"theirs\"}",
        "200\n\n{}",
        "200\n\n{\"words\":\"theirs+ours\"}",
        "200\n\n{\"words\":\"theirs+ours\"}",
    ];
    let (outcome, asked, accepted) = add(&answers, false).await;
    assert_eq!(outcome.unwrap()["words"], "theirs+ours", "{asked:?}");
    assert_eq!(accepted, 2);
}

#[tokio::test]
async fn what_a_policy_takes_back_again_and_again_is_told() {
    let mut answers = vec!["200\n\n{}"];
    for _ in 0..MOST_WRITES {
        answers.extend(["200\n\n{}", "200\n\n{\"words\":\"ours\"}", "200\n\n{}"]);
    }
    let error = add(&answers, false).await.0.unwrap_err();
    assert!(error.message().contains("takes it back"), "{error}");
}

#[tokio::test]
async fn what_does_not_heal_ends_at_once() {
    let answers = [
        "200\n\n{}",
        "403\n\n{\"error\":{\"code\":\"LinkedAuthorizationFailed\",\"message\":\"no\"}}",
    ];
    assert_eq!(add(&answers, false).await.0.unwrap_err().kind(), Kind::Forbidden);
    let answers = ["404\n\n{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"no\"}}"];
    assert_eq!(add(&answers, false).await.0.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn the_version_that_was_seen_is_named() {
    let version = |versioned| async move {
        let server = Scripted::new(&[
            "200\n\n{\"eTag\":\"e-1\"}",
            "200\n\n{}",
            "200\n\n{\"words\":\"ours\"}",
            "200\n\n{\"words\":\"ours\"}",
        ])
        .await;
        let id: ResourceId = ID.parse().unwrap();
        let change = Change {
            id: &id,
            api_version: "1",
            whole: true,
            versioned,
        };
        let decide = |resource: &Value| Ok::<_, Error>(resource["words"].is_null().then(|| json!({})));
        server.azure().modify(change, &patience(), decide, || ()).await.unwrap();
        server.versions()
    };
    assert_eq!(version(true).await, ["e-1"]);
    assert!(version(false).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_the_resource_does_not_know_is_waited_for_five_minutes() {
    let mut progress = Progress::default();
    let mut unknown = || progress.wrote(Err(Error::new(Kind::PrincipalNotFound, "who?")));
    for _ in 0..5 {
        assert!(matches!(unknown(), Ok(Some(Attempt::Again { .. }))));
        tokio::time::advance(Duration::from_secs(59)).await;
    }
    assert!(matches!(unknown(), Ok(Some(Attempt::Again { .. }))));
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(unknown().err().map(|error| error.kind()), Some(Kind::PrincipalNotFound));
}
