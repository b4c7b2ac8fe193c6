//! The places where programs ask for tokens on each platform, and the refusals of the token endpoint.

use std::collections::BTreeMap;

use base64::Engine;
use entradb_emulator::{Access, Cloud, Emulator, Failure, Method, Options};
use serde_json::{Value, json};

use crate::client::{Answer, Arm, http, post_token, shared, taken_apart};

const RESOURCE: &str = "resource=https://management.azure.com/";

fn environment(pairs: Vec<(String, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().collect()
}

async fn get(emulator: &Emulator, address: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = http(emulator).get(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    taken_apart(request.send().await.unwrap()).await
}

fn claim(token: &Value, name: &str) -> String {
    let middle = token.as_str().unwrap().split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(middle).unwrap();
    let claims: Value = serde_json::from_slice(&bytes).unwrap();
    claims[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_platform_answers_in_its_own_form() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let arm = Arm::new(&emulator);
    let one = arm.make_identity("app-one").await;
    let two = arm.make_identity("app-two").await;
    let client = one["properties"]["clientId"].as_str().unwrap();
    let object = one["properties"]["principalId"].as_str().unwrap();
    emulator.machine_identities(
        true,
        &[
            one["id"].as_str().unwrap(),
            two["properties"]["clientId"].as_str().unwrap(),
        ],
    );

    for pairs in [emulator.app_service(), emulator.container_apps()] {
        let pairs = environment(pairs);
        let header = pairs["IDENTITY_HEADER"].clone();
        let secret = [("X-IDENTITY-HEADER", header.as_str())];
        let at = |more: &str| format!("{}?api-version=2019-08-01&{RESOURCE}{more}", pairs["IDENTITY_ENDPOINT"]);
        let own = get(&emulator, &at(""), &secret).await;
        assert_eq!(own.status, 200, "{own:?}");
        assert_eq!(
            claim(&own.body["access_token"], "oid"),
            emulator.machine_identity().unwrap()
        );
        assert!(own.body["expires_on"].as_str().unwrap().parse::<i64>().is_ok());
        for more in [
            format!("&client_id={client}"),
            format!("&object_id={object}"),
            format!("&principal_id={object}"),
            format!("&mi_res_id={}", one["id"].as_str().unwrap()),
        ] {
            let answer = get(&emulator, &at(&more), &secret).await;
            assert_eq!(answer.body["client_id"], json!(client), "{more}: {answer:?}");
        }
        let both = at(&format!("&client_id={client}&object_id={object}"));
        assert_eq!(get(&emulator, &both, &secret).await.status, 400);
        assert_eq!(
            get(&emulator, &at("&client_id=x"), &secret).await.body["statusCode"],
            400
        );
        assert_eq!(get(&emulator, &at("&colour=blue"), &secret).await.status, 400);
        assert_eq!(get(&emulator, &at(""), &[]).await.status, 401);
    }

    let pairs = environment(emulator.azure_ml());
    let at = format!(
        "{}?api-version=2017-09-01&{RESOURCE}&clientid={client}",
        pairs["MSI_ENDPOINT"]
    );
    let answer = get(&emulator, &at, &[("secret", &pairs["MSI_SECRET"])]).await;
    assert_eq!(answer.body["client_id"], json!(client));

    let pairs = environment(emulator.service_fabric());
    assert_eq!(pairs["IDENTITY_SERVER_THUMBPRINT"].len(), 40);
    let at = format!(
        "{}?api-version=2019-07-01-preview&{RESOURCE}",
        pairs["IDENTITY_ENDPOINT"]
    );
    let answer = get(&emulator, &at, &[("Secret", &pairs["IDENTITY_HEADER"])]).await;
    assert!(answer.body["expires_on"].is_number(), "{answer:?}");

    let pairs = environment(emulator.cloud_shell());
    let request = http(&emulator).post(&pairs["MSI_ENDPOINT"]).header("Metadata", "true");
    let form = [("resource", "https://management.azure.com/")];
    let answer = taken_apart(request.form(&form).send().await.unwrap()).await;
    assert_eq!(claim(&answer.body["access_token"], "upn"), "shell@example.com");

    emulator.machine_identities(false, &[object]);
    let pairs = environment(emulator.app_service());
    let at = format!("{}?api-version=2019-08-01&{RESOURCE}", pairs["IDENTITY_ENDPOINT"]);
    let none = get(&emulator, &at, &[("X-IDENTITY-HEADER", &pairs["IDENTITY_HEADER"])]).await;
    assert_eq!(
        none.status, 400,
        "an app does not fall back to its only user-assigned identity"
    );
    let imds = format!("{}?api-version=2018-02-01&{RESOURCE}", emulator.msi_endpoint());
    let only = get(&emulator, &imds, &[("Metadata", "true")]).await;
    assert_eq!(only.body["client_id"], json!(client), "a machine does");
    for status in [404, 410, 429, 500] {
        let failure = Failure::Status {
            status,
            retry_after: Some(1),
        };
        emulator
            .faults()
            .fail_next(Method::GET, "/metadata/identity", 1, failure);
        let answer = get(&emulator, &imds, &[("Metadata", "true")]).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, "1"));
        assert!(answer.body["error"].is_string());
    }
}

#[tokio::test]
async fn arc_wants_what_only_administrators_can_read() {
    let emulator = shared().await;
    let pairs = environment(emulator.arc());
    assert_eq!(
        format!("{}/arc/metadata/identity/oauth2/token", pairs["IMDS_ENDPOINT"]),
        pairs["IDENTITY_ENDPOINT"]
    );
    let at = format!("{}?api-version=2020-06-01&{RESOURCE}", pairs["IDENTITY_ENDPOINT"]);
    let first = get(emulator, &at, &[("Metadata", "true")]).await;
    assert_eq!(first.status, 401);
    let path = first
        .header("www-authenticate")
        .strip_prefix("Basic realm=")
        .unwrap()
        .to_owned();
    assert!(path.starts_with(&emulator.arc_key_folder().display().to_string()) && path.ends_with(".key"));
    let key = std::fs::read_to_string(&path).unwrap();
    let proof = format!("Basic {key}");
    let second = get(emulator, &at, &[("Metadata", "true"), ("Authorization", &proof)]).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert!(second.body["expires_in"].is_string());
    let again = get(emulator, &at, &[("Metadata", "true"), ("Authorization", &proof)]).await;
    assert_eq!(again.status, 401, "a key is good once");

    let elsewhere = tempfile::tempdir().unwrap();
    emulator.set_arc_key_folder(elsewhere.path());
    emulator.set_arc_key_length(5000);
    let first = get(emulator, &at, &[("Metadata", "true")]).await;
    let path = first
        .header("www-authenticate")
        .strip_prefix("Basic realm=")
        .unwrap()
        .to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 5000);
    assert!(std::path::Path::new(&path).starts_with(elsewhere.path()));
}

