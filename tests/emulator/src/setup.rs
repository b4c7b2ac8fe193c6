//! Putting an emulator together. It does not know how the parts answer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::arm::groups::ResourceGroup;
use crate::arm::records::{Kind, Record};
use crate::arm::sql;
use crate::certificates::{Authority, ClientCertificate, write_pfx};
use crate::directory::{Access, Principal, PrincipalKind, RegisteredCertificate};
use crate::error::{Context, Error, Result};
use crate::faults::Faults;
use crate::journal::{Journal, Service, hold};
use crate::keys::{Key, base64url};
use crate::machines::{self, Targets};
use crate::options::{Options, Ports};
use crate::portal::{ArmServer, ArmServers};
use crate::postgres::bootstrap::ADMINISTRATOR;
use crate::postgres::front::{self, Behind};
use crate::postgres::pooler::Pooler;
use crate::postgres::server::{Plan, Server};
use crate::world::{Endpoints, State, World};
use crate::{AppCredential, Emulator, PostgresqlServer, http};

// Nothing else is spelt like it, so that tests can look where it may not be.
const PFX_PASSWORD: &str = "Pa55-of-the-bundle~9d27";

/// The emulator's own threads. They may be dropped inside somebody else's runtime, which a plain runtime may not.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    /// Runs something on the emulator's own threads, so that it outlives the caller's.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.runtime()?.spawn(work).await.context("the emulator has stopped")?
    }

    /// Starts something there that goes on by itself.
    pub(crate) fn start(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        self.runtime()?.spawn(work);
        Ok(())
    }

    fn runtime(&self) -> Result<&Runtime> {
        self.0.as_ref().ok_or_else(|| Error::new("the emulator has stopped"))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) async fn start(options: Options) -> Result<Emulator> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("entradb-emulator")
        .enable_all()
        .build()
        .context("no threads for the emulator")?;
    let folder = tempfile::Builder::new()
        .prefix("entradb-")
        .tempdir()
        .context("no temporary folder")?;
    let assembling = runtime.spawn(assemble(options, folder.path().to_owned()));
    let threads = Threads(Some(runtime));
    let parts = assembling.await.context("the emulator's start was cut short")??;
    Ok(finish(parts, threads, folder))
}

struct Parts {
    world: Arc<World>,
    runner: AppCredential,
    targets: Targets,
    authority: Arc<Authority>,
    server: Arc<Server>,
    arm_servers: ArmServers,
}

/// What a test sees of a server.
pub(crate) fn described(server: &Server, databases: &[String]) -> PostgresqlServer {
    PostgresqlServer {
        id: server.id.clone(),
        name: server.name.clone(),
        fqdn: server.fqdn.clone(),
        address: server.address(),
        port: server.port,
        version: server.binaries.version.clone(),
        major: server.binaries.major,
        databases: databases.to_vec(),
        unix_socket_dir: server.layout.sockets.clone(),
        administrator: ADMINISTRATOR.to_owned(),
        administrator_password: server.administrator_password.clone(),
    }
}

fn finish(parts: Parts, threads: Threads, folder: TempDir) -> Emulator {
    let server = described(&parts.server, &parts.world.options.databases);
    Emulator {
        world: parts.world,
        runner: parts.runner,
        targets: parts.targets,
        authority: parts.authority,
        server,
        arm_servers: parts.arm_servers,
        ca_file: folder.path().join("ca.pem"),
        poolers: Mutex::default(),
        threads,
        _folder: folder,
    }
}

/// A front that is bound but not served yet.
struct Front {
    service: Service,
    listener: TcpListener,
    tls: bool,
}

/// Binds every front: from now on the addresses are known.
async fn bind(ports: Ports) -> Result<(Vec<Front>, Endpoints)> {
    let wanted = [
        (Service::Authority, ports.authority, true),
        (Service::ResourceManager, ports.resource_manager, true),
        (Service::Graph, ports.graph, true),
        (Service::Issuer, ports.issuer, true),
        (Service::InstanceMetadata, ports.instance_metadata, false),
    ];
    let mut fronts = Vec::new();
    let mut addresses = BTreeMap::new();
    for (index, (service, port, tls)) in wanted.into_iter().enumerate() {
        let (listener, port) = http::bind(port).await?;
        addresses.insert(
            index,
            format!("{}://127.0.0.1:{port}", if tls { "https" } else { "http" }),
        );
        fronts.push(Front { service, listener, tls });
    }
    let address = |index: usize| addresses[&index].clone();
    let endpoints = Endpoints {
        authority: address(0),
        resource_manager: address(1),
        graph: address(2),
        issuer: address(3),
        instance_metadata: address(4),
    };
    Ok((fronts, endpoints))
}

