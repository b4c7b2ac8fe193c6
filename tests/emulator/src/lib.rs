//! A small Azure for tests and for people who want to try things: Entra, Azure Resource Manager, Microsoft Graph, the
//! instance metadata service, and real PostgreSQL servers behind a front that checks tokens as Azure does.
//!
//! It is written from Azure's documentation and from recorded traffic, and shares no code with the provider, so that a
//! mistake cannot agree with itself. What it does not know, it refuses, and says what that was.

mod answer;
mod arm;
mod authority;
mod certificates;
mod clouds;
mod directory;
mod error;
mod faults;
mod graph;
mod http;
mod instance_metadata;
mod issuer;
mod journal;
mod keys;
mod machine_identity;
mod machines;
mod managed_endpoints;
mod options;
mod parameters;
mod people;
mod portal;
mod postgres;
mod setup;
mod shapes;
mod sign_in;
mod tenants;
mod token_proxy;
mod tokens;
mod world;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub use axum::http::Method;
pub use clouds::Cloud;
pub use directory::{Access, PrincipalKind};
pub use error::Error;
pub use faults::{Failure, Faults, Stumble};
pub use journal::{Login, Request, Service};
pub use machines::Targets;
pub use options::{Options, Ports};
pub use portal::ArmServer;
use postgres::pooler::Pooler;
pub use postgres::relay::{Held, Moment};
pub use postgres::statements::Statement;
use tempfile::TempDir;
pub use tenants::Tenant;
pub use token_proxy::KubernetesTokenProxy;
use world::World;

use crate::journal::hold;

/// An application with everything that proves it.
#[derive(Clone, Debug)]
pub struct AppCredential {
    /// The application ID.
    pub client_id: String,
    /// The secret for the client-secret flow.
    pub client_secret: String,
    /// The object ID of its service principal.
    pub object_id: String,
    /// The display name of its service principal.
    pub display_name: String,
    /// Certificate and private key, PEM.
    pub certificate_pem_path: PathBuf,
    /// The same as PKCS#12; `None` when the machine has no `openssl` program.
    pub pfx_path: Option<PathBuf>,
    /// The password of the PKCS#12 file.
    pub pfx_password: String,
}

/// What a test needs to know about a PostgreSQL server.
#[derive(Clone, Debug)]
pub struct PostgresqlServer {
    /// The ARM resource ID.
    pub id: String,
    /// The name in ARM.
    pub name: String,
    /// The host name that clients use and that the certificate carries.
    pub fqdn: String,
    /// The loopback address to dial instead, `host:port`.
    pub address: String,
    /// The port of that address.
    pub port: u16,
    /// As the server says it, such as `15.14`.
    pub version: String,
    /// The major version, 13 to 18.
    pub major: u32,
    /// Databases of the user, without `postgres` and the platform's.
    pub databases: Vec<String>,
    /// The folder of the server's own socket, behind the front.
    pub unix_socket_dir: PathBuf,
    /// The password administrator.
    pub administrator: String,
    /// Its password.
    pub administrator_password: String,
}

/// A running emulator. Dropping it stops everything and removes its temporary folder; so does the end of the process.
///
/// It runs on threads of its own, so one emulator may serve many tests, each with its own runtime and clock.
pub struct Emulator {
    world: Arc<World>,
    runner: AppCredential,
    targets: Targets,
    authority: Arc<certificates::Authority>,
    server: PostgresqlServer,
    arm_servers: portal::ArmServers,
    ca_file: PathBuf,
    /// With the address at which each is dialled.
    poolers: Mutex<Vec<(Pooler, String)>>,
    threads: setup::Threads,
    // Removed last, after the server that writes into it has ended.
    _folder: TempDir,
}

impl Emulator {
    /// Starts an emulator; takes about two seconds.
    ///
    /// # Errors
    /// When PostgreSQL can neither be found nor fetched, or a port cannot be used.
    pub async fn start(options: Options) -> Result<Emulator, Error> {
        setup::start(options).await
    }

    /// The tenant's ID.
    #[must_use]
    pub fn tenant_id(&self) -> &str {
        self.world.tenant()
    }

