//! The ways to sign in, in azurerm's order, and the choice between them. It does not keep tokens.

mod certificate;
mod cli;
mod entra;
mod federated;
mod managed_identity;
pub(crate) mod refusal;
mod token_proxy;

use std::sync::{Arc, OnceLock};

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::ClientMethodOptions;
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions,
};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use crate::azure::cloud::{Cloud, Scope};
use crate::azure::credential::certificate::Certificate;
use crate::azure::credential::federated::Federated;
use crate::azure::error::{Error, Kind};
use crate::azure::http::Http;
use crate::azure::settings::{CertificateSource, Settings, TokenProxy};
use crate::azure::token::Token;

/// What messages call the identity of the machine.
const MANAGED_IDENTITY: &str = "managed identity";

/// Signs in; remembers which way served, so that one process is one principal.
#[derive(Debug, Default)]
pub(crate) struct SignIn {
    served: OnceLock<&'static str>,
}

/// One way to sign in, complete.
#[derive(Debug)]
enum Way {
    Federated {
        application: Application,
        source: Federated,
    },
    Secret {
        application: Application,
        secret: SecretString,
    },
    Certificate {
        application: Application,
        source: CertificateSource,
    },
    ManagedIdentity,
    AzureCli,
}

/// The application that signs in.
#[derive(Debug, Clone)]
struct Application {
    tenant_id: String,
    client_id: String,
}

/// What a way of signing in reaches for.
struct Errand<'a> {
    http: &'a Arc<Http>,
    settings: &'a Settings,
    cloud: &'a Cloud,
    scope: Scope,
}

impl SignIn {
    /// Gets a token by the first way that is available. A way that is available and is refused ends
    /// the search: falling through would make us somebody else.
    pub(crate) async fn token(
        &self,
        http: &Arc<Http>,
        settings: &Settings,
        cloud: &Cloud,
        scope: Scope,
    ) -> Result<Token, Error> {
        let (ways, mut not_served) = ways(settings);
        let served = self.served.get().copied();
        for way in ways {
            let name = way.name();
            if served.is_some_and(|served| served != name) {
                continue;
            }
            match way
                .token(&Errand {
                    http,
                    settings,
                    cloud,
                    scope,
                })
                .await
            {
                Ok(token) => {
                    if self.served.set(name).is_ok() {
                        tracing::info!(way = name, "signed in");
                    }
                    return Ok(token);
                }
                Err(error) if error.kind() == Kind::SignInUnavailable && served.is_none() => {
                    tracing::debug!(way = name, %error, "this way of signing in is not available");
                    not_served.push(format!("{name}: {error}"));
                }
                Err(error) => return Err(error.during(&format!("signing in by {name}"))),
            }
        }
        let message = format!("no way of signing in is available: {}", not_served.join("; "));
        Err(Error::new(Kind::SignInUnavailable, message))
    }
}

impl SignIn {
    /// Whether who is signed in may sign in to other tenants too.
    pub(crate) fn may_leave_home(&self) -> Result<(), Error> {
        match self.served.get() {
            Some(&MANAGED_IDENTITY) => {
                let message = "a managed identity signs in to its own tenant only: leave auxiliary_tenant_ids out, \
                               or sign in as an application";
                Err(Error::new(Kind::Configuration, message))
            }
            _ => Ok(()),
        }
    }
}

