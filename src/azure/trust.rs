//! Whom we trust: the operating system's roots and those of `ca_file`, loaded once. It does not know who asks.

mod pinned;

pub use pinned::Thumbprint;

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::azure::error::{Error, Kind};

/// The roots that every TLS connection of ours is checked against. A clone shares them.
///
/// Reading the operating system's store takes milliseconds, so it happens at the first connection.
#[derive(Clone, Default)]
pub struct Trust(Arc<Roots>);

#[derive(Default)]
struct Roots {
    /// Only `further` is trusted.
    alone: bool,
    further: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// The operating system's roots and these.
    pub fn with_roots(further: Vec<CertificateDer<'static>>) -> Trust {
        Trust::of(further, false)
    }

    fn of(further: Vec<CertificateDer<'static>>, alone: bool) -> Trust {
        Trust(Arc::new(Roots {
            alone,
            further,
            config: OnceLock::new(),
        }))
    }

    /// The operating system's roots and the certificates of a PEM text (the content of `ca_file`).
    pub fn with_pem(pem: &[u8]) -> Result<Trust, Error> {
        Ok(Trust::of(certificates(pem)?, false))
    }

    /// The certificates of a PEM text, and no other.
    pub fn only_pem(pem: &[u8]) -> Result<Trust, Error> {
        Ok(Trust::of(certificates(pem)?, true))
    }

    /// What a TLS client needs: full verification against these roots, no protocol above TLS named.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.0.config.get() {
            return Ok(config.clone());
        }
        let config = build(&self.0)?;
        Ok(self.0.config.get_or_init(|| config).clone())
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Trust")
            .field("alone", &self.0.alone)
            .field("further", &self.0.further.len())
            .finish()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates
        .map_err(|error| Error::new(Kind::Configuration, "the trusted roots are not valid PEM").with_source(error))?;
    if certificates.is_empty() {
        let message = "the trusted roots contain no certificate";
        return Err(Error::new(Kind::Configuration, message));
    }
    Ok(certificates)
}

fn build(trusted: &Roots) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    if !trusted.alone {
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "a part of the operating system's root certificates cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
    }
    for certificate in &trusted.further {
        roots.add(certificate.clone()).map_err(|error| {
            Error::new(Kind::Configuration, "a certificate of the trusted roots is malformed").with_source(error)
        })?;
    }
    if roots.is_empty() {
        let message = "the operating system has no root certificates and no file of trusted roots is given";
        return Err(Error::new(Kind::Configuration, message));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Kind::Configuration, "TLS cannot be set up").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