    /// The subscription's ID.
    #[must_use]
    pub fn subscription_id(&self) -> &str {
        self.world.subscription()
    }

    /// The name of the resource group that exists from the start.
    #[must_use]
    pub fn resource_group(&self) -> &str {
        &self.world.options.resource_group
    }

    /// Entra, `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn authority_host(&self) -> &str {
        &self.world.endpoints.authority
    }

    /// Azure Resource Manager, `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn resource_manager_endpoint(&self) -> &str {
        &self.world.endpoints.resource_manager
    }

    /// Microsoft Graph, `https://127.0.0.1:PORT`, without `/v1.0`.
    #[must_use]
    pub fn graph_endpoint(&self) -> &str {
        &self.world.endpoints.graph
    }

    /// Host and port of the metadata document.
    #[must_use]
    pub fn metadata_host(&self) -> &str {
        self.world.endpoints.resource_manager.trim_start_matches("https://")
    }

    /// The instance metadata service, `http://127.0.0.1:PORT`; the token path follows as in Azure. It is what
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST` wants.
    #[must_use]
    pub fn imds_endpoint(&self) -> &str {
        &self.world.endpoints.instance_metadata
    }

    /// The root that signed every certificate of this emulator, PEM.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The application that Terraform runs as: Contributor, but not yet an administrator of any database.
    #[must_use]
    pub fn runner(&self) -> &AppCredential {
        &self.runner
    }

    /// The ARM resource ID of the AKS cluster.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.targets.cluster
    }

    /// The cluster's present OpenID issuer, with its slash at the end.
    #[must_use]
    pub fn cluster_issuer(&self) -> String {
        let state = hold(&self.world.state);
        let cluster = state.targets.get(&self.targets.cluster.to_ascii_lowercase());
        let issuer = cluster.and_then(|cluster| cluster.body["properties"]["oidcIssuerProfile"]["issuerURL"].as_str());
        issuer.unwrap_or_default().to_owned()
    }

    /// A token that the kubelet projects into a pod of this service account, for `api://AzureADTokenExchange`.
    #[must_use]
    pub fn service_account_token(&self, namespace: &str, service_account: &str) -> String {
        issuer::service_account_token(&self.world, &self.cluster_issuer(), namespace, service_account)
    }

    /// The first PostgreSQL server.
    #[must_use]
    pub fn postgresql(&self) -> &PostgresqlServer {
        &self.server
    }

    /// Connects to the first server as the platform's superuser `azuresu`, past the front: a test's own eyes.
    ///
    /// # Panics
    /// When the database does not exist or the server is down.
    pub async fn superuser(&self, database: &str) -> tokio_postgres::Client {
        let server = self.first_server();
        server
            .superuser(database)
            .await
            .expect("the emulator's server takes the platform's superuser")
    }

    /// What clients sent to the first server so far; the platform's own statements are left out.
    #[must_use]
    pub fn statements(&self) -> Vec<Statement> {
        self.first_server().statements()
    }

    fn first_server(&self) -> Arc<postgres::server::Server> {
        let state = hold(&self.world.state);
        let server = state.servers.get(&self.server.id.to_ascii_lowercase()).cloned();
        server.expect("servers are never removed")
    }

    /// What shall go wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// Every HTTP request so far.
    #[must_use]
    pub fn log(&self) -> Vec<Request> {
        self.world.journal.requests()
    }

    /// What was wrong with this emulator's own answers, held against the shapes of the official specifications: empty
    /// as long as the emulator is right. The client was answered 400 `EmulatorAnswerOutOfShape` instead.
    #[must_use]
    pub fn shape_violations(&self) -> Vec<String> {
        self.world.journal.violations()
    }

    /// Every attempt to log in to a database so far.
    #[must_use]
    pub fn logins(&self) -> Vec<Login> {
        self.world.journal.logins()
    }

    /// Empties both logs.
    pub fn clear_log(&self) {
        self.world.journal.clear();
    }

    /// Variables that make the runner log in with its client secret.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let places = &self.world.endpoints;
        let hosts: Vec<String> = self
            .database_hosts()
            .iter()
            .map(|(name, address)| format!("{name}={address}"))
            .collect();
        let hosts = hosts.join(",");
        let pairs = [
            ("ARM_TENANT_ID", self.tenant_id()),
            ("ARM_SUBSCRIPTION_ID", self.subscription_id()),
            ("ARM_CLIENT_ID", &self.runner.client_id),
            ("ARM_CLIENT_SECRET", &self.runner.client_secret),
            ("ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST", &places.authority),
            ("ARM_RESOURCE_MANAGER_ENDPOINT", &places.resource_manager),
            ("ARM_RESOURCE_MANAGER_AUDIENCE", self.management_audience()),
            ("ARM_MICROSOFT_GRAPH_ENDPOINT", &places.graph),
            ("ARM_MSI_ENDPOINT", &self.msi_endpoint()),
            ("ARM_METADATA_HOSTNAME", self.metadata_host()),
            ("ENTRADB_CA_FILE", &self.ca_file.display().to_string()),
            ("ENTRADB_DATABASE_HOSTS", &hosts),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The audience that clients ask a management token for.
    fn management_audience(&self) -> &'static str {
        self.world.options.cloud.facts().audiences[1]
    }

    /// Each server's FQDN and the address to dial instead.
    fn database_hosts(&self) -> Vec<(String, String)> {
        let servers = self.world.servers();
        let poolers = hold(&self.poolers);
        let pooled = poolers
            .iter()
            .map(|(_, address)| (format!("{}:6432", self.server.fqdn), address.clone()));
        servers
            .iter()
            .map(|server| (server.fqdn.clone(), server.address()))
            .chain(pooled)
            .collect()
    }

    /// Starts the real PgBouncer in transaction mode beside the first server, as Azure does at port 6432. The address to
    /// dial is in [`Emulator::environment`] from then on.
    ///
    /// # Errors
    /// When the machine has no `pgbouncer`, or it does not start.
    pub async fn start_pgbouncer(&self) -> Result<(), Error> {
        let starting = setup::add_pooler(self.world.clone(), self.authority.clone(), self.first_server());
        let started = self.threads.run(starting).await?;
        hold(&self.poolers).push(started);
        Ok(())
    }

    /// The address of the machine's token endpoint, as azurerm's `msi_endpoint` wants it: with the path.
    #[must_use]
    pub fn msi_endpoint(&self) -> String {
        format!(
            "{}/metadata/identity/oauth2/token",
            self.world.endpoints.instance_metadata
        )
    }

    /// A provider block for this emulator; the secret is expected in `ARM_CLIENT_SECRET`.
    #[must_use]
    pub fn provider_block(&self) -> String {
        let places = &self.world.endpoints;
        let arguments = [
            ("tenant_id", self.tenant_id()),
            ("subscription_id", self.subscription_id()),
            ("client_id", &self.runner.client_id),
            ("active_directory_authority_host", &places.authority),
            ("resource_manager_endpoint", &places.resource_manager),
            ("resource_manager_audience", self.management_audience()),
            ("microsoft_graph_endpoint", &places.graph),
            ("msi_endpoint", &self.msi_endpoint()),
            ("metadata_host", self.metadata_host()),
            ("ca_file", &self.ca_file.display().to_string()),
        ];
        let width = arguments.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let lines: String = arguments
            .iter()
            .map(|(name, value)| format!("  {name:width$} = \"{value}\"\n"))
            .collect();
        let hosts: String = self
            .database_hosts()
            .iter()
            .map(|(name, address)| format!("    \"{name}\" = \"{address}\"\n"))
            .collect();
        format!("provider \"entradb\" {{\n{lines}\n  database_hosts = {{\n{hosts}  }}\n}}\n")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        hold(&self.poolers).clear();
        // The first server takes the whole folder with it, so it is the last to go.
        let first = self.first_server();
        for server in self
            .world
            .servers()
            .iter()
            .filter(|server| server.id != first.id)
            .chain([&first])
        {
            server.stop();
        }
    }
}
