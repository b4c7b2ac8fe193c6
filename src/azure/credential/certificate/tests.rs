use crate::azure::credential::certificate::*;
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use p12_keystore::{KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2::Parameters;

/// A self-signed certificate: DER of the certificate, PKCS#8 of the key.
fn made() -> (Vec<u8>, Vec<u8>) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["app".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (certificate.der().to_vec(), key.serialize_der())
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

async fn load(bytes: &[u8], password: Option<&str>) -> Result<Certificate, Error> {
    let source = CertificateSource::Base64(STANDARD.encode(bytes).into());
    Certificate::load(&source, password.map(SecretString::from).as_ref()).await
}

#[tokio::test]
async fn an_assertion_is_signed_with_ps256_and_says_what_entra_wants() {
    let (leaf, key) = made();
    let bundle = pem("CERTIFICATE", &leaf) + &pem("PRIVATE KEY", &key);
    let certificate = load(bundle.as_bytes(), None).await.unwrap();
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    let jwt = certificate
        .assertion("client", "https://login.test/t/oauth2/v2.0/token", now)
        .unwrap();
    let parts: Vec<&str> = jwt.expose_secret().split('.').collect();
    let json =
        |part: &str| -> serde_json::Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    let header = json(parts[0]);
    assert_eq!((&header["alg"], &header["typ"]), (&"PS256".into(), &"JWT".into()));
    assert_eq!(header["x5t#S256"], URL_SAFE_NO_PAD.encode(digest(&SHA256, &leaf)));
    let claims = json(parts[1]);
    assert_eq!(claims["aud"], "https://login.test/t/oauth2/v2.0/token");
    assert_eq!((&claims["iss"], &claims["sub"]), (&"client".into(), &"client".into()));
    assert_eq!(
        (claims["nbf"].as_i64(), claims["exp"].as_i64()),
        (Some(1_800_000_000), Some(1_800_000_600))
    );
    assert_eq!(claims["jti"].as_str().unwrap().len(), 36);
    let public = RsaKeyPair::from_pkcs8(&key).unwrap();
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public.public_key().as_ref())
        .verify(
            format!("{}.{}", parts[0], parts[1]).as_bytes(),
            &URL_SAFE_NO_PAD.decode(parts[2]).unwrap(),
        )
        .unwrap();
}

#[tokio::test]
async fn pkcs12_is_opened_with_its_password() {
    let (leaf, key) = made();
    let chain = PrivateKeyChain::new(
        vec![1],
        PrivateKey::from_der(&key).unwrap(),
        [p12_keystore::Certificate::from_der(&leaf).unwrap()],
    );
    let mut store = KeyStore::new();
    store.add_entry("app", KeyStoreEntry::PrivateKeyChain(chain));
    let pfx = store.writer("open sesame").write().unwrap();
    assert_eq!(load(&pfx, Some("open sesame")).await.unwrap().leaf, leaf);
    for password in [None, Some("wrong")] {
        let error = load(&pfx, password).await.err().unwrap();
        assert!(error.to_string().contains("the password is wrong"), "{error}");
        assert_eq!(error.kind(), Kind::Configuration);
    }
    let unprotected = store.writer("").write().unwrap();
    assert_eq!(load(&unprotected, None).await.unwrap().leaf, leaf);
}

#[tokio::test]
async fn an_encrypted_pem_key_is_opened_with_its_password() {
    let (leaf, key) = made();
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(1000, b"saltsalt", [7; 16]).unwrap();
    let encrypted = PrivateKeyInfoRef::try_from(key.as_slice()).unwrap();
    let encrypted = encrypted.encrypt_with_params(parameters, "open sesame").unwrap();
    let bundle = pem("ENCRYPTED PRIVATE KEY", encrypted.as_bytes()) + &pem("CERTIFICATE", &leaf);
    assert_eq!(load(bundle.as_bytes(), Some("open sesame")).await.unwrap().leaf, leaf);
    let error = load(bundle.as_bytes(), None).await.err().unwrap();
    assert!(error.to_string().contains("cannot be decrypted"), "{error}");
}

#[tokio::test]
async fn the_leaf_is_found_by_its_key_and_a_stranger_is_refused() {
    let ((leaf, key), (other, _)) = (made(), made());
    let bundle = pem("CERTIFICATE", &other) + &pem("CERTIFICATE", &leaf) + &pem("PRIVATE KEY", &key);
    assert_eq!(load(bundle.as_bytes(), None).await.unwrap().leaf, leaf);
    let message = |result: Result<Certificate, Error>| result.err().unwrap().to_string();
    let stranger = pem("CERTIFICATE", &other) + &pem("PRIVATE KEY", &key);
    assert_eq!(
        message(load(stranger.as_bytes(), None).await),
        "no certificate belongs to the private key"
    );
    let keyless = pem("CERTIFICATE", &leaf);
    assert_eq!(
        message(load(keyless.as_bytes(), None).await),
        "the client certificate's PEM has no private key"
    );
    assert!(message(load(b"rubbish", None).await).contains("not PKCS#12"));
    let source = CertificateSource::Base64("***".into());
    assert!(message(Certificate::load(&source, None).await).contains("not valid base64"));
}

#[tokio::test]
async fn a_chain_is_shown_with_the_leaf_first() {
    let ((leaf, key), (issuer, _)) = (made(), made());
    let bundle = pem("CERTIFICATE", &issuer) + &pem("CERTIFICATE", &leaf) + &pem("PRIVATE KEY", &key);
    let header = async |bundle: String| -> serde_json::Value {
        let certificate = load(bundle.as_bytes(), None).await.unwrap();
        let jwt = certificate
            .assertion("c", "https://login.test/", OffsetDateTime::UNIX_EPOCH)
            .unwrap();
        let header = jwt.expose_secret().split('.').next().unwrap().to_owned();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
    };
    let chain = [STANDARD.encode(&leaf), STANDARD.encode(&issuer)];
    assert_eq!(header(bundle).await["x5c"], serde_json::json!(chain));
    let alone = header(pem("CERTIFICATE", &leaf) + &pem("PRIVATE KEY", &key)).await;
    assert!(alone.get("x5c").is_none());
}
