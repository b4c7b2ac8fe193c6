//! RSA keys and signed JSON web tokens. It does not know which claims mean what.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _, RsaParameters, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// A key that signs tokens with RS256.
pub(crate) struct Key {
    pair: KeyPair,
    id: String,
}

impl Key {
    pub(crate) fn generate() -> Result<Key> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| Error::new("no RSA key could be made"))?;
        let der = pair
            .public_key()
            .as_der()
            .map_err(|_| Error::new("no RSA public key could be written"))?;
        let id =
            base64url(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der.as_ref()).as_ref())[..27].to_owned();
        Ok(Key { pair, id })
    }

    /// Signs the claims. The header carries `typ`, `alg`, `kid` and `x5t`, as Entra's does.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "RS256", "x5t": self.id, "kid": self.id});
        let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
        let mut mark = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &signature::RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut mark,
            )
            .expect("the buffer has the length of the modulus");
        format!("{signed}.{}", base64url(mark))
    }

    /// Whether this key made the token.
    pub(crate) fn signed(&self, token: &Token) -> bool {
        token.is_signed_by(self.pair.public_key().as_ref())
    }

    /// The public key as a JSON web key.
    pub(crate) fn public(&self) -> Value {
        let (modulus, exponent) = integers(self.pair.public_key().as_ref());
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": base64url(modulus), "e": base64url(exponent)})
    }
}

/// A token taken apart; nothing about it is believed yet.
pub(crate) struct Token {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    signed: String,
    mark: Vec<u8>,
}

impl Token {
    /// `None` when the text is no token at all.
    pub(crate) fn parse(text: &str) -> Option<Token> {
        let (signed, mark) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        Some(Token {
            header: serde_json::from_slice(&decode(header)?).ok()?,
            claims: serde_json::from_slice(&decode(claims)?).ok()?,
            signed: signed.to_owned(),
            mark: decode(mark)?,
        })
    }

    pub(crate) fn claim(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_default()
    }

    /// Seconds since 1970, which some libraries write with a fraction; 0 when the claim is missing.
    pub(crate) fn time(&self, name: &str) -> i64 {
        let claim = &self.claims[name];
        let whole = || claim.to_string().split('.').next().and_then(|whole| whole.parse().ok());
        claim.as_i64().or_else(whole).unwrap_or_default()
    }

    /// Checks the signature with an RSA public key in DER, by the algorithm that the header names.
    pub(crate) fn is_signed_by(&self, public_key: &[u8]) -> bool {
        let parameters: &'static RsaParameters = match self.header["alg"].as_str() {
            Some("RS256") => &signature::RSA_PKCS1_2048_8192_SHA256,
            Some("PS256") => &signature::RSA_PSS_2048_8192_SHA256,
            _ => return false,
        };
        UnparsedPublicKey::new(parameters, public_key)
            .verify(self.signed.as_bytes(), &self.mark)
            .is_ok()
    }
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// Modulus and exponent of a DER `RSAPublicKey`: a sequence of two integers.
fn integers(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    fn element(der: &[u8]) -> (&[u8], &[u8]) {
        let short = usize::from(der[1]);
        let (length, start) = match short {
            0x81 => (usize::from(der[2]), 3),
            0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
            _ => (short, 2),
        };
        (&der[start..start + length], &der[start + length..])
    }
    let (sequence, _) = element(der);
    let (modulus, rest) = element(sequence);
    let (exponent, _) = element(rest);
    let unsigned = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    (unsigned(modulus), unsigned(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_believed_only_from_its_own_key() {
        let key = Key::generate().unwrap();
        let text = key.sign(&json!({"sub": "one", "exp": 7}));
        let token = Token::parse(&text).unwrap();
        assert_eq!((token.claim("sub"), token.time("exp")), ("one", 7));
        assert!(key.signed(&token));
        assert!(!Key::generate().unwrap().signed(&token));
        assert!(Token::parse("not.a.token").is_none());
        let fraction = key.sign(&json!({"exp": 7.5, "nbf": "soon"}));
        let token = Token::parse(&fraction).unwrap();
        assert_eq!((token.time("exp"), token.time("nbf"), token.time("iat")), (7, 0, 0));
    }

    #[test]
    fn the_public_exponent_is_65537() {
        assert_eq!(Key::generate().unwrap().public()["e"], "AQAB");
    }
}