/// The ways that the settings allow, in azurerm's order; and for the others why not.
fn ways(settings: &Settings) -> (Vec<Way>, Vec<String>) {
    let mut ways = Vec::new();
    let mut not_served = Vec::new();
    let mut consider = |name: &str, way: Result<Way, String>| match way {
        Ok(way) => ways.push(way),
        Err(why) => not_served.push(format!("{name}: {why}")),
    };
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let application = || match (given(&settings.tenant_id), given(&settings.client_id)) {
        (Some(tenant_id), Some(client_id)) => Ok(Application { tenant_id, client_id }),
        (None, _) => Err("tenant_id is missing".to_owned()),
        (_, None) => Err("client_id is missing".to_owned()),
    };
    let federated = Federated::from_settings(settings).and_then(|source| {
        Ok(Way::Federated {
            application: application()?,
            source,
        })
    });
    consider("federated token", federated);
    let secret = settings
        .client_secret
        .clone()
        .ok_or("client_secret is not set".to_owned());
    let secret = secret.and_then(|secret| {
        Ok(Way::Secret {
            application: application()?,
            secret,
        })
    });
    consider("client secret", secret);
    let source = settings.client_certificate.clone();
    let certificate = source
        .ok_or("client_certificate and client_certificate_path are not set".to_owned())
        .and_then(|source| {
            Ok(Way::Certificate {
                application: application()?,
                source,
            })
        });
    consider("client certificate", certificate);
    let allowed = |way, allowed: bool, why: &str| {
        if allowed { Ok(way) } else { Err(why.to_owned()) }
    };
    consider(
        MANAGED_IDENTITY,
        allowed(Way::ManagedIdentity, settings.use_msi, "use_msi is not set"),
    );
    consider(
        "Azure CLI",
        allowed(Way::AzureCli, settings.use_cli, "use_cli is false"),
    );
    (ways, not_served)
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Way::Federated { .. } => "federated token",
            Way::Secret { .. } => "client secret",
            Way::Certificate { .. } => "client certificate",
            Way::ManagedIdentity => MANAGED_IDENTITY,
            Way::AzureCli => "Azure CLI",
        }
    }

    async fn token(&self, errand: &Errand<'_>) -> Result<Token, Error> {
        let scope = errand.cloud.scope(errand.scope);
        match self {
            Way::Federated { application, source } => {
                let audience = &errand.cloud.federated_audience;
                let assertion = source.assertion(errand.http, audience).await?;
                let proxy = errand.settings.token_proxy.as_ref();
                let proxy = proxy.filter(|_| matches!(source, Federated::File(_)));
                by_assertion(errand, application, assertion, proxy).await
            }
            Way::Secret { application, secret } => by_secret(errand, application, secret).await,
            Way::Certificate { application, source } => {
                let password = errand.settings.client_certificate_password.as_ref();
                let certificate = Certificate::load(source, password).await?;
                let Application { tenant_id, client_id } = application;
                let endpoint = format!("{}{tenant_id}/oauth2/v2.0/token", errand.cloud.authority_host);
                let assertion = certificate.assertion(client_id, &endpoint, OffsetDateTime::now_utc())?;
                by_assertion(errand, application, assertion, None).await
            }
            Way::ManagedIdentity => {
                let resource = errand.cloud.audience(errand.scope);
                managed_identity::token(errand.http, errand.settings, &resource).await
            }
            Way::AzureCli => cli::token(Arc::new(cli::Shell), errand.settings, &scope).await,
        }
    }
}

/// azure_identity's credentials keep tokens of their own, which would come back when we want a new
/// one. So each serves once; making one costs nothing.
async fn by_secret(errand: &Errand<'_>, application: &Application, secret: &SecretString) -> Result<Token, Error> {
    let options = ClientSecretCredentialOptions {
        client_options: entra::options(errand.http, errand.cloud, None),
    };
    let credential = ClientSecretCredential::new(
        &application.tenant_id,
        application.client_id.clone(),
        Secret::new(secret.expose_secret().to_owned()),
        Some(options),
    );
    let credential = credential.map_err(|error| entra::ours(&error))?;
    entra::token(credential.get_token(&[&errand.cloud.scope(errand.scope)], None).await)
}

async fn by_assertion(
    errand: &Errand<'_>,
    application: &Application,
    assertion: SecretString,
    proxy: Option<&TokenProxy>,
) -> Result<Token, Error> {
    let options = ClientAssertionCredentialOptions {
        client_options: entra::options(errand.http, errand.cloud, proxy),
    };
    let credential = ClientAssertionCredential::new(
        application.tenant_id.clone(),
        application.client_id.clone(),
        Presented(assertion),
        Some(options),
    );
    let credential = credential.map_err(|error| entra::ours(&error))?;
    entra::token(credential.get_token(&[&errand.cloud.scope(errand.scope)], None).await)
}

/// An assertion that is at hand already.
#[derive(Debug)]
struct Presented(SecretString);

#[async_trait::async_trait]
impl ClientAssertion for Presented {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.expose_secret().to_owned())
    }
}

#[cfg(test)]
mod tests;
