//! Starts the provider as Terraform does: cookie, handshake line, a connection over its socket. Knows no call.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// How long Core waits for the line, and for the process to end after its last word.
const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(2);

/// A running provider.
pub struct Process {
    child: Child,
    /// What lies in it stays when a provider is killed.
    _folder: TempDir,
    log: Log,
    /// The line with which it began.
    pub handshake: Handshake,
}

/// The lines that the provider wrote to its standard error.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

/// The first line of standard output, taken apart.
#[derive(Debug)]
pub struct Handshake {
    /// As it was written.
    pub line: String,
    /// Where the socket is.
    pub socket: PathBuf,
    /// The server's certificate, where the connection is encrypted.
    pub certificate: Option<CertificateDer<'static>>,
}

impl Log {
    /// What was written so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// The provider as a command in a clean environment: nothing of the developer's own sign-in reaches it.
pub fn command(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terraform-provider-entradb"));
    command
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Process {
    /// Starts the provider. With the client's certificate (PEM), as AutoMTLS wants it.
    pub async fn start(environment: &[(&str, &str)], certificate: Option<&str>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut command = command(environment);
        command
            .env("TMPDIR", folder.path())
            .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
            .env("PLUGIN_PROTOCOL_VERSIONS", "6,5")
            .env("PLUGIN_MIN_PORT", "10000")
            .env("PLUGIN_MAX_PORT", "25000");
        if let Some(certificate) = certificate {
            command.env("PLUGIN_CLIENT_CERT", certificate);
        }
        let mut child = command.spawn().expect("the binary of this build");
        let log = Log::default();
        let mut errors = BufReader::new(child.stderr.take().expect("piped")).lines();
        let collected = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                collected.add(line);
            }
        });
        let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = tokio::time::timeout(START_LIMIT, output.next_line()).await;
        let line = line.expect("a line within a minute").expect("readable");
        let line = line.unwrap_or_else(|| panic!("no handshake line; the log says {:?}", log.lines()));
        // Core drains and throws away what comes later; a provider has nothing to say here.
        let collected = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                collected.add(format!("standard output: {line}"));
            }
        });
        Self {
            child,
            _folder: folder,
            log,
            handshake: Handshake::read(&line),
        }
    }

    /// Its log.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Kills it, as an operating system short of memory does.
    pub fn kill(&self) {
        let id = self.id().to_string();
        let killed = std::process::Command::new("kill").args(["-KILL", &id]).status();
        assert!(killed.expect("`kill` runs").success(), "the process {id} can be killed");
    }

    /// Waits for its end, no longer than Core does before it kills.
    pub async fn ended(mut self) -> ExitStatus {
        let ended = tokio::time::timeout(END_LIMIT, self.child.wait()).await;
        ended.expect("the process ends within two seconds").expect("waited for")
    }
}

impl Handshake {
    fn read(line: &str) -> Self {
        let fields: Vec<&str> = line.split('|').collect();
        let ["1", "5", "unix", socket, "grpc", certificate] = fields[..] else {
            panic!("Core does not understand the line {line:?}");
        };
        let certificate = (!certificate.is_empty()).then(|| {
            let der = base64::engine::general_purpose::STANDARD_NO_PAD.decode(certificate);
            CertificateDer::from(der.expect("base64 without padding"))
        });
        Self {
            line: line.to_owned(),
            socket: PathBuf::from(socket),
            certificate,
        }
    }
}

/// Connects to the socket in plaintext.
pub async fn connect(socket: &std::path::Path) -> Channel {
    let stream = UnixStream::connect(socket)
        .await
        .expect("the socket is open before the line");
    channel(stream).await.expect("HTTP/2")
}

/// Terraform's own one-time certificate, and its key.
pub struct Client {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    /// As it stands in the environment.
    pub pem: String,
}

impl Client {
    /// As Terraform makes it: P-521, signed by itself, marked as an authority.
    pub fn new() -> Self {
        use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a key");
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        parameters.distinguished_name.push(DnType::CommonName, "localhost");
        parameters
            .distinguished_name
            .push(DnType::OrganizationName, "HashiCorp");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyAgreement,
            KeyUsagePurpose::KeyCertSign,
        ];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        }
    }

    /// Connects as Terraform does: trusts the certificate of the line alone, and presents its own.
    ///
    /// # Errors
    /// When one of the two refuses the other.
    pub async fn connect(&self, handshake: &Handshake) -> Result<Channel, tonic::transport::Error> {
        let server = handshake.certificate.clone().expect("the line has a certificate");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(server).expect("a certificate");
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key().into())
            .expect("a certificate and its key");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = UnixStream::connect(&handshake.socket).await.expect("an open socket");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        channel(stream.expect("the server's side of TLS")).await
    }
}

async fn channel<S>(stream: S) -> Result<Channel, tonic::transport::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut stream = Some(stream);
    // The address is never looked up: the stream is there already, and there is only one.
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let stream = stream.take().map(TokioIo::new);
        async move { stream.ok_or_else(|| std::io::Error::other("the connection was lost")) }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
}
