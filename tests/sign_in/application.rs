//! An application: by its secret, by a federated token from every place that has one, each with what Entra says against it.

use std::path::Path;

use entradb_emulator::{Access, AppCredential, Cloud, Emulator, Options};

use crate::harness::azure;
use crate::sign_in::program::{Signed, me};

const ISSUER: &str = "https://issuer.example";

/// The emulator's environment with these variables instead of the runner's own.
fn environment(azure: &Emulator, app: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all = azure.environment();
    all.retain(|(name, _)| name != "ARM_CLIENT_SECRET" && name != "ARM_CLIENT_ID");
    let own = [("ARM_CLIENT_ID", app), ("ARM_USE_CLI", "false")];
    let more = own.iter().chain(more);
    all.extend(more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    all
}

async fn application(azure: &Emulator, name: &str) -> AppCredential {
    azure
        .add_application(name, Access::Reader)
        .await
        .expect("an application")
}

fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a file");
    path.display().to_string()
}

async fn told(azure: &Emulator, app: &str, more: &[(&str, &str)]) -> String {
    me(&environment(azure, app, more))
        .await
        .expect_err("nobody is signed in")
}

#[tokio::test]
async fn a_secret_may_stand_in_a_file_and_every_refusal_says_what_to_do() {
    let azure = azure::shared().await;
    let app = application(azure, "by-secret").await;
    let folder = tempfile::tempdir().expect("a folder");
    let secret = file(folder.path(), "secret", &format!("{}\n", app.client_secret));
    let id = file(folder.path(), "id", &format!("{}\n", app.client_id));
    let by_files = [
        ("ARM_CLIENT_ID_FILE_PATH", id.as_str()),
        ("ARM_CLIENT_SECRET_FILE_PATH", secret.as_str()),
    ];
    assert_eq!(
        me(&environment(azure, "", &by_files)).await,
        Ok(Signed::as_object(&app.object_id))
    );

    let secret = [("ARM_CLIENT_SECRET", app.client_secret.as_str())];
    azure.faults().block_sign_in(&app.client_id);
    let refusal = told(azure, &app.client_id, &secret).await;
    assert!(refusal.contains("Conditional Access"), "{refusal}");
    let expiring = application(azure, "expiring").await;
    azure.expire_secret(&expiring.client_id);
    let secret = [("ARM_CLIENT_SECRET", expiring.client_secret.as_str())];
    let refusal = told(azure, &expiring.client_id, &secret).await;
    assert!(
        refusal.contains("The client secret has expired. Create a new one."),
        "{refusal}"
    );
    let tenant = [
        ("ARM_CLIENT_SECRET", "x"),
        ("ARM_TENANT_ID", "99999999-0000-4000-8000-000000000000"),
    ];
    let refusal = told(azure, &expiring.client_id, &tenant).await;
    assert!(refusal.contains("The tenant does not exist."), "{refusal}");
}

