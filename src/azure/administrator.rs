//! Microsoft Entra administrators of a server of any kind: listed, set, removed. It does not know which one is wanted.
//!
//! PostgreSQL has several, by object ID. The others have one seat, `ActiveDirectory`, with the same body; MySQL's also names the identity
//! with which the server asks the directory.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::azure::Azure;
use crate::azure::call::REPEATS_AFTER_FAILURE;
use crate::azure::error::{Error, Kind};
use crate::azure::fulfilled::is_fulfilled;
use crate::azure::postgresql::{Administrator, NewAdministrator};
use crate::azure::resource_id::ResourceId;
use crate::azure::server::ServerKind;
use crate::retry::{Attempt, Interrupted, Patience, until};

/// The only administrator's name, and its type.
const SEAT: &str = "ActiveDirectory";
/// How long whoever was seated may be invisible.
const LONGEST_INVISIBLE: Duration = Duration::from_secs(120);

/// An administrator, whatever the kind of server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraAdministrator {
    /// The ID by which the server knows it: the object ID, or of an application its client ID.
    pub sid: String,
    /// The name with which it signs in.
    pub name: String,
    /// `User`, `Group`, `ServicePrincipal`; none where the server does not say.
    pub principal_type: Option<String>,
    /// The tenant; none where the server does not say.
    pub tenant_id: Option<String>,
    /// The ID of the identity with which a MySQL server asks the directory.
    pub server_identity_id: Option<String>,
}

/// What whoever has the only seat is to the one who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sitting {
    /// The same principal.
    Same,
    /// Another one, who gives way.
    GivesWay,
    /// Another one, who does not.
    Stays,
}

/// Why nobody was seated.
#[derive(Debug)]
pub enum NotSeated {
    /// Another one has the only seat, and does not give way.
    Taken(EntraAdministrator),
    /// Of Resource Manager.
    Failed(Error),
}

impl From<Error> for NotSeated {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Interrupted> for NotSeated {
    fn from(interrupted: Interrupted) -> Self {
        Self::Failed(interrupted.into())
    }
}

impl NotSeated {
    fn with_doubt(self, in_doubt: bool) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(error.with_doubt(in_doubt)),
            taken @ Self::Taken(_) => taken,
        }
    }
}

/// The only administrator, as it is sent and shown.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sole {
    #[serde(skip_serializing_if = "Option::is_none")]
    administrator_type: Option<String>,
    login: String,
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_resource_id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Body<T> {
    properties: T,
}

impl From<Administrator> for EntraAdministrator {
    fn from(found: Administrator) -> Self {
        let found = found.properties;
        Self {
            sid: found.object_id,
            name: found.principal_name,
            principal_type: Some(found.principal_type).filter(|kind| !kind.is_empty()),
            tenant_id: found.tenant_id,
            server_identity_id: None,
        }
    }
}

impl From<Body<Sole>> for EntraAdministrator {
    fn from(Body { properties: found }: Body<Sole>) -> Self {
        Self {
            sid: found.sid,
            name: found.login,
            principal_type: None,
            tenant_id: found.tenant_id,
            server_identity_id: found.identity_resource_id,
        }
    }
}

