//! TLS for the databases: always verified, always for the server's own name.
//!
//! Nothing of a login is sent before this is done, so a token cannot travel in the clear.

use crate::sql::error::{Error, Kind, TlsFailure, Unreachable};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection whose other end has proved its name.
pub type Encrypted = tokio_rustls::client::TlsStream<TcpStream>;

/// PostgreSQL's request for TLS: its length, and a number that is no protocol version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Makes verified TLS to one server name, whatever address is dialled.
#[derive(Clone)]
pub struct Tls {
    connector: tokio_rustls::TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// `host` is the server's own name: the certificate must carry it, also behind a tunnel.
    pub fn new(config: &Arc<ClientConfig>, host: &str) -> Result<Tls, Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            let message = format!("{host:?} is not a host name");
            Error::new(Kind::Unreachable(Unreachable::NameResolution), message).because(error)
        })?;
        let mut config = config.clone();
        if !config.alpn_protocols.is_empty() {
            // What a web client offers would be refused by PostgreSQL 17, which knows one protocol only.
            Arc::make_mut(&mut config).alpn_protocols.clear();
        }
        Ok(Tls {
            connector: config.into(),
            name,
        })
    }

    /// Asks a PostgreSQL server for TLS and verifies who answers.
    pub async fn secure(&self, mut stream: TcpStream) -> Result<Encrypted, Error> {
        let offered = async {
            stream.write_all(&SSL_REQUEST).await?;
            stream.read_u8().await
        };
        match offered.await {
            Ok(b'S') => {}
            Ok(b'N') => {
                return Err(refused(TlsFailure::NotOffered, "the server does not offer TLS"));
            }
            Ok(_) => {
                return Err(refused(
                    TlsFailure::Handshake,
                    "the server does not speak PostgreSQL's protocol",
                ));
            }
            Err(error) => {
                return Err(
                    refused(TlsFailure::Handshake, "the server ended the connection before TLS").because(error),
                );
            }
        }
        let secured = self.connector.connect(self.name.clone(), stream).await;
        secured.map_err(|error| {
            let failure = failure(&error);
            let message = match failure {
                TlsFailure::NameMismatch => "the server's certificate is for another name",
                TlsFailure::Untrusted => "the server's certificate is not trusted",
                TlsFailure::NotOffered | TlsFailure::Handshake => "the TLS handshake failed",
            };
            refused(failure, message).because(error)
        })
    }
}

fn refused(failure: TlsFailure, message: &str) -> Error {
    Error::new(Kind::Tls(failure), message)
}

/// rustls' verdict, which the driver of the handshake wraps in an `io::Error`.
fn failure(error: &io::Error) -> TlsFailure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => verdict_on_certificate(reason),
        _ => TlsFailure::Handshake,
    }
}

fn verdict_on_certificate(reason: &CertificateError) -> TlsFailure {
    match reason {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFailure::NameMismatch,
        _ => TlsFailure::Untrusted,
    }
}
