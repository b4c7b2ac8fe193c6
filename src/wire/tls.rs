//! The one-time certificates of host and provider. Trusts exactly one peer: the certificate that the
//! host named in the environment, proved by a signature of its key.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use time::{Duration, OffsetDateTime};

/// Why no encrypted connection can be offered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the host gave as its certificate is none.
    #[error("the client certificate in PLUGIN_CLIENT_CERT cannot be read")]
    ClientCertificate(#[source] rustls::pki_types::pem::Error),
    /// No certificate of our own could be made.
    #[error("the server certificate cannot be made")]
    ServerCertificate(#[source] rcgen::Error),
    /// The TLS library refused the set-up.
    #[error("TLS cannot be set up")]
    SetUp(#[source] rustls::Error),
}

/// The server's half of the connection.
#[derive(Debug, Clone)]
pub struct MutualTls {
    /// What to accept connections with.
    pub server: Arc<ServerConfig>,
    /// The certificate that the host is told to expect.
    pub certificate: CertificateDer<'static>,
}

impl MutualTls {
    /// Makes a key and a certificate for this process, and admits only the owner of `client_pem`.
    ///
    /// # Errors
    ///
    /// `client_pem` holds no certificate, or the crypto library fails.
    pub fn new(client_pem: &str) -> Result<Self, Error> {
        let client = CertificateDer::from_pem_slice(client_pem.as_bytes());
        let client = client.map_err(Error::ClientCertificate)?;
        let (certificate, key) = server_certificate().map_err(Error::ServerCertificate)?;
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = OnlyClient::new(client, &crypto);
        let mut server = ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .map_err(Error::SetUp)?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(vec![certificate.clone()], key.into())
            .map_err(Error::SetUp)?;
        // Newer hosts hang up without it.
        server.alpn_protocols = vec![b"h2".to_vec()];
        // There is one connection in the life of the process: nothing to resume.
        server.send_tls13_tickets = 0;
        Ok(Self {
            server: Arc::new(server),
            certificate,
        })
    }
}

fn server_certificate() -> Result<(CertificateDer<'static>, PrivatePkcs8KeyDer<'static>), rcgen::Error> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    // The host checks the name, and trusts this certificate alone.
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "localhost");
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let now = OffsetDateTime::now_utc();
    parameters.not_before = now - Duration::hours(1);
    parameters.not_after = now + Duration::days(365);
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der())))
}

/// Admits the owner of one certificate.
///
/// Chains and validity say nothing here: the host signs its certificate itself and marks it as an
/// authority, which the usual verifier refuses in an end entity.
#[derive(Debug)]
struct OnlyClient {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl OnlyClient {
    fn new(certificate: CertificateDer<'static>, crypto: &CryptoProvider) -> Self {
        Self {
            certificate,
            algorithms: crypto.signature_verification_algorithms,
        }
    }
}

impl ClientCertVerifier for OnlyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_with_a_reason() {
        let error = MutualTls::new("nonsense").expect_err("no PEM");
        assert!(matches!(error, Error::ClientCertificate(_)), "{error}");
    }
}
