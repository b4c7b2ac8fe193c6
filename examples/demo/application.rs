//! What an application without a password does: proves itself to Entra with its pod's token, and logs in with what it gets.
//! Written for the demo alone: it uses nothing of the provider, so that a mistake there cannot agree with itself here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use entradb_emulator::{Emulator, Method};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config};
use tokio_rustls::{TlsConnector, client};

use crate::demo::console::{Context, Failure, Result};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const DATABASES: &str = "https://ossrdbms-aad.database.windows.net/.default";
const MANAGEMENT: &str = "https://management.azure.com/";

/// Exchanges a pod's service-account token for a database token; Entra's refusal is the inner error.
pub(crate) async fn exchange(
    emulator: &Emulator,
    client_id: &str,
    service_account_token: &str,
) -> Result<std::result::Result<String, String>> {
    let address = format!(
        "{}/{}/oauth2/v2.0/token",
        emulator.authority_host(),
        emulator.tenant_id()
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_assertion_type", ASSERTION),
        ("client_assertion", service_account_token),
        ("scope", DATABASES),
    ];
    let sent = http(emulator)?.post(address).form(&form).send().await;
    let answer: Value = sent
        .context("Entra was asked")?
        .json()
        .await
        .context("Entra's answer")?;
    Ok(match answer["access_token"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => Err(answer["error_description"]
            .as_str()
            .unwrap_or("no reason given")
            .to_owned()),
    })
}

/// Sends a request to Azure Resource Manager as the runner, as a person with the portal would; gives status and body.
pub(crate) async fn resource_manager(
    emulator: &Emulator,
    method: Method,
    id: &str,
    body: Option<Value>,
) -> Result<(u16, Value)> {
    let address = format!("{}{id}?api-version=2023-01-31", emulator.resource_manager_endpoint());
    let token = emulator.access_token(&emulator.runner().object_id, MANAGEMENT);
    let mut request = http(emulator)?.request(method, address).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.context("Azure Resource Manager was asked")?;
    let status = response.status().as_u16();
    let bytes = response.bytes().await.context("the answer of Azure Resource Manager")?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}

fn http(emulator: &Emulator) -> Result<reqwest::Client> {
    let pem = std::fs::read(emulator.ca_file()).context("the emulator's root certificate")?;
    let root = reqwest::Certificate::from_pem(&pem).context("the emulator's root certificate")?;
    let builder = reqwest::Client::builder().tls_certs_only([root]).no_proxy();
    builder.build().context("an HTTP client")
}

/// One claim of a token, unchecked.
pub(crate) fn claim(token: &str, name: &str) -> Result<String> {
    let payload = token.split('.').nth(1).context("a token has three parts")?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload).context("a token's payload")?;
    let claims: Value = serde_json::from_slice(&bytes).context("a token's payload")?;
    Ok(match &claims[name] {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    })
}

/// Logs in over verified TLS. What the server says against it is in the failure.
pub(crate) async fn login(emulator: &Emulator, user: &str, password: &str, database: &str) -> Result<Client> {
    let server = emulator.postgresql();
    let mut config = Config::new();
    config
        .user(user)
        .password(password)
        .dbname(database)
        .ssl_mode(tokio_postgres::config::SslMode::Require)
        .application_name("openmetadata");
    let stream = TcpStream::connect(&server.address)
        .await
        .context("the database was dialled")?;
    let tls = Tls {
        connector: connector(emulator)?,
        name: ServerName::try_from(server.fqdn.clone()).context("the server's name")?,
    };
    let connected = config.connect_raw(stream, tls).await;
    let (client, connection) = connected.map_err(|error| match error.as_db_error() {
        Some(refusal) => Failure(refusal.message().to_owned()),
        None => Failure(format!("`{user}` could not log in: {error}")),
    })?;
    tokio::spawn(connection);
    Ok(client)
}

fn connector(emulator: &Emulator) -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_file(emulator.ca_file()).context("the emulator's root certificate")?;
    roots.add(root).context("the emulator's root certificate")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsConnect<TcpStream> for Tls {
    type Stream = Secure;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Secure>> + Send>>;

    fn connect(self, stream: TcpStream) -> Self::Future {
        Box::pin(async move { self.connector.connect(self.name, stream).await.map(Secure) })
    }
}

struct Secure(client::TlsStream<TcpStream>);

impl TlsStream for Secure {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Secure {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secure {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
