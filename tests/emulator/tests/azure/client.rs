//! What a client of Azure does, written for these tests: requests with a token, and database logins over TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use entradb_emulator::{AppCredential, Emulator, Method, Options};
use reqwest::Certificate;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config};
use tokio_rustls::TlsConnector;
use tokio_rustls::client;

pub(crate) const MANAGEMENT: &str = "https://management.azure.com/";

/// One emulator for every test of this binary. It is never dropped: the end of the process must be enough.
pub(crate) async fn shared() -> &'static Emulator {
    static EMULATOR: OnceCell<Emulator> = OnceCell::const_new();
    EMULATOR
        .get_or_init(|| async { Emulator::start(Options::default()).await.unwrap() })
        .await
}

/// An answer taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}

pub(crate) fn http(emulator: &Emulator) -> reqwest::Client {
    let pem = std::fs::read(emulator.ca_file()).unwrap();
    let root = Certificate::from_pem(&pem).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([root])
        .no_proxy()
        .build()
        .unwrap()
}

pub(crate) async fn taken_apart(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    Answer {
        status,
        headers,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}

pub(crate) async fn post_token(emulator: &Emulator, form: &[(&str, &str)]) -> Answer {
    let url = format!(
        "{}/{}/oauth2/v2.0/token",
        emulator.authority_host(),
        emulator.tenant_id()
    );
    taken_apart(http(emulator).post(url).form(form).send().await.unwrap()).await
}

/// A token by client secret.
pub(crate) async fn token(emulator: &Emulator, app: &AppCredential, resource: &str) -> String {
    let scope = format!("{resource}/.default");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &app.client_id),
        ("client_secret", &app.client_secret),
        ("scope", &scope),
    ];
    let answer = post_token(emulator, &form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["access_token"].as_str().unwrap().to_owned()
}

/// Azure Resource Manager as one caller sees it.
pub(crate) struct Arm<'a> {
    pub(crate) emulator: &'a Emulator,
    pub(crate) token: String,
    http: reqwest::Client,
}

impl<'a> Arm<'a> {
    pub(crate) fn new(emulator: &'a Emulator) -> Arm<'a> {
        Arm::of(emulator, &emulator.runner().object_id)
    }

    pub(crate) fn of(emulator: &'a Emulator, object_id: &str) -> Arm<'a> {
        Arm {
            emulator,
            token: emulator.access_token(object_id, MANAGEMENT),
            http: http(emulator),
        }
    }

    /// `path` is an ID, with a query or without one.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let address = format!("{}{path}", self.emulator.resource_manager_endpoint());
        self.at(method, &address, body).await
    }

    pub(crate) async fn at(&self, method: Method, address: &str, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method, address).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        taken_apart(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Follows `Azure-AsyncOperation` to its end; answers the last poll and how many there were.
    pub(crate) async fn finish(&self, started: &Answer) -> (Value, usize) {
        assert_eq!(started.status, 202, "{started:?}");
        let address = started.header("azure-asyncoperation").to_owned();
        for count in 1..20_000 {
            let poll = self.at(Method::GET, &address, None).await;
            assert_eq!(poll.status, 200, "{poll:?}");
            if poll.body["status"] != "InProgress" {
                return (poll.body, count);
            }
        }
        panic!("the operation does not end");
    }

    pub(crate) fn group(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}",
            self.emulator.subscription_id(),
            self.emulator.resource_group()
        )
    }

    pub(crate) fn identity(&self, name: &str) -> String {
        format!(
            "{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
            self.group()
        )
    }

    /// Makes an identity; answers its body.
    pub(crate) async fn make_identity(&self, name: &str) -> Value {
        let path = format!("{}?api-version=2023-01-31", self.identity(name));
        let answer = self.put(&path, json!({"location": "westeurope"})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    }
}

/// A login over TLS with the server's name, as every client of Azure does it.
pub(crate) async fn connect(
    emulator: &Emulator,
    user: &str,
    password: &str,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let tls = Tls::new(emulator, false);
    let mut config = Config::new();
    config.user(user).password(password).dbname(database);
    let stream = TcpStream::connect(&emulator.postgresql().address).await.unwrap();
    let (client, connection) = config.connect_raw(stream, tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The text of a refused login with its SQLSTATE.
pub(crate) async fn refusal(emulator: &Emulator, user: &str, password: &str, database: &str) -> (String, String) {
    let Err(error) = connect(emulator, user, password, database).await else {
        panic!("{user} was let in")
    };
    let error = error
        .as_db_error()
        .unwrap_or_else(|| panic!("no error of the server: {error:?}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

/// The runner as Entra administrator `terraform`, logged in with its own token.
pub(crate) async fn administrator(emulator: &Emulator, database: &str) -> Client {
    let runner = emulator.runner();
    emulator
        .add_administrator(&runner.object_id, "terraform")
        .await
        .unwrap();
    let token = emulator.database_token(&runner.object_id);
    connect(emulator, "terraform", &token, database).await.unwrap()
}

pub(crate) struct Tls {
    connector: TlsConnector,
    name: String,
}

impl Tls {
    pub(crate) fn new(emulator: &Emulator, direct: bool) -> Tls {
        Tls {
            connector: connector(emulator, direct),
            name: emulator.postgresql().fqdn.clone(),
        }
    }
}

pub(crate) fn connector(emulator: &Emulator, direct: bool) -> TlsConnector {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(emulator.ca_file()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    if direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    TlsConnector::from(Arc::new(config))
}

impl TlsConnect<TcpStream> for Tls {
    type Stream = Secure;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Secure>> + Send>>;

    fn connect(self, stream: TcpStream) -> Self::Future {
        let name = rustls::pki_types::ServerName::try_from(self.name).unwrap();
        Box::pin(async move { self.connector.connect(name, stream).await.map(Secure) })
    }
}

pub(crate) struct Secure(client::TlsStream<TcpStream>);

impl TlsStream for Secure {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Secure {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secure {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