async fn assemble(options: Options, folder: PathBuf) -> Result<Parts> {
    let authority = Authority::generate("entradb emulator root")?;
    fs::write(folder.join("ca.pem"), authority.pem()).context("the root certificate cannot be written")?;

    let (fronts, endpoints) = bind(options.ports).await?;

    let (config, thumbprint) = authority.server_with_thumbprint(&["127.0.0.1", "localhost"], &[b"h2", b"http/1.1"])?;
    let mut state = State::default();
    state.arc.folder = folder.join("arc-tokens");
    let runner = runner(&mut state, &folder)?;
    machine(&mut state);
    let targets = resources(&mut state, &options, &endpoints);
    let principals: Vec<Principal> = state.directory.all().cloned().collect();

    let (database, database_port) = http::bind(options.ports.postgresql).await?;
    let plan = Plan {
        name: &options.postgresql_server,
        port: database_port,
        folder: folder.join("postgresql"),
        removed: &folder,
        principals,
    };
    let server = Arc::new(Server::start(&options, plan).await?);
    state.servers.insert(server.id.to_ascii_lowercase(), server.clone());
    let arm_servers = arm_servers(&mut state, &options, &server);

    let world = Arc::new(World {
        options,
        endpoints,
        entra_key: Key::generate()?,
        issuer_key: Key::generate()?,
        token_request_secret: Uuid::new_v4().simple().to_string(),
        platform_secret: Uuid::new_v4().to_string(),
        thumbprint,
        state: Mutex::new(state),
        issued: Mutex::default(),
        journal: Journal::default(),
        faults: Faults::default(),
    });
    world.faults.attach(&world);
    let tls = TlsAcceptor::from(config);
    for front in fronts {
        tokio::spawn(http::serve(
            world.clone(),
            front.service,
            front.listener,
            front.tls.then(|| tls.clone()),
        ));
    }
    serve(&world, &authority, server.clone(), database)?;
    Ok(Parts {
        world,
        runner,
        targets,
        authority: Arc::new(authority),
        server,
        arm_servers,
    })
}

/// Opens the front of a server, with a certificate for its name.
fn serve(world: &Arc<World>, authority: &Authority, server: Arc<Server>, listener: TcpListener) -> Result<()> {
    let tls = TlsAcceptor::from(authority.server(&[&server.fqdn], &[b"postgresql"])?);
    let socket = server.socket();
    let behind = Behind { server, socket };
    tokio::spawn(front::serve(world.clone(), behind, listener, tls));
    Ok(())
}

/// Starts PgBouncer beside a server, behind a front of its own; answers the address of that.
pub(crate) async fn add_pooler(
    world: Arc<World>,
    authority: Arc<Authority>,
    server: Arc<Server>,
) -> Result<(Pooler, String)> {
    let (listener, port) = http::bind(0).await?;
    let starting = server.clone();
    let pooler = tokio::task::spawn_blocking(move || Pooler::start(&starting)).await;
    let pooler = pooler.context("the emulator has stopped")??;
    let tls = TlsAcceptor::from(authority.server(&[&server.fqdn], &[b"postgresql"])?);
    let socket = pooler.socket.clone();
    tokio::spawn(front::serve(world, Behind { server, socket }, listener, tls));
    Ok((pooler, format!("127.0.0.1:{port}")))
}

/// Starts one more server beside those that run, with the options' databases and a name of its own.
pub(crate) async fn add_server(
    world: Arc<World>,
    authority: Arc<Authority>,
    folder: PathBuf,
    name: String,
) -> Result<Arc<Server>> {
    let (listener, port) = http::bind(0).await?;
    let principals = hold(&world.state).directory.all().cloned().collect();
    let own = folder.join(format!("postgresql-{name}"));
    let plan = Plan {
        name: &name,
        port,
        folder: own.clone(),
        removed: &own,
        principals,
    };
    let server = Arc::new(Server::start(&world.options, plan).await?);
    hold(&world.state)
        .servers
        .insert(server.id.to_ascii_lowercase(), server.clone());
    serve(&world, &authority, server.clone(), listener)?;
    Ok(server)
}

/// The application that Terraform runs as.
fn runner(state: &mut State, folder: &Path) -> Result<AppCredential> {
    application(state, folder, "terraform", Access::Contributor)
}

