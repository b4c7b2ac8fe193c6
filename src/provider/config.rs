//! The provider block: what it may say, and which variable of the environment speaks where it is silent.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::model;
use crate::protocol::duration;
use crate::protocol::schema::Rule;
use crate::protocol::secret::Secret;
use crate::protocol::typed::Parsed;

model! {
    /// Passwordless (Microsoft Entra) access to Azure databases, declared from end to end.
    ///
    /// Inside the database, only Azure Database for PostgreSQL flexible server is supported so far. For MySQL, Azure SQL Database and Managed Instance there are
    /// administrators, the Entra-only switch and identities, but no users or privileges yet. Nothing has been verified against real Azure yet: all tests run
    /// against an emulator with real PostgreSQL servers.
    ///
    /// Begin with a guide: [Signing in](guides/signing-in.md), [Permissions](guides/permissions.md), [Private networks and pipelines](guides/private-networks-and-pipelines.md),
    /// [Moving a running PostgreSQL application to Entra](guides/moving-a-running-application.md), [Coming from other providers](guides/coming-from-other-providers.md),
    /// [When something was lost](guides/when-something-was-lost.md).
    pub struct ProviderBlock {
        /// The ID of the tenant to sign in to. Environment: `ARM_TENANT_ID`.
        pub tenant_id: Option<String>,
        /// Up to three further tenants in which the application is registered; their tokens accompany writes that refer to resources there, such as an
        /// identity that is assigned to a server. Environment: `ARM_AUXILIARY_TENANT_IDS`, as `id;id;…`.
        pub auxiliary_tenant_ids: Option<Vec<Guid>>,
        /// The ID of the subscription in which resources are created. Environment: `ARM_SUBSCRIPTION_ID`.
        pub subscription_id: Option<Guid>,
        /// The client ID of the application, or of the managed identity, that signs in. Environment: `ARM_CLIENT_ID`.
        pub client_id: Option<Guid>,
        /// The path of a file with the client ID. Environment: `ARM_CLIENT_ID_FILE_PATH`.
        pub client_id_file_path: Option<String>,
        /// The secret of the application that signs in. Environment: `ARM_CLIENT_SECRET`.
        #[sensitive]
        pub client_secret: Option<Secret>,
        /// The path of a file with the client secret. Environment: `ARM_CLIENT_SECRET_FILE_PATH`.
        pub client_secret_file_path: Option<String>,
        /// A certificate with its key, which must be an RSA key: a PKCS#12 bundle in base64. Environment: `ARM_CLIENT_CERTIFICATE`.
        #[sensitive]
        pub client_certificate: Option<Secret>,
        /// The path of a certificate with its key, which must be an RSA key: a PKCS#12 bundle, or PEM. Environment: `ARM_CLIENT_CERTIFICATE_PATH`.
        pub client_certificate_path: Option<String>,
        /// The password of the PKCS#12 bundle, or of an encrypted key in PEM. Environment: `ARM_CLIENT_CERTIFICATE_PASSWORD`.
        #[sensitive]
        pub client_certificate_password: Option<Secret>,
        /// Whether to sign in with a federated token (OIDC). Environment: `ARM_USE_OIDC`.
        pub use_oidc: Option<bool>,
        /// The federated token. Environment: `ARM_OIDC_TOKEN`.
        #[sensitive]
        pub oidc_token: Option<Secret>,
        /// The path of a file with the federated token. Environment: `ARM_OIDC_TOKEN_FILE_PATH`.
        pub oidc_token_file_path: Option<String>,
        /// Where to fetch a federated token. Environment: `ARM_OIDC_REQUEST_URL`, in GitHub Actions and Azure Pipelines their own variables.
        pub oidc_request_url: Option<String>,
        /// The token with which to fetch a federated token. Environment: `ARM_OIDC_REQUEST_TOKEN`, in GitHub Actions and Azure Pipelines their own variables.
        #[sensitive]
        pub oidc_request_token: Option<Secret>,
        /// The ID of the service connection of Azure Pipelines. Environment: `ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID` or
        /// `ARM_OIDC_AZURE_SERVICE_CONNECTION_ID`, in Azure Pipelines their own `AZURESUBSCRIPTION_SERVICE_CONNECTION_ID`.
        pub ado_pipeline_service_connection_id: Option<String>,
        /// Whether to sign in as the workload identity of the pod that Terraform runs in, in clusters with identity bindings through their token proxy
        /// (`AZURE_KUBERNETES_TOKEN_PROXY`). Environment: `ARM_USE_AKS_WORKLOAD_IDENTITY`.
        pub use_aks_workload_identity: Option<bool>,
        /// Whether to sign in as the managed identity of what Terraform runs on: a virtual machine, App Service, Functions, Container Apps, Azure Arc,
        /// Cloud Shell, Machine Learning, Service Fabric. Environment: `ARM_USE_MSI`.
        pub use_msi: Option<bool>,
        /// Where managed identities get their tokens, where it is neither the usual place nor the one that the platform's own variables name. It comes before them, and before
        /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`, which names the host of the metadata service where no platform has an endpoint of its own. Environment: `ARM_MSI_ENDPOINT`.
        pub msi_endpoint: Option<String>,
        /// Whether to sign in with the account that is signed in to the Azure CLI. Default: `true`. Environment: `ARM_USE_CLI`.
        pub use_cli: Option<bool>,
        /// The cloud. Default: `public`. Environment: `ARM_ENVIRONMENT`.
        pub environment: Option<Environment>,
        /// A host that tells the endpoints of a cloud that is not built in. Environment: `ARM_METADATA_HOSTNAME` or `ARM_METADATA_HOST`.
        pub metadata_host: Option<String>,
        /// The endpoint of Microsoft Entra, where it is not the cloud's own. Environment: `ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST`.
        pub active_directory_authority_host: Option<String>,
        /// The endpoint of Azure Resource Manager, where it is not the cloud's own. Environment: `ARM_RESOURCE_MANAGER_ENDPOINT`.
        pub resource_manager_endpoint: Option<String>,
        /// The audience of tokens for Azure Resource Manager, where it is not the cloud's own. Environment: `ARM_RESOURCE_MANAGER_AUDIENCE`.
        pub resource_manager_audience: Option<String>,
        /// The endpoint of Microsoft Graph, where it is not the cloud's own. Environment: `ARM_MICROSOFT_GRAPH_ENDPOINT`.
        pub microsoft_graph_endpoint: Option<String>,
        /// For a server's host name, or its host name and port, the `host:port` to dial instead: a tunnel, a bastion. The certificate must still be for the server's name, and
        /// the name then need not end in the cloud's database suffix. Environment: `ENTRADB_DATABASE_HOSTS`, as `name=host:port,…`.
        pub database_hosts: Option<BTreeMap<String, DialAddress>>,
        /// For a server's host name, the role to log in as, where it cannot be found out. Needed when `server` is a host name and the runner is an administrator
        /// through a group; with an ARM ID that is found. Environment: `ENTRADB_DATABASE_LOGINS`, as `name=role,…`.
        pub database_logins: Option<BTreeMap<String, String>>,
        /// The path of a PEM file with further roots to trust, for databases and Azure alike. Environment: `ENTRADB_CA_FILE`.
        pub ca_file: Option<String>,
        /// How long to wait for a database to answer. Default: `15s`. Environment: `ENTRADB_CONNECT_TIMEOUT`.
        pub connect_timeout: Option<Span>,
        /// How long to wait for a lock in a database before giving way and trying again. Keep it below the server's `deadlock_timeout` (1 s). Locks on the
        /// application's tables are given up after 300 ms whatever this says. Default: `800ms`. Environment: `ENTRADB_LOCK_TIMEOUT`.
        pub lock_timeout: Option<Span>,
    }
    rules:
        Rule::AtMostOneOf(&["client_id", "client_id_file_path"]),
        Rule::AtMostOneOf(&["client_secret", "client_secret_file_path"]),
        Rule::AtMostOneOf(&["client_certificate", "client_certificate_path"]),
        Rule::AtMostOneOf(&["oidc_token", "oidc_token_file_path"])
}

/// A GUID, as Azure names tenants, subscriptions, applications and principals. Compared without case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub uuid::Uuid);

impl FromStr for Guid {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hyphenated = text.len() == 36;
        let guid = uuid::Uuid::try_parse(text).ok().filter(|_| hyphenated);
        guid.map(Self)
            .ok_or("32 hexadecimal digits in five groups are required, as in 00000000-0000-0000-0000-000000000000")
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Parsed for Guid {
    const WHAT: &'static str = "GUID";
}

/// The name of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Azure.
    Public,
    /// Azure Government of the United States.
    UsGovernment,
    /// Azure in China.
    China,
}

impl FromStr for Environment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "public" => Ok(Self::Public),
            "usgovernment" => Ok(Self::UsGovernment),
            "china" => Ok(Self::China),
            _ => Err("`public`, `usgovernment` or `china` is required"),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Public => "public",
            Self::UsGovernment => "usgovernment",
            Self::China => "china",
        })
    }
}

impl Parsed for Environment {
    const WHAT: &'static str = "cloud";
    const ALLOWED: &'static [&'static str] = &["public", "usgovernment", "china"];
}

/// A `host:port` to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialAddress(String);

impl FromStr for DialAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = text
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .and_then(|(_, port)| port.parse::<u16>().ok());
        port.map(|_| Self(text.to_owned())).ok_or("`host:port` is required")
    }
}

impl fmt::Display for DialAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Parsed for DialAddress {
    const WHAT: &'static str = "address";
}

/// A span of time: `15s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        duration::parse(text).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&duration::display(self.0))
    }
}

impl Parsed for Span {
    const WHAT: &'static str = "duration";
}
