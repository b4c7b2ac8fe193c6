//! One connection to PostgreSQL: from the name of a server to an open session, and back when it ends.

use crate::sql::dial::Endpoint;
use crate::sql::dial::proxy::Route;
use crate::sql::error::{Error, Kind, Report, Unreachable};
use crate::sql::postgres::sqlstate;
use crate::sql::session::Session;
use crate::sql::tls::{Encrypted, Tls};
use futures_util::future::poll_fn;
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, CancelToken, Client, NoTls};

/// Who logs in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The role's name.
    pub user: String,
    /// The access token, sent as the password.
    pub token: SecretString,
}

/// How long a session waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first packet to a session that is ready.
    pub connect: Duration,
    /// For one lock. Below the server's `deadlock_timeout` (1 s), it is we who give way to the application.
    pub lock: Duration,
    /// For one statement.
    pub statement: Duration,
    /// For our next statement within a transaction; guards the server against a process that hangs.
    pub idle_in_transaction: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(15),
            lock: Duration::from_millis(750),
            statement: Duration::from_secs(300),
            idle_in_transaction: Duration::from_secs(60),
        }
    }
}

/// How the settings of a session reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In the startup packet, once.
    Direct,
    /// With every transaction: behind PgBouncer each may run in another server session.
    Pooled,
}

/// The port of the PgBouncer that Azure runs beside the server.
const PGBOUNCER_PORT: u16 = 6432;

/// An open connection; dropped, it ends, and the server rolls back what is open.
pub struct Connection {
    pub(crate) client: Client,
    /// The server's major version.
    pub(crate) version: u32,
    pub(crate) mode: Mode,
    pub(crate) limits: Limits,
    pub(crate) canceller: Canceller,
    /// Set when a call was dropped in the middle: the cancellation may still hit a later statement.
    pub(crate) tainted: AtomicBool,
    /// Within BEGIN and COMMIT, where settings were made already.
    pub(crate) in_transaction: AtomicBool,
}

/// What it takes to cancel a running statement: a second connection on the same way.
#[derive(Clone)]
pub(crate) struct Canceller {
    route: Route,
    tls: Tls,
    token: CancelToken,
}

/// What a connection needs to know, besides the TLS configuration.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The server.
    pub endpoint: &'a Endpoint,
    /// The database.
    pub database: &'a str,
    /// Who logs in.
    pub login: &'a Login,
    /// How long to wait.
    pub limits: Limits,
}

/// Connects, verifies the server, logs in and sets the session up, all within `limits.connect`.
pub async fn connect(target: &Target<'_>, config: &Arc<ClientConfig>) -> Result<Session, Error> {
    let mode = if target.endpoint.port == PGBOUNCER_PORT {
        Mode::Pooled
    } else {
        Mode::Direct
    };
    let connection = match establish(target, config, mode).await {
        Err(error) if mode == Mode::Direct && refuses_options(&error) => {
            tracing::debug!("the server takes no startup options; settings go with each transaction");
            establish(target, config, Mode::Pooled).await?
        }
        other => other?,
    };
    Ok(Session::postgresql(connection))
}

async fn establish(target: &Target<'_>, config: &Arc<ClientConfig>, mode: Mode) -> Result<Connection, Error> {
    let deadline = Instant::now() + target.limits.connect;
    let tls = Tls::new(config, &target.endpoint.host)?;
    let (stream, route) = target.endpoint.reach(deadline).await?;
    let late = |stage: &str| {
        let message = format!("{} does not answer: {stage} took too long", target.endpoint.target());
        Error::new(Kind::Unreachable(Unreachable::TimedOut), message)
    };
    let encrypted = timeout_at(deadline, tls.secure(stream))
        .await
        .map_err(|_| late("the TLS handshake"))??;
    let (client, version) = timeout_at(deadline, log_in(encrypted, target, mode))
        .await
        .map_err(|_| late("the login"))??;
    let canceller = Canceller {
        route,
        tls,
        token: client.cancel_token(),
    };
    tracing::debug!(
        host = target.endpoint.host,
        database = target.database,
        user = target.login.user,
        "connected"
    );
    Ok(Connection {
        client,
        version,
        mode,
        limits: target.limits,
        canceller,
        tainted: AtomicBool::new(false),
        in_transaction: AtomicBool::new(false),
    })
}

