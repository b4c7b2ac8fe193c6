//! One flexible server: the real PostgreSQL, what Azure knows about it, and the acts of the platform inside it.
//! It does not know HTTP.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio_postgres::Client;

use crate::directory::Principal;
use crate::error::{Context, Error, Result};
use crate::journal::hold;
use crate::options::Options;
use crate::postgres::bootstrap::{self, identifier, literal};
use crate::postgres::credentials::{Doors, Role};
use crate::postgres::find::Binaries;
use crate::postgres::process::{Account, Layout, Process};
use crate::postgres::statements;

/// The label provider, compiled by the build script for each major version.
const LIBRARIES: [(u32, &[u8]); 6] = [
    (13, include_bytes!(concat!(env!("OUT_DIR"), "/pgaadauth-13.so"))),
    (14, include_bytes!(concat!(env!("OUT_DIR"), "/pgaadauth-14.so"))),
    (15, include_bytes!(concat!(env!("OUT_DIR"), "/pgaadauth-15.so"))),
    (16, include_bytes!(concat!(env!("OUT_DIR"), "/pgaadauth-16.so"))),
    (17, include_bytes!(concat!(env!("OUT_DIR"), "/pgaadauth-17.so"))),
    (18, include_bytes!(concat!(env!("OUT_DIR"), "/pgaadauth-18.so"))),
];

/// An Entra administrator, as ARM knows it.
#[derive(Clone, Debug)]
pub(crate) struct Administrator {
    pub(crate) object_id: String,
    pub(crate) name: String,
    /// As ARM writes it: `User`, `Group`, `ServicePrincipal`.
    pub(crate) kind: &'static str,
    pub(crate) tenant: String,
}

/// What ARM shows of a server and may change.
#[derive(Debug)]
pub(crate) struct Record {
    /// `Ready` or `Updating`.
    pub(crate) state: &'static str,
    pub(crate) entra: bool,
    pub(crate) password: bool,
    pub(crate) tenant: Option<String>,
    pub(crate) tags: serde_json::Value,
    pub(crate) administrators: Vec<Administrator>,
    /// IDs of user-assigned identities.
    pub(crate) identities: Vec<String>,
    /// Object ID of the system-assigned identity.
    pub(crate) system_identity: Option<String>,
    /// Firewall rules by name.
    pub(crate) firewall: std::collections::BTreeMap<String, (Ipv4Addr, Ipv4Addr)>,
    /// Server parameter `pgaadauth.enable_group_sync`.
    pub(crate) group_sync: bool,
}

/// A flexible server and the process behind it.
pub(crate) struct Server {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) fqdn: String,
    pub(crate) port: u16,
    pub(crate) binaries: Binaries,
    pub(crate) layout: Layout,
    pub(crate) administrator_password: String,
    pub(crate) record: Mutex<Record>,
    runtime: Handle,
    process: Arc<Process>,
    /// The platform's acts on roles come one after the other, or the catalogue refuses the second one.
    acts: tokio::sync::Mutex<()>,
}

/// What a new server is to be.
pub(crate) struct Plan<'a> {
    pub(crate) name: &'a str,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    /// What is removed when the server ends: its folder, or the emulator's.
    pub(crate) removed: &'a Path,
    pub(crate) principals: Vec<Principal>,
}

impl Server {
    pub(crate) async fn start(options: &Options, plan: Plan<'_>) -> Result<Server> {
        let binaries = crate::postgres::find::binaries(options.postgresql_binaries.as_deref())?;
        let account = Account::unprivileged()?;
        let layout = Layout::create(&plan.folder, plan.removed, account)?;
        let process = Arc::new(Process::create(&binaries, &layout, account)?);
        let library = LIBRARIES.iter().find(|(major, _)| *major == binaries.major);
        let (_, library) = library.ok_or_else(|| Error::new("no label provider for this version"))?;
        fs::write(&layout.library, library).context("the label provider cannot be written")?;
        account.give(&layout.library)?;
        configure(&layout, options)?;
        let password = uuid::Uuid::new_v4().simple().to_string();
        process.start()?;
        let server = Server {
            id: format!(
                "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.DBforPostgreSQL/flexibleServers/{}",
                options.subscription_id, options.resource_group, plan.name
            ),
            name: plan.name.to_owned(),
            fqdn: format!("{}.{}", plan.name, options.cloud.facts().postgresql_suffix),
            port: plan.port,
            binaries,
            layout,
            administrator_password: password,
            record: Mutex::new(Record {
                state: "Ready",
                entra: options.entra_enabled,
                password: options.passwords_enabled,
                tenant: options.entra_enabled.then(|| options.tenant_id.clone()),
                tags: serde_json::json!({}),
                administrators: Vec::new(),
                identities: Vec::new(),
                system_identity: None,
                firewall: std::collections::BTreeMap::new(),
                group_sync: false,
            }),
            runtime: Handle::current(),
            process,
            acts: tokio::sync::Mutex::new(()),
        };
        server.bootstrap(options, &plan.principals).await?;
        Ok(server)
    }

