//! Microsoft Entra administrators of a server of any kind: listed, set, removed. It does not know which one is wanted.
//!
//! PostgreSQL has several, by object ID. The others have one seat, `ActiveDirectory`, with the same body; MySQL's also names the identity
//! with which the server asks the directory.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::azure::Azure;
use crate::azure::error::{Error, Kind};
use crate::azure::postgresql::{Administrator, NewAdministrator};
use crate::azure::resource_id::ResourceId;
use crate::azure::server::ServerKind;
use crate::retry::Patience;

/// The only administrator's name, and its type.
const SEAT: &str = "ActiveDirectory";

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

    /// Makes a principal an administrator; where there is one seat, whoever sits there gives way.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn set_administrator(
        &self,
        server: &ResourceId,
        kind: ServerKind,
        wanted: &EntraAdministrator,
        patience: &Patience,
    ) -> Result<(), Error> {
        let id = seat(server, kind, &wanted.sid)?;
        let made: Result<Value, Error> = match kind {
            ServerKind::Postgresql => {
                let properties = NewAdministrator {
                    principal_type: wanted.principal_type.as_deref().unwrap_or("Unknown"),
                    principal_name: &wanted.name,
                    tenant_id: wanted.tenant_id.as_deref().unwrap_or_default(),
                };
                self.put(&id, kind.api_version(), &Body { properties }, patience).await
            }
            _ => {
                let properties = Sole {
                    administrator_type: Some(SEAT.to_owned()),
                    login: wanted.name.clone(),
                    sid: wanted.sid.clone(),
                    tenant_id: wanted.tenant_id.clone(),
                    identity_resource_id: wanted.server_identity_id.clone(),
                };
                self.put(&id, kind.api_version(), &Body { properties }, patience).await
            }
        };
        made.map(|_| ())
    }

    /// Takes an administrator away; where there is one seat, whoever sits there. Being none is success.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn remove_administrator(
        &self,
        server: &ResourceId,
        kind: ServerKind,
        sid: &str,
        patience: &Patience,
    ) -> Result<(), Error> {
        let id = seat(server, kind, sid)?;
        self.delete(&id, kind.api_version(), patience).await
    }
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