#[tokio::test]
async fn the_token_endpoint_says_what_is_wrong_in_entras_numbers() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let app = emulator.add_application("numbered", Access::None).await.unwrap();
    let secret = |value: &str| {
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", app.client_id.clone()),
            ("client_secret", value.to_owned()),
            ("scope", "https://management.azure.com/.default".to_owned()),
        ]
    };
    let number = async |form: Vec<(&str, String)>| {
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = post_token(&emulator, &form).await;
        answer.body["error_codes"][0].as_u64().unwrap_or_default()
    };
    assert_eq!(number(secret(&app.client_secret)).await, 0);
    assert_eq!(number(secret("wrong")).await, 7_000_215);
    emulator.faults().block_sign_in(&app.client_id);
    assert_eq!(number(secret(&app.client_secret)).await, 53003);
    emulator.faults().clear();
    emulator.expire_secret(&app.client_id);
    assert_eq!(number(secret(&app.client_secret)).await, 7_000_222);

    let assertion = |token: String| {
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", app.client_id.clone()),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_assertion", token),
            ("scope", "https://management.azure.com/.default".to_owned()),
        ]
    };
    let issuer = "https://issuer.example";
    emulator.federate(&app.client_id, issuer, "pod", "api://AzureADTokenExchange");
    assert_eq!(number(assertion(emulator.external_token(issuer, "pod"))).await, 0);
    assert_eq!(
        number(assertion(emulator.external_token("https://other.example", "pod"))).await,
        700_211
    );
    assert_eq!(
        number(assertion(emulator.external_token(issuer, "other"))).await,
        700_213
    );
    emulator.federate(&app.client_id, issuer, "elsewhere", "api://Elsewhere");
    assert_eq!(
        number(assertion(emulator.external_token(issuer, "elsewhere"))).await,
        700_212
    );
    assert_eq!(
        number(assertion(emulator.expired_external_token(issuer, "pod"))).await,
        700_024
    );

    let form = secret(&app.client_secret);
    for (tenant, code) in [("99999999-0000-4000-8000-000000000000", 90002), ("nonsense", 900_023)] {
        let address = format!("{}/{tenant}/oauth2/v2.0/token", emulator.authority_host());
        let answer = taken_apart(http(&emulator).post(address).form(&form).send().await.unwrap()).await;
        assert_eq!(answer.body["error_codes"][0], code, "{answer:?}");
    }
}

