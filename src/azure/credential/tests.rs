use crate::azure::credential::*;
use crate::azure::scripted::{Scripted, patience};
use serde_json::Value;

fn names(settings: &Settings) -> Vec<&'static str> {
    ways(settings).0.iter().map(Way::name).collect()
}

#[test]
fn the_ways_are_tried_in_the_order_of_azurerm() {
    let mut settings = Settings {
        tenant_id: Some("t".into()),
        client_id: Some("c".into()),
        client_secret: Some("s".into()),
        client_certificate: Some(CertificateSource::Base64("x".into())),
        use_oidc: true,
        oidc_token: Some("j".into()),
        use_msi: true,
        ..Settings::default()
    };
    let all = [
        "federated token",
        "client secret",
        "client certificate",
        "managed identity",
        "Azure CLI",
    ];
    assert_eq!(names(&settings), all);
    settings.client_id = None;
    assert_eq!(names(&settings), all[3..]);
}

#[test]
fn a_request_is_for_azure_pipelines_when_it_names_a_service_connection() {
    let mut settings = Settings {
        use_oidc: true,
        oidc_request_url: Some("https://u".into()),
        oidc_request_token: Some("t".into()),
        ..Settings::default()
    };
    let source = |settings: &Settings| Federated::from_settings(settings).unwrap();
    assert!(matches!(source(&settings), Federated::GitHub { .. }));
    settings.ado_pipeline_service_connection_id = Some("s".into());
    assert!(matches!(source(&settings), Federated::Pipelines { .. }));
    settings.oidc_token_file_path = Some("f".into());
    assert!(matches!(source(&settings), Federated::File(_)));
    settings.oidc_token = Some("x".into());
    assert!(matches!(source(&settings), Federated::Given(_)));
    let aks = Settings {
        use_aks_workload_identity: true,
        ..Settings::default()
    };
    assert!(Federated::from_settings(&aks).is_err());
}

#[tokio::test]
async fn the_failure_names_every_way_and_why_it_does_not_serve() {
    let settings = Settings {
        use_cli: false,
        use_oidc: true,
        ..Settings::default()
    };
    let http = Arc::new(Http::new(settings.trust.clone(), settings.connect_timeout));
    let sign_in = SignIn::default();
    let error = sign_in
        .token(&http, &settings, &settings.cloud, Scope::Graph)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no way of signing in is available: \
         federated token: there is no token, no token file, and no request URL with its token; \
         client secret: client_secret is not set; \
         client certificate: client_certificate and client_certificate_path are not set; \
         managed identity: use_msi is not set; Azure CLI: use_cli is false"
    );
}

const GRANTED: &str = r#"200

{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"opensesame"}"#;
const UNKNOWN_CREDENTIAL: &str = r#"400

{"error":"invalid_request","error_description":"AADSTS70021: No matching federated identity record found for presented assertion.\r\nTrace ID: x","error_codes":[70021],"correlation_id":"c-1"}"#;

fn application() -> Settings {
    Settings {
        tenant_id: Some("tenant".into()),
        client_id: Some("client".into()),
        use_cli: false,
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_secret_is_sent_in_the_form_that_entra_wants() {
    let (server, trust) = Scripted::with_tls(&[GRANTED]).await;
    let settings = Settings {
        client_secret: Some("s&cret".into()),
        trust,
        ..application()
    };
    let azure = server.azure_with(settings);
    let token = azure.token(Scope::OpenSourceDatabases).await.unwrap();
    assert_eq!(token.secret().expose_secret(), "opensesame");
    assert_eq!(
        server.asked(),
        [
            "POST /tenant/oauth2/v2.0/token client_id=client&client_secret=s%26cret&grant_type=client_credentials\
          &scope=https%3A%2F%2Fossrdbms-aad.database.windows.net%2F.default"
        ]
    );
}

#[tokio::test]
async fn a_federated_token_of_github_is_presented_as_the_assertion() {
    let (server, trust) = Scripted::with_tls(&["200\n\n{\"count\":9,\"value\":\"j.w.t\"}", GRANTED]).await;
    let settings = Settings {
        use_oidc: true,
        oidc_request_url: Some(format!("{}/github?v=2", server.origin())),
        oidc_request_token: Some("r".into()),
        trust,
        ..application()
    };
    server.azure_with(settings).token(Scope::Graph).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0], "GET /github?v=2&audience=api%3A%2F%2FAzureADTokenExchange");
    assert!(asked[1].starts_with("POST /tenant/oauth2/v2.0/token "), "{}", asked[1]);
    assert!(asked[1].contains("client_assertion=j.w.t"), "{}", asked[1]);
}

