//! A pod of a cluster with identity bindings: its token goes to the cluster's own proxy, and to nobody who only looks like it.

use std::path::PathBuf;

use entradb::azure::Azure;
use entradb::azure::cloud::Scope;
use entradb::protocol::model::Model;
use entradb::provider::config::ProviderBlock;
use entradb::provider::settings::{Settings, Variables};
use entradb::retry::StopSignal;
use entradb_emulator::{Emulator, KubernetesTokenProxy, Options, Service};
use tempfile::TempDir;

use crate::config;
use crate::sign_in::program::{Signed, me};

const NAME: &str = "AZURE_KUBERNETES_SNI_NAME";
const CA_FILE: &str = "AZURE_KUBERNETES_CA_FILE";
const CA_DATA: &str = "AZURE_KUBERNETES_CA_DATA";

/// A pod that is the runner, on a cluster with a token proxy.
struct Pod {
    azure: Emulator,
    proxy: KubernetesTokenProxy,
    folder: TempDir,
}

impl Pod {
    async fn start() -> Pod {
        let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
        let (runner, issuer) = (azure.runner().client_id.clone(), azure.cluster_issuer());
        let subject = "system:serviceaccount:tools:terraform";
        azure.federate(&runner, &issuer, subject, "api://AzureADTokenExchange");
        let proxy = azure.start_kubernetes_token_proxy().expect("a token proxy");
        let folder = tempfile::tempdir().expect("a folder");
        let pod = Pod { azure, proxy, folder };
        pod.write_ca();
        pod
    }

