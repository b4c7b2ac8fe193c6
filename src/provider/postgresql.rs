//! A PostgreSQL server that we talk to: found by its ID or name, logged in to, read by snapshots, written in retried transactions.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::azure::resource_id::ResourceId;
use crate::azure::server::Server as FoundServer;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::clients::Clients;
use crate::provider::context::Context;
use crate::provider::server::{Host, Server};
use crate::provider::snapshot::Shared;
use crate::retry::{Attempt, Backoff, Interrupted, Patience, until};
use crate::sql::error::{Error as SqlError, Kind, LoginRefusal, Unreachable};
use crate::sql::pool::Pooled;
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::server_catalog::ServerCatalog;

/// The database that exists on every server; the `pgaadauth` functions live there, and what databases share is written there.
pub const POSTGRES: &str = "postgres";

/// How long an address may answer that nobody listens, before it counts.
const LONGEST_REFUSED: Duration = Duration::from_secs(20);

/// Why something on a server did not succeed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The database's own failure: code may act upon its kind.
    Sql(SqlError),
    /// Ready for the person.
    Told(Box<Diagnostic>),
    /// Ready for the person too: the time of the call had passed, or it was stopped.
    GaveUp(Box<Diagnostic>),
}

impl Failure {
    /// The kind of a failure of the database.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Sql(error) => Some(error.kind),
            Self::Told(_) | Self::GaveUp(_) => None,
        }
    }

    /// Whether the login was refused, for whatever reason.
    pub fn login_refusal(&self) -> Option<LoginRefusal> {
        match self.kind()? {
            Kind::LoginRefused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl Shared for Failure {
    /// What the server said may be otherwise a moment later, after a change of ours or of others; that it does not answer stays so for a while.
    fn lasts(&self) -> bool {
        match self {
            Self::Sql(error) => matches!(error.kind, Kind::Unreachable(_) | Kind::Tls(_)),
            Self::Told(_) => true,
            Self::GaveUp(_) => false,
        }
    }

    fn gave_up(&self) -> bool {
        matches!(self, Self::GaveUp(_))
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Told(Box::new(diagnostic))
    }
}

impl From<crate::azure::error::Error> for Failure {
    fn from(error: crate::azure::error::Error) -> Self {
        match error.gave_up() {
            true => Self::GaveUp(Box::new(error.into())),
            false => Self::Told(Box::new(error.into())),
        }
    }
}

impl From<Interrupted> for Failure {
    fn from(interrupted: Interrupted) -> Self {
        Self::GaveUp(Box::new(interrupted.into()))
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sql(error) => error.into(),
            Failure::Told(diagnostic) | Failure::GaveUp(diagnostic) => *diagnostic,
        }
    }
}

/// A server that we talk to.
pub struct Postgresql<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) patience: Patience,
    /// Its ARM ID, where it was named by that.
    pub id: Option<ResourceId>,
    /// Its host name and port.
    pub host: Host,
}

impl Context {
    /// The server behind an argument. `None`: Azure says that it does not exist.
    ///
    /// # Errors
    /// Of Resource Manager, and when the server cannot be talked to.
    pub async fn postgresql(&self, server: &Server) -> Result<Option<Postgresql<'_>>> {
        let clients = self.clients()?;
        let (id, host) = match server {
            Server::Host(host) => (None, host.clone()),
            Server::Id(id) => match &*clients.server(id, self.patience()).await? {
                Some(found) => (Some(id.clone()), host(found, id)?),
                None => return Ok(None),
            },
        };
        Ok(Some(Postgresql {
            clients,
            patience: self.patience().with_backoff(Backoff::DATABASE),
            id,
            host,
        }))
    }

    /// The server behind an argument, which must exist.
    ///
    /// # Errors
    /// As [`Context::postgresql`], and when the server does not exist.
    pub async fn existing_postgresql(&self, server: &Server) -> Result<Postgresql<'_>> {
        let gone = || Diagnostic::error("Server not found", format!("Azure knows no server {server}.")).at("server");
        self.postgresql(server).await?.ok_or_else(gone)
    }
}

fn host(found: &FoundServer, id: &ResourceId) -> Result<Host> {
    let state = found.state.as_deref().unwrap_or("Ready");
    if ["Stopped", "Stopping", "Dropping", "Disabled"].contains(&state) {
        let detail =
            format!("The server {id} is {state}, so no database of it can be reached. Start it and apply again.");
        return Err(Diagnostic::error("Server is not running", detail));
    }
    let name = found.host.as_deref().unwrap_or_default();
    let unusable = |_| {
        Diagnostic::error(
            "Server has no host name",
            format!("Azure names no host of the server {id} yet; it is {state}."),
        )
    };
    name.parse().map_err(unusable)
}

