use crate::azure::token::*;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

const MINUTE: Duration = Duration::from_secs(60);

/// Tokens whose fetches are counted: the n-th is called "n".
struct Counted {
    tokens: Tokens,
    fetches: AtomicUsize,
    life: Duration,
}

impl Counted {
    fn new(life: Duration) -> Arc<Counted> {
        Arc::new(Counted {
            tokens: Tokens::default(),
            fetches: AtomicUsize::new(0),
            life,
        })
    }

    async fn get(&self, fail: bool) -> Result<String, Error> {
        let token = self.tokens.get(Scope::Graph, || async {
            let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            match fail {
                true => Err(Error::new(Kind::SignIn { aadsts: None }, format!("refused {number}"))),
                false => Ok(Token::new(
                    number.to_string().into(),
                    OffsetDateTime::now_utc() + self.life,
                )),
            }
        });
        token.await.map(|token| token.secret.expose_secret().to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_however_many_ask() {
    let counted = Counted::new(60 * MINUTE);
    let asking = (0..20).map(|_| {
        let counted = counted.clone();
        tokio::spawn(async move { counted.get(false).await.unwrap() })
    });
    for task in asking.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), "1");
    }
}

#[tokio::test(start_paused = true)]
async fn one_refusal_is_shared_by_those_in_line_and_tried_again_by_those_who_come_later() {
    let counted = Counted::new(60 * MINUTE);
    let asking = (0..5).map(|_| {
        let counted = counted.clone();
        tokio::spawn(async move { counted.get(true).await.unwrap_err().to_string() })
    });
    for task in asking.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), "refused 1");
    }
    assert_eq!(counted.get(false).await.unwrap_err().to_string(), "refused 1");
    tokio::time::advance(FAILURE_LASTS).await;
    assert_eq!(counted.get(true).await.unwrap_err().to_string(), "refused 2");
    counted.tokens.forgive(Scope::Graph).await;
    assert_eq!(counted.get(false).await.unwrap(), "3");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_five_minutes_before_its_end() {
    let counted = Counted::new(60 * MINUTE);
    assert_eq!(counted.get(false).await.unwrap(), "1");
    tokio::time::advance(54 * MINUTE).await;
    assert_eq!(counted.get(false).await.unwrap(), "1");
    tokio::time::advance(MINUTE).await;
    assert_eq!(counted.get(true).await.unwrap_err().to_string(), "refused 2");
    tokio::time::advance(MINUTE).await;
    assert_eq!(counted.get(false).await.unwrap(), "3");
}

#[tokio::test(start_paused = true)]
async fn a_long_token_is_renewed_at_half_its_life_and_serves_on_when_that_fails() {
    let counted = Counted::new(24 * 60 * MINUTE);
    assert_eq!(counted.get(false).await.unwrap(), "1");
    tokio::time::advance(11 * 60 * MINUTE).await;
    assert_eq!(counted.get(false).await.unwrap(), "1");
    tokio::time::advance(61 * MINUTE).await;
    assert_eq!(counted.get(true).await.unwrap(), "1");
    assert_eq!(counted.get(false).await.unwrap(), "1");
    tokio::time::advance(MINUTE).await;
    assert_eq!(counted.get(false).await.unwrap(), "3");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_forgotten_and_its_successor_is_not() {
    let counted = Counted::new(60 * MINUTE);
    counted.get(false).await.unwrap();
    let first = Token::new("1".into(), OffsetDateTime::now_utc());
    counted.tokens.discard(Scope::Graph, &first).await;
    assert_eq!(counted.get(false).await.unwrap(), "2");
    counted.tokens.discard(Scope::Graph, &first).await;
    assert_eq!(counted.get(false).await.unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_short_token_serves_half_its_life() {
    let counted = Counted::new(4 * MINUTE);
    counted.get(false).await.unwrap();
    tokio::time::advance(MINUTE).await;
    assert_eq!(counted.get(false).await.unwrap(), "1");
    tokio::time::advance(MINUTE).await;
    assert_eq!(counted.get(false).await.unwrap(), "2");
}

#[test]
fn claims_are_read_and_the_token_is_not_printed() {
    let claims = r#"{"oid":"o","appid":"a","tid":"t","xms_mirid":"/subscriptions/S","groups":["g"],"exp":1}"#;
    let jwt = format!("e30.{}.signature", URL_SAFE_NO_PAD.encode(claims));
    let token = Token::new(jwt.into(), OffsetDateTime::UNIX_EPOCH);
    let claims = token.claims().unwrap();
    assert_eq!(claims.client_id(), Some("a"));
    assert_eq!(claims.groups, ["g"]);
    assert!(!claims.is_user());
    assert!(!format!("{token:?}").contains("signature"));
    let user = Claims {
        unique_name: Some("u@x".into()),
        ..Claims::default()
    };
    assert_eq!((user.user_name(), user.is_user()), (Some("u@x"), true));
    for text in ["", "a.b", "a.!.c", "a.e30"] {
        let claims = Token::new(text.into(), OffsetDateTime::UNIX_EPOCH).claims();
        assert_eq!(claims.is_ok(), text == "a.e30", "{text}");
    }
}
