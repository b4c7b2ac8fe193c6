//! Nothing secret in what Terraform keeps or says: TRACE logs, state, plans, whichever way the provider signs in.

pub mod leaks;

use entradb_emulator::{Emulator, Failure, Method};
use serde_json::Value;

use crate::terraform::azure::shared;
use crate::terraform::secrets::leaks::{Haystack, Secrets};
use crate::terraform::workspace::Workspace;

/// A write to Azure, and one to a database, so that both kinds of token are used.
fn configuration(azure: &Emulator, name: &str) -> String {
    let server = &azure.postgresql().fqdn;
    format!(
        r#"
provider "entradb" {{}}

resource "entradb_managed_identity" "app" {{
  name                = "{name}"
  resource_group_name = "data-platform"
  location            = "westeurope"
}}

resource "entradb_postgresql_user" "app" {{
  server      = "{server}"
  identity_id = entradb_managed_identity.app.id
}}
"#
    )
}

/// The provider's environment without the client secret, and with these variables instead.
fn signed_in_by(azure: &Emulator, name: &str, variables: &[(&str, String)]) -> Workspace {
    let mut workspace = Workspace::new(azure, &configuration(azure, name));
    workspace.unset("ARM_CLIENT_SECRET");
    for (name, value) in variables {
        workspace.set(name, value.clone());
    }
    workspace
}

/// Lives a short life under TRACE and looks at everything that came of it.
async fn keeps_its_secrets(mut workspace: Workspace, secrets: &[String]) {
    let azure = shared().await;
    workspace.set("TF_LOG", "TRACE");
    let mut said = Haystack::default();
    for arguments in [
        &["plan", "-out=saved.tfplan"][..],
        &["show", "-json", "saved.tfplan"],
        &["apply", "saved.tfplan"],
        &["show", "-json"],
        &["plan", "-destroy", "-out=destroy.tfplan"],
        &["state", "pull"],
    ] {
        let outcome = workspace.ok(arguments).await;
        said.add(format!("standard output of {arguments:?}"), outcome.stdout.as_bytes());
        said.add(format!("log of {arguments:?}"), outcome.stderr.as_bytes());
    }
    said.add_folder(&workspace.path(""));
    let destroyed = workspace.ok(&["apply", "destroy.tfplan"]).await;
    said.add("log of the destroy".to_owned(), destroyed.stderr.as_bytes());

    said.must_have(
        "provider.terraform-provider-entradb",
        "the provider's log is among what was looked at",
    );
    said.must_have("ApplyResourceChange", "the log goes down to the calls");
    let mut all = Secrets::default();
    all.add_texts(secrets);
    all.add_tokens(&azure.issued_tokens());
    assert!(all.count() > 2, "there are secrets to look for");
    all.expect_none_in(&said);
}

#[tokio::test]
async fn a_client_secret_stays_secret() {
    let azure = shared().await;
    let secret = azure.runner().client_secret.clone();
    let workspace = signed_in_by(azure, "secret-secret", &[("ARM_CLIENT_SECRET", secret.clone())]);
    keeps_its_secrets(workspace, &[secret]).await;
}

#[tokio::test]
async fn a_certificate_and_its_password_stay_secret() {
    let azure = shared().await;
    let runner = azure.runner();
    let bundle = runner
        .pfx_path
        .as_ref()
        .expect("a PKCS#12 bundle: install the program `openssl`");
    let variables = [
        ("ARM_CLIENT_CERTIFICATE_PATH", bundle.display().to_string()),
        ("ARM_CLIENT_CERTIFICATE_PASSWORD", runner.pfx_password.clone()),
    ];
    let pem = std::fs::read_to_string(&runner.certificate_pem_path).expect("the certificate and its key");
    let key = pem.split_once("PRIVATE KEY-----").expect("a key").1.trim();
    let workspace = signed_in_by(azure, "secret-certificate", &variables);
    let line = key.lines().nth(1).expect("a key has lines").to_owned();
    keeps_its_secrets(workspace, &[runner.pfx_password.clone(), line]).await;
}

#[tokio::test]
async fn a_federated_token_stays_secret() {
    let azure = shared().await;
    let (issuer, subject) = ("https://ci.example.invalid", "pipeline:main");
    azure.federate(&azure.runner().client_id, issuer, subject, "api://AzureADTokenExchange");
    let token = azure.external_token(issuer, subject);
    let variables = [("ARM_USE_OIDC", "true".to_owned()), ("ARM_OIDC_TOKEN", token.clone())];
    keeps_its_secrets(signed_in_by(azure, "secret-oidc", &variables), &[token]).await;
}

#[tokio::test]
async fn the_token_that_asks_for_a_federated_token_stays_secret() {
    let azure = shared().await;
    azure.federate_runner_with_github();
    let (address, token) = azure.github_token_request();
    let variables = [
        ("ARM_USE_OIDC", "true".to_owned()),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", address),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", token.clone()),
    ];
    keeps_its_secrets(signed_in_by(azure, "secret-github", &variables), &[token]).await;
}

