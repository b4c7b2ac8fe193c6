use std::fs;

use secrecy::ExposeSecret;

use crate::protocol::model::Model;
use crate::protocol::value::{Object, Value};
use crate::provider::settings::*;

fn settings(block: &[(&str, Value)], variables: &[(&str, &str)]) -> Result<Settings> {
    let object: Object = block
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let block = ProviderBlock::from_object(object).expect("a valid block");
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings::new(block, &variables, StopSignal::new())
}

#[test]
fn the_block_speaks_before_the_environment() {
    let found = settings(
        &[("tenant_id", Value::from("a"))],
        &[("ARM_TENANT_ID", "b"), ("ARM_CLIENT_ID", "c"), ("ARM_USE_MSI", "true")],
    )
    .expect("settings");
    assert_eq!(found.azure.tenant_id.as_deref(), Some("a"));
    assert_eq!(found.azure.client_id.as_deref(), Some("c"));
    assert!(found.azure.use_msi && found.azure.use_cli && !found.azure.use_oidc);
}

#[test]
fn a_file_of_the_block_speaks_before_a_word_of_the_environment() {
    let environment = [
        ("ARM_CLIENT_SECRET", "theirs"),
        ("ARM_CLIENT_CERTIFICATE", "theirs"),
        ("ARM_OIDC_TOKEN", "theirs"),
    ];
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret");
    fs::write(&path, " ours\n").expect("written");
    let ours = Value::from(path.to_str().expect("a path"));
    let files = [
        "client_secret_file_path",
        "client_certificate_path",
        "oidc_token_file_path",
    ];
    let found = settings(&files.map(|name| (name, ours.clone())), &environment)
        .expect("settings")
        .azure;
    assert_eq!(found.client_secret.expect("a secret").expose_secret(), "ours");
    assert!(matches!(found.client_certificate, Some(CertificateSource::File(found)) if found == path));
    assert!(found.oidc_token.is_none() && found.oidc_token_file_path == Some(path));

    let found = settings(&[], &environment).expect("settings").azure;
    assert_eq!(found.client_secret.expect("a secret").expose_secret(), "theirs");
    assert!(matches!(found.client_certificate, Some(CertificateSource::Base64(_))) && found.oidc_token.is_some());
}

#[test]
fn what_cannot_be_read_is_named() {
    let error = settings(&[("ca_file", Value::from("/nowhere/roots.pem"))], &[]).expect_err("no such file");
    assert!(
        error.detail.contains("`ca_file` names the file /nowhere/roots.pem"),
        "{}",
        error.detail
    );
    let error = settings(&[], &[("ARM_USE_MSI", "perhaps")]).expect_err("no flag");
    assert!(error.detail.contains("ARM_USE_MSI"), "{}", error.detail);
    let error = settings(&[], &[("ENTRADB_DATABASE_HOSTS", "pg.example")]).expect_err("no pair");
    assert!(error.detail.contains("ENTRADB_DATABASE_HOSTS"), "{}", error.detail);
}

#[test]
fn hosts_are_compared_without_case() {
    let found = settings(
        &[],
        &[
            ("ENTRADB_DATABASE_HOSTS", "PG.Example=127.0.0.1:5433"),
            ("ENTRADB_LOCK_TIMEOUT", "2s"),
        ],
    )
    .expect("settings");
    assert_eq!(found.database_hosts["pg.example"], "127.0.0.1:5433");
    assert_eq!(found.lock_timeout, Duration::from_secs(2));
}

#[test]
fn a_pod_is_asked_for_its_workload_identity_only_when_told_so() {
    let pod = [
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
    ];
    assert_eq!(settings(&[], &pod).expect("settings").azure.client_id, None);
    let found = settings(&[("use_aks_workload_identity", Value::Bool(true))], &pod).expect("settings");
    assert_eq!(found.azure.client_id.as_deref(), Some("c"));
    assert_eq!(found.azure.oidc_token_file_path, Some(PathBuf::from("/token")));
    // Whoever names a file means it; what the pod injects comes last.
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("id");
    fs::write(&path, "ours").expect("written");
    let pod = [&pod[..], &[("ARM_CLIENT_ID_FILE_PATH", path.to_str().expect("a path"))]].concat();
    let found = settings(&[("use_aks_workload_identity", Value::Bool(true))], &pod).expect("settings");
    assert_eq!(found.azure.client_id.as_deref(), Some("ours"));
}

#[test]
fn auxiliary_tenants_are_three_at_most() {
    let [one, other] = [
        "11111111-1111-1111-1111-111111111111",
        "22222222-2222-2222-2222-222222222222",
    ];
    let tenants = |text: &str| settings(&[], &[("ARM_AUXILIARY_TENANT_IDS", text)]);
    let found = tenants(&format!("{one};{other}")).expect("settings");
    assert_eq!(found.azure.auxiliary_tenant_ids, [one, other]);
    let error = tenants("contoso").expect_err("no tenant");
    assert!(error.detail.contains("`contoso`"), "{}", error.detail);
    let error = tenants(&[one; 4].join(";")).expect_err("too many");
    assert!(error.detail.contains("names 4 tenants"), "{}", error.detail);
}

#[test]
fn a_token_proxy_belongs_to_workload_identity_alone() {
    let proxy = [
        ("AZURE_KUBERNETES_SNI_NAME", "name"),
        ("AZURE_KUBERNETES_CA_DATA", "pem"),
    ];
    assert!(settings(&[], &proxy).expect("settings").azure.token_proxy.is_none());
    let aks = [("use_aks_workload_identity", Value::Bool(true))];
    let error = settings(&aks, &proxy).expect_err("half of it");
    assert!(
        error.detail.contains("AZURE_KUBERNETES_TOKEN_PROXY is not"),
        "{}",
        error.detail
    );
    let whole = [&proxy[..], &[("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy:8443/a/")]].concat();
    let found = settings(&aks, &whole)
        .expect("settings")
        .azure
        .token_proxy
        .expect("a proxy");
    assert_eq!(found.url.as_str(), "https://proxy:8443/a/");
    assert_eq!(found.server_name.as_deref(), Some("name"));
}

#[test]
fn the_platform_names_its_own_endpoint() {
    let found = settings(
        &[],
        &[("IDENTITY_ENDPOINT", "http://127.0.0.1:1"), ("IDENTITY_HEADER", "h")],
    );
    let platform = found.expect("settings").azure.platform;
    assert_eq!(platform.identity.as_deref(), Some("http://127.0.0.1:1"));
    assert!(platform.identity_header.is_some() && !platform.has_imds && platform.msi.is_none());
}
