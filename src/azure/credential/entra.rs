//! The border to azure_identity: our transport below it, our errors above it. It does not know which way is used.

use std::error::Error as StdError;
use std::sync::Arc;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::AccessToken;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, Body as CoreBody, ClientOptions, HttpClient, Method, Request as CoreRequest, RetryOptions,
    StatusCode, Transport,
};
use reqwest::header::{HeaderName, HeaderValue};

use crate::azure::cloud::Cloud;
use crate::azure::credential::refusal::refusal;
use crate::azure::error::{Error, Kind};
use crate::azure::http::{Body, Http, Request};
use crate::azure::settings::TokenProxy;
use crate::azure::token::Token;

/// Sends azure_identity's requests by our own client, once each: we retry, and we keep the reason.
#[derive(Debug)]
struct Carrier {
    http: Arc<Http>,
    proxy: Option<TokenProxy>,
}

/// Options by which azure_identity uses our client and the cloud's own authority, by way of a cluster's proxy where there is one.
pub(crate) fn options(http: &Arc<Http>, cloud: &Cloud, proxy: Option<&TokenProxy>) -> ClientOptions {
    let carrier = Carrier {
        http: http.clone(),
        proxy: proxy.cloned(),
    };
    let mut configuration = CustomConfiguration::default();
    configuration.authority_host = cloud.authority_host.to_string();
    ClientOptions {
        cloud: Some(Arc::new(configuration.into())),
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(carrier))),
        ..ClientOptions::default()
    }
}

/// The token that azure_identity got.
pub(crate) fn token(result: azure_core::Result<AccessToken>) -> Result<Token, Error> {
    let token = result.map_err(|error| ours(&error))?;
    Ok(Token::new(token.token.secret().to_owned().into(), token.expires_on))
}

/// Our own error for azure_identity to carry.
pub(crate) fn carried(error: Error) -> azure_core::Error {
    azure_core::Error::new(ErrorKind::Credential, error)
}

/// The error of ours that azure_identity wrapped; its own text where there is none.
pub(crate) fn ours(error: &azure_core::Error) -> Error {
    let mut own = None;
    let mut at = error.source();
    while let (None, Some(inner)) = (own, at) {
        own = inner.downcast_ref::<Error>();
        at = inner.source();
    }
    own.cloned()
        .unwrap_or_else(|| Error::new(Kind::Configuration, error.to_string()))
}

#[async_trait::async_trait]
impl HttpClient for Carrier {
    async fn execute_request(&self, request: &CoreRequest) -> azure_core::Result<AsyncRawResponse> {
        let method = match request.method() {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            other => {
                let message = format!("a sign-in does not use {other}");
                return Err(carried(Error::new(Kind::Unexpected, message)));
            }
        };
        let mut sent = Request::new(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            // The client names itself; the rest is as azure_identity wants it.
            let pair = HeaderName::try_from(name.as_str())
                .ok()
                .zip(HeaderValue::try_from(value.as_str()).ok());
            if let Some((name, value)) = pair.filter(|(name, _)| name != "user-agent") {
                sent.headers.insert(name, value);
            }
        }
        if let CoreBody::Bytes(bytes) = request.body() {
            sent.body = Body::Secret(bytes.to_vec());
        }
        let answered = match &self.proxy {
            Some(proxy) => proxy.send(&self.http, sent).await,
            None => self.http.send(sent).await,
        };
        let answer = answered.map_err(carried)?;
        if !answer.is_success() {
            return Err(carried(refusal(&answer)));
        }
        let status = StatusCode::from(answer.status);
        Ok(AsyncRawResponse::from_bytes(status, Headers::default(), answer.body))
    }
}