impl Postgresql<'_> {
    /// A session with a database; it goes back to the pool when dropped. Hold no other one meanwhile.
    ///
    /// # Errors
    /// [`Kind::DatabaseGone`] when the database does not exist; otherwise why no session came about.
    pub async fn session(&self, database: &str) -> Result<Pooled, Failure> {
        let refused = self.patience.at_most(LONGEST_REFUSED);
        until(&self.patience, format!("a session with {}", self.host), || async {
            match self.log_in(database).await {
                Err(Failure::Sql(error)) if error.is_transient() => match error.kind {
                    Kind::Unreachable(Unreachable::Refused) if refused.left().is_zero() => Err(error.into()),
                    _ => Ok(Attempt::again(error.to_string())),
                },
                Err(failure) if self.may_follow_a_change(&failure) => {
                    Ok(Attempt::again(Diagnostic::from(failure).detail))
                }
                other => other.map(Attempt::Done),
            }
        })
        .await
    }

    /// Right after an administrator was set, the server refuses the login for a while.
    fn may_follow_a_change(&self, failure: &Failure) -> bool {
        let unspecific = matches!(
            failure.login_refusal(),
            Some(LoginRefusal::UnknownRole | LoginRefusal::Unspecified | LoginRefusal::StaleOid)
        );
        unspecific && self.clients.administrators_changed_lately(&self.host)
    }

    /// Runs an attempt in a session until it succeeds, fails for good, or the patience ends. An attempt that failed in a way that heals is
    /// repeated whole, so it must look anew at what there is. All snapshots of the server are forgotten afterwards.
    ///
    /// # Errors
    /// Of the last attempt.
    pub async fn write<T, F, A>(&self, database: &str, what: &str, attempt: A) -> Result<T, Failure>
    where
        A: Fn(Pooled) -> F,
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let result = until(&self.patience, what, || async {
            let session = self.session(database).await?;
            match attempt(session).await {
                Err(Failure::Sql(error)) if error.is_transient() => Ok(Attempt::again(error.to_string())),
                other => other.map(Attempt::Done),
            }
        });
        let result = result.await;
        self.forget();
        result
    }

    /// Something was changed: the next who reads, reads anew, through whichever port.
    pub fn forget(&self) {
        let name = &self.host.name;
        self.clients.server_catalogs.forget(|host| host.name == *name);
        self.clients.database_catalogs.forget(|(host, _)| host.name == *name);
    }

    /// Roles, labels, memberships and databases, read once for all who ask within a few seconds.
    ///
    /// # Errors
    /// Of the session.
    pub async fn catalog(&self) -> Result<Arc<ServerCatalog>, Failure> {
        let load = || async { Ok(ServerCatalog::load(&*self.session(POSTGRES).await?).await?) };
        self.clients
            .server_catalogs
            .get(&self.host, &self.patience, "the roles", || {
                self.patiently("reading the roles", load)
            })
            .await
    }

    /// Objects, access lists and default privileges of a database, read once for all who ask within a few seconds.
    /// `None`: the database does not exist.
    ///
    /// # Errors
    /// Of the session.
    pub async fn database(&self, name: &str) -> Result<Option<Arc<DatabaseCatalog>>, Failure> {
        let key = (self.host.clone(), name.to_owned());
        let load = || async { Ok(DatabaseCatalog::load(&*self.session(name).await?).await?) };
        match self
            .clients
            .database_catalogs
            .get(&key, &self.patience, "the objects", || {
                self.patiently("reading the objects", load)
            })
            .await
        {
            Err(failure) if failure.kind() == Some(Kind::DatabaseGone) => Ok(None),
            other => other.map(Some),
        }
    }

    async fn patiently<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        what: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, Failure> {
        // A session was waited for already.
        let heals = |error: &SqlError| error.is_transient() && error.kind != Kind::Unreachable(Unreachable::Refused);
        until(&self.patience, what, || async {
            match attempt().await {
                Err(Failure::Sql(error)) if heals(&error) => Ok(Attempt::again(error.to_string())),
                other => other.map(Attempt::Done),
            }
        })
        .await
    }

    /// The databases that we may look into: all that take connections, less those of the platform.
    ///
    /// # Errors
    /// Of the session.
    pub async fn databases(&self) -> Result<BTreeSet<String>, Failure> {
        let catalog = self.catalog().await?;
        let ours = catalog
            .databases
            .values()
            .filter(|database| database.allows_connections && !database.template);
        let names = ours.map(|database| database.name.as_str().to_owned());
        Ok(names
            .filter(|name| !PLATFORM_DATABASES.contains(&name.as_str()))
            .collect())
    }
}

/// The platform's own databases: never looked into, never changed.
pub const PLATFORM_DATABASES: [&str; 2] = ["azure_sys", "azure_maintenance"];
