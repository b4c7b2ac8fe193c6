//! Who signs in, how and where: plain data. It does not know where the values were read.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::azure::cloud::{Cloud, Endpoints};
use crate::azure::trust::Trust;
use crate::retry::StopSignal;

/// What [`Azure`](crate::azure::Azure) is made from. Fields are named as azurerm names its arguments.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cloud, before `metadata_host` and `endpoints`.
    pub cloud: Cloud,
    /// A host (and port) that is asked where its cloud is, at the first need.
    pub metadata_host: Option<String>,
    /// Endpoints that are used instead of the cloud's.
    pub endpoints: Endpoints,
    /// The tenant to sign in to.
    pub tenant_id: Option<String>,
    /// Further tenants whose word Resource Manager gets with each write: what a write names may live in one of them.
    pub auxiliary_tenant_ids: Vec<String>,
    /// The subscription that is used where an ID does not name one.
    pub subscription_id: Option<String>,
    /// The application that signs in, or the user-assigned identity.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<SecretString>,
    /// The application's certificate with its private key.
    pub client_certificate: Option<CertificateSource>,
    /// Opens the certificate.
    pub client_certificate_password: Option<SecretString>,
    /// Whether a federated token may be used.
    pub use_oidc: bool,
    /// Whether the federated token of Azure Kubernetes Service is used: `oidc_token_file_path`.
    pub use_aks_workload_identity: bool,
    /// A federated token.
    pub oidc_token: Option<SecretString>,
    /// A file that holds a federated token; read anew each time.
    pub oidc_token_file_path: Option<PathBuf>,
    /// What takes the file's token to Entra, in a Kubernetes cluster with identity bindings.
    pub token_proxy: Option<TokenProxy>,
    /// Where GitHub Actions or Azure Pipelines give a federated token.
    pub oidc_request_url: Option<String>,
    /// The token that this request wants.
    pub oidc_request_token: Option<SecretString>,
    /// The service connection of Azure Pipelines; selects its form of the request.
    pub ado_pipeline_service_connection_id: Option<String>,
    /// Whether the identity of this machine may be used.
    pub use_msi: bool,
    /// The machine's token endpoint, instead of the well-known address.
    pub msi_endpoint: Option<String>,
    /// What the platform that runs us says of its token endpoint.
    pub platform: Platform,
    /// Whether the Azure CLI's sign-in may be used.
    pub use_cli: bool,
    /// Whom to trust.
    pub trust: Trust,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// Ends waiting for a token.
    pub stop: StopSignal,
}

/// Where the application's certificate comes from: PKCS#12 or PEM.
#[derive(Debug, Clone)]
pub enum CertificateSource {
    /// Base64 of PKCS#12 or of PEM.
    Base64(SecretString),
    /// A file.
    File(PathBuf),
}

/// A Kubernetes cluster's own way to Entra's token endpoint.
#[derive(Debug, Clone)]
pub struct TokenProxy {
    /// `AZURE_KUBERNETES_TOKEN_PROXY`: https, without login, query and fragment.
    pub url: Url,
    /// `AZURE_KUBERNETES_SNI_NAME`: the name that its certificate is for, where that is not its host's.
    pub server_name: Option<String>,
    /// Who vouches for it.
    pub roots: TokenProxyRoots,
}

/// The authorities that sign the certificate of a [`TokenProxy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenProxyRoots {
    /// Those of every other connection.
    Usual,
    /// `AZURE_KUBERNETES_CA_FILE`: PEM, read anew each time since it is rotated. No other.
    File(PathBuf),
    /// `AZURE_KUBERNETES_CA_DATA`: PEM. No other.
    Given(String),
}

/// What the variables of a platform say of the token endpoint that it gives its programs; empty on a plain machine.
#[derive(Debug, Clone)]
pub struct Platform {
    /// `IDENTITY_ENDPOINT`
    pub identity: Option<String>,
    /// `IDENTITY_HEADER`: App Service, Functions, Container Apps and Service Fabric want it back.
    pub identity_header: Option<SecretString>,
    /// `IDENTITY_SERVER_THUMBPRINT`: of Service Fabric's certificate.
    pub identity_thumbprint: Option<String>,
    /// Whether there is `IMDS_ENDPOINT`: with `IDENTITY_ENDPOINT` it says that this is Azure Arc.
    pub has_imds: bool,
    /// `MSI_ENDPOINT`: Cloud Shell and Machine Learning.
    pub msi: Option<String>,
    /// `MSI_SECRET`: Machine Learning wants it back.
    pub msi_secret: Option<SecretString>,
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`: where the metadata service is, instead of its well-known address.
    pub metadata_service: Option<String>,
    /// The program of the Azure Arc agent: where it is, there is the agent.
    pub arc_agent: PathBuf,
    /// The only folder whose keys are read for the Azure Arc agent.
    pub arc_keys: PathBuf,
}

impl Default for Platform {
    /// A plain machine; the agent of Azure Arc is where it installs itself.
    fn default() -> Self {
        let (arc_agent, arc_keys) = match cfg!(windows) {
            true => (
                "C:\\Program Files\\AzureConnectedMachineAgent\\himds.exe",
                "C:\\ProgramData\\AzureConnectedMachineAgent\\Tokens",
            ),
            false => ("/opt/azcmagent/bin/himds", "/var/opt/azcmagent/tokens"),
        };
        Platform {
            identity: None,
            identity_header: None,
            identity_thumbprint: None,
            has_imds: false,
            msi: None,
            msi_secret: None,
            metadata_service: None,
            arc_agent: arc_agent.into(),
            arc_keys: arc_keys.into(),
        }
    }
}

impl Default for Settings {
    /// The public cloud and the Azure CLI's sign-in.
    fn default() -> Self {
        Settings {
            cloud: Cloud::public(),
            metadata_host: None,
            endpoints: Endpoints::default(),
            tenant_id: None,
            auxiliary_tenant_ids: Vec::new(),
            subscription_id: None,
            client_id: None,
            client_secret: None,
            client_certificate: None,
            client_certificate_password: None,
            use_oidc: false,
            use_aks_workload_identity: false,
            oidc_token: None,
            oidc_token_file_path: None,
            token_proxy: None,
            oidc_request_url: None,
            oidc_request_token: None,
            ado_pipeline_service_connection_id: None,
            use_msi: false,
            msi_endpoint: None,
            platform: Platform::default(),
            use_cli: true,
            trust: Trust::default(),
            connect_timeout: Duration::from_secs(10),
            stop: StopSignal::new(),
        }
    }
}
