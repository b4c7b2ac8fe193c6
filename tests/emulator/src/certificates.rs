//! One root for everything: certificates of the REST endpoints, of the databases, and of the runner's application.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ResolvesServerCertUsingSni, WantsServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ConfigBuilder, ServerConfig};

use crate::error::{Context, Error, Result};

/// The root that signs every server certificate of one emulator.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn generate(name: &str) -> Result<Authority> {
        let key = KeyPair::generate().context("no key for the root certificate")?;
        let mut params = CertificateParams::new(Vec::new()).context("no root certificate")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named(name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params
            .self_signed(&key)
            .context("the root certificate could not be signed")?
            .pem();
        Ok(Authority {
            issuer: Issuer::new(params, key),
            pem,
        })
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A TLS configuration whose certificate names these hosts, and which speaks these application protocols.
    pub(crate) fn server(&self, hosts: &[&str], protocols: &[&[u8]]) -> Result<Arc<ServerConfig>> {
        self.server_with_thumbprint(hosts, protocols).map(|(config, _)| config)
    }

    /// The same with the certificate's SHA-1 in upper-case hexadecimal digits.
    pub(crate) fn server_with_thumbprint(
        &self,
        hosts: &[&str],
        protocols: &[&[u8]],
    ) -> Result<(Arc<ServerConfig>, String)> {
        let (certificate, key) = self.certified(hosts)?;
        let algorithm = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
        let digest = aws_lc_rs::digest::digest(algorithm, &certificate);
        let thumbprint = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let config = builder()?
            .with_single_cert(vec![certificate], key)
            .context("the server certificate was refused")?;
        Ok((speaking(config, protocols), thumbprint))
    }

    /// A TLS configuration that shows its certificate to those only who ask for this name.
    pub(crate) fn server_by_name(&self, name: &str, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>> {
        let (certificate, key) = self.certified(&[name])?;
        let builder = builder()?;
        let certified = CertifiedKey::from_der(vec![certificate], key, builder.crypto_provider())
            .context("the server certificate was refused")?;
        let mut names = ResolvesServerCertUsingSni::new();
        names
            .add(name, certified)
            .context("the server certificate is not for its name")?;
        Ok(speaking(builder.with_cert_resolver(Arc::new(names)), protocols))
    }

    /// A certificate that names these hosts, and its key.
    fn certified(&self, hosts: &[&str]) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
        let key = KeyPair::generate().context("no key for a server certificate")?;
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts.clone()).context("no server certificate")?;
        params.distinguished_name = named(hosts.first().map_or("localhost", String::as_str));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("a server certificate could not be signed")?;
        let secret = PrivateKeyDer::try_from(key.serialize_der()).map_err(Error::new)?;
        Ok((certificate.der().clone(), secret))
    }
}

fn builder() -> Result<ConfigBuilder<ServerConfig, WantsServerCert>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("no TLS version")?
        .with_no_client_auth())
}

fn speaking(mut config: ServerConfig, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// The certificate with which an application proves itself at the token endpoint.
pub(crate) struct ClientCertificate {
    /// The certificate in DER, from which the thumbprints are computed.
    pub(crate) der: Vec<u8>,
    /// The public key in DER.
    pub(crate) public_key: Vec<u8>,
    /// Certificate and private key, PEM.
    pub(crate) pem: String,
}

impl ClientCertificate {
    pub(crate) fn generate(name: &str) -> Result<ClientCertificate> {
        let key =
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).context("no key for the application")?;
        let mut params = CertificateParams::new(Vec::new()).context("no certificate for the application")?;
        params.distinguished_name = named(name);
        let certificate = params
            .self_signed(&key)
            .context("the application's certificate could not be signed")?;
        Ok(ClientCertificate {
            der: certificate.der().to_vec(),
            public_key: key.public_key_raw().to_vec(),
            pem: format!("{}{}", certificate.pem(), key.serialize_pem()),
        })
    }
}

/// Writes a PKCS#12 file of a PEM file with OpenSSL's tool; `false` when that tool is missing.
pub(crate) fn write_pfx(pem: &Path, pfx: &Path, password: &str) -> bool {
    let outcome = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", &format!("pass:{password}"), "-in"])
        .arg(pem)
        .arg("-out")
        .arg(pfx)
        .output();
    outcome.is_ok_and(|output| output.status.success())
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