    async fn bootstrap(&self, options: &Options, principals: &[Principal]) -> Result<()> {
        self.ready("template1").await?;
        bootstrap::template(&self.superuser("template1").await?, &self.administrator_password).await?;
        let client = self.superuser("postgres").await?;
        bootstrap::databases(&client, &options.databases).await?;
        bootstrap::directory(&client).await?;
        bootstrap::functions(&client, options.entra_enabled, &options.tenant_id).await?;
        for principal in principals {
            self.learn(principal).await?;
        }
        Ok(())
    }

    /// Where the front listens, as a client dials it.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.layout.sockets.join(".s.PGSQL.5432")
    }

    /// Connects as the platform's superuser. The session lives in the emulator's runtime.
    pub(crate) async fn superuser(&self, database: &str) -> Result<Client> {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.layout.sockets).user("azuresu").dbname(database);
        let connecting = self.runtime.spawn(async move {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
            // The end of the session is seen by whoever uses the client.
            tokio::spawn(async move { drop(connection.await) });
            Ok::<_, tokio_postgres::Error>(client)
        });
        connecting
            .await
            .context("the emulator has stopped")?
            .context(format!("database `{database}` cannot be reached"))
    }

    /// Waits until the server takes connections.
    async fn ready(&self, database: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match self.superuser(database).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    let log = fs::read_to_string(&self.layout.log).unwrap_or_default();
                    let tail: Vec<&str> = log.lines().rev().take(5).collect();
                    return Err(Error::because(
                        format!("PostgreSQL does not start; its log ends with {tail:?}"),
                        error,
                    ));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub(crate) async fn restart(&self) -> Result<()> {
        let process = self.process.clone();
        let restarting = self.runtime.spawn_blocking(move || process.start());
        restarting.await.context("the emulator has stopped")??;
        self.ready("postgres").await
    }

    /// Stops the server and removes its folder.
    pub(crate) fn stop(&self) {
        self.process.stop();
    }

    pub(crate) async fn drop_sessions(&self) -> Result<()> {
        let client = self.superuser("postgres").await?;
        let query = "select pg_terminate_backend(pid) from pg_stat_activity
                     where backend_type = 'client backend' and usename <> 'azuresu'";
        client.query(query, &[]).await.context("the sessions cannot be ended")?;
        Ok(())
    }

    /// Puts an object into the server's copy of the directory.
    pub(crate) async fn learn(&self, principal: &Principal) -> Result<()> {
        let name = principal
            .user_principal_name
            .as_ref()
            .unwrap_or(&principal.display_name);
        self.superuser("postgres")
            .await?
            .execute(
                "insert into pg_catalog.pgaadauth_directory (object_id, name, kind) values ($1, $2, $3)
                 on conflict (object_id) do update set name = excluded.name, kind = excluded.kind",
                &[&principal.object_id, name, &principal.kind.label()],
            )
            .await
            .context("the server does not learn of a principal")?;
        Ok(())
    }

    pub(crate) async fn forget(&self, object_id: &str) -> Result<()> {
        self.superuser("postgres")
            .await?
            .execute(
                "delete from pg_catalog.pgaadauth_directory where object_id = $1",
                &[&object_id],
            )
            .await
            .context("the server does not forget a principal")?;
        Ok(())
    }

    /// The next look-ups of this object fail.
    pub(crate) async fn hide(&self, object_id: &str, lookups: u32) -> Result<()> {
        let client = self.superuser("postgres").await?;
        let row = client
            .query_one("select 'pgaadauth_hidden_' || md5($1)", &[&object_id])
            .await;
        let sequence: String = row.context("the server does not hide a principal")?.get(0);
        let statements = format!(
            "set allow_system_table_mods = on;
             drop sequence if exists pg_catalog.{sequence};
             create sequence pg_catalog.{sequence};
             update pg_catalog.pgaadauth_directory set hidden = {lookups} where object_id = {};",
            literal(object_id)
        );
        client
            .batch_execute(&statements)
            .await
            .context("the server does not hide a principal")
    }

    /// What the catalogue says about a role; `None` when there is none.
    pub(crate) async fn role(&self, name: &str) -> Result<Option<Role>> {
        let row = self
            .superuser("postgres")
            .await?
            .query_opt(
                "select s.label, a.rolpassword from pg_catalog.pg_authid a
                 left join pg_catalog.pg_shseclabel s
                   on s.objoid = a.oid and s.classoid = 'pg_catalog.pg_authid'::regclass and s.provider = 'pgaadauth'
                 where a.rolname = $1",
                &[&name],
            )
            .await
            .context("the roles cannot be read")?;
        Ok(row.map(|row| Role {
            name: name.to_owned(),
            label: row.get(0),
            verifier: row.get(1),
        }))
    }

    pub(crate) fn doors(&self) -> Doors {
        let record = hold(&self.record);
        Doors {
            entra: record.entra,
            password: record.password,
        }
    }

    /// Switches Entra authentication on or off; Azure restarts the server for it.
    pub(crate) async fn switch_entra(&self, enabled: bool, tenant: &str) -> Result<()> {
        bootstrap::functions(&self.superuser("postgres").await?, enabled, tenant).await?;
        self.restart().await
    }

    /// Makes or changes the role of an Entra administrator. The error is the server's own.
    pub(crate) async fn put_administrator(&self, name: &str, object_id: &str, kind: &str) -> Result<()> {
        let _alone = self.acts.lock().await;
        let client = self.superuser("postgres").await?;
        let create = match self.role(name).await? {
            Some(_) => String::new(),
            None => format!("create role {} login;", identifier(name)),
        };
        let statements = format!(
            "begin; {create}
             select pg_catalog.pgaadauth_bind({}, {}, {}, true, false);
             commit;",
            literal(name),
            literal(object_id),
            literal(kind)
        );
        client
            .batch_execute(&statements)
            .await
            .context("the administrator's role cannot be made")
    }

    /// Takes an administrator's rights and, when nothing hangs on it, its role.
    pub(crate) async fn remove_administrator(&self, name: &str) -> Result<()> {
        let _alone = self.acts.lock().await;
        if self.role(name).await?.is_none() {
            return Ok(());
        }
        let client = self.superuser("postgres").await?;
        let role = identifier(name);
        let statements = format!(
            "begin; security label for \"pgaadauth\" on role {role} is null;
             revoke azure_pg_admin from {role}; alter role {role} nocreaterole nocreatedb;
             select pg_catalog.pgaadauth_manage({}, true); commit;",
            literal(name)
        );
        client
            .batch_execute(&statements)
            .await
            .context("the administrator's rights cannot be taken")?;
        // Refused by the server as long as objects or privileges depend on the role: then it stays, without rights.
        let _ = client.batch_execute(&format!("drop role {role}")).await;
        Ok(())
    }

    /// What clients sent so far.
    pub(crate) fn statements(&self) -> Vec<statements::Statement> {
        let log = fs::read(&self.layout.log).unwrap_or_default();
        statements::read(&String::from_utf8_lossy(&log))
    }
}

fn configure(layout: &Layout, options: &Options) -> Result<()> {
    let mut text = format!(
        "\nlisten_addresses = ''\nunix_socket_directories = '{}'\nshared_preload_libraries = '{}'\n\
         fsync = off\nfull_page_writes = off\nsynchronous_commit = off\nshared_buffers = 32MB\nmax_connections = 200\n\
         log_statement = all\nlog_line_prefix = '{}'\npassword_encryption = 'scram-sha-256'\nautovacuum = off\n\
         lc_messages = 'C'\n",
        layout.sockets.display(),
        layout.library.display(),
        statements::PREFIX
    );
    if options.postgresql_strict_roles {
        text.push_str("pgaadauth.strict_roles = 'on'\n");
    }
    for (name, value) in &options.postgresql_settings {
        text.push_str(&format!("{name} = {}\n", literal(value)));
    }
    let file = layout.data.join("postgresql.conf");
    let mut whole = fs::read_to_string(&file).context("the server's settings cannot be read")?;
    whole.push_str(&text);
    fs::write(&file, whole).context("the server's settings cannot be written")
}
