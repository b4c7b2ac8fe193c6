//! Microsoft's side: who is signed in, to which cloud. It knows nothing of Terraform or of databases.

pub mod administrator;
mod answer;
mod arm;
pub mod authentication;
mod call;
pub mod cloud;
mod credential;
mod envelope;
pub mod error;
pub mod federation;
mod fulfilled;
pub mod graph;
mod http;
pub mod identity_target;
pub mod managed_identity;
mod metadata;
pub mod mysql;
mod operation;
pub mod postgresql;
pub mod resource_id;
#[cfg(test)]
mod scripted;
pub mod server;
pub mod settings;
pub mod sql;
pub mod token;
pub mod trust;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::OnceCell;
use uuid::Uuid;

pub use arm::Change;

use crate::azure::cloud::{Cloud, Scope, endpoint};
use crate::azure::credential::SignIn;
use crate::azure::error::{Error, Kind};
use crate::azure::http::Http;
use crate::azure::settings::Settings;
use crate::azure::token::{Token, Tokens};
use crate::azure::trust::Trust;
use crate::retry::{Attempt, Backoff, Patience, until};

/// How long a sign-in is tried. The metadata service may be away for 70 seconds.
const LONGEST_SIGN_IN: Duration = Duration::from_secs(90);
/// How often a sign-in that failed by its connection, or by an assertion out of its time, is repeated.
const REPEATED_SIGN_INS: u32 = 2;
/// The assertion is outside its validity: a new one may be inside.
const ASSERTION_OUT_OF_TIME: u32 = 700_024;
/// The application does not exist in the tenant.
const UNKNOWN_APPLICATION: u32 = 700_016;

/// Azure, as one principal sees it. Cheap to clone; nothing is sent until something is asked.
#[derive(Clone)]
pub struct Azure(Arc<Inner>);

struct Inner {
    settings: Settings,
    http: Arc<Http>,
    /// Known from the settings alone, or once the metadata host was asked.
    cloud: OnceCell<Cloud>,
    sign_in: SignIn,
    tokens: Tokens,
    auxiliary: Vec<Auxiliary>,
    correlation_id: String,
    pace: Pace,
}

/// Another tenant that is signed in to: Resource Manager wants its word for what a write names there.
struct Auxiliary {
    settings: Settings,
    tokens: Tokens,
}

impl Auxiliary {
    fn of(tenant: &str, settings: &Settings) -> Auxiliary {
        let settings = Settings {
            tenant_id: Some(tenant.to_owned()),
            ..settings.clone()
        };
        let tokens = Tokens::default();
        Auxiliary { settings, tokens }
    }
}

/// The delays between attempts, by what is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) request: Backoff,
    pub(crate) operation: Backoff,
    pub(crate) propagation: Backoff,
}

impl Pace {
    const USUAL: Pace = Pace {
        request: Backoff::REQUEST,
        operation: Backoff::OPERATION,
        propagation: Backoff::PROPAGATION,
    };
}

impl Azure {
    /// Takes the settings; sends nothing, reads nothing.
    ///
    /// # Errors
    /// [`Kind::Configuration`] when an endpoint is not an https URL of a host.
    pub fn new(settings: Settings) -> Result<Azure, Error> {
        Azure::with_pace(settings, Pace::USUAL)
    }

    fn with_pace(settings: Settings, pace: Pace) -> Result<Azure, Error> {
        let known = settings.cloud.clone().with(&settings.endpoints)?;
        let cloud = match &settings.metadata_host {
            Some(host) => endpoint("the metadata host", host).map(|_| OnceCell::new())?,
            None => OnceCell::new_with(Some(known)),
        };
        let auxiliary = settings
            .auxiliary_tenant_ids
            .iter()
            .map(|tenant| Auxiliary::of(tenant, &settings));
        let auxiliary = auxiliary.collect();
        let http = Arc::new(Http::new(settings.trust.clone(), settings.connect_timeout));
        Ok(Azure(Arc::new(Inner {
            settings,
            http,
            cloud,
            sign_in: SignIn::default(),
            tokens: Tokens::default(),
            auxiliary,
            correlation_id: Uuid::new_v4().to_string(),
            pace,
        })))
    }

    /// The cloud; a metadata host is asked once, at the first need.
    pub async fn cloud(&self) -> Result<&Cloud, Error> {
        let settings = &self.0.settings;
        let discover = || async {
            let host = settings.metadata_host.as_deref();
            let host = host.expect("without a metadata host the cloud is known from the beginning");
            let ask = || metadata::discover(&self.0.http, host, &settings.cloud.name);
            let found = self.persistently("the metadata host", ask).await?;
            found.with(&settings.endpoints)
        };
        self.0.cloud.get_or_try_init(discover).await
    }

    /// A token for a scope: from memory, or by signing in. Sign-ins that can heal are repeated for at
    /// most a minute and a half.
    pub async fn token(&self, scope: Scope) -> Result<Token, Error> {
        self.0.tokens.get(scope, || self.sign_in(scope, &self.0.settings)).await
    }

