//! The one way a request is sent: TLS, proxy, limits, logging. It does not know tokens, nor when to try again.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use tokio::net::lookup_host;
use url::Url;

use crate::azure::answer::Answer;
use crate::azure::error::{Error, Kind};
use crate::azure::trust::{Thumbprint, Trust};

const USER_AGENT: &str = concat!("terraform-provider-entradb/", env!("CARGO_PKG_VERSION"));
/// Azure answers a synchronous write within two minutes, or its gateway gives up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(150);
/// The metadata service is a hop away, or absent.
const NEARBY_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// No answer that we read is larger.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Sends requests. Built without IO; the roots are read and the pool is made at the first request.
#[derive(Debug)]
pub(crate) struct Http {
    trust: Trust,
    connect_timeout: Duration,
    far: OnceLock<Client>,
    nearby: OnceLock<Client>,
}

/// One request, complete.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) route: Route,
}

/// What a request carries, and whether it may be logged.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    None,
    /// JSON without secrets; logged at trace.
    Json(Vec<u8>),
    /// Never logged.
    Secret(Vec<u8>),
}

/// How the other side is reached.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    /// Through the proxy of the environment, when there is one.
    Far,
    /// Never through a proxy: the metadata service of this very machine.
    Nearby,
    /// The same, over TLS to whoever holds this very certificate.
    Pinned(Thumbprint),
    /// The same, over TLS to whom `trust` vouches for. When there is a `host`, it is the place; the URL has the name that the certificate is for.
    Vouched { trust: Trust, host: Option<String> },
}

impl Request {
    pub(crate) fn new(method: Method, url: Url) -> Request {
        Request {
            method,
            url,
            headers: HeaderMap::new(),
            body: Body::None,
            route: Route::Far,
        }
    }

    pub(crate) fn get(url: Url) -> Request {
        Request::new(Method::GET, url)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Result<Request, Error> {
        let value = header_value(value)?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// Adds a token.
    pub(crate) fn bearer(self, token: &str) -> Result<Request, Error> {
        self.secret_header("authorization", &format!("Bearer {token}"))
    }

    /// Adds a header that is marked so that nothing below prints it.
    pub(crate) fn secret_header(mut self, name: &'static str, value: &str) -> Result<Request, Error> {
        let mut value = header_value(value)?;
        value.set_sensitive(true);
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// For errors and logs: never the query, which may hold signatures.
    fn name(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{} {host}{}", self.method, self.url.path())
    }
}

fn header_value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| {
        let message = "a value that goes into a request header contains a line break or control character";
        Error::new(Kind::Configuration, message)
    })
}

impl Http {
    pub(crate) fn new(trust: Trust, connect_timeout: Duration) -> Http {
        Http {
            trust,
            connect_timeout,
            far: OnceLock::new(),
            nearby: OnceLock::new(),
        }
    }

    /// Whom connections trust where nothing else is said.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Sends once. Any status is an answer; an error means that there was none.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Error> {
        let name = request.name();
        let api_version = request.url.query_pairs().find(|(key, _)| key == "api-version");
        let api_version = api_version.map(|(_, value)| value.into_owned()).unwrap_or_default();
        if let Body::Json(body) = &request.body {
            tracing::trace!(request = %name, body = %String::from_utf8_lossy(body), "request body");
        }
        let begin = Instant::now();
        let result = self.exchange(request, &name).await;
        let milliseconds = begin.elapsed().as_millis();
        match &result {
            Ok(answer) => tracing::debug!(
                request = %name,
                api_version,
                status = answer.status,
                milliseconds,
                request_id = answer.header("x-ms-request-id").unwrap_or_default(),
                correlation_id = answer.header("x-ms-correlation-request-id").unwrap_or_default(),
                "answered"
            ),
            Err(error) => {
                tracing::debug!(request = %name, api_version, milliseconds, %error, "no answer")
            }
        }
        result
    }

    async fn exchange(&self, request: Request, name: &str) -> Result<Answer, Error> {
        let client = self.client(request.route)?;
        let mut builder = client.request(request.method, request.url).headers(request.headers);
        builder = match request.body {
            Body::None => builder,
            Body::Json(bytes) => builder
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(bytes),
            Body::Secret(bytes) => builder.body(bytes),
        };
        let unanswered = |error| no_answer(error).with_request(name.to_owned());
        let mut response = builder.send().await.map_err(unanswered)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let message = "the answer is larger than 64 MiB";
                return Err(Error::new(Kind::Unexpected, message).with_request(name.to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
            request: name.to_owned(),
        })
    }

