//! What a test of a resource needs: the emulator, the provider that it configures, and eyes of its own.

use std::sync::Arc;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Options};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

use crate::config;
use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;

/// The role as which the provider logs in.
pub const ADMINISTRATOR: &str = "terraform";

/// One emulator for all tests: each uses names of its own. It ends with the process.
pub async fn emulator() -> &'static Emulator {
    static EMULATOR: OnceCell<Emulator> = OnceCell::const_new();
    let start = || started(Options::default());
    EMULATOR.get_or_init(start).await
}

/// A server of its own, of which the signed-in program is an administrator. On Azure it manages every ordinary role, the one that owns the databases
/// too; from PostgreSQL 16 on that has to be granted.
pub async fn started(options: Options) -> Emulator {
    let strict = options.postgresql_strict_roles;
    let emulator = Emulator::start(options).await.expect("an emulator");
    let runner = &emulator.runner().object_id;
    let added = emulator.add_administrator(runner, ADMINISTRATOR).await;
    added.expect("an administrator");
    if emulator.postgresql().major >= 16 && !strict {
        let administrator = &emulator.postgresql().administrator;
        let grant = format!("grant {administrator} to {ADMINISTRATOR} with admin true, inherit false, set false");
        by_hand(&emulator, "postgres", &grant).await;
    }
    emulator
}

/// The same, with settings of `postgresql.conf`.
pub async fn alone(settings: &[(&str, &str)]) -> Emulator {
    let setting = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let options = Options {
        postgresql_settings: settings.iter().map(setting).collect(),
        ..Options::default()
    };
    started(options).await
}

/// The provider as a process of its own, signed in to the emulator.
pub async fn provider(emulator: &Emulator) -> Plugin {
    let environment = emulator.environment();
    let pairs: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let plugin = Plugin::start(&pairs).await;
    plugin.configure(config! {}).await;
    plugin
}

/// What the next command of Terraform's begins with: nothing of what was read before is known any more.
pub async fn next_command(plugin: &Plugin) {
    plugin.configure(config! {}).await;
}

/// An identity of this name.
pub async fn identity<'a>(plugin: &'a Plugin, emulator: &Emulator, name: &str) -> Instance<'a> {
    let given = config! {
        "name" => name,
        "resource_group_name" => emulator.resource_group(),
        "location" => "westeurope",
    };
    plugin.resource("entradb_managed_identity").create(given).await
}

/// A text of a state.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text"))
}

/// A configuration with more in it.
pub fn with(mut given: Object, more: Object) -> Object {
    given.extend(more);
    given
}

/// The only row and column of a query, as text; `None` when there is no row, or NULL in it.
pub async fn fact(emulator: &Emulator, database: &str, query: &str) -> Option<String> {
    let rows = emulator.superuser(database).await.simple_query(query).await;
    rows.unwrap_or_else(|error| panic!("{query}: {error}"))
        .iter()
        .find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
}

/// Does something as the platform's superuser: what a person does by hand.
pub async fn by_hand(emulator: &Emulator, database: &str, statements: &str) {
    let done = emulator.superuser(database).await.simple_query(statements).await;
    done.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

/// Makes a role by hand. On Azure, an administrator manages every ordinary role; from PostgreSQL 16 on that has to be granted.
pub async fn role_by_hand(emulator: &Emulator, role: &str, attributes: &str) {
    let name = quoted(role);
    by_hand(emulator, "postgres", &format!("create role {name} {attributes}")).await;
    if emulator.postgresql().major >= 16 {
        let managed = format!("grant {name} to azure_pg_admin with admin true, inherit false, set false");
        by_hand(emulator, "postgres", &managed).await;
    }
}

/// The label of a role.
pub async fn label(emulator: &Emulator, role: &str) -> Option<String> {
    let query = format!(
        "select label from pg_shseclabel join pg_roles on oid = objoid where provider = 'pgaadauth' and rolname = {}",
        literal(role)
    );
    fact(emulator, "postgres", &query).await
}

/// A text as SQL writes it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as SQL writes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Logs in as an application does: over TLS, with a token in place of the password.
///
/// # Errors
/// The server's words.
pub async fn log_in(emulator: &Emulator, user: &str, password: &str, database: &str) -> Result<Client, String> {
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_file(emulator.ca_file()).expect("a root");
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = emulator.postgresql();
    let mut stream = TcpStream::connect(&server.address).await.expect("a front");
    stream
        .write_all(&[0, 0, 0, 8, 4, 210, 22, 47])
        .await
        .expect("a front that listens");
    assert_eq!(stream.read_u8().await.ok(), Some(b'S'), "TLS is offered");
    let name = ServerName::try_from(server.fqdn.clone()).expect("a host name");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await;
    let mut config = Config::new();
    config
        .user(user)
        .password(password)
        .dbname(database)
        .ssl_mode(SslMode::Disable);
    let words = |error: tokio_postgres::Error| match error.as_db_error() {
        Some(error) => error.message().to_owned(),
        None => error.to_string(),
    };
    let (client, connection) = config
        .connect_raw(stream.expect("verified TLS"), NoTls)
        .await
        .map_err(words)?;
    tokio::spawn(connection);
    Ok(client)
}

/// A session over the server's socket, of a role that needs no password there.
pub async fn session_of(emulator: &Emulator, role: &str, database: &str) -> Client {
    let mut config = Config::new();
    config
        .host_path(&emulator.postgresql().unix_socket_dir)
        .user(role)
        .dbname(database);
    let (client, connection) = config.connect(NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}