    /// Resource Manager's tokens of the auxiliary tenants.
    pub(crate) async fn auxiliary_tokens(&self) -> Result<Vec<Token>, Error> {
        let mut tokens = Vec::with_capacity(self.0.auxiliary.len());
        for tenant in &self.0.auxiliary {
            let name = tenant.settings.tenant_id.as_deref().unwrap_or_default();
            let during = |error: Error| match error.kind() {
                Kind::SignIn {
                    aadsts: Some(UNKNOWN_APPLICATION),
                } => {
                    let message = format!(
                        "the tenant {name} of auxiliary_tenant_ids does not know the application that signs in: an administrator \
                         of that tenant lets it in (admin consent), or the tenant is taken out of the list"
                    );
                    Error::new(Kind::Configuration, message).with_source(error)
                }
                _ => error.during(&format!("signing in to the auxiliary tenant {name}")),
            };
            self.0.sign_in.may_leave_home().map_err(during)?;
            let sign_in = || self.sign_in(Scope::ResourceManager, &tenant.settings);
            let token = tenant.tokens.get(Scope::ResourceManager, sign_in).await;
            tokens.push(token.map_err(during)?);
        }
        Ok(tokens)
    }

    /// A token, also when what the sign-in needs was made minutes ago: an application, its
    /// certificate or its federated credential.
    pub async fn token_when_known(&self, scope: Scope, patience: &Patience) -> Result<Token, Error> {
        let patience = patience.with_backoff(self.0.pace.propagation);
        until(&patience, "the sign-in to be known to Entra", || async {
            match self.token(scope).await {
                Err(error) if error.heals_after_creation() => {
                    self.0.tokens.forgive(scope).await;
                    Ok(Attempt::again(error.to_string()))
                }
                other => other.map(Attempt::Done),
            }
        })
        .await
    }

    /// Forgets the token of a scope that a database did not accept; the next one is new.
    pub async fn discard(&self, scope: Scope, refused: &Token) {
        self.0.tokens.discard(scope, refused).await;
    }

    /// What was given to [`Azure::new`].
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Whom every connection trusts.
    pub fn trust(&self) -> &Trust {
        &self.0.settings.trust
    }

    async fn sign_in(&self, scope: Scope, settings: &Settings) -> Result<Token, Error> {
        let inner = &*self.0;
        let cloud = self.cloud().await?;
        let sign_in = || inner.sign_in.token(&inner.http, settings, cloud, scope);
        self.persistently("the sign-in", sign_in).await
    }

    /// Attempts until one succeeds or fails in a way that does not heal, for at most a minute and a half.
    async fn persistently<T, F>(&self, what: &str, attempt: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let stop = self.0.settings.stop.clone();
        let patience = Patience::new(LONGEST_SIGN_IN, self.0.pace.request, stop);
        let repeated = AtomicU32::new(0);
        until(&patience, what, || async {
            let error = match attempt().await {
                Ok(value) => return Ok(Attempt::Done(value)),
                Err(error) => error,
            };
            let again = match error.kind() {
                Kind::Throttled | Kind::Transient => true,
                Kind::Unreachable
                | Kind::Lost
                | Kind::SignIn {
                    aadsts: Some(ASSERTION_OUT_OF_TIME),
                } => repeated.fetch_add(1, Ordering::Relaxed) < REPEATED_SIGN_INS,
                _ => false,
            };
            match again {
                true => Ok(Attempt::Again {
                    because: error.to_string(),
                    after: error.after(),
                }),
                false => Err(error),
            }
        })
        .await
    }

    pub(crate) fn http(&self) -> &Http {
        &self.0.http
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    pub(crate) fn pace(&self) -> Pace {
        self.0.pace
    }

    /// The ID under which Azure files all that this process does.
    pub(crate) fn correlation_id(&self) -> &str {
        &self.0.correlation_id
    }
}

impl fmt::Debug for Azure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Azure")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::resource_id::ResourceId;
    use crate::retry::StopSignal;

    /// Compiles only when calls can be made from any task.
    #[tokio::test]
    async fn calls_can_be_made_from_any_task() {
        fn sendable<T: Send>(_: T) {}
        let azure = Azure::new(Settings::default()).unwrap();
        let patience = Patience::new(LONGEST_SIGN_IN, Backoff::REQUEST, StopSignal::new());
        let id: ResourceId = "/subscriptions/S".parse().unwrap();
        sendable(azure.put::<str, String>(&id, "1", "", &patience));
        sendable(azure.delete(&id, "1", &patience));
        sendable(azure.list::<String>(&id, "x", "1", &patience));
        sendable(azure.token_when_known(Scope::Graph, &patience));
        sendable(azure.user("x", &patience));
    }

    #[test]
    fn a_wrong_endpoint_is_refused_before_anything_is_sent() {
        let settings = |host: &str| Settings {
            metadata_host: Some(host.to_owned()),
            ..Settings::default()
        };
        let error = Azure::new(settings("http://metadata.test")).unwrap_err();
        assert_eq!(error.kind(), Kind::Configuration);
        assert!(Azure::new(settings("metadata.test:8443")).is_ok());
    }
}