    fn client(&self, route: Route) -> Result<Client, Error> {
        let cell = match route {
            Route::Far => &self.far,
            Route::Nearby => &self.nearby,
            // Asked about once an hour.
            Route::Pinned(_) | Route::Vouched { .. } => return self.build(route),
        };
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let client = self.build(route)?;
        Ok(cell.get_or_init(|| client).clone())
    }

    fn build(&self, route: Route) -> Result<Client, Error> {
        let tls = match &route {
            Route::Far | Route::Nearby => (*self.trust.client_config()?).clone(),
            Route::Pinned(thumbprint) => thumbprint.client_config()?,
            Route::Vouched { trust, .. } => (*trust.client_config()?).clone(),
        };
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(USER_AGENT)
            // A redirect would carry the request, and its token, to a host that nobody named.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_TIMEOUT);
        builder = match route {
            Route::Far => builder.connect_timeout(self.connect_timeout),
            Route::Nearby | Route::Pinned(_) => builder.no_proxy().connect_timeout(NEARBY_CONNECT_TIMEOUT),
            Route::Vouched { host, .. } => {
                let builder = builder.no_proxy().connect_timeout(self.connect_timeout);
                match host {
                    // HTTP/2 would send the certificate's name in place of the request's own host.
                    Some(host) => builder.http1_only().dns_resolver(Arc::new(At(host))),
                    None => builder,
                }
            }
        };
        builder
            .build()
            .map_err(|error| Error::new(Kind::Configuration, "the HTTP client cannot be set up").with_source(error))
    }
}

/// Finds every name at this host.
struct At(String);

impl Resolve for At {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.0.clone();
        Box::pin(async move {
            // The port is that of the URL.
            let found: Vec<_> = lookup_host((host, 0)).await?.collect();
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

/// Why there was no answer.
fn no_answer(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let (kind, message) = match (certificate_problem(&error), is_name_problem(&error)) {
        (Some(problem), _) => (Kind::Untrusted, problem),
        _ if is_proxy_problem(&error) => {
            let message =
                "the proxy that the environment names (HTTPS_PROXY, ALL_PROXY) does not let the request through";
            (Kind::Unreachable, message.to_owned())
        }
        (None, true) => (Kind::Unreachable, "the name of the host cannot be resolved".to_owned()),
        (None, false) if error.is_connect() && error.is_timeout() => {
            (Kind::Unreachable, "the host does not answer".to_owned())
        }
        (None, false) if error.is_timeout() => (Kind::Unreachable, "the answer did not come in time".to_owned()),
        (None, false) if error.is_connect() => (Kind::Unreachable, "no connection can be made".to_owned()),
        (None, false) if error.is_builder() => (Kind::Configuration, "the request cannot be made".to_owned()),
        (None, false) => (Kind::Lost, "the connection was lost".to_owned()),
    };
    Error::new(kind, message).with_source(error)
}

/// The errors of a chain; those inside an IO error are not in its `source`.
pub(crate) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| below(*error))
}

fn below<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref()) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn certificate_problem(error: &(dyn StdError + 'static)) -> Option<String> {
    let rustls::Error::InvalidCertificate(problem) = chain(error).find_map(|error| error.downcast_ref())? else {
        return None;
    };
    Some(format!("the server's certificate is not trusted: {problem}"))
}

fn is_proxy_problem(error: &(dyn StdError + 'static)) -> bool {
    let mut texts = chain(error).map(|error| error.to_string().to_lowercase());
    texts.any(|text| text.contains("tunnel error") || text.contains("socks error"))
}

fn is_name_problem(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| error.to_string().contains("dns error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_request_is_not_printed() {
        let url = Url::parse("https://localhost/x?sig=s").unwrap();
        let request = Request::get(url).bearer("opensesame").unwrap();
        assert!(!format!("{request:?}").contains("opensesame"));
        assert_eq!(request.name(), "GET localhost/x");
    }
}