#[tokio::test]
async fn a_service_account_token_stays_secret() {
    let azure = shared().await;
    let runner = &azure.runner().client_id;
    azure.federate(
        runner,
        &azure.cluster_issuer(),
        "system:serviceaccount:ci:terraform",
        "api://AzureADTokenExchange",
    );
    let token = azure.service_account_token("ci", "terraform");
    let outside = tempfile::tempdir().expect("a folder outside of the workspace");
    let file = outside.path().join("token");
    std::fs::write(&file, &token).expect("the projected token");
    let mut workspace = signed_in_by(
        azure,
        "secret-workload",
        &[
            ("ARM_USE_AKS_WORKLOAD_IDENTITY", "true".to_owned()),
            ("AZURE_FEDERATED_TOKEN_FILE", file.display().to_string()),
            ("AZURE_CLIENT_ID", runner.clone()),
            ("AZURE_TENANT_ID", azure.tenant_id().to_owned()),
        ],
    );
    workspace.unset("ARM_CLIENT_ID");
    workspace.unset("ARM_TENANT_ID");
    keeps_its_secrets(workspace, &[token]).await;
}

#[tokio::test]
async fn the_tokens_of_a_machine_stay_secret() {
    let azure = shared().await;
    let machine = azure.machine_identity().expect("the machine has an identity");
    azure
        .add_administrator(&machine, "terraform-vm")
        .await
        .expect("an administrator");
    let mut workspace = signed_in_by(azure, "secret-machine", &[("ARM_USE_MSI", "true".to_owned())]);
    workspace.unset("ARM_CLIENT_ID");
    keeps_its_secrets(workspace, &[]).await;
}

#[tokio::test]
async fn a_failure_gives_no_secret_away() {
    let azure = shared().await;
    let secret = azure.runner().client_secret.clone();
    let mut workspace = Workspace::new(azure, &configuration(azure, "secret-failure"));
    workspace.set("TF_LOG", "TRACE");
    // What Azure answers is passed on, but not what looks like a token in it.
    let token = azure.access_token(&azure.runner().object_id, "https://management.azure.com/");
    let failure = Failure::Error {
        status: 400,
        code: "InvalidHeader".to_owned(),
        message: format!("The header 'Authorization: Bearer {token}' is not understood."),
    };
    azure
        .faults()
        .fail_next(Method::PUT, "userassignedidentities/secret-failure", 1, failure);
    let failed = workspace.run(&["apply", "-auto-approve"]).await.refused();
    failed.says(&["is not understood"]);
    // A proxy that is in nobody's way takes part as a secret of its own.
    workspace.set("ARM_CLIENT_SECRET", "Wr0ng~secret.of.nobody");
    let wrong = workspace.run(&["apply", "-auto-approve"]).await.refused();

    let mut said = Haystack::default();
    for outcome in [&failed, &wrong] {
        said.add("a failed apply".to_owned(), outcome.whole().as_bytes());
    }
    said.add_folder(&workspace.path(""));
    let mut all = Secrets::default();
    all.add_texts(&[secret, "Wr0ng~secret.of.nobody".to_owned()]);
    all.add_tokens(&azure.issued_tokens());
    all.expect_none_in(&said);
}

#[test]
fn what_is_planted_is_found() {
    let token = format!(
        "{}.{}.{}",
        "eyJhbGciOiJSUzI1NiJ9",
        "eyJvaWQiOiIx".repeat(9),
        "c2lnbmF0dXJl".repeat(9)
    );
    let mut secrets = Secrets::default();
    secrets.add_texts(&["S3cret~with.signs+in it".to_owned()]);
    secrets.add_tokens(std::slice::from_ref(&token));
    let private = Value::String(base64_of(format!("..{{\"token\":\"{token}\"}}").as_bytes()));
    for planted in [
        format!("Authorization: Bearer {token}"),
        format!("cut: {}", &token[..90]),
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJzdWIiOiJzb21lYm9keSBlbHNlIn0.".to_owned(),
        "client_secret=S3cret%7Ewith.signs%2Bin+it".to_owned(),
        "S3cret~with.signs+in it".to_owned(),
        serde_json::json!({"private": private}).to_string(),
    ] {
        let mut haystack = Haystack::default();
        haystack.add("planted".to_owned(), planted.as_bytes());
        assert!(!secrets.found_in(&haystack).is_empty(), "{planted} was not found");
    }
    let mut clean = Haystack::default();
    clean.add("clean".to_owned(), b"{\"id\":\"/subscriptions/1\",\"eyJ\":\"(token)\"}");
    assert_eq!(secrets.found_in(&clean), Vec::<String>::new());
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