#[tokio::test]
async fn pipelines_and_workflows_are_found_in_the_environment() {
    let emulator = shared().await;
    let pairs = environment(emulator.azure_pipelines());
    let connection = &pairs["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"];
    let address = format!(
        "{}?api-version=7.1&serviceConnectionId={connection}",
        pairs["SYSTEM_OIDCREQUESTURI"]
    );
    let request = http(emulator).post(&address).bearer_auth(&pairs["SYSTEM_ACCESSTOKEN"]);
    let answer = taken_apart(request.send().await.unwrap()).await;
    assert!(answer.body["oidcToken"].is_string());
    let request = http(emulator)
        .post(&address)
        .bearer_auth("wrong")
        .header("X-TFS-FedAuthRedirect", "Suppress");
    assert_eq!(request.send().await.unwrap().status(), 401);
    let pairs = environment(emulator.github());
    let address = format!(
        "{}&audience=api://AzureADTokenExchange",
        pairs["ACTIONS_ID_TOKEN_REQUEST_URL"]
    );
    let request = http(emulator)
        .get(address)
        .bearer_auth(&pairs["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]);
    assert!(taken_apart(request.send().await.unwrap()).await.body["value"].is_string());
}

#[tokio::test]
async fn each_cloud_describes_itself() {
    let options = Options {
        cloud: Cloud::China,
        ..Options::default()
    };
    let emulator = Emulator::start(options).await.unwrap();
    let at = |version: &str| {
        format!(
            "https://{}/metadata/endpoints?api-version={version}",
            emulator.metadata_host()
        )
    };
    let one = get(&emulator, &at("2022-09-01"), &[]).await.body;
    assert_eq!(
        (&one["name"], &one["suffixes"]["mysqlServerEndpoint"]),
        (&json!("AzureChinaCloud"), &json!("mysql.database.chinacloudapi.cn"))
    );
    assert_eq!(one["authentication"]["loginEndpoint"], json!(emulator.authority_host()));
    let all = get(&emulator, &at("2019-05-01"), &[]).await.body;
    let names: Vec<&Value> = all.as_array().unwrap().iter().map(|cloud| &cloud["name"]).collect();
    assert_eq!(names, ["AzureCloud", "AzureChinaCloud", "AzureUSGovernment"]);
    assert_eq!(
        all[0]["authentication"]["loginEndpoint"],
        "https://login.microsoftonline.com"
    );
    assert_eq!(all[1]["authentication"], one["authentication"]);
    assert_eq!(
        all[2]["ossrDbmsResourceId"],
        "https://ossrdbms-aad.database.usgovcloudapi.net"
    );
    assert_eq!(get(&emulator, &at("2010-01-01"), &[]).await.status, 400);

    let runner = emulator.runner();
    let answer = async |scope: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &runner.client_id),
            ("client_secret", &runner.client_secret),
            ("scope", scope),
        ];
        post_token(&emulator, &form).await
    };
    let foreign = answer("https://ossrdbms-aad.database.windows.net/.default").await;
    assert_eq!(foreign.body["error_codes"][0], 500_011);
    let own = answer("https://ossrdbms-aad.database.chinacloudapi.cn/.default").await;
    assert!(claim(&own.body["access_token"], "iss").starts_with("https://sts.chinacloudapi.cn/"));
}
