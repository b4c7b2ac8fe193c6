//! Where a federated token comes from: given, a file, GitHub Actions, Azure Pipelines. It does not sign in with it.

use std::path::PathBuf;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::azure::cloud::is_safe;
use crate::azure::error::{Error, Kind};
use crate::azure::http::{Http, Request};
use crate::azure::settings::Settings;

/// A source of federated tokens. Each token is got anew: files are rotated and requests expire.
#[derive(Debug, Clone)]
pub(crate) enum Federated {
    Given(SecretString),
    File(PathBuf),
    GitHub {
        url: String,
        token: SecretString,
    },
    Pipelines {
        url: String,
        token: SecretString,
        service_connection: String,
    },
}

impl Federated {
    /// The source that the settings name: token, file, request, in this order.
    pub(crate) fn from_settings(settings: &Settings) -> Result<Federated, String> {
        if !settings.use_oidc && !settings.use_aks_workload_identity {
            return Err("use_oidc and use_aks_workload_identity are not set".to_owned());
        }
        if let Some(token) = &settings.oidc_token {
            return Ok(Federated::Given(token.clone()));
        }
        if let Some(path) = &settings.oidc_token_file_path {
            return Ok(Federated::File(path.clone()));
        }
        if !settings.use_oidc {
            return Err("there is no file with the workload identity's token".to_owned());
        }
        let (Some(url), Some(token)) = (&settings.oidc_request_url, &settings.oidc_request_token) else {
            return Err("there is no token, no token file, and no request URL with its token".to_owned());
        };
        let (url, token) = (url.clone(), token.clone());
        Ok(match &settings.ado_pipeline_service_connection_id {
            Some(service_connection) => Federated::Pipelines {
                url,
                token,
                service_connection: service_connection.clone(),
            },
            None => Federated::GitHub { url, token },
        })
    }

    /// A token for this audience, now.
    pub(crate) async fn assertion(&self, http: &Http, audience: &str) -> Result<SecretString, Error> {
        match self {
            Federated::Given(token) => Ok(token.clone()),
            Federated::File(path) => {
                let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                    let message = format!("the token file {} cannot be read", path.display());
                    Error::new(Kind::Configuration, message).with_source(error)
                })?;
                Ok(text.trim().into())
            }
            Federated::GitHub { url, token } => github(http, url, token, audience).await,
            Federated::Pipelines {
                url,
                token,
                service_connection,
            } => pipelines(http, url, token, service_connection).await,
        }
    }
}

async fn github(http: &Http, url: &str, token: &SecretString, audience: &str) -> Result<SecretString, Error> {
    #[derive(Deserialize)]
    struct Body {
        value: String,
    }
    let mut url = request_url(url)?;
    url.query_pairs_mut().append_pair("audience", audience);
    let request = Request::get(url).bearer(token.expose_secret())?;
    let request = request.header("accept", "application/json")?;
    Ok(ask::<Body>(http, request, "GitHub Actions").await?.value.into())
}

async fn pipelines(
    http: &Http,
    url: &str,
    token: &SecretString,
    service_connection: &str,
) -> Result<SecretString, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        oidc_token: String,
    }
    let mut url = request_url(url)?;
    url.query_pairs_mut()
        .append_pair("api-version", "7.1")
        .append_pair("serviceConnectionId", service_connection);
    let request = Request::new(Method::POST, url)
        .bearer(token.expose_secret())?
        .header("content-type", "application/json")?
        .header("content-length", "0")?
        // An expired token is answered with 401 instead of a sign-in page.
        .header("x-tfs-fedauthredirect", "Suppress")?;
    Ok(ask::<Body>(http, request, "Azure Pipelines").await?.oidc_token.into())
}

async fn ask<T: for<'a> Deserialize<'a>>(http: &Http, request: Request, who: &str) -> Result<T, Error> {
    let answer = http.send(request).await?;
    if !answer.is_success() {
        let failure = answer.failure();
        let kind = match failure.kind() {
            kind @ (Kind::Throttled | Kind::Transient) => kind,
            _ => Kind::SignIn { aadsts: None },
        };
        let message = format!("{who} gives no federated token: {}", failure.message());
        return Err(answer.error(kind, message));
    }
    answer.json()
}

fn request_url(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).ok().filter(is_safe);
    let message = "the federated token's request URL does not begin with https://";
    url.ok_or_else(|| Error::new(Kind::Configuration, message))
}