#[tokio::test]
async fn azure_pipelines_are_asked_for_their_service_connection() {
    let (server, trust) = Scripted::with_tls(&["200\n\n{\"oidcToken\":\"j.w.t\"}", GRANTED]).await;
    let settings = Settings {
        use_oidc: true,
        oidc_request_url: Some(format!("{}/pipelines", server.origin())),
        oidc_request_token: Some("r".into()),
        ado_pipeline_service_connection_id: Some("sc".into()),
        trust,
        ..application()
    };
    server.azure_with(settings).token(Scope::Graph).await.unwrap();
    assert_eq!(
        server.asked()[0],
        "POST /pipelines?api-version=7.1&serviceConnectionId=sc"
    );
}

#[tokio::test]
async fn a_refusal_is_not_repeated_unless_it_is_asked_for() {
    let settings = |trust| Settings {
        use_oidc: true,
        oidc_token: Some("j".into()),
        trust,
        ..application()
    };
    let (server, trust) = Scripted::with_tls(&[UNKNOWN_CREDENTIAL]).await;
    let error = server
        .azure_with(settings(trust))
        .token(Scope::Graph)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::SignIn { aadsts: Some(70_021) });
    assert_eq!(error.correlation_id(), Some("c-1"));
    assert_eq!(
        error.message(),
        "signing in by federated token: AADSTS70021: No matching federated identity record found for presented assertion."
    );
    let (server, trust) = Scripted::with_tls(&[UNKNOWN_CREDENTIAL, UNKNOWN_CREDENTIAL, GRANTED]).await;
    let azure = server.azure_with(settings(trust));
    azure.token_when_known(Scope::Graph, &patience()).await.unwrap();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_busy_token_endpoint_is_waited_for() {
    let busy = "429\nRetry-After: 0\n\n{\"error\":\"temporarily_unavailable\"}";
    let (server, trust) = Scripted::with_tls(&[busy, "503\n\n<html>", GRANTED]).await;
    let settings = Settings {
        client_secret: Some("s".into()),
        trust,
        ..application()
    };
    server.azure_with(settings).token(Scope::Graph).await.unwrap();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn an_untrusted_authority_is_named_at_once() {
    let (server, _) = Scripted::with_tls(&[GRANTED]).await;
    let settings = Settings {
        client_secret: Some("s".into()),
        ..application()
    };
    let error = server.azure_with(settings).token(Scope::Graph).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Untrusted, "{error:?}");
    assert!(
        error.message().contains("the server's certificate is not trusted"),
        "{error}"
    );
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_managed_identity_that_is_absent_makes_way_for_the_next() {
    let settings = Settings {
        use_msi: true,
        msi_endpoint: Some("http://127.0.0.1:1/token".into()),
        use_cli: false,
        ..Settings::default()
    };
    let (server, _) = Scripted::with_tls(&[]).await;
    let error = server.azure_with(settings).token(Scope::Graph).await.unwrap_err();
    assert_eq!(error.kind(), Kind::SignInUnavailable);
    assert!(
        error.message().ends_with("no managed identity endpoint that answers"),
        "{error}"
    );
}

#[tokio::test]
async fn the_cloud_of_a_metadata_host_is_discovered_once() {
    let metadata = r#"200

{"name":"Here","resourceManager":"{origin}/","microsoftGraphResourceId":"{origin}","authentication":{"loginEndpoint":"{origin}","audiences":["https://arm.test"]}}"#;
    let busy = "429\nRetry-After: 0\n\n{}";
    let server = Scripted::new(&[busy, metadata, "200\n\n{}", "200\n\n{}"]).await;
    let azure = crate::azure::Azure::new(Settings {
        metadata_host: Some(server.origin().to_owned()),
        ..server.azure().settings().clone()
    });
    let azure = azure.unwrap();
    let id = "/subscriptions/S".parse().unwrap();
    for _ in 0..2 {
        azure.get::<Value>(&id, "1", &patience()).await.unwrap();
    }
    assert_eq!(
        server.asked(),
        [
            "GET /metadata/endpoints?api-version=2022-09-01",
            "GET /metadata/endpoints?api-version=2022-09-01",
            "GET /subscriptions/S?api-version=1",
            "GET /subscriptions/S?api-version=1",
        ]
    );
}

#[tokio::test]
async fn a_machine_of_each_cloud_is_asked_for_the_audience_of_its_databases() {
    for (name, domain) in [
        ("public", "windows.net"),
        ("usgovernment", "usgovcloudapi.net"),
        ("china", "chinacloudapi.cn"),
    ] {
        let server = Scripted::new(&[]).await;
        let azure = server.azure_with(Settings {
            cloud: Cloud::named(name).unwrap(),
            ..server.azure().settings().clone()
        });
        azure.token(Scope::OpenSourceDatabases).await.unwrap();
        azure.token(Scope::SqlDatabase).await.unwrap();
        let asked = server.tokens_asked();
        let postgresql = format!("resource=https%3A%2F%2Fossrdbms-aad.database.{domain}");
        assert!(asked[0].ends_with(&postgresql), "{}", asked[0]);
        let sql = format!("resource=https%3A%2F%2Fdatabase.{domain}%2F");
        assert!(asked[1].ends_with(&sql), "{}", asked[1]);
    }
}

#[tokio::test]
async fn a_write_has_the_word_of_every_auxiliary_tenant() {
    let (server, trust) = Scripted::with_tls(&[GRANTED, GRANTED, GRANTED, "200\n\n{}", "200\n\n{}", "200\n\n{}"]).await;
    let settings = Settings {
        client_secret: Some("s".into()),
        auxiliary_tenant_ids: vec!["one".into(), "two".into()],
        trust,
        ..application()
    };
    let azure = server.azure_with(settings);
    let id = "/subscriptions/S".parse().unwrap();
    for _ in 0..2 {
        azure.patch::<_, Value>(&id, "1", &Value::Null, &patience()).await.ok();
    }
    let asked: Vec<String> = server.asked();
    let to = |number: usize, tenant: &str| asked[number].starts_with(&format!("POST /{tenant}/oauth2/v2.0/token "));
    assert!(to(0, "tenant") && to(1, "one") && to(2, "two"), "{asked:?}");
    let header = |number| server.header(number, "x-ms-authorization-auxiliary");
    assert_eq!(header(3).as_deref(), Some("Bearer opensesame, Bearer opensesame"));
    assert_eq!(
        (&asked[4][..4], header(4)),
        ("GET ", None),
        "to read needs nobody else's word"
    );
    assert_eq!(header(5).as_deref(), Some("Bearer opensesame, Bearer opensesame"));
}

#[tokio::test]
async fn a_managed_identity_stays_in_its_tenant() {
    let server = Scripted::new(&[]).await;
    let azure = server.azure_with(Settings {
        auxiliary_tenant_ids: vec!["one".into()],
        ..server.azure().settings().clone()
    });
    let id = "/subscriptions/S".parse().unwrap();
    let error = azure.delete(&id, "1", &patience()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration);
    assert!(
        error.message().contains("auxiliary tenant one: a managed identity"),
        "{error}"
    );
    assert!(server.asked().is_empty());
}