    /// What the cluster does when it rotates its authority.
    fn write_ca(&self) {
        std::fs::write(self.ca_file(), &self.proxy.ca_pem).expect("a file");
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What the webhook sets, with these instead; an empty one is not set.
    fn environment(&self, other: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all = self.azure.environment();
        let of_pod = [
            "ARM_TENANT_ID",
            "ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST",
            "ARM_CLIENT_ID",
            "ARM_CLIENT_SECRET",
        ];
        all.retain(|(name, _)| !of_pod.contains(&name.as_str()));
        let runner = &self.azure.runner().client_id;
        let webhook = self.azure.workload_identity(runner, "tools", "terraform");
        all.extend(webhook.expect("a token file"));
        let ca_file = self.ca_file().display().to_string();
        let own = [
            ("ARM_USE_AKS_WORKLOAD_IDENTITY", "true"),
            ("ARM_USE_CLI", "false"),
            ("AZURE_KUBERNETES_TOKEN_PROXY", &self.proxy.url),
            (NAME, &self.proxy.sni_name),
            (CA_FILE, &ca_file),
        ];
        let pairs = own.iter().chain(other);
        all.extend(pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all
    }

    async fn signed_in(&self, other: &[(&str, &str)]) -> Result<Signed, String> {
        me(&self.environment(other)).await
    }

    /// How often Entra's own token endpoint was asked.
    fn asked_directly(&self) -> usize {
        let log = self.azure.log();
        let tokens = log.iter().filter(|request| request.path.ends_with("/token"));
        tokens.filter(|request| request.service == Service::Authority).count()
    }
}

#[tokio::test]
async fn a_pod_signs_in_through_the_token_proxy_of_its_cluster() {
    let pod = Pod::start().await;
    let expected = Ok(Signed::as_object(&pod.azure.runner().object_id));
    assert_eq!(pod.signed_in(&[]).await, expected);
    let pem = pod.proxy.ca_pem.clone();
    assert_eq!(pod.signed_in(&[(CA_FILE, ""), (CA_DATA, &pem)]).await, expected);
    // A proxy that the environment names is for what lies outside of the cluster.
    let nowhere = [
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("NO_PROXY", "localhost,127.0.0.1"),
    ];
    assert_eq!(pod.signed_in(&nowhere).await, expected);
    assert!(pod.proxy.requests() >= 3);
    assert_eq!(pod.asked_directly(), 0);

    // A token that was given is no service account's.
    let token = std::fs::read_to_string(token_file(&pod)).expect("a token");
    let given = [("ARM_USE_OIDC", "true"), ("ARM_OIDC_TOKEN", &token)];
    let before = pod.proxy.requests();
    assert_eq!(pod.signed_in(&given).await, expected);
    assert_eq!(pod.proxy.requests(), before);

    // What Entra says against it is told as ever.
    let stranger = pod
        .azure
        .workload_identity(&pod.azure.runner().client_id, "tools", "stranger");
    let stranger = stranger.expect("a token file")[0].1.clone();
    let refusal = pod.signed_in(&[("AZURE_FEDERATED_TOKEN_FILE", &stranger)]).await;
    let refusal = refusal.expect_err("another service account");
    assert!(
        refusal.contains("No federated credential of the application matches the token."),
        "{refusal}"
    );
}

fn token_file(pod: &Pod) -> String {
    let environment = pod.environment(&[]);
    let file = environment
        .iter()
        .find(|(name, _)| name == "AZURE_FEDERATED_TOKEN_FILE");
    file.expect("a token file").1.clone()
}

#[tokio::test]
async fn who_only_looks_like_the_token_proxy_gets_no_token() {
    let pod = Pod::start().await;
    let other = pod.azure.start_kubernetes_token_proxy().expect("another proxy");
    let emulators_own = pod.azure.ca_file().display().to_string();
    for wrong in [
        [(NAME, other.sni_name.as_str())],
        [(NAME, "")],
        [(CA_FILE, emulators_own.as_str())],
        // The usual roots are not its own.
        [(CA_FILE, "")],
        [("AZURE_KUBERNETES_TOKEN_PROXY", other.url.as_str())],
    ] {
        let refusal = pod.signed_in(&wrong).await.expect_err("nobody vouches for it");
        let by_usual_roots = wrong == [(CA_FILE, "")];
        let summary = if by_usual_roots {
            "Certificate not trusted: "
        } else {
            "Sign-in failed: "
        };
        assert!(refusal.starts_with(summary), "{wrong:?}: {refusal}");
        assert_eq!(refusal.contains("`ca_file`"), by_usual_roots, "{wrong:?}: {refusal}");
        for words in ["asking the cluster's token proxy https://127.0.0.1:", NAME, CA_FILE] {
            assert!(refusal.contains(words), "{wrong:?}: {words} is missing in {refusal}");
        }
    }
    assert_eq!(
        (pod.proxy.requests(), other.requests(), pod.asked_directly()),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused_before_anybody_is_asked() {
    let pod = Pod::start().await;
    let (proxy, pem) = ("AZURE_KUBERNETES_TOKEN_PROXY", pod.proxy.ca_pem.clone());
    let host = pod.proxy.url.trim_start_matches("https://");
    let with = |before: &str, after: &str| format!("{before}{host}{after}");
    for (wrong, expected) in [
        (
            (proxy, String::new()),
            "AZURE_KUBERNETES_SNI_NAME is set and AZURE_KUBERNETES_TOKEN_PROXY is not",
        ),
        (
            (CA_DATA, pem),
            "AZURE_KUBERNETES_CA_FILE and AZURE_KUBERNETES_CA_DATA are both set",
        ),
        ((proxy, with("http://", "")), "must begin with https://"),
        (
            (proxy, with("https://me:secret-word@", "")),
            "must have no user name and no password",
        ),
        ((proxy, with("https://", "?a=b")), "must have no query and no fragment"),
        ((proxy, with("https://", "#a")), "must have no query and no fragment"),
        (
            (proxy, "somewhere".to_owned()),
            "AZURE_KUBERNETES_TOKEN_PROXY is not a URL",
        ),
        ((NAME, "a b".to_owned()), "`a b` is none"),
        (
            (CA_FILE, "/nowhere/ca.pem".to_owned()),
            "the file /nowhere/ca.pem that AZURE_KUBERNETES_CA_FILE names cannot be read",
        ),
        (
            (CA_FILE, "/dev/null".to_owned()),
            "AZURE_KUBERNETES_CA_FILE: the trusted roots contain no certificate",
        ),
    ] {
        let (name, value) = wrong;
        let refusal = pod.signed_in(&[(name, &value)]).await.expect_err("it does not fit");
        assert!(
            refusal.starts_with("Invalid provider configuration: "),
            "{name}={value}: {refusal}"
        );
        assert!(refusal.contains(expected), "{name}={value}: {refusal}");
        assert!(!refusal.contains("secret-word"), "{refusal}");
    }
    assert_eq!((pod.proxy.requests(), pod.asked_directly()), (0, 0));
}

#[tokio::test]
async fn a_rotated_authority_is_read_anew() {
    let mut pod = Pod::start().await;
    let variables: Variables = pod.environment(&[]).into_iter().collect();
    let block = ProviderBlock::from_object(config! {}).expect("an empty block");
    let settings = Settings::new(block, &variables, StopSignal::new()).expect("settings");
    let azure = Azure::new(settings.azure).expect("an Azure");
    azure.token(Scope::Graph).await.expect("by the first authority");
    pod.proxy.rotate();
    let error = azure
        .token(Scope::ResourceManager)
        .await
        .expect_err("the file is the old one");
    assert!(error.to_string().contains(CA_FILE), "{error}");
    pod.write_ca();
    azure
        .token(Scope::OpenSourceDatabases)
        .await
        .expect("by the second authority");
    assert_eq!((pod.proxy.requests(), pod.asked_directly()), (2, 0));
}
