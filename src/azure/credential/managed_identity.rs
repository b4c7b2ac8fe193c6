//! Signs in as the identity of this machine: IMDS, a given endpoint, or App Service. It does not know other ways.

use secrecy::ExposeSecret;
use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

use crate::azure::answer::Answer;
use crate::azure::credential::refusal::refusal;
use crate::azure::error::{Error, Kind};
use crate::azure::http::{Http, Request, Route};
use crate::azure::settings::Settings;
use crate::azure::token::Token;

const METADATA_SERVICE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// Asks for a token; `resource` is the audience, without `/.default`.
pub(crate) async fn token(http: &Http, settings: &Settings, resource: &str) -> Result<Token, Error> {
    let answer = match http.send(request(settings, resource)?).await {
        Err(error) if error.kind() == Kind::Unreachable => {
            let message = "this machine has no managed identity endpoint that answers";
            return Err(Error::new(Kind::SignInUnavailable, message).with_source(error));
        }
        other => other?,
    };
    if !answer.is_success() {
        return Err(refused(&answer));
    }
    read(&answer)
}

fn request(settings: &Settings, resource: &str) -> Result<Request, Error> {
    let app_service = settings
        .app_service_identity
        .as_ref()
        .filter(|_| settings.msi_endpoint.is_none());
    let (endpoint, api_version) = match (&settings.msi_endpoint, app_service) {
        (Some(endpoint), _) => (endpoint.as_str(), "2018-02-01"),
        (None, Some(identity)) => (identity.endpoint.as_str(), "2019-08-01"),
        (None, None) => (METADATA_SERVICE, "2018-02-01"),
    };
    let mut url = Url::parse(endpoint).map_err(|error| {
        let message = format!("the managed identity endpoint {endpoint:?} is not a URL");
        Error::new(Kind::Configuration, message).with_source(error)
    })?;
    if url.path() == "/" {
        url.set_path("/metadata/identity/oauth2/token");
    }
    url.query_pairs_mut()
        .append_pair("api-version", api_version)
        .append_pair("resource", resource);
    if let Some(client_id) = &settings.client_id {
        url.query_pairs_mut().append_pair("client_id", client_id);
    }
    let mut request = match app_service {
        Some(identity) => Request::get(url).header("x-identity-header", identity.header.expose_secret())?,
        None => Request::get(url).header("metadata", "true")?,
    };
    request.route = Route::Nearby;
    Ok(request)
}

fn refused(answer: &Answer) -> Error {
    let error = refusal(answer);
    match answer.status {
        // A proxy of Docker Desktop answers in the place of the service.
        403 if error.message().contains("unreachable") => {
            let message = "this machine has no managed identity endpoint that answers";
            Error::new(Kind::SignInUnavailable, message).with_source(error)
        }
        // The service is being updated; it is back within 70 seconds.
        404 | 410 => answer.error(Kind::Transient, error.message()),
        _ => error,
    }
}

fn read(answer: &Answer) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Body {
        access_token: String,
        expires_on: Option<Number>,
        expires_in: Option<Number>,
    }
    let body: Body = answer.json()?;
    let on = body.expires_on.and_then(|number| number.value());
    let on = on.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let lasting = body.expires_in.and_then(|number| number.value());
    let lasting = lasting.and_then(|seconds| OffsetDateTime::now_utc().checked_add(time::Duration::seconds(seconds)));
    let expires_on = on
        .or(lasting)
        .ok_or_else(|| answer.error(Kind::Unexpected, "the answer does not say when the token expires"))?;
    Ok(Token::new(body.access_token.into(), expires_on))
}

/// Seconds, which every endpoint writes in its own way: as a number or as text.
#[derive(Deserialize)]
struct Number(serde_json::Value);

impl Number {
    fn value(&self) -> Option<i64> {
        self.0.as_i64().or_else(|| self.0.as_str()?.trim().parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::settings::AppServiceIdentity;
    use reqwest::header::HeaderMap;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            request: "GET x".to_owned(),
        }
    }

    #[test]
    fn the_request_has_the_form_of_its_endpoint() {
        let url = |settings: &Settings| request(settings, "https://r").unwrap().url.to_string();
        let mut settings = Settings {
            client_id: Some("c".into()),
            ..Settings::default()
        };
        assert_eq!(
            url(&settings),
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fr&client_id=c"
        );
        let endpoint = "http://127.0.0.1:1/msi/token".to_owned();
        settings.app_service_identity = Some(AppServiceIdentity {
            endpoint,
            header: "h".into(),
        });
        assert!(url(&settings).starts_with("http://127.0.0.1:1/msi/token?api-version=2019-08-01&"));
        assert_eq!(request(&settings, "r").unwrap().headers["x-identity-header"], "h");
        settings.msi_endpoint = Some("http://127.0.0.1:2".into());
        assert!(
            url(&settings).starts_with("http://127.0.0.1:2/metadata/identity/oauth2/token?api-version=2018-02-01&")
        );
        assert_eq!(request(&settings, "r").unwrap().headers["metadata"], "true");
    }

    #[test]
    fn expiry_is_read_in_every_form() {
        let token = |body| read(&answer(200, body)).map(|token| token.expires_on().unix_timestamp());
        assert_eq!(
            token(r#"{"access_token":"t","expires_on":"1800000000"}"#).unwrap(),
            1_800_000_000
        );
        assert_eq!(
            token(r#"{"access_token":"t","expires_on":1800000000}"#).unwrap(),
            1_800_000_000
        );
        assert!(token(r#"{"access_token":"t","expires_in":"3600"}"#).is_ok());
        assert_eq!(token(r#"{"access_token":"t"}"#).unwrap_err().kind(), Kind::Unexpected);
    }

    #[test]
    fn what_the_endpoint_refuses_is_told_apart() {
        let kind = |status, body| refused(&answer(status, body)).kind();
        let text = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
        assert_eq!(kind(400, text), Kind::SignIn { aadsts: None });
        assert_eq!(kind(410, ""), Kind::Transient);
        assert_eq!(kind(404, "x"), Kind::Transient);
        assert_eq!(
            kind(403, "connecting: connect: network is unreachable"),
            Kind::SignInUnavailable
        );
    }
}
