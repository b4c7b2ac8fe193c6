//! A real PostgreSQL for the tests of this room, if the machine has one: TLS, passwords in place of tokens.

use crate::sql::dial::Endpoint;
use crate::sql::postgres::connection::{Limits, Login, Target, connect};
use crate::sql::session::Session;
use base64::Engine;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

/// The server's name, which only its certificate knows.
pub(crate) const HOST: &str = "pg-test.postgres.database.azure.com";

pub(crate) const PASSWORD: &str = "a-token";

pub(crate) struct TestServer {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: Arc<ClientConfig>,
    /// Ends with this process: its standard input closes then.
    _process: Child,
}

/// The one server of the test process; `None` where the machine has no PostgreSQL.
pub(crate) fn server() -> Option<&'static TestServer> {
    static SERVER: OnceLock<Option<TestServer>> = OnceLock::new();
    SERVER
        .get_or_init(|| match binaries() {
            Some(binaries) => Some(start(&binaries)),
            None => {
                eprintln!("skipped: no PostgreSQL in ENTRADB_TEST_POSTGRES_BIN, PATH or /usr/lib/postgresql");
                None
            }
        })
        .as_ref()
}

impl TestServer {
    pub(crate) async fn session(&self, user: &str, database: &str) -> Session {
        let login = Login {
            user: user.into(),
            token: PASSWORD.into(),
        };
        connect(&self.target(&login, database), &self.tls).await.unwrap()
    }

    pub(crate) fn target<'a>(&'a self, login: &'a Login, database: &'a str) -> Target<'a> {
        Target {
            endpoint: &self.endpoint,
            database,
            login,
            limits: Limits::default(),
        }
    }

    /// Runs statements as the superuser, as they stand.
    pub(crate) async fn run(&self, database: &str, script: &'static str) {
        let session = self.session("azuresu", database).await;
        session
            .execute(crate::sql::statement::Statement::new(script, Vec::new()))
            .await
            .unwrap();
    }

    /// A database of the test's own.
    pub(crate) async fn database(&self, name: &str) {
        let name = crate::sql::statement::Name::new(name).unwrap();
        let session = self.session("azuresu", "postgres").await;
        session.execute(crate::sql!("CREATE DATABASE {}", name)).await.unwrap();
    }
}

fn binaries() -> Option<PathBuf> {
    let given = std::env::var_os("ENTRADB_TEST_POSTGRES_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    debian.sort();
    let candidates = given
        .into_iter()
        .chain(std::env::split_paths(&path))
        .chain(debian.into_iter().rev());
    candidates.into_iter().find(|folder| folder.join("initdb").exists())
}

fn start(binaries: &Path) -> TestServer {
    let folder = tempfile::Builder::new()
        .prefix("entradb-sql-")
        .tempdir()
        .unwrap()
        .keep();
    let certificate = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    write_pem(&folder.join("server.crt"), "CERTIFICATE", certificate.cert.der());
    write_pem(
        &folder.join("server.key"),
        "PRIVATE KEY",
        certificate.signing_key.serialized_der(),
    );
    fs::write(folder.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 password\n").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let script = format!(
        r#"cd "$2" && chmod 600 server.key && echo {PASSWORD} > pw &&
        "$1/initdb" -D data -U azuresu --pwfile=pw --no-sync -E UTF8 --locale=C > init.log 2>&1 &&
        "$1/pg_ctl" -D data -w -l server.log start > start.log 2>&1 -o "-c port={port} -c listen_addresses=127.0.0.1 \
          -c unix_socket_directories= -c fsync=off -c ssl=on -c ssl_cert_file=$2/server.crt \
          -c ssl_key_file=$2/server.key -c hba_file=$2/pg_hba.conf" && echo started || cat *.log
        read -r _; "$1/pg_ctl" -D data -m immediate stop > /dev/null; rm -rf "$2""#
    );
    let mut process = spawn(binaries, &folder, &script);
    let mut said = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert_eq!(said.trim(), "started", "PostgreSQL does not start");
    let endpoint = Endpoint {
        host: HOST.into(),
        port: 5432,
        dial: Some(format!("127.0.0.1:{port}")),
        proxy: None,
    };
    TestServer {
        endpoint,
        tls: trusting(certificate.cert.der()),
        _process: process,
    }
}

/// As an unprivileged user: PostgreSQL does not run as root.
fn spawn(binaries: &Path, folder: &Path, script: &str) -> Child {
    let mut command = if is_root(folder) {
        let owned = Command::new("chown")
            .args(["-R", "postgres"])
            .arg(folder)
            .status()
            .unwrap();
        assert!(
            owned.success(),
            "PostgreSQL does not run as root, and there is no user postgres"
        );
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh", "-c"]);
        command
    } else {
        let mut command = Command::new("sh");
        command.arg("-c");
        command
    };
    command
        .arg(script)
        .arg("sh")
        .arg(binaries)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.spawn().unwrap()
}

pub(crate) fn trusting(certificate: &CertificateDer<'_>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone().into_owned()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn write_pem(path: &Path, label: &str, der: &[u8]) {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    fs::write(
        path,
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")),
    )
    .unwrap();
}

fn is_root(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(folder).unwrap().uid() == 0
}
