//! Which ways of signing in are open on a server of any kind. It does not know who would be shut out.
//!
//! PostgreSQL switches Entra and passwords one by one. The others know Entra as soon as they have an administrator, and switch passwords off by
//! "Entra only": a parameter of a MySQL server, a resource of its own on SQL. That one is written by PUT: on a managed instance, its DELETE never ends.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::azure::Azure;
use crate::azure::error::{Error, Kind};
use crate::azure::resource_id::ResourceId;
use crate::azure::server::{Server, ServerKind};
use crate::retry::Patience;

/// Which ways of signing in are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// Microsoft Entra. Always so, where there is no switch for it.
    pub entra: bool,
    /// Passwords.
    pub password: bool,
    /// The tenant of Entra sign-ins, where the server says it.
    pub tenant_id: Option<String>,
}

/// What a server says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which ways are open, or will be after the restart.
    pub now: Authentication,
    /// Whether the server has to be restarted before that is so.
    pub needs_restart: bool,
}

impl From<Authentication> for Shown {
    fn from(now: Authentication) -> Self {
        Self {
            now,
            needs_restart: false,
        }
    }
}

#[derive(Deserialize)]
struct Parameter {
    properties: ParameterProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParameterProperties {
    value: Option<String>,
    /// `True` or `False`, as texts.
    is_config_pending_restart: Option<String>,
}

impl ParameterProperties {
    fn needs_restart(&self) -> bool {
        let pending = self.is_config_pending_restart.as_deref();
        pending.is_some_and(|pending| pending.eq_ignore_ascii_case("True"))
    }
}

#[derive(Deserialize)]
struct EntraOnly {
    properties: EntraOnlyProperties,
}

#[derive(Deserialize)]
struct EntraOnlyProperties {
    #[serde(rename = "azureADOnlyAuthentication")]
    entra_only: Option<bool>,
}

impl Azure {
    /// Which ways of signing in are open.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn authentication(&self, id: &ResourceId, server: &Server, patience: &Patience) -> Result<Shown, Error> {
        let only = |only: bool| Authentication {
            entra: true,
            password: !only,
            tenant_id: None,
        };
        let version = server.kind.api_version();
        match server.kind {
            ServerKind::Postgresql => Ok(of_postgresql(server).into()),
            ServerKind::Mysql => {
                let found: Parameter = self.get(&switch(id, server.kind)?, version, patience).await?;
                let value = found.properties.value.as_deref().unwrap_or_default();
                Ok(Shown {
                    now: only(value.eq_ignore_ascii_case("ON")),
                    needs_restart: found.properties.needs_restart(),
                })
            }
            ServerKind::Mssql | ServerKind::ManagedInstance => {
                let found: Option<EntraOnly> = self.find(&switch(id, server.kind)?, version, patience).await?;
                let entra_only = found.and_then(|found| found.properties.entra_only);
                Ok(only(entra_only.unwrap_or(false)).into())
            }
        }
    }

    /// Opens and shuts ways of signing in. Says whether the server has to be restarted for it.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn set_authentication(
        &self,
        id: &ResourceId,
        kind: ServerKind,
        wanted: &Authentication,
        patience: &Patience,
    ) -> Result<bool, Error> {
        let version = kind.api_version();
        match kind {
            ServerKind::Postgresql => {
                let mut config = json!({
                    "activeDirectoryAuth": word(wanted.entra), "passwordAuth": word(wanted.password),
                });
                if let Some(tenant_id) = &wanted.tenant_id {
                    config["tenantId"] = json!(tenant_id);
                }
                let body = json!({"properties": {"authConfig": config}});
                let _: Value = self.patch(id, version, &body, patience).await?;
                Ok(false)
            }
            ServerKind::Mysql => {
                let value = if wanted.password { "OFF" } else { "ON" };
                let body = json!({"properties": {"value": value, "source": "user-override"}});
                let made: Parameter = self.patch(&switch(id, kind)?, version, &body, patience).await?;
                Ok(made.properties.needs_restart())
            }
            ServerKind::Mssql | ServerKind::ManagedInstance => {
                let body = json!({"properties": {"azureADOnlyAuthentication": !wanted.password}});
                let _: Value = self.put(&switch(id, kind)?, version, &body, patience).await?;
                Ok(false)
            }
        }
    }
}

fn of_postgresql(server: &Server) -> Authentication {
    let config = server.auth_config.clone().unwrap_or_default();
    let enabled =
        |word: Option<String>, default: bool| word.map_or(default, |word| word.eq_ignore_ascii_case("Enabled"));
    Authentication {
        entra: enabled(config.active_directory_auth, false),
        password: enabled(config.password_auth, true),
        tenant_id: config
            .tenant_id
            .filter(|id| !id.is_empty())
            .map(|id| id.to_ascii_lowercase()),
    }
}

fn word(enabled: bool) -> &'static str {
    if enabled { "Enabled" } else { "Disabled" }
}

/// The ID of what switches "Entra only".
fn switch(id: &ResourceId, kind: ServerKind) -> Result<ResourceId, Error> {
    let switch = match kind {
        ServerKind::Mysql => id.child("configurations", "aad_auth_only"),
        _ => id.child("azureADOnlyAuthentications", "Default"),
    };
    switch.map_err(|error| Error::new(Kind::InvalidRequest, format!("no ID can be made of a setting: {error}")))
}
