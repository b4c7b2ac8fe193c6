//! Tokens: kept for each scope, renewed in time, fetched once however many ask. It does not know how to sign in.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::azure::cloud::Scope;
use crate::azure::error::{Error, Kind};

/// A token counts as expired this long before it is.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// A sign-in that failed is not tried again for so long: a thousand resources need not fail a thousand times.
const FAILURE_LASTS: Duration = Duration::from_secs(15);
/// When a token that still serves could not be renewed, this long passes before the next attempt.
const RENEWAL_AGAIN: Duration = Duration::from_secs(60);
/// A token that lives at least this long is renewed at half its life.
const LONG_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// An access token. It cannot be printed.
#[derive(Debug, Clone)]
pub struct Token {
    secret: SecretString,
    expires_on: OffsetDateTime,
}

/// What a token says of who holds it; read without verifying, for that is the server's business.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// The object ID of the user or service principal.
    pub oid: Option<String>,
    /// The tenant.
    pub tid: Option<String>,
    /// The audience.
    pub aud: Option<String>,
    /// The application's client ID, in tokens of version 1.
    pub appid: Option<String>,
    /// The same, in tokens of version 2.
    pub azp: Option<String>,
    /// A user's sign-in name.
    pub upn: Option<String>,
    /// The same, where `upn` is absent.
    pub unique_name: Option<String>,
    /// The same, in tokens of version 2.
    pub preferred_username: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// Object IDs of groups; at most 200, and none when there are more.
    pub groups: Vec<String>,
    /// The ARM ID of the managed identity.
    pub xms_mirid: Option<String>,
    /// `app` or `user`; often absent.
    pub idtyp: Option<String>,
    /// Delegated permissions: only users have them.
    pub scp: Option<String>,
}

impl Token {
    /// A token that expires at this time.
    pub fn new(secret: SecretString, expires_on: OffsetDateTime) -> Token {
        Token { secret, expires_on }
    }

    /// The token, for the one who sends it.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// When the server stops accepting it.
    pub fn expires_on(&self) -> OffsetDateTime {
        self.expires_on
    }

    /// What the token says of its holder.
    pub fn claims(&self) -> Result<Claims, Error> {
        let unexpected = || Error::new(Kind::Unexpected, "the access token is not a readable JWT");
        let payload = self.secret.expose_secret().split('.').nth(1).ok_or_else(unexpected)?;
        let payload = payload.trim_end_matches('=');
        let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| unexpected())?;
        serde_json::from_slice(&json).map_err(|_| unexpected())
    }
}

impl Claims {
    /// The client ID, whichever version the token has.
    pub fn client_id(&self) -> Option<&str> {
        self.appid.as_deref().or(self.azp.as_deref())
    }

    /// The user's sign-in name, whichever claim holds it.
    pub fn user_name(&self) -> Option<&str> {
        let names = [&self.upn, &self.unique_name, &self.preferred_username];
        names.into_iter().find_map(|name| name.as_deref())
    }

    /// Whether a user holds the token; otherwise it is an application or a managed identity.
    pub fn is_user(&self) -> bool {
        match self.idtyp.as_deref() {
            Some("user") => true,
            Some("app") => false,
            _ => self.scp.is_some() || self.user_name().is_some(),
        }
    }
}

/// The tokens that we hold, one for each scope.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    slots: [Slot; Scope::ALL.len()],
}

#[derive(Debug, Default)]
struct Slot {
    /// Held while a token is fetched: the others wait for this one.
    content: Mutex<Content>,
    /// Counts the fetches that have ended.
    fetches: AtomicU64,
}

#[derive(Debug, Default)]
struct Content {
    kept: Option<Kept>,
    failure: Option<Failure>,
}

/// The last fetch, when it failed.
#[derive(Debug)]
struct Failure {
    error: Error,
    number: u64,
    at: Instant,
}

#[derive(Debug)]
struct Kept {
    token: Token,
    /// Renew after this.
    renew: Moment,
    /// Useless after this.
    end: Moment,
}

/// A moment by both clocks: one stands still while a machine sleeps, the other may be set.
#[derive(Debug, Clone, Copy)]
struct Moment {
    steady: Instant,
    wall: OffsetDateTime,
}

impl Tokens {
    /// The token for a scope; fetched when there is none, or when it is time to renew it.
    pub(crate) async fn get<F>(&self, scope: Scope, fetch: impl FnOnce() -> F) -> Result<Token, Error>
    where
        F: Future<Output = Result<Token, Error>>,
    {
        let slot = self.slot(scope);
        let seen = slot.fetches.load(Ordering::Acquire);
        let mut content = slot.content.lock().await;
        let fresh = |kept: &&Kept| !kept.renew.is_past() && !kept.end.is_past();
        if let Some(kept) = content.kept.as_ref().filter(fresh) {
            return Ok(kept.token.clone());
        }
        // It failed while we stood in line, or just before.
        let counts = |failure: &&Failure| failure.number > seen || failure.at.elapsed() < FAILURE_LASTS;
        if let Some(failure) = content.failure.as_ref().filter(counts) {
            return Err(failure.error.clone());
        }
        let fetched = fetch().await;
        let number = slot.fetches.fetch_add(1, Ordering::AcqRel) + 1;
        match (fetched, &mut content.kept) {
            (Ok(token), _) => {
                content.kept = Some(Kept::new(token.clone()));
                content.failure = None;
                Ok(token)
            }
            (Err(error), Some(kept)) if !kept.end.is_past() => {
                tracing::warn!(?scope, %error, "the token cannot be renewed yet; the old one still serves");
                kept.renew = Moment::now().plus(RENEWAL_AGAIN);
                Ok(kept.token.clone())
            }
            (Err(error), _) => {
                let at = Instant::now();
                content.failure = Some(Failure {
                    error: error.clone(),
                    number,
                    at,
                });
                Err(error)
            }
        }
    }

    /// Forgets a token that the server did not accept, unless it was replaced since.
    pub(crate) async fn discard(&self, scope: Scope, refused: &Token) {
        let mut content = self.slot(scope).content.lock().await;
        let same = |kept: &mut Kept| kept.token.secret.expose_secret() == refused.secret.expose_secret();
        content.kept.take_if(same);
    }

    /// Forgets that the last sign-in failed: the next is tried at once.
    pub(crate) async fn forgive(&self, scope: Scope) {
        self.slot(scope).content.lock().await.failure = None;
    }

    fn slot(&self, scope: Scope) -> &Slot {
        &self.slots[scope as usize]
    }
}

impl Kept {
    fn new(token: Token) -> Kept {
        let now = Moment::now();
        let life = Duration::try_from(token.expires_on - now.wall).unwrap_or_default();
        // A token of a few minutes would otherwise be expired from the beginning.
        let end = now.plus(life - MARGIN.min(life / 2));
        let renew = if life >= LONG_LIFE { now.plus(life / 2) } else { end };
        Kept { token, renew, end }
    }
}

impl Moment {
    fn now() -> Moment {
        Moment {
            steady: Instant::now(),
            wall: OffsetDateTime::now_utc(),
        }
    }

    fn plus(self, time: Duration) -> Moment {
        Moment {
            steady: self.steady + time,
            wall: self.wall + time,
        }
    }

    fn is_past(&self) -> bool {
        Instant::now() >= self.steady || OffsetDateTime::now_utc() >= self.wall
    }
}

#[cfg(test)]
mod tests;