#[tokio::test]
async fn a_federated_token_is_given_or_stands_in_a_file() {
    let azure = azure::shared().await;
    let app = application(azure, "federated").await;
    azure.federate(&app.client_id, ISSUER, "pod", "api://AzureADTokenExchange");
    let token = azure.external_token(ISSUER, "pod");
    let oidc = |name: &'static str, value: String| [("ARM_USE_OIDC", "true".to_owned()), (name, value)];
    let ask = async |pairs: [(&'static str, String); 2]| {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        me(&environment(azure, &app.client_id, &pairs)).await
    };
    let expected = Ok(Signed::as_object(&app.object_id));
    assert_eq!(ask(oidc("ARM_OIDC_TOKEN", token.clone())).await, expected);
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path(), "token", &token);
    assert_eq!(ask(oidc("ARM_OIDC_TOKEN_FILE_PATH", path)).await, expected);
    let nowhere = ask(oidc("ARM_OIDC_TOKEN_FILE_PATH", "/nowhere/token".to_owned())).await;
    let refusal = nowhere.expect_err("no such file");
    assert!(
        refusal.contains("the token file /nowhere/token cannot be read"),
        "{refusal}"
    );
    let expired = azure.expired_external_token(ISSUER, "pod");
    let refusal = ask(oidc("ARM_OIDC_TOKEN", expired)).await.expect_err("an old token");
    assert!(
        refusal.contains("The federated token has expired. Fetch a new one."),
        "{refusal}"
    );
    for foreign in [
        azure.external_token(ISSUER, "other"),
        azure.external_token("https://other.example", "pod"),
    ] {
        let refusal = ask(oidc("ARM_OIDC_TOKEN", foreign)).await.expect_err("a foreign token");
        assert!(
            refusal.contains("No federated credential of the application matches the token."),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn github_and_azure_pipelines_give_tokens() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    azure.federate_runner_with_github();
    azure.federate_runner_with_pipelines();
    let runner = azure.runner();
    for place in [azure.github(), azure.azure_pipelines()] {
        let mut pairs = environment(&azure, &runner.client_id, &[("ARM_USE_OIDC", "true")]);
        pairs.extend(place.clone());
        assert_eq!(
            me(&pairs).await,
            Ok(Signed::as_object(&runner.object_id)),
            "{}",
            place[0].0
        );
        let at = pairs.len() - place.len() + 1;
        pairs[at].1 = "wrong".to_owned();
        let refusal = me(&pairs).await.expect_err("a wrong request token");
        assert!(refusal.contains("gives no federated token"), "{refusal}");
    }
}

#[tokio::test]
async fn a_pod_signs_in_with_its_service_account() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let runner = azure.runner();
    let subject = "system:serviceaccount:tools:terraform";
    azure.federate(
        &runner.client_id,
        &azure.cluster_issuer(),
        subject,
        "api://AzureADTokenExchange",
    );
    let pod = azure
        .workload_identity(&runner.client_id, "tools", "terraform")
        .expect("a pod");
    let mut pairs = environment(&azure, "", &[("ARM_USE_AKS_WORKLOAD_IDENTITY", "true")]);
    let by_pod = ["ARM_TENANT_ID", "ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST", "ARM_CLIENT_ID"];
    pairs.retain(|(name, _)| !by_pod.contains(&name.as_str()));
    pairs.extend(pod);
    assert_eq!(me(&pairs).await, Ok(Signed::as_object(&runner.object_id)));
    let told = azure
        .workload_identity(&runner.client_id, "tools", "another")
        .expect("another pod");
    pairs.retain(|(name, _)| name != "AZURE_FEDERATED_TOKEN_FILE");
    pairs.push(told[0].clone());
    let refusal = me(&pairs).await.expect_err("another service account");
    assert!(
        refusal.contains("No federated credential of the application matches the token."),
        "{refusal}"
    );
}

#[tokio::test]
async fn every_cloud_is_signed_in_to_by_its_own_names() {
    for (cloud, name) in [(Cloud::UsGovernment, "usgovernment"), (Cloud::China, "china")] {
        let options = Options {
            cloud,
            ..Options::default()
        };
        let azure = Emulator::start(options).await.expect("an emulated cloud");
        let expected = Ok(Signed::as_object(&azure.runner().object_id));
        let mut pairs = azure.environment();
        assert_eq!(me(&pairs).await, expected, "{name}: discovered by its metadata host");
        // The endpoints by hand: the audiences are those of the named cloud.
        let discovered = [
            "ARM_METADATA_HOSTNAME",
            "ARM_RESOURCE_MANAGER_AUDIENCE",
            "ARM_ENVIRONMENT",
        ];
        pairs.retain(|(variable, _)| !discovered.contains(&variable.as_str()));
        pairs.push(("ARM_ENVIRONMENT".to_owned(), name.to_owned()));
        assert_eq!(me(&pairs).await, expected, "{name}: named");
    }
}