/// Logs in over a connection that is verified already: the only place where the token leaves the process.
async fn log_in(stream: Encrypted, target: &Target<'_>, mode: Mode) -> Result<(Client, u32), Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .user(&target.login.user)
        .password(target.login.token.expose_secret())
        .dbname(target.database)
        .application_name("terraform-provider-entradb")
        // The stream is encrypted before the driver sees it.
        .ssl_mode(SslMode::Disable)
        .channel_binding(ChannelBinding::Disable);
    if mode == Mode::Direct {
        config.options(startup_options(&target.limits));
    }
    let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(driver_error)?;
    let version = connection.parameter("server_version").and_then(major_version);
    let version = version.ok_or_else(|| Error::new(Kind::Unexpected, "the server does not say its version"))?;
    tokio::spawn(drive(connection));
    Ok((client, version))
}

/// 15 of `15.18 (Debian 15.18-0+deb12u1)` and of `15beta2`.
fn major_version(text: &str) -> Option<u32> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Moves bytes until the session ends; what the server remarks meanwhile is logged.
async fn drive(mut connection: tokio_postgres::Connection<Encrypted, NoTlsStream>) {
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notice(notice))) => {
                tracing::debug!(
                    severity = notice.severity(),
                    message = notice.message(),
                    "notice of the server"
                );
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "the session has ended");
                return;
            }
            None => return,
        }
    }
}

/// The settings of a session. Those that guard the server bind us, nobody else.
pub(crate) fn settings(limits: &Limits) -> [(&'static str, String); 7] {
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    [
        ("search_path", "pg_catalog".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        ("lock_timeout", milliseconds(limits.lock)),
        ("statement_timeout", milliseconds(limits.statement)),
        (
            "idle_in_transaction_session_timeout",
            milliseconds(limits.idle_in_transaction),
        ),
        ("default_transaction_read_only", "off".to_owned()),
        // Compiling a catalogue query costs more than running it.
        ("jit", "off".to_owned()),
    ]
}

fn startup_options(limits: &Limits) -> String {
    settings(limits)
        .map(|(name, value)| format!("-c {name}={value}"))
        .join(" ")
}

fn refuses_options(error: &Error) -> bool {
    error.report.sqlstate.as_deref() == Some("08P01") && error.report.message.contains("startup parameter")
}

impl Connection {
    pub(crate) fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.tainted.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Canceller {
    /// Asks the server to cancel what runs, without waiting for the outcome.
    pub(crate) fn cancel(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let canceller = self.clone();
        runtime.spawn(async move {
            match timeout(Duration::from_secs(5), canceller.send()).await {
                Ok(Ok(())) => tracing::debug!("asked the server to cancel the statement"),
                Ok(Err(error)) => tracing::debug!(%error, "the statement could not be cancelled"),
                Err(_) => tracing::debug!("the statement could not be cancelled in time"),
            }
        });
    }

    async fn send(&self) -> Result<(), Error> {
        let stream = self
            .route
            .open()
            .await
            .map_err(|error| lost("no second connection").because(error))?;
        let encrypted = self.tls.secure(stream).await?;
        self.token
            .cancel_query_raw(encrypted, NoTls)
            .await
            .map_err(driver_error)
    }
}

fn lost(message: &str) -> Error {
    Error::new(Kind::ConnectionLost, message)
}

/// What the driver reports, in our words.
pub(crate) fn driver_error(error: tokio_postgres::Error) -> Error {
    if let Some(reported) = error.as_db_error() {
        let report = Report {
            sqlstate: Some(reported.code().code().to_owned()),
            message: reported.message().to_owned(),
            detail: reported.detail().map(Into::into),
            hint: reported.hint().map(Into::into),
            context: reported.where_().map(Into::into),
        };
        return Error::reported(sqlstate::classify(reported.code().code(), reported.message()), report);
    }
    let io = std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>());
    if error.is_closed() || io {
        lost("the server ended the connection").because(error)
    } else {
        Error::new(Kind::Unexpected, "the server's answer was not understood").because(error)
    }
}
