use std::path::PathBuf;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use crate::azure::answer::Answer;
use crate::azure::cloud::Scope;
use crate::azure::credential::managed_identity::*;
use crate::azure::scripted::Scripted;
use crate::azure::settings::Platform;
use reqwest::header::HeaderMap;

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: HeaderMap::new(),
        body: body.into(),
        request: "GET x".to_owned(),
    }
}

/// A machine with a managed identity and no other way, on this platform.
fn on(platform: Platform) -> Settings {
    let nowhere = Platform {
        arc_agent: PathBuf::new(),
        ..platform
    };
    Settings {
        use_msi: true,
        use_cli: false,
        platform: nowhere,
        ..Settings::default()
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_endpoint_follows_from_the_variables() {
    let source = |platform: Platform| Source::of(&on(platform)).name();
    let identity = || Platform {
        identity: text("http://127.0.0.1:1/msi/token"),
        ..Platform::default()
    };
    let with_header = || Platform {
        identity_header: Some("h".into()),
        ..identity()
    };
    let msi = || Platform {
        msi: text("http://127.0.0.1:2/token"),
        ..Platform::default()
    };
    let table = [
        (
            Platform {
                identity_thumbprint: text("00"),
                has_imds: true,
                ..with_header()
            },
            "Azure Service Fabric",
        ),
        (
            with_header(),
            "the application's platform (App Service, Functions, Container Apps)",
        ),
        (
            Platform {
                has_imds: true,
                ..identity()
            },
            "the Azure Arc agent",
        ),
        (
            Platform {
                msi_secret: Some("s".into()),
                ..msi()
            },
            "Azure Machine Learning",
        ),
        (msi(), "Azure Cloud Shell"),
        (identity(), "the metadata service of this machine"),
        (Platform::default(), "the metadata service of this machine"),
    ];
    for (platform, name) in table {
        assert_eq!(source(platform), name);
    }
    let mut settings = on(Platform::default());
    settings.platform.arc_agent = std::env::current_exe().unwrap();
    assert_eq!(Source::of(&settings).name(), "the Azure Arc agent");
}

#[test]
fn an_endpoint_that_is_given_wins_unless_it_repeats_the_platforms() {
    let mut settings = on(Platform {
        identity: text("http://127.0.0.1:1/msi/token"),
        identity_header: Some("h".into()),
        ..Platform::default()
    });
    settings.msi_endpoint = text("http://127.0.0.1:1/msi/token/");
    assert!(matches!(Source::of(&settings), Source::AppService { .. }));
    settings.msi_endpoint = text("http://127.0.0.1:2");
    assert!(matches!(Source::of(&settings), Source::MetadataService { .. }));
}

#[test]
fn every_request_has_the_form_of_its_endpoint() {
    let wanted = Wanted {
        resource: "https://r",
        client_id: Some("c"),
    };
    let endpoint = || "http://127.0.0.1:1/msi/token".to_owned();
    let request = |source: Source| request(&source, &wanted).unwrap();
    let (address, resource) = (endpoint(), "resource=https%3A%2F%2Fr");
    let app = request(Source::AppService {
        endpoint: endpoint(),
        header: "h".into(),
    });
    let expected = format!("{address}?api-version=2019-08-01&{resource}&client_id=c");
    assert_eq!(
        (app.url.as_str(), &app.headers["x-identity-header"]),
        (expected.as_str(), &"h".parse().unwrap())
    );
    let learning = request(Source::MachineLearning {
        endpoint: endpoint(),
        secret: "s".into(),
    });
    let expected = format!("{address}?api-version=2017-09-01&{resource}&clientid=c");
    assert_eq!(
        (learning.url.as_str(), &learning.headers["secret"]),
        (expected.as_str(), &"s".parse().unwrap())
    );
    let machine = request(Source::MetadataService {
        endpoint: "http://127.0.0.1:2".to_owned(),
    });
    let expected =
        format!("http://127.0.0.1:2/metadata/identity/oauth2/token?api-version=2018-02-01&{resource}&client_id=c");
    assert_eq!(
        (machine.url.as_str(), &machine.headers["metadata"]),
        (expected.as_str(), &"true".parse().unwrap())
    );
    let fabric = request(Source::ServiceFabric {
        endpoint: "https://127.0.0.1:1/x".to_owned(),
        header: "h".into(),
        thumbprint: "00".repeat(20),
    });
    assert_eq!(
        fabric.url.as_str(),
        format!("https://127.0.0.1:1/x?api-version=2019-07-01-preview&{resource}")
    );
    for request in [app, learning, machine] {
        assert!(matches!(request.route, Route::Nearby));
    }
    assert!(matches!(fabric.route, Route::Pinned(_)));
}

#[test]
fn expiry_is_read_in_every_form() {
    let token = |body: &str| read(&answer(200, body)).map(|token| token.expires_on().unix_timestamp());
    for on in ["\"1800000000\"", "1800000000"] {
        let body = format!(r#"{{"access_token":"t","expires_on":{on}}}"#);
        assert_eq!(token(&body).unwrap(), 1_800_000_000);
    }
    assert!(token(r#"{"access_token":"t","expires_in":"3600"}"#).is_ok());
    assert_eq!(token(r#"{"access_token":"t"}"#).unwrap_err().kind(), Kind::Unexpected);
}

#[test]
fn a_refusal_says_what_to_do() {
    let machine = Source::MetadataService {
        endpoint: String::new(),
    };
    let told = |status, body: &str, client_id| {
        let error = refused(&answer(status, body), &machine, client_id);
        (error.kind(), error.message().to_owned())
    };
    let nobody = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let (kind, message) = told(400, nobody, None);
    assert_eq!(kind, Kind::SignInUnavailable);
    assert_eq!(message, "no managed identity is assigned here (Identity not found)");
    let (kind, message) = told(400, nobody, Some("c"));
    assert_eq!(kind, Kind::SignIn { aadsts: None });
    assert!(
        message.contains("no identity with the client ID c is assigned here"),
        "{message}"
    );
    let several = r#"{"error":"invalid_request","error_description":"Multiple user assigned identities exist, please specify the clientId"}"#;
    let (kind, message) = told(400, several, None);
    assert_eq!(kind, Kind::SignIn { aadsts: None });
    assert!(message.contains("set `client_id` (ARM_CLIENT_ID)"), "{message}");
    let app = r#"{"statusCode":400,"message":"No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."}"#;
    assert_eq!(told(400, app, Some("c")).0, Kind::SignIn { aadsts: None });
    let platform = Source::AppService {
        endpoint: String::new(),
        header: "h".into(),
    };
    let unnamed = r#"{"statusCode":400,"message":"Unable to load the proper Managed Identity."}"#;
    let error = refused(&answer(400, unnamed), &platform, None);
    assert_eq!(
        error.kind(),
        Kind::SignIn { aadsts: None },
        "an app has some identity: nobody else is tried"
    );
    assert!(
        error.message().contains("there is no system-assigned identity here"),
        "{error}"
    );
    let kind = |status, body| told(status, body, None).0;
    assert_eq!(kind(429, r#"{"error":"x"}"#), Kind::Throttled);
    assert_eq!(kind(500, ""), Kind::Transient);
    assert_eq!(kind(404, "x"), Kind::Transient);
    assert_eq!(kind(410, ""), Kind::Transient);
    assert_eq!(
        kind(403, "connecting: connect: network is unreachable"),
        Kind::SignInUnavailable
    );
}

/// A token that says whose it is.
fn token_of(client_id: &str) -> String {
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"appid":"{client_id}"}}"#));
    format!("200\n\n{{\"access_token\":\"e.{claims}.s\",\"expires_in\":3600}}")
}

#[tokio::test]
async fn cloud_shell_is_asked_by_a_form_and_is_nobody_else() {
    let server = Scripted::new(&[&token_of("own"), &token_of("own")]).await;
    let mut settings = on(Platform {
        msi: Some(format!("{}/shell", server.origin())),
        ..Platform::default()
    });
    server.azure_with(settings.clone()).token(Scope::Graph).await.unwrap();
    let form = format!("POST /shell resource=http%3A%2F%2F127.0.0.1%3A{}", server.port());
    assert_eq!(server.asked(), [form]);
    settings.client_id = text("another");
    let error = server.azure_with(settings).token(Scope::Graph).await.unwrap_err();
    assert!(
        error.message().contains("leave `client_id` (ARM_CLIENT_ID) out here"),
        "{error}"
    );
}

#[tokio::test]
async fn the_agent_of_arc_is_shown_its_own_key() {
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("a.key");
    std::fs::write(&key, "opensesame").unwrap();
    let ask = async |named: String, answers: &[&str]| {
        let challenge = format!("401\nWWW-Authenticate: Basic realm={named}\n\n");
        let answers: Vec<&str> = [challenge.as_str()]
            .into_iter()
            .chain(answers.iter().copied())
            .collect();
        let server = Scripted::new(&answers).await;
        let settings = on(Platform {
            identity: Some(format!("{}/agent", server.origin())),
            has_imds: true,
            arc_keys: keys.path().to_owned(),
            ..Platform::default()
        });
        let token = server.azure_with(settings).token(Scope::SqlDatabase).await;
        (token, server)
    };
    let (token, server) = ask(key.display().to_string(), &[&token_of("own")]).await;
    assert!(token.unwrap().secret().expose_secret().starts_with("e."));
    assert_eq!(server.header(0, "authorization"), None);
    assert_eq!(server.header(1, "authorization").as_deref(), Some("Basic opensesame"));
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("b.key"), "secret").unwrap();
    std::fs::write(keys.path().join("c.txt"), "secret").unwrap();
    std::fs::write(keys.path().join("large.key"), "x".repeat(4097)).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path().join("b.key"), keys.path().join("link.key")).unwrap();
    let (within, without) = (keys.path().display(), outside.path().display());
    let table = [
        (format!("{without}/b.key"), "which is no .key file in"),
        (format!("{within}/c.txt"), "which is no .key file in"),
        (format!("{within}/x/../a.key"), "which is no .key file in"),
        (format!("{within}/large.key"), "is larger than 4096 bytes"),
        (format!("{within}/link.key"), "is no plain file"),
        (format!("{within}/absent.key"), "must be a member of the group"),
    ];
    for (named, why) in table {
        let (token, server) = ask(named.clone(), &[]).await;
        let error = token.unwrap_err();
        assert_eq!(error.kind(), Kind::SignIn { aadsts: None }, "{named}");
        assert!(error.message().contains(why), "{named}: {error}");
        assert_eq!(server.asked().len(), 1, "{named}: nothing was shown");
    }
}

#[tokio::test]
async fn service_fabric_is_known_by_its_thumbprint_alone() {
    let (server, pem) = Scripted::with_own_certificate(&[&token_of("own")]).await;
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate);
    let thumbprint: String = thumbprint.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut settings = on(Platform {
        identity: Some(format!("{}/fabric", server.origin())),
        identity_header: Some("h".into()),
        identity_thumbprint: Some("00".repeat(20)),
        ..Platform::default()
    });
    let error = server
        .azure_with(settings.clone())
        .token(Scope::Graph)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Untrusted, "{error}");
    assert!(server.asked().is_empty());
    settings.platform.identity_thumbprint = Some(thumbprint);
    server.azure_with(settings).token(Scope::Graph).await.unwrap();
    assert_eq!(server.header(0, "secret").as_deref(), Some("h"));
}
