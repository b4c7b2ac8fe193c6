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
            // A server that cannot even fork answers with an error in place of a letter.
            Ok(b'E') => {
                return Err(Error::new(
                    Kind::ConnectionLost,
                    "the server turned the connection away",
                ));
            }
            Ok(_) => {
                return Err(refused(
                    TlsFailure::Handshake,
                    "the server does not speak PostgreSQL's protocol",
                ));
            }
            Err(error) => {
                let message = "the server ended the connection before TLS";
                return Err(Error::new(Kind::ConnectionLost, message).because(error));
            }
        }
        let secured = self.connector.connect(self.name.clone(), stream).await;
        secured.map_err(|error| explain(&error).because(error))
    }
}

fn refused(failure: TlsFailure, message: &str) -> Error {
    Error::new(Kind::Tls(failure), message)
}

/// rustls' verdict, which the handshake wraps in an `io::Error`; without one it was the network.
fn explain(error: &io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => match verdict_on_certificate(reason) {
            TlsFailure::NameMismatch => {
                refused(TlsFailure::NameMismatch, "the server's certificate is for another name")
            }
            failure => refused(failure, "the server's certificate is not trusted"),
        },
        Some(_) => refused(TlsFailure::Handshake, "the TLS handshake failed"),
        None => Error::new(
            Kind::ConnectionLost,
            "the server ended the connection during the TLS handshake",
        ),
    }
}

fn verdict_on_certificate(reason: &CertificateError) -> TlsFailure {
    match reason {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFailure::NameMismatch,
        _ => TlsFailure::Untrusted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// What becomes of a handshake with a server that answers with this one byte, or hangs up.
    async fn answered(byte: Option<u8>) -> Kind {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 8];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request, SSL_REQUEST);
            if let Some(byte) = byte {
                stream.write_all(&[byte]).await.unwrap();
            }
        });
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = builder
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let tls = Tls::new(&Arc::new(config), "pg.example.test").unwrap();
        tls.secure(TcpStream::connect(address).await.unwrap())
            .await
            .unwrap_err()
            .kind
    }

    #[tokio::test]
    async fn without_tls_there_is_no_connection() {
        assert_eq!(answered(Some(b'N')).await, Kind::Tls(TlsFailure::NotOffered));
        assert_eq!(answered(Some(b'H')).await, Kind::Tls(TlsFailure::Handshake));
        assert_eq!(answered(Some(b'E')).await, Kind::ConnectionLost);
        assert_eq!(answered(Some(b'S')).await, Kind::ConnectionLost);
        assert_eq!(answered(None).await, Kind::ConnectionLost);
    }

    #[test]
    fn a_text_that_is_no_host_name_is_refused() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = builder
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        assert!(Tls::new(&Arc::new(config), "no host").is_err());
    }
}
