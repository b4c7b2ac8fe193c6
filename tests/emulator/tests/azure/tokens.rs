//! The token endpoint, the metadata document, the instance metadata service and the issuers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entradb_emulator::{Emulator, Options};
use serde_json::{Value, json};

use crate::client::{Arm, http, post_token, shared, taken_apart, token};

pub(crate) fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_secret_gives_a_token_with_azures_claims() {
    let emulator = shared().await;
    let runner = emulator.runner();
    let text = token(emulator, runner, "https://ossrdbms-aad.database.windows.net").await;
    assert!((1536..2048).contains(&text.len()), "{} bytes", text.len());
    let claims = claims(&text);
    assert_eq!(claims["aud"], "https://ossrdbms-aad.database.windows.net");
    assert_eq!(
        claims["iss"],
        json!(format!("https://sts.windows.net/{}/", emulator.tenant_id()))
    );
    let expected = (
        &json!(runner.object_id),
        &json!(runner.client_id),
        &json!(emulator.tenant_id()),
    );
    assert_eq!((&claims["oid"], &claims["appid"], &claims["tid"]), expected);
    assert!(
        claims["name"].is_null() && claims["upn"].is_null(),
        "a service principal's token carries no name"
    );
    let slashed = token(emulator, runner, "https://database.windows.net/").await;
    assert_eq!(crate::tokens::claims(&slashed)["aud"], "https://database.windows.net/");
}

#[tokio::test]
async fn what_the_token_endpoint_refuses_it_names() {
    let emulator = shared().await;
    let runner = emulator.runner();
    let good = [
        ("grant_type", "client_credentials"),
        ("client_id", runner.client_id.as_str()),
        ("client_secret", runner.client_secret.as_str()),
        ("scope", "https://management.azure.com//.default"),
    ];
    let refused = async |index: usize, value: &'static str| {
        let mut form = good;
        form[index].1 = value;
        let answer = post_token(emulator, &form).await;
        (answer.status, answer.body["error_codes"][0].as_u64().unwrap())
    };
    assert_eq!(post_token(emulator, &good).await.status, 200);
    assert_eq!(refused(0, "password").await, (400, 70003));
    assert_eq!(refused(1, "11111111-1111-1111-1111-111111111111").await, (400, 700_016));
    assert_eq!(refused(2, "wrong").await, (401, 7_000_215));
    assert_eq!(refused(3, "https://unknown.example/.default").await, (400, 500_011));
    assert_eq!(refused(3, "openid").await, (400, 1_002_012));
    let url = format!(
        "{}/{}/oauth2/v2.0/token",
        emulator.authority_host(),
        emulator.tenant_id()
    );
    let json = taken_apart(http(emulator).post(&url).json(&json!({})).send().await.unwrap()).await;
    assert_eq!((json.status, &json.body["error"]), (400, &json!("invalid_request")));
    let elsewhere = url.replace(emulator.tenant_id(), "22222222-2222-2222-2222-222222222222");
    let tenant = taken_apart(http(emulator).post(&elsewhere).form(&good).send().await.unwrap()).await;
    assert_eq!(tenant.body["error_codes"][0], 90002);
}

#[tokio::test]
async fn a_certificate_proves_the_runner() {
    use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
    let emulator = shared().await;
    let runner = emulator.runner();
    let certificate = CertificateDer::from_pem_file(&runner.certificate_pem_path).unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_file(&runner.certificate_pem_path).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let thumb = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate);
    let endpoint = format!(
        "{}/{}/oauth2/v2.0/token",
        emulator.authority_host(),
        emulator.tenant_id()
    );
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let assertion = |algorithm: &str, audience: &str| {
        let header = json!({"typ": "JWT", "alg": algorithm, "x5t#S256": URL_SAFE_NO_PAD.encode(thumb.as_ref())});
        let claims = json!({"aud": audience, "iss": runner.client_id, "sub": runner.client_id, "jti": "one", "nbf": now,
            "exp": now + 600});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut mark = vec![0; key.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = if algorithm == "PS256" {
            &RSA_PSS_SHA256
        } else {
            &RSA_PKCS1_SHA256
        };
        key.sign(padding, &random, signed.as_bytes(), &mut mark).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mark))
    };
    let ask = async |assertion: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", runner.client_id.as_str()),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion),
            ("scope", "https://management.azure.com/.default"),
        ];
        post_token(emulator, &form).await
    };
    for algorithm in ["PS256", "RS256"] {
        let answer = ask(&assertion(algorithm, &endpoint)).await;
        assert_eq!(answer.status, 200, "{algorithm}: {answer:?}");
    }
    assert_eq!(
        ask(&assertion("PS256", "https://elsewhere.example")).await.body["error_codes"][0],
        700_023
    );
}

