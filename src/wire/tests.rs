//! A small Terraform: connects as the host does, and asks. What it is served has one resource, a kettle.

mod calls;
mod connection;

use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::Computed;
use crate::provider::context::Context;
use crate::provider::import::Parts;
use crate::provider::resource::{Resource, resource};
use crate::provider::{Provider, Registry};
use crate::wire::call::Served;
use crate::wire::ending::{Ending, Presence};
use crate::wire::handshake::Invitation;
use crate::wire::listen::{Bound, Listener, Traces};
use crate::wire::serve;
use crate::wire::tls::MutualTls;

model! {
    /// A kettle.
    pub struct Kettle {
        /// What it is called. `boom` makes every operation panic.
        #[replace]
        pub name: String,
        /// How many cups it takes.
        pub cups: Option<i64>,
        /// A number that the kettle gave itself.
        #[stable]
        pub serial: Computed<i64>,
        /// Whether it whistles. Came later than the others.
        #[default(true)]
        pub whistles: bool,
    }
}

impl Kettle {
    fn made(mut self) -> Self {
        assert_ne!(self.name, "boom", "the kettle burst");
        self.serial = Computed::known(7);
        self
    }
}

impl Resource for Kettle {
    const NAME: &'static str = "entradb_kettle";
    const IDENTITY: &'static [&'static str] = &["name"];
    const VERSION: i64 = 1;

    async fn create(self, _: &Context) -> Result<Self> {
        Ok(self.made())
    }

    async fn read(self, _: &Context) -> Result<Option<Self>> {
        Ok((self.name != "gone").then(|| self.made()))
    }

    async fn update(self, _: Self, _: &Context) -> Result<Self> {
        Ok(self.made())
    }

    async fn delete(self, _: &Context) -> Result<()> {
        self.made();
        Ok(())
    }

    async fn import(parts: &Parts, _: &Context) -> Result<Self> {
        let name = parts.text("name")?.to_owned();
        if name == "gone" {
            return Err(Diagnostic::error("Not found", "There is no such kettle."));
        }
        Ok(Self {
            name,
            cups: None,
            serial: Computed::UNKNOWN,
            whistles: true,
        })
    }
}

fn kettles() -> Provider {
    Provider::new(Registry {
        resources: vec![resource::<Kettle>()],
        ..Registry::default()
    })
}

/// A key and a certificate such as Go makes for the host: P-521, signed by itself, an authority.
struct Credentials {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Credentials {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a key");
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Self {
            certificate: certificate.der().clone(),
            key,
        }
    }

    fn pem(&self) -> String {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(&self.certificate);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }
}

/// A provider that runs in this process.
struct Running {
    path: String,
    certificate: Option<CertificateDer<'static>>,
    served: JoinHandle<Result<(), serve::Error>>,
    _traces: Traces,
}

/// Serves kettles; to one client only, if one is named.
async fn start(client: Option<&Credentials>) -> Running {
    let tls = client.map(|client| MutualTls::new(&client.pem()).expect("a certificate"));
    let Bound {
        listener,
        address,
        traces,
    } = Listener::bind(&Invitation::default()).await.expect("binds");
    let certificate = tls.as_ref().map(|tls| tls.certificate.clone());
    let acceptor = tls.map(|tls| TlsAcceptor::from(tls.server));
    let ending = Ending::new();
    let connections = listener.connections(acceptor, Presence::default(), || Served::new(kettles()));
    let routes = serve::routes(&ending, Some(ending.clone()));
    let served = tokio::spawn(async move { serve::serve(routes, connections, &ending).await });
    Running {
        path: address.address,
        certificate,
        served,
        _traces: traces,
    }
}

impl Running {
    /// Connects without encryption.
    async fn plaintext(&self) -> Result<Channel, tonic::transport::Error> {
        let path = self.path.clone();
        let connect = move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        };
        endpoint().connect_with_connector(tower::service_fn(connect)).await
    }

    /// Connects as the host does, with these credentials or with none.
    async fn encrypted(&self, client: Option<&Credentials>) -> Result<Channel, tonic::transport::Error> {
        let connector = TlsConnector::from(Arc::new(self.client_config(client)));
        let path = self.path.clone();
        let connect = move |_: Uri| {
            let (path, connector) = (path.clone(), connector.clone());
            async move {
                let name = ServerName::try_from("localhost").expect("a name");
                let stream = connector.connect(name, UnixStream::connect(path).await?).await?;
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        };
        endpoint().connect_with_connector(tower::service_fn(connect)).await
    }

    fn client_config(&self, client: Option<&Credentials>) -> ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        let told = self.certificate.clone().expect("the provider told its certificate");
        roots.add(told).expect("a certificate");
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(crypto).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_root_certificates(roots);
        let mut config = match client {
            // Unlike the usual way, this one does not look whether the key belongs to the certificate.
            Some(client) => {
                let key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&client.key.clone_key().into());
                let certified = CertifiedKey::new(vec![client.certificate.clone()], key.expect("a key"));
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

fn endpoint() -> Endpoint {
    Endpoint::from_static("http://localhost")
}
