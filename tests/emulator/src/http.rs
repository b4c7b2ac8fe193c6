//! The listeners and the way of a request: fault, service, log. It does not know what the services answer.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request as HttpRequest, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::answer::Answer;
use crate::error::{Context, Result};
use crate::faults::Failure;
use crate::journal::{Request, Service};
use crate::world::World;

/// Bodies of Azure's management requests are small.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// One request, as the services see it.
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// As sent, without the query.
    pub(crate) path: String,
    /// The path's parts, percent-decoded.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as JSON; an empty body is `null`.
    pub(crate) fn json(&self) -> Option<Value> {
        if self.body.is_empty() {
            Some(Value::Null)
        } else {
            serde_json::from_slice(&self.body).ok()
        }
    }
}

/// A socket that is bound before the world exists, since the world must know its port.
pub(crate) async fn bind(port: u16) -> Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .context(format!("port {port} of the loopback interface cannot be used"))?;
    let address: SocketAddr = listener.local_addr().context("a listener has no address")?;
    Ok((listener, address.port()))
}

/// Serves one front until the runtime stops. Without TLS when `tls` is `None`.
pub(crate) async fn serve(world: Arc<World>, service: Service, listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (world, tls) = (world.clone(), tls.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            match tls {
                None => connection(world, service, stream).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(world, service, stream).await;
                    }
                }
            }
        });
    }
}

pub(crate) async fn connection<S>(world: Arc<World>, service: Service, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let cut = Arc::new(Notify::new());
    let handler = {
        let cut = cut.clone();
        hyper::service::service_fn(move |request| {
            let (world, cut) = (world.clone(), cut.clone());
            async move {
                match answer(&world, service, request).await {
                    Some(response) => Ok::<_, Infallible>(response),
                    None => {
                        cut.notify_one();
                        std::future::pending().await
                    }
                }
            }
        })
    };
    let builder = auto::Builder::new(TokioExecutor::new());
    let serving = builder.serve_connection(TokioIo::new(stream), handler);
    tokio::select! {
        _ = serving => {}
        () = cut.notified() => {}
    }
}

/// `None`: the connection is to be cut.
async fn answer(
    world: &Arc<World>,
    service: Service,
    request: HttpRequest<hyper::body::Incoming>,
) -> Option<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), LONGEST_BODY)
        .await
        .map(|bytes| bytes.to_vec())
        .unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let segments = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(percent_decoded)
        .collect();
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let ask = Ask {
        method: parts.method,
        path,
        segments,
        query,
        headers: parts.headers,
        body,
    };

    let failure = world.faults.next(&ask.method, &ask.path);
    let failure = failure.or_else(|| match service {
        Service::ResourceManager => world.faults.stumbles(&ask.method),
        _ => None,
    });
    let pause = match failure {
        Some(Failure::DelayAfterWrite(time)) => time,
        _ => Duration::ZERO,
    };
    let outcome = match failure {
        Some(Failure::Status { status, retry_after }) => Some(
            Answer::failure(service, status, default_code(status), "injected by the emulator").retry_after(retry_after),
        ),
        Some(Failure::Error { status, code, message }) => Some(Answer::failure(service, status, &code, &message)),
        Some(Failure::StatusAfterWrite { status, retry_after }) => {
            dispatch(world, service, &ask).await;
            let answer = Answer::failure(service, status, default_code(status), "injected by the emulator");
            Some(answer.retry_after(retry_after))
        }
        Some(Failure::Html(status)) => Some(Answer::html(status)),
        Some(Failure::DropConnection) => None,
        Some(Failure::DropAfterWrite) => {
            dispatch(world, service, &ask).await;
            None
        }
        Some(Failure::Delay(time)) => {
            tokio::time::sleep(time).await;
            Some(dispatch(world, service, &ask).await)
        }
        Some(Failure::DelayAfterWrite(_)) | None => Some(dispatch(world, service, &ask).await),
    };
    let status = outcome.as_ref().map_or(0, Answer::status);
    world.journal.request(noted(service, &ask, status));
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    outcome.map(|outcome| outcome.into_response(&ask))
}

/// Lets the service answer, and notes a write that took effect.
async fn dispatch(world: &Arc<World>, service: Service, ask: &Ask) -> Answer {
    let answer = of_service(world, service, ask).await;
    let answer = match crate::shapes::check(service, ask, &answer) {
        Ok(()) => answer,
        Err(wrong) => {
            eprintln!("entradb-emulator: {wrong}");
            world.journal.violation(wrong.clone());
            Answer::failure(service, 400, "EmulatorAnswerOutOfShape", &wrong)
        }
    };
    if took_effect(service, ask, answer.status()) {
        world.journal.write(noted(service, ask, answer.status()));
    }
    answer
}

fn took_effect(service: Service, ask: &Ask, status: u16) -> bool {
    let managed = matches!(service, Service::ResourceManager | Service::Graph);
    let reads = ask.method == Method::GET
        || ask.method == Method::HEAD
        || ask.path.to_ascii_lowercase().ends_with("/getprivatednszonesuffix");
    let in_vain = status >= 300 || ask.method == Method::DELETE && status == 204 && service == Service::ResourceManager;
    managed && !reads && !in_vain
}

fn noted(service: Service, ask: &Ask, status: u16) -> Request {
    Request {
        service,
        method: ask.method.to_string(),
        path: ask.path.clone(),
        api_version: ask.parameter("api-version").unwrap_or_default().to_owned(),
        status,
    }
}

async fn of_service(world: &Arc<World>, service: Service, ask: &Ask) -> Answer {
    match service {
        Service::Authority => {
            let parts: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
            crate::authority::answer(world, ask, &parts)
        }
        Service::KubernetesTokenProxy => crate::token_proxy::answer(world, ask),
        Service::ResourceManager => crate::arm::answer(world, ask).await,
        Service::Graph => crate::graph::answer(world, ask),
        Service::Issuer => crate::issuer::answer(world, ask),
        Service::InstanceMetadata => crate::instance_metadata::answer(world, ask),
    }
}

fn default_code(status: u16) -> &'static str {
    match status {
        401 => "InvalidAuthenticationToken",
        403 => "AuthorizationFailed",
        404 => "ResourceNotFound",
        408 => "RequestTimeout",
        409 => "Conflict",
        429 => "TooManyRequests",
        500 => "InternalServerError",
        502 => "BadGateway",
        503 => "ServiceUnavailable",
        504 => "GatewayTimeout",
        _ => "InjectedFailure",
    }
}

fn percent_decoded(part: &str) -> String {
    // `+` stands for itself in a path; only the form decoder would make a space of it.
    let encoded = part.replace('+', "%2B");
    url::form_urlencoded::parse(format!("={encoded}").replace('&', "%26").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// How long a client is given to finish a handshake.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_is_decoded_as_a_path() {
        assert_eq!(super::percent_decoded("East%20US"), "East US");
        assert_eq!(super::percent_decoded("a+b&c=d"), "a+b&c=d");
        assert_eq!(super::percent_decoded("x%2Fy"), "x/y");
    }
}
