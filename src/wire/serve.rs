//! The life of the process: invited by the host, or started by a person for debugging. Puts the other
//! files of this layer together.

use std::io::{self, Write as _};
use std::pin::pin;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;
use tonic::transport::Server;
use tracing::level_filters::LevelFilter;

use crate::provider::Provider;
use crate::wire::call::Served;
use crate::wire::ending::{Ending, Presence, Signals, host_gone};
use crate::wire::handshake::{self, Invitation, PROTOCOL_VERSION};
use crate::wire::listen::{Address, Bound, Listener};
use crate::wire::tls::{self, MutualTls};
use crate::wire::{SOURCE_ADDRESS, host, log, service};

/// What answers that are on their way when the host says the last word may still take. The host itself
/// waits for two seconds before it kills.
const GRACE: Duration = Duration::from_millis(250);

/// Why nothing is served any more, or was not from the start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system gave no threads, no signals or no standard output.
    #[error("the process cannot be set up")]
    SetUp(#[source] io::Error),
    /// No socket could be made.
    #[error("no socket can be made for the host to connect to")]
    Listen(#[source] io::Error),
    /// No encrypted connection can be offered.
    #[error("the connection to the host cannot be secured")]
    Tls(#[source] tls::Error),
    /// The server broke down.
    #[error("the server broke down")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves the host that started this process, until it says so, or is gone.
///
/// Nothing that can wait happens before the host has read its line: it starts several processes for one
/// command, one after the other.
///
/// # Errors
///
/// The process cannot be set up, or the server breaks down.
pub fn plugin(
    invitation: &Invitation,
    level: LevelFilter,
    provider: impl Fn() -> Provider + Clone + Send + 'static,
) -> Result<(), Error> {
    run(async {
        let mut signals = Signals::catch().map_err(Error::SetUp)?;
        let tls = invitation.client_certificate.as_deref().map(MutualTls::new);
        let tls = tls.transpose().map_err(Error::Tls)?;
        let Bound {
            listener,
            address,
            traces: _traces,
        } = Listener::bind(invitation).await.map_err(Error::Listen)?;
        let certificate = tls.as_ref().map(|tls| tls.certificate.as_ref());
        print(&handshake::line(
            &address,
            certificate,
            invitation.asks_for_multiplexing,
        ))
        .map_err(Error::SetUp)?;
        log::install(level);
        let (ending, presence) = (Ending::new(), Presence::default());
        let routes = routes(&ending, Some(ending.clone()));
        let connections = listener.connections(acceptor(tls), presence.clone(), greet(provider));
        tokio::select! {
            served = serve(routes, connections, &ending) => served,
            () = signals.ask_to_end(false) => Ok(()),
            () = host_gone(&presence) => Ok(()),
        }
    })
}

/// Serves whoever is told the address, until Ctrl-C: for a debugger, started by a person.
///
/// # Errors
///
/// The process cannot be set up, or the server breaks down.
pub fn debug(level: LevelFilter, provider: impl Fn() -> Provider + Clone + Send + 'static) -> Result<(), Error> {
    run(async {
        let mut signals = Signals::catch().map_err(Error::SetUp)?;
        let bound = Listener::bind(&Invitation::default()).await.map_err(Error::Listen)?;
        log::install(level);
        print(&invitation_for_people(&bound.address)).map_err(Error::SetUp)?;
        let ending = Ending::new();
        // Who is done leaves; others may be connected.
        let routes = routes(&ending, None);
        let connections = bound.listener.connections(None, Presence::default(), greet(provider));
        tokio::select! {
            served = serve(routes, connections, &ending) => served,
            () = signals.ask_to_end(true) => Ok(()),
        }
    })
}

fn run(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    // One thread: the work is to wait for servers, and an answer that changes threads on its way out costs more than it gains.
    let runtime: Runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::SetUp)?;
    let outcome = runtime.block_on(work);
    // Names that are still looked up, on threads of their own, are not waited for: the host waits for the process.
    runtime.shutdown_background();
    outcome
}

/// Each connection gets a provider of its own: what one is configured with, or stopped by, is no
/// concern of another. Terraform makes one connection to each process.
fn greet(provider: impl Fn() -> Provider + Clone + Send + 'static) -> impl Fn() -> Served + Clone + Send + 'static {
    move || Served::new(provider())
}

fn acceptor(tls: Option<MutualTls>) -> Option<TlsAcceptor> {
    tls.map(|tls| TlsAcceptor::from(tls.server))
}

/// Everything that is answered. `shutdown` is begun by the host's last word.
#[must_use]
pub fn routes(ending: &Ending, shutdown: Option<Ending>) -> Routes {
    let mut routes = Routes::builder();
    routes.add_service(service::service());
    host::add(&mut routes, ending, shutdown);
    routes.routes()
}

/// Serves the connections until the ending has begun and the last answers are out.
///
/// # Errors
///
/// The server breaks down.
pub async fn serve<I: Clone + Send + Sync + Unpin + 'static>(
    routes: Routes,
    connections: impl futures_util::Stream<Item = io::Result<crate::wire::listen::Connection<I>>>,
    ending: &Ending,
) -> Result<(), Error> {
    let server = Server::builder().add_routes(routes);
    let mut serving = pin!(server.serve_with_incoming_shutdown(connections, ending.begun()));
    tokio::select! {
        served = &mut serving => return served.map_err(Error::Serve),
        () = ending.begun() => {}
    }
    match tokio::time::timeout(GRACE, serving).await {
        Ok(served) => served.map_err(Error::Serve),
        // What is not out by now is waited for by nobody.
        Err(_) => Ok(()),
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

fn invitation_for_people(address: &Address) -> String {
    let reattach = serde_json::json!({
        SOURCE_ADDRESS: {
            "Protocol": "grpc",
            "ProtocolVersion": PROTOCOL_VERSION,
            "Pid": std::process::id(),
            "Test": true,
            "Addr": { "Network": address.network, "String": address.address },
        }
    });
    format!(
        "The provider waits for Terraform. In another terminal:\n\n    export TF_REATTACH_PROVIDERS='{reattach}'\n\n\
         and run Terraform there as usual. Ctrl-C ends the provider.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_where_to_connect() {
        let address = Address {
            network: "unix",
            address: "/tmp/plugin1/s".into(),
        };
        let text = invitation_for_people(&address);
        let start = text.find('\'').expect("quoted");
        let end = text.rfind("'\n").expect("quoted");
        let told: serde_json::Value = serde_json::from_str(&text[start + 1..end]).expect("JSON");
        let provider = &told[SOURCE_ADDRESS];
        assert_eq!(provider["ProtocolVersion"], 5);
        assert_eq!(provider["Test"], true);
        assert_eq!(provider["Addr"]["String"], "/tmp/plugin1/s");
    }
}