impl Azure {
    /// The administrators that a server has.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn administrators(
        &self,
        server: &ResourceId,
        kind: ServerKind,
        patience: &Patience,
    ) -> Result<Vec<EntraAdministrator>, Error> {
        if kind == ServerKind::Postgresql {
            let found = self.postgresql_administrators(server, patience).await?;
            return Ok(found.into_iter().map(EntraAdministrator::from).collect());
        }
        let found: Vec<Body<Sole>> = self
            .list(server, "administrators", kind.api_version(), patience)
            .await?;
        Ok(found.into_iter().map(EntraAdministrator::from).collect())
    }

    /// Makes a principal one of the administrators of a PostgreSQL server.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn add_administrator(
        &self,
        server: &ResourceId,
        wanted: &EntraAdministrator,
        patience: &Patience,
    ) -> Result<(), Error> {
        let kind = ServerKind::Postgresql;
        let properties = NewAdministrator {
            principal_type: wanted.principal_type.as_deref().unwrap_or("Unknown"),
            principal_name: &wanted.name,
            tenant_id: wanted.tenant_id.as_deref().unwrap_or_default(),
        };
        let id = seat(server, kind, &wanted.sid)?;
        let made: Result<Value, Error> = self.put(&id, kind.api_version(), &Body { properties }, patience).await;
        made.map(|_| ())
    }

    /// Makes a principal the administrator of a server that has one. Who sits there is looked at directly before each write, and after the last:
    /// whoever is `Stays` to it keeps the seat.
    ///
    /// There are no entity tags here. Another process whose look came before our write, and whose write comes after our last look, takes the seat
    /// unseen; the next plan shows that as drift.
    ///
    /// # Errors
    /// When somebody else keeps the seat, and of Resource Manager.
    pub async fn seat_administrator(
        &self,
        server: &ResourceId,
        kind: ServerKind,
        wanted: &EntraAdministrator,
        judge: impl Fn(&EntraAdministrator) -> Sitting + Send + Sync,
        patience: &Patience,
    ) -> Result<(), NotSeated> {
        let (id, version) = (seat(server, kind, &wanted.sid)?, kind.api_version());
        let properties = Sole {
            administrator_type: Some(SEAT.to_owned()),
            login: wanted.name.clone(),
            sid: wanted.sid.clone(),
            tenant_id: wanted.tenant_id.clone(),
            identity_resource_id: wanted.server_identity_id.clone(),
        };
        let body = json!(Body { properties });
        let failures = Failures::default();
        let what = format!("the administrator of {server}");
        let between = patience.with_backoff(self.pace().operation);
        let written: Result<(), NotSeated> = until(&between, what, || async {
            if let Some(found) = self.find::<Value>(&id, version, patience).await? {
                if is_fulfilled(&body, &found) {
                    return Ok(Attempt::Done(()));
                }
                let found = shown(found)?;
                if judge(&found) == Sitting::Stays {
                    return Err(NotSeated::Taken(found));
                }
            }
            match self.put_once(&id, version, &body, patience).await {
                Ok(()) => Ok(Attempt::Done(())),
                Err(failure) => Ok(failures.weighed(failure)?),
            }
        })
        .await;
        written.map_err(|ended| ended.with_doubt(failures.in_doubt.load(Ordering::Relaxed)))?;
        let seen = self.must_sit(&id, version, judge, patience).await;
        seen.map_err(|ended| ended.with_doubt(true))
    }

    /// That whoever was seated sits there; it may be invisible for a moment.
    async fn must_sit(
        &self,
        id: &ResourceId,
        api_version: &'static str,
        judge: impl Fn(&EntraAdministrator) -> Sitting + Send + Sync,
        patience: &Patience,
    ) -> Result<(), NotSeated> {
        let patience = patience
            .at_most(LONGEST_INVISIBLE)
            .with_backoff(self.pace().propagation);
        until(&patience, format!("{id} to be as it was set"), || async {
            let Some(found) = self.find::<Value>(id, api_version, &patience).await? else {
                return Ok(Attempt::again("it was set, and is not found yet"));
            };
            let found = shown(found)?;
            match judge(&found) {
                Sitting::Same => Ok(Attempt::Done(())),
                Sitting::GivesWay => Ok(Attempt::again(format!("`{}` has the seat", found.name))),
                Sitting::Stays => Err(NotSeated::Taken(found)),
            }
        })
        .await
    }

    /// Takes one of the administrators of a PostgreSQL server away. Being none is success.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn remove_administrator(&self, server: &ResourceId, sid: &str, patience: &Patience) -> Result<(), Error> {
        let kind = ServerKind::Postgresql;
        self.delete(&seat(server, kind, sid)?, kind.api_version(), patience)
            .await
    }

    /// Empties the only seat, when whoever sits there `is_meant`; that is looked at directly before each write. An empty one is success.
    ///
    /// # Errors
    /// When somebody else has the seat, and of Resource Manager.
    pub async fn unseat_administrator(
        &self,
        server: &ResourceId,
        kind: ServerKind,
        is_meant: impl Fn(&EntraAdministrator) -> bool + Send + Sync,
        patience: &Patience,
    ) -> Result<(), NotSeated> {
        let (id, version) = (seat(server, kind, SEAT)?, kind.api_version());
        let failures = Failures::default();
        let what = format!("the administrator of {server}");
        let between = patience.with_backoff(self.pace().operation);
        let removed: Result<(), NotSeated> = until(&between, what, || async {
            let Some(found) = self.find::<Value>(&id, version, patience).await? else {
                return Ok(Attempt::Done(()));
            };
            let found = shown(found)?;
            if !is_meant(&found) {
                return Err(NotSeated::Taken(found));
            }
            match self.delete_once(&id, version, patience).await {
                Ok(()) => Ok(Attempt::Done(())),
                Err(failure) => Ok(failures.weighed(failure)?),
            }
        })
        .await;
        removed.map_err(|ended| ended.with_doubt(failures.in_doubt.load(Ordering::Relaxed)))
    }
}

/// What the failed writes to the only seat have come to.
#[derive(Default)]
struct Failures {
    failed: AtomicU32,
    in_doubt: AtomicBool,
}

impl Failures {
    /// Whether one more is worth another look and another write.
    fn weighed<T>(&self, failure: Error) -> Result<Attempt<T>, Error> {
        let again = match failure.kind() {
            // It may be our own write that the server is busy with, when its answer was lost.
            Kind::Busy => true,
            kind => {
                self.in_doubt.fetch_or(failure.is_in_doubt(), Ordering::Relaxed);
                let fails = matches!(kind, Kind::Transient | Kind::Unreachable | Kind::Lost);
                kind == Kind::Throttled || fails && self.failed.fetch_add(1, Ordering::Relaxed) < REPEATS_AFTER_FAILURE
            }
        };
        match again {
            true => Ok(Attempt::Again {
                because: failure.to_string(),
                after: failure.after(),
            }),
            false => Err(failure),
        }
    }
}

/// The only administrator that an answer shows.
fn shown(answer: Value) -> Result<EntraAdministrator, Error> {
    let found: Body<Sole> = serde_json::from_value(answer)
        .map_err(|error| Error::new(Kind::Unexpected, "the answer shows no administrator").with_source(error))?;
    Ok(found.into())
}

/// The ID of an administrator.
fn seat(server: &ResourceId, kind: ServerKind, sid: &str) -> Result<ResourceId, Error> {
    let name = match kind {
        ServerKind::Postgresql => sid,
        _ => SEAT,
    };
    let id = server.child("administrators", name);
    id.map_err(|error| {
        Error::new(
            Kind::InvalidRequest,
            format!("no ID can be made of an administrator: {error}"),
        )
    })
}