#[tokio::test]
async fn the_metadata_document_tells_where_everything_is() {
    let emulator = shared().await;
    let address = format!(
        "https://{}/metadata/endpoints?api-version=2022-09-01",
        emulator.metadata_host()
    );
    let body = taken_apart(http(emulator).get(address).send().await.unwrap())
        .await
        .body;
    assert_eq!(body["authentication"]["loginEndpoint"], emulator.authority_host());
    assert_eq!(
        body["resourceManager"],
        json!(format!("{}/", emulator.resource_manager_endpoint()))
    );
    assert_eq!(
        body["suffixes"]["postgresqlServerEndpoint"],
        "postgres.database.azure.com"
    );
}

#[tokio::test]
async fn the_instance_metadata_service_chooses_an_identity() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let ask = async |more: &str| {
        let address = format!(
            "{}?api-version=2018-02-01&resource=https://management.azure.com/{more}",
            emulator.msi_endpoint()
        );
        taken_apart(
            http(&emulator)
                .get(address)
                .header("Metadata", "true")
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let system = ask("").await;
    assert_eq!(system.status, 200, "{system:?}");
    assert!(system.body["expires_in"].is_string() && system.body["expires_on"].is_string());
    let claims = claims(system.body["access_token"].as_str().unwrap());
    assert_eq!(claims["oid"], json!(emulator.machine_identity()));
    assert!(
        claims["xms_mirid"]
            .as_str()
            .unwrap()
            .ends_with("/virtualMachines/terraform-vm")
    );

    let one = arm.make_identity("machine-one").await;
    let two = arm.make_identity("machine-two").await;
    let client = one["properties"]["clientId"].as_str().unwrap();
    assert_eq!(
        ask(&format!("&client_id={client}")).await.body["error_description"],
        "Identity not found"
    );
    for identity in [&one, &two] {
        emulator.attach_to_machine(identity["properties"]["principalId"].as_str().unwrap());
    }
    assert_eq!(
        ask(&format!("&client_id={client}")).await.body["client_id"],
        json!(client)
    );
    assert_eq!(
        ask(&format!("&msi_res_id={}", one["id"].as_str().unwrap())).await.body["client_id"],
        json!(client)
    );
    emulator.detach_from_machine(&emulator.machine_identity().unwrap());
    assert_eq!(ask("").await.status, 400, "several, and none named");
    assert_eq!(ask("&colour=blue").await.status, 400);
    let address = format!(
        "{}?api-version=2018-02-01&resource=https://management.azure.com/",
        emulator.msi_endpoint()
    );
    let bare = taken_apart(http(&emulator).get(address).send().await.unwrap()).await;
    assert_eq!((bare.status, &bare.body["error"]), (400, &json!("bad_request_102")));
}

#[tokio::test]
async fn issuers_publish_their_keys_and_github_gives_tokens() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let document = format!("{}.well-known/openid-configuration", emulator.cluster_issuer());
    let body = taken_apart(http(&emulator).get(document).send().await.unwrap())
        .await
        .body;
    assert_eq!(body["issuer"], json!(emulator.cluster_issuer()));
    let keys = http(&emulator)
        .get(body["jwks_uri"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(taken_apart(keys).await.body["keys"][0]["alg"], "RS256");

    let (address, secret) = emulator.github_token_request();
    let ask = format!("{address}&audience=api://AzureADTokenExchange");
    let answer = taken_apart(http(&emulator).get(ask).bearer_auth(secret).send().await.unwrap()).await;
    let assertion = answer.body["value"].as_str().unwrap();
    emulator.federate_runner_with_github();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", emulator.runner().client_id.as_str()),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    assert_eq!(post_token(&emulator, &form).await.status, 200);
    assert_ne!(emulator.rotate_cluster_issuer(), body["issuer"].as_str().unwrap());
}

#[tokio::test]
async fn a_pipeline_exchanges_its_service_connection() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    emulator.federate_runner_with_pipelines();
    let (address, secret) = emulator.pipelines_token_request();
    let ask = async |query: &str| {
        let request = http(&emulator).post(format!("{address}?{query}")).bearer_auth(&secret);
        taken_apart(request.send().await.unwrap()).await
    };
    assert_eq!(ask("api-version=7.1").await.status, 400);
    let answer = ask("api-version=7.1&serviceConnectionId=one").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", emulator.runner().client_id.as_str()),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", answer.body["oidcToken"].as_str().unwrap()),
        ("scope", "https://management.azure.com/.default"),
    ];
    assert_eq!(post_token(&emulator, &form).await.status, 200);
}
