//! Signs in as the identity of the machine or platform that runs us. It does not know other ways.

mod answer;
mod app_service;
mod arc;
mod cloud_shell;
mod machine_learning;
mod metadata_service;
mod service_fabric;
pub(crate) mod source;

use url::Url;

use crate::azure::credential::managed_identity::answer::{read, refused};
use crate::azure::credential::managed_identity::source::Source;
use crate::azure::error::{Error, Kind};
use crate::azure::http::{Http, Request, Route};
use crate::azure::settings::Settings;
use crate::azure::token::Token;

/// What every source needs to know: for which audience, and as which identity.
struct Wanted<'a> {
    /// The audience, without `/.default`.
    resource: &'a str,
    /// The user-assigned identity that is asked for.
    client_id: Option<&'a str>,
}

/// Asks for a token; `resource` is the audience, without `/.default`.
pub(crate) async fn token(http: &Http, settings: &Settings, resource: &str) -> Result<Token, Error> {
    let source = Source::of(settings);
    let wanted = Wanted {
        resource,
        client_id: settings.client_id.as_deref().filter(|id| !id.is_empty()),
    };
    let sent = match &source {
        Source::Arc { endpoint } => arc::ask(http, endpoint, &wanted, &settings.platform.arc_keys).await,
        other => http.send(request(other, &wanted)?).await,
    };
    let answer = match sent {
        Err(error) if error.kind() == Kind::Unreachable && source.may_be_absent() => {
            let message = "this machine has no managed identity endpoint that answers";
            return Err(Error::new(Kind::SignInUnavailable, message).with_source(error));
        }
        other => other?,
    };
    if !answer.is_success() {
        return Err(refused(&answer, &source, wanted.client_id));
    }
    let token = read(&answer)?;
    match wanted.client_id.filter(|_| !source.selects()) {
        Some(client_id) => as_named(token, client_id, &source),
        None => Ok(token),
    }
}

/// The one request that most sources take.
fn request(source: &Source, wanted: &Wanted<'_>) -> Result<Request, Error> {
    match source {
        Source::ServiceFabric {
            endpoint,
            header,
            thumbprint,
        } => service_fabric::request(endpoint, header, thumbprint, wanted),
        Source::AppService { endpoint, header } => app_service::request(endpoint, header, wanted),
        Source::Arc { endpoint } => arc::request(endpoint, wanted),
        Source::MachineLearning { endpoint, secret } => machine_learning::request(endpoint, secret, wanted),
        Source::CloudShell { endpoint } => cloud_shell::request(endpoint, wanted),
        Source::MetadataService { endpoint } => metadata_service::request(endpoint, wanted),
    }
}

/// A source that cannot be asked for a certain identity may give another one's token: we never become somebody else.
fn as_named(token: Token, client_id: &str, source: &Source) -> Result<Token, Error> {
    let claims = token.claims().unwrap_or_default();
    match claims.client_id() {
        Some(own) if own.eq_ignore_ascii_case(client_id) => Ok(token),
        own => {
            let own = own.unwrap_or("unknown");
            let message = format!(
                "{} signs in one identity only, whose client ID is {own}, and `client_id` asks for {client_id}: \
                 leave `client_id` (ARM_CLIENT_ID) out here",
                source.name()
            );
            Err(Error::new(Kind::SignIn { aadsts: None }, message))
        }
    }
}

/// A request to an endpoint that this machine or platform offers: never through a proxy.
fn nearby(endpoint: &str, api_version: &str, wanted: &Wanted<'_>) -> Result<Request, Error> {
    let mut url = address(endpoint)?;
    url.query_pairs_mut()
        .append_pair("api-version", api_version)
        .append_pair("resource", wanted.resource);
    let mut request = Request::get(url);
    request.route = Route::Nearby;
    Ok(request)
}

fn address(endpoint: &str) -> Result<Url, Error> {
    Url::parse(endpoint).map_err(|error| {
        let message = format!("the managed identity endpoint {endpoint:?} is not a URL");
        Error::new(Kind::Configuration, message).with_source(error)
    })
}

#[cfg(test)]
mod tests;
