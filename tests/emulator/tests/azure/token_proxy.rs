//! The token proxy of a cluster with identity bindings: its name, its own authority, and whose tokens it takes.

use std::net::SocketAddr;
use std::sync::Arc;

use entradb_emulator::{Access, AppCredential, Emulator, KubernetesTokenProxy, Options};
use reqwest::{Certificate, Client};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::{Answer, post_token, taken_apart};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn address(proxy: &KubernetesTokenProxy) -> SocketAddr {
    let url = reqwest::Url::parse(&proxy.url).unwrap();
    format!("127.0.0.1:{}", url.port().unwrap()).parse().unwrap()
}

/// A client as a pod has it: the proxy's name in the hello, and no root but the proxy's own.
fn client(proxy: &KubernetesTokenProxy) -> Client {
    Client::builder()
        .tls_certs_only([Certificate::from_pem(proxy.ca_pem.as_bytes()).unwrap()])
        .resolve(&proxy.sni_name, address(proxy))
        .no_proxy()
        .build()
        .unwrap()
}

/// An address at the proxy; the name stands in the place of 127.0.0.1 so that the client says it.
fn at(proxy: &KubernetesTokenProxy, rest: &str) -> String {
    format!("{}/{rest}", proxy.url.replace("127.0.0.1", &proxy.sni_name))
}

fn exchange<'a>(app: &'a AppCredential, assertion: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("grant_type", "client_credentials"),
        ("client_id", &app.client_id),
        ("client_assertion_type", ASSERTION),
        ("client_assertion", assertion),
        ("scope", "https://management.azure.com/.default"),
    ]
}

async fn post(proxy: &KubernetesTokenProxy, client: &Client, tenant: &str, form: &[(&str, &str)]) -> Answer {
    let address = at(proxy, &format!("{tenant}/oauth2/v2.0/token"));
    taken_apart(client.post(address).form(form).send().await.unwrap()).await
}

/// What a hello with this name, or with none, ends in.
async fn hello(proxy: &KubernetesTokenProxy, name: &str, says_it: bool) -> Result<(), rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(proxy.ca_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_sni = says_it;
    let stream = TcpStream::connect(address(proxy)).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let outcome = connector.connect(name, stream).await;
    outcome.map(drop).map_err(|error| {
        let inner = error.into_inner().unwrap();
        *inner.downcast::<rustls::Error>().unwrap()
    })
}

#[tokio::test]
async fn a_pod_gets_its_token_through_the_proxy() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let app = emulator.add_application("bound", Access::None).await.unwrap();
    let subject = "system:serviceaccount:openmetadata:bytebase";
    let issuer = emulator.cluster_issuer();
    emulator.federate(&app.client_id, &issuer, subject, "api://AzureADTokenExchange");
    let proxy = emulator.start_kubernetes_token_proxy().unwrap();
    let (client, tenant) = (client(&proxy), emulator.tenant_id());

    let token = emulator.service_account_token("openmetadata", "bytebase");
    let answer = post(&proxy, &client, tenant, &exchange(&app, &token)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body["access_token"].is_string());
    assert_eq!(proxy.requests(), 1);

    // What Entra refuses, it refuses through the proxy in the same words.
    let stranger = emulator.service_account_token("openmetadata", "stranger");
    let direct = post_token(&emulator, &exchange(&app, &stranger)).await;
    let through = post(&proxy, &client, tenant, &exchange(&app, &stranger)).await;
    assert_eq!(through.body["error_codes"], direct.body["error_codes"]);
    assert_eq!(through.body["error_codes"][0], 700_213, "{through:?}");

    // What is no token of the cluster's service accounts never comes to Entra.
    emulator.federate(
        &app.client_id,
        "https://issuer.example",
        "pod",
        "api://AzureADTokenExchange",
    );
    let foreign = emulator.external_token("https://issuer.example", "pod");
    let pretended = emulator.external_token(&issuer, subject);
    let secret = [
        ("grant_type", "client_credentials"),
        ("client_id", &app.client_id),
        ("client_secret", &app.client_secret),
        ("scope", "https://management.azure.com/.default"),
    ];
    for form in [&exchange(&app, &foreign)[..], &exchange(&app, &pretended), &secret] {
        assert_eq!(
            post_token(&emulator, form).await.status,
            200,
            "the token endpoint itself takes it"
        );
        let answer = post(&proxy, &client, tenant, form).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (401, &"invalid_client".into()),
            "{answer:?}"
        );
        assert!(answer.body.get("error_codes").is_none(), "{answer:?}");
    }
    emulator.rotate_cluster_issuer();
    assert_eq!(
        post(&proxy, &client, tenant, &exchange(&app, &token)).await.status,
        401,
        "the cluster's former issuer"
    );
    assert_eq!(proxy.requests(), 6);

    for (path, status) in [
        (format!("{tenant}/v2.0/.well-known/openid-configuration"), 200),
        (format!("{tenant}/discovery/v2.0/keys"), 404),
        (String::new(), 404),
    ] {
        let answer = client.get(at(&proxy, &path)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    let outside = at(&proxy, "").replace("identity-bindings", "elsewhere");
    assert_eq!(client.get(outside).send().await.unwrap().status(), 404);
    assert_eq!(proxy.requests(), 6, "these were no requests for a token");
}

#[tokio::test]
async fn only_who_says_the_name_sees_the_certificate() {
    let emulator = crate::client::shared().await;
    let proxy = emulator.start_kubernetes_token_proxy().unwrap();
    assert_eq!(hello(&proxy, &proxy.sni_name, true).await, Ok(()));
    for (name, says_it) in [
        (proxy.sni_name.as_str(), false),
        ("127.0.0.1", true),
        ("other.ests.aks", true),
    ] {
        let refused = hello(&proxy, name, says_it).await;
        assert!(
            matches!(refused, Err(rustls::Error::AlertReceived(_))),
            "{name}: {refused:?}"
        );
    }
    let emulators_own = std::fs::read(emulator.ca_file()).unwrap();
    let stranger = Client::builder()
        .tls_certs_only([Certificate::from_pem(&emulators_own).unwrap()])
        .resolve(&proxy.sni_name, address(&proxy))
        .no_proxy()
        .build()
        .unwrap();
    assert!(
        stranger.get(at(&proxy, "")).send().await.unwrap_err().is_connect(),
        "the authority is the proxy's own"
    );
}

#[tokio::test]
async fn a_rotation_leaves_nothing_of_the_old_certificate() {
    let emulator = crate::client::shared().await;
    let mut proxy = emulator.start_kubernetes_token_proxy().unwrap();
    let before = client(&proxy);
    let address_before = at(&proxy, "");
    assert_eq!(before.get(&address_before).send().await.unwrap().status(), 404);
    let (name, authority) = (proxy.sni_name.clone(), proxy.ca_pem.clone());
    proxy.rotate();
    assert_ne!(proxy.ca_pem, authority);
    assert_eq!((&proxy.sni_name, at(&proxy, "")), (&name, address_before.clone()));
    assert!(
        before.get(&address_before).send().await.is_err(),
        "not even over the connection that was open"
    );
    let after = client(&proxy);
    assert_eq!(after.get(&address_before).send().await.unwrap().status(), 404);

    drop(proxy);
    assert!(
        after.get(&address_before).send().await.is_err(),
        "it stops when it is dropped"
    );
}
