//! Signs in an application by its certificate: reads PKCS#12 and PEM, signs the assertion. It does not send it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p12_keystore::Pkcs12Archive;
use pkcs8::EncryptedPrivateKeyInfoRef;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use crate::azure::error::{Error, Kind};
use crate::azure::settings::CertificateSource;

/// How long an assertion is valid, in seconds.
const ASSERTION_LIFE: i64 = 600;

/// A certificate and its RSA private key.
pub(crate) struct Certificate {
    key: RsaKeyPair,
    leaf: Vec<u8>,
    /// Who issued it, and so on.
    issuers: Vec<Vec<u8>>,
}

impl Certificate {
    /// Reads and opens the certificate.
    pub(crate) async fn load(
        source: &CertificateSource,
        password: Option<&SecretString>,
    ) -> Result<Certificate, Error> {
        let bytes = match source {
            CertificateSource::Base64(text) => {
                let text: String = text.expose_secret().split_whitespace().collect();
                let decoded = STANDARD.decode(text);
                decoded.map_err(|_| wrong("the client certificate is not valid base64"))?
            }
            CertificateSource::File(path) => tokio::fs::read(path).await.map_err(|error| {
                let path = path.display();
                wrong(&format!("the client certificate {path} cannot be read")).with_source(error)
            })?,
        };
        let password = password.map(|password| password.expose_secret()).unwrap_or_default();
        match std::str::from_utf8(&bytes) {
            Ok(text) if text.contains("-----BEGIN ") => Certificate::from_pem(text, password),
            _ => Certificate::from_pkcs12(&bytes, password),
        }
    }

    fn from_pkcs12(bytes: &[u8], password: &str) -> Result<Certificate, Error> {
        let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| {
            let message = "the client certificate cannot be opened: it is not PKCS#12, or the password is wrong";
            wrong(message).with_source(error)
        })?;
        let key = archive
            .keys
            .first()
            .ok_or_else(|| wrong("the client certificate has no private key"))?;
        let key = RsaKeyPair::from_pkcs8(key.key.as_der()).map_err(|error| no_rsa(&error))?;
        Certificate::matching(key, archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()))
    }

    fn from_pem(text: &str, password: &str) -> Result<Certificate, Error> {
        let mut key = None;
        let mut certificates = Vec::new();
        for (label, content) in sections(text) {
            let der = || {
                let decoded = STANDARD.decode(content.split_whitespace().collect::<String>());
                decoded.map_err(|_| wrong("the client certificate is not valid PEM"))
            };
            match label {
                "CERTIFICATE" => certificates.push(der()?),
                "PRIVATE KEY" => key = Some(RsaKeyPair::from_pkcs8(&der()?)),
                "RSA PRIVATE KEY" if content.contains("ENCRYPTED") => {
                    let message =
                        "the private key is encrypted in OpenSSL's old form: convert it with openssl pkcs8 -topk8";
                    return Err(wrong(message));
                }
                "RSA PRIVATE KEY" => key = Some(RsaKeyPair::from_der(&der()?)),
                "ENCRYPTED PRIVATE KEY" => {
                    let encrypted = der()?;
                    let opened = EncryptedPrivateKeyInfoRef::try_from(encrypted.as_slice())
                        .and_then(|info| info.decrypt(password));
                    let opened = opened.map_err(|error| {
                        let message =
                            "the private key cannot be decrypted: the password is wrong or missing, or its encryption is not supported";
                        wrong(message).with_source(error)
                    })?;
                    key = Some(RsaKeyPair::from_pkcs8(opened.as_bytes()));
                }
                _ => {}
            }
        }
        let key = key.ok_or_else(|| wrong("the client certificate's PEM has no private key"))?;
        Certificate::matching(key.map_err(|error| no_rsa(&error))?, certificates)
    }

    /// Picks the certificate that holds the key's public part; chains come in any order.
    fn matching(key: RsaKeyPair, certificates: impl IntoIterator<Item = Vec<u8>>) -> Result<Certificate, Error> {
        let public = key.public_key().as_ref().to_vec();
        let (own, issuers): (Vec<_>, Vec<_>) = certificates
            .into_iter()
            .partition(|der| der.windows(public.len()).any(|window| window == public));
        let leaf = own.into_iter().next();
        let leaf = leaf.ok_or_else(|| wrong("no certificate belongs to the private key"))?;
        Ok(Certificate { key, leaf, issuers })
    }

    /// A signed statement that the application makes about itself, for the token endpoint.
    pub(crate) fn assertion(
        &self,
        client_id: &str,
        token_endpoint: &str,
        now: OffsetDateTime,
    ) -> Result<SecretString, Error> {
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.leaf));
        let mut header = serde_json::json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint});
        if !self.issuers.is_empty() {
            // With its chain, a certificate may be known by subject and issuer, not only by its thumbprint.
            let chain = [&self.leaf].into_iter().chain(&self.issuers);
            header["x5c"] = chain.map(|der| STANDARD.encode(der)).collect();
        }
        let now = now.unix_timestamp();
        let claims = serde_json::json!({
            "aud": token_endpoint, "iss": client_id, "sub": client_id,
            "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": now, "iat": now, "exp": now + ASSERTION_LIFE,
        });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| wrong("the private key cannot sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

fn wrong(message: &str) -> Error {
    Error::new(Kind::Configuration, message)
}

fn no_rsa(error: &aws_lc_rs::error::KeyRejected) -> Error {
    wrong(&format!(
        "the client certificate's private key is not an RSA key that can be used: {error}"
    ))
}

/// The sections of a PEM text: label and content.
fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("-----BEGIN ").skip(1).filter_map(|section| {
        let (label, rest) = section.split_once("-----")?;
        let (content, _) = rest.split_once("-----END ")?;
        Some((label, content))
    })
}

#[cfg(test)]
mod tests;
