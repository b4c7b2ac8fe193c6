//! The proxy to which pods of a cluster with identity bindings send their token requests. Its certificate has an
//! authority and a name of its own. It does not know which identities there are.

use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::answer::Answer;
use crate::certificates::Authority;
use crate::error::{Context, Result};
use crate::http::{self, Ask};
use crate::journal::{Service, hold};
use crate::keys::Token;
use crate::world::World;
use crate::{Emulator, authority};

/// The first part of every proxy's path.
const ROOT: &str = "identity-bindings";

type Served = Arc<ServerConfig>;

/// A running token proxy; it stops when this is dropped.
pub struct KubernetesTokenProxy {
    /// What a pod has as `AZURE_KUBERNETES_TOKEN_PROXY`: `https://127.0.0.1:PORT/PATH`.
    pub url: String,
    /// What a pod has as `AZURE_KUBERNETES_SNI_NAME`: the only name that the proxy and its certificate answer to.
    pub sni_name: String,
    /// What a pod has as `AZURE_KUBERNETES_CA_DATA`, and in the file `AZURE_KUBERNETES_CA_FILE`: the authority that
    /// signed the present certificate, PEM.
    pub ca_pem: String,
    id: String,
    world: Arc<World>,
    served: watch::Sender<Served>,
}

impl KubernetesTokenProxy {
    /// How many requests for a token it answered so far, refusals among them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let state = hold(&self.world.state);
        state.token_proxies.get(&self.id).copied().unwrap_or_default()
    }

    /// Gives the proxy a new authority and a new certificate. Open connections are cut, so that nothing of the old
    /// certificate is left.
    ///
    /// # Panics
    /// When this machine can no longer make keys.
    pub fn rotate(&mut self) {
        let (served, ca_pem) = certificate(&self.sni_name).expect("it worked when the proxy was started");
        self.ca_pem = ca_pem;
        self.served.send_replace(served);
    }
}

impl Emulator {
    /// Starts the proxy that AKS has for identity bindings. It takes tokens of the emulated cluster's service accounts
    /// (see [`Emulator::service_account_token`]) and nothing else, and answers as the token endpoint would.
    ///
    /// # Errors
    /// When no port is free or no certificate can be made.
    pub fn start_kubernetes_token_proxy(&self) -> Result<KubernetesTokenProxy> {
        let id = Uuid::new_v4().to_string();
        // As long as AKS's own: `a` and 52 digits in the alphabet of base32hex.
        let digits = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let sni_name = format!("a{}.ests.aks", &digits[..52]);
        let (config, ca_pem) = certificate(&sni_name)?;
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free for the token proxy")?;
        listener
            .set_nonblocking(true)
            .context("the token proxy cannot listen")?;
        let port = listener.local_addr().context("the token proxy has no address")?.port();
        let (served, present) = watch::channel(config);
        hold(&self.world.state).token_proxies.insert(id.clone(), 0);
        let world = self.world.clone();
        self.threads.start(async move {
            if let Ok(listener) = TcpListener::from_std(listener) {
                serve(world, listener, present).await;
            }
        })?;
        Ok(KubernetesTokenProxy {
            url: format!("https://127.0.0.1:{port}/{ROOT}/{id}"),
            sni_name,
            ca_pem,
            id,
            world: self.world.clone(),
            served,
        })
    }
}

/// A certificate for this name from a new authority, with the authority's own.
fn certificate(name: &str) -> Result<(Served, String)> {
    let authority = Authority::generate("entradb emulator token proxy")?;
    let config = authority.server_by_name(name, &[b"h2", b"http/1.1"])?;
    Ok((config, authority.pem().to_owned()))
}

/// Takes connections until the proxy is dropped.
async fn serve(world: Arc<World>, listener: TcpListener, mut present: watch::Receiver<Served>) {
    loop {
        tokio::select! {
            biased;
            changed = present.changed() => if changed.is_err() {
                return;
            },
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let mut connection = present.clone();
                let config = connection.borrow_and_update().clone();
                tokio::spawn(converse(world.clone(), stream, config, connection));
            },
        }
    }
}

/// One connection, which ends when its certificate does.
async fn converse(world: Arc<World>, stream: TcpStream, config: Served, mut present: watch::Receiver<Served>) {
    let conversation = async {
        if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
            http::connection(world, Service::KubernetesTokenProxy, stream).await;
        }
    };
    tokio::select! {
        biased;
        _ = present.changed() => {}
        () = conversation => {}
    }
}

pub(crate) fn answer(world: &World, ask: &Ask) -> Answer {
    let parts: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
    let refused = |status: u16, text: &str| Answer::plain_error(status, "invalid_request", text);
    let [ROOT, id, rest @ ..] = parts.as_slice() else {
        return refused(404, "the path is not one of a token proxy");
    };
    if !hold(&world.state).token_proxies.contains_key(*id) {
        return refused(404, "there is no such token proxy");
    }
    match rest {
        [_, "oauth2", "v2.0", "token"] => {
            let answer = token(world, ask, rest);
            if let Some(count) = hold(&world.state).token_proxies.get_mut(*id) {
                *count += 1;
            }
            answer
        }
        // Libraries read these before their first token request, and send them the same way.
        [_, "v2.0", ".well-known", "openid-configuration"] | ["common", "discovery", "instance"] => {
            authority::answer(world, ask, rest)
        }
        _ => refused(404, "the token proxy answers token requests only"),
    }
}

fn token(world: &World, ask: &Ask, rest: &[&str]) -> Answer {
    let mut assertions = url::form_urlencoded::parse(&ask.body)
        .filter(|(name, _)| name == "client_assertion")
        .map(|(_, value)| value.into_owned());
    let own = match (assertions.next(), assertions.next()) {
        (Some(assertion), None) => Token::parse(&assertion).is_some_and(|token| is_of_cluster(world, &token)),
        _ => false,
    };
    if own {
        return authority::answer(world, ask, rest);
    }
    let text = "the token proxy takes the token of a service account of this cluster and nothing else";
    Answer::plain_error(401, "invalid_client", text)
}

/// Whether the cluster gave this token to one of its pods. Its signature is looked at later.
fn is_of_cluster(world: &World, token: &Token) -> bool {
    let state = hold(&world.state);
    let mut issuers = state
        .targets
        .values()
        .filter_map(|target| target.body["properties"]["oidcIssuerProfile"]["issuerURL"].as_str());
    let account = token.claims["kubernetes.io"]["serviceaccount"]["name"].as_str();
    let namespace = token.claims["kubernetes.io"]["namespace"].as_str();
    let subject = namespace
        .zip(account)
        .map(|(namespace, account)| format!("system:serviceaccount:{namespace}:{account}"));
    subject.as_deref() == Some(token.claim("sub")) && issuers.any(|issuer| issuer == token.claim("iss"))
}