/// Makes an application with a secret and a certificate.
pub(crate) fn application(state: &mut State, folder: &Path, name: &str, access: Access) -> Result<AppCredential> {
    let mut principal = Principal::new(PrincipalKind::Application, name);
    let secret = format!(
        "{}~{}",
        &Uuid::new_v4().simple().to_string()[..8],
        Uuid::new_v4().simple()
    );
    let certificate = ClientCertificate::generate(name)?;
    let digest = |algorithm| base64url(aws_lc_rs::digest::digest(algorithm, &certificate.der).as_ref());
    principal.secrets.push(secret.clone());
    principal.certificates.push(RegisteredCertificate {
        sha1: digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY),
        sha256: digest(&aws_lc_rs::digest::SHA256),
        public_key: certificate.public_key.clone(),
    });
    principal.access = access;
    let client_id = principal.app_id.clone().unwrap_or_default();
    let pem = folder.join(format!("{client_id}.pem"));
    let pfx = folder.join(format!("{client_id}.pfx"));
    fs::write(&pem, &certificate.pem).context("the application's certificate cannot be written")?;
    fs::set_permissions(&pem, fs::Permissions::from_mode(0o600)).context("permissions cannot be set")?;
    let credential = AppCredential {
        client_id,
        client_secret: secret,
        object_id: principal.object_id.clone(),
        display_name: name.to_owned(),
        pfx_path: write_pfx(&pem, &pfx, PFX_PASSWORD).then_some(pfx),
        pfx_password: PFX_PASSWORD.to_owned(),
        certificate_pem_path: pem,
    };
    state.directory.add(principal);
    Ok(credential)
}

/// The machine behind the instance metadata service has a system-assigned identity that may do what the runner may; so
/// may the person who opened the Cloud Shell.
fn machine(state: &mut State) {
    let mut principal = Principal::new(PrincipalKind::ManagedIdentity, "terraform-vm");
    principal.access = Access::Contributor;
    state.machine_system_identity = Some(principal.object_id.clone());
    state.directory.add(principal);
    let mut person = Principal::new(PrincipalKind::User, "Cloud Shell user");
    person.user_principal_name = Some("shell@example.com".to_owned());
    person.access = Access::Contributor;
    state.cloud_shell_user.clone_from(&person.object_id);
    state.directory.add(person);
}

/// The servers that no process stands behind.
fn arm_servers(state: &mut State, options: &Options, server: &Server) -> ArmServers {
    let base = format!(
        "/subscriptions/{}/resourceGroups/{}/providers",
        options.subscription_id, options.resource_group
    );
    let mut add = |kind: Kind, name: &str, suffix: &str, source: Option<&str>| {
        let mut record = Record::new(kind, &base, name, format!("{name}.{suffix}"));
        record.source = source.map(str::to_owned);
        let described = ArmServer::of(&record);
        state.records.insert(record.key(), record);
        described
    };
    let suffixes = options.cloud.facts();
    let postgresql_replica = add(
        Kind::PostgresqlReplica,
        "pg-replica",
        suffixes.postgresql_suffix,
        Some(&server.id),
    );
    let mysql = add(Kind::Mysql, "mysql-data", suffixes.mysql_suffix, None);
    let mysql_replica = add(Kind::Mysql, "mysql-replica", suffixes.mysql_suffix, Some(&mysql.id));
    let sql_server = add(Kind::Sql, "sql-data", suffixes.sql_suffix, None);
    let zone = format!("{}.{}", sql::DNS_ZONE, suffixes.sql_suffix);
    let managed_instance = add(Kind::ManagedInstance, "mi-data", &zone, None);
    ArmServers {
        postgresql_replica,
        mysql,
        mysql_replica,
        sql_server,
        managed_instance,
    }
}

/// The resource group and what identities can be assigned to in it.
fn resources(state: &mut State, options: &Options, endpoints: &Endpoints) -> Targets {
    let group = ResourceGroup {
        name: options.resource_group.clone(),
        location: options.location.clone(),
        tags: serde_json::json!({}),
    };
    state.groups.insert(group.name.to_ascii_lowercase(), group);
    let base = format!(
        "/subscriptions/{}/resourceGroups/{}/providers",
        options.subscription_id, options.resource_group
    );
    let issuer = new_issuer(options, endpoints);
    state.issuers.insert(issuer.clone());
    machines::furnish(state, &base, &options.location, &issuer)
}

/// An issuer of the form `https://host/{tenant}/{guid}/`.
pub(crate) fn new_issuer(options: &Options, endpoints: &Endpoints) -> String {
    format!("{}/{}/{}/", endpoints.issuer, options.tenant_id, Uuid::new_v4())
}
