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
    further: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// The operating system's roots and these.
    pub fn with_roots(further: Vec<CertificateDer<'static>>) -> Trust {
        Trust(Arc::new(Roots {
            further,
            config: OnceLock::new(),
        }))
    }

    /// The operating system's roots and the certificates of a PEM text (the content of `ca_file`).
    pub fn with_pem(pem: &[u8]) -> Result<Trust, Error> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|error| {
            Error::new(Kind::Configuration, "the file of trusted roots is not valid PEM").with_source(error)
        })?;
        if certificates.is_empty() {
            let message = "the file of trusted roots contains no certificate";
            return Err(Error::new(Kind::Configuration, message));
        }
        Ok(Trust::with_roots(certificates))
    }

    /// What a TLS client needs: full verification against these roots, no protocol above TLS named.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.0.config.get() {
            return Ok(config.clone());
        }
        let config = build(&self.0.further)?;
        Ok(self.0.config.get_or_init(|| config).clone())
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Trust")
            .field("further", &self.0.further.len())
            .finish()
    }
}

fn build(further: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a part of the operating system's root certificates cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    for certificate in further {
        roots.add(certificate.clone()).map_err(|error| {
            Error::new(
                Kind::Configuration,
                "a certificate of the file of trusted roots is malformed",
            )
            .with_source(error)
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
