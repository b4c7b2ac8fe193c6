//! Entra administrators of a PostgreSQL flexible server: several, each with a role of its own name in the databases.

use serde::Serialize;

use crate::azure::error::{Error, Kind};
use crate::azure::postgresql::{API_VERSION, Administrator, AdministratorProperties, FlexibleServer, NewAdministrator};
use crate::azure::resource_id::ResourceId;
use crate::lock::Held;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::clients::Clients;
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::server::Host;
use crate::resources::entra_admin::{Present, Wanted};
use crate::retry::{Attempt, Backoff, Patience, until};

/// The administrators of one server.
pub(super) struct Administrators<'a> {
    id: ResourceId,
    cx: &'a Context,
    clients: &'a Clients,
    server: FlexibleServer,
    host: Host,
}

#[derive(Serialize)]
struct Body<'a> {
    properties: NewAdministrator<'a>,
}

impl<'a> Administrators<'a> {
    /// Of a server, to look at it; nothing when Azure says that it does not exist.
    pub(super) async fn seen(id: &ResourceId, cx: &'a Context) -> Result<Option<Self>> {
        let found = cx.clients()?.postgresql_server(id, cx.patience()).await?;
        found
            .as_ref()
            .clone()
            .map(|server| Self::on(id, server, cx))
            .transpose()
    }

    /// Of a server, to change it; nothing when Azure says that it does not exist.
    pub(super) async fn of(id: &ResourceId, cx: &'a Context) -> Result<Option<Self>> {
        let found = cx.clients()?.azure().postgresql_server(id, cx.patience()).await?;
        found.map(|server| Self::on(id, server, cx)).transpose()
    }

    fn on(id: &ResourceId, server: FlexibleServer, cx: &'a Context) -> Result<Self> {
        let name = server.properties.fully_qualified_domain_name.as_deref();
        let host = name.unwrap_or_default().parse().map_err(|_| {
            let detail = format!("Azure names no host of the server {id} yet. Apply again when it is ready.");
            Diagnostic::error("Server has no host name", detail)
        })?;
        Ok(Self {
            id: id.clone(),
            cx,
            clients: cx.clients()?,
            server,
            host,
        })
    }

    /// Of a server that must exist.
    pub(super) async fn of_existing(id: &ResourceId, cx: &'a Context) -> Result<Self> {
        let gone = || Diagnostic::error("Server not found", format!("Azure knows no server {id}.")).at("server_id");
        Self::of(id, cx).await?.ok_or_else(gone)
    }

    /// The host name of the server.
    pub(super) fn host(&self) -> String {
        self.host.to_string()
    }

    /// That administrators can be set here: where they cannot, waiting would not help.
    pub(super) fn must_take_administrators(&self) -> Result<()> {
        refusal(&self.id, &self.server).map_or(Ok(()), |refusal| Err(refusal.at("server_id")))
    }

    /// A server takes one change at a time; other processes are waited out by the calls themselves.
    pub(super) async fn alone(&self) -> Result<Held> {
        self.cx.turn(format!("server {}", self.id).to_ascii_lowercase()).await
    }

    /// The administrators that the server has.
    pub(super) async fn list(&self) -> Result<Vec<Present>> {
        let found = match self
            .clients
            .azure()
            .postgresql_administrators(&self.id, self.cx.patience())
            .await
        {
            Err(error) if error.is_gone() => Vec::new(),
            other => other?,
        };
        found
            .into_iter()
            .map(|one: Administrator| present(one.properties))
            .collect()
    }

    /// Makes a principal an administrator.
    pub(super) async fn set(&self, wanted: &Wanted) -> Result<()> {
        let object_id = wanted.principal.object_id;
        tracing::info!(server = %self.id, %object_id, name = wanted.name, "setting the administrator");
        let outcome = match self.put(wanted, self.cx.patience()).await {
            Err(error) if error.kind() == Kind::PrincipalNotFound => self.put_when_known(wanted, error).await,
            other => other.map_err(Diagnostic::from),
        };
        self.changed();
        outcome
    }

    /// Binds the administrator's name to another principal: the new one first, then the former one goes.
    ///
    /// Azure takes the role of a name away together with its administrator, whoever the name was bound to last. So the new one is set once more,
    /// which changes nothing where the role is still there.
    pub(super) async fn rebind(&self, former: Guid, wanted: &Wanted) -> Result<()> {
        match self.put(wanted, self.cx.patience()).await {
            Ok(()) => {}
            // Known not to be yet: waited for below, when the name is free.
            Err(error) if error.kind() == Kind::PrincipalNotFound => {
                self.put_when_known(wanted, error).await?;
            }
            // The name belongs to the former one, and nobody else can have it before that one is gone.
            Err(error) if error.message().contains("already exists") => {
                tracing::info!(%error, "the name is taken by the former principal");
            }
            Err(error) => return Err(error.into()),
        }
        self.remove(former).await?;
        self.set(wanted).await
    }

    /// Takes an administrator away. Being none is success.
    pub(super) async fn remove(&self, object_id: Guid) -> Result<()> {
        if let Some(refusal) = not_running(&self.id, &self.server) {
            return Err(refusal);
        }
        tracing::info!(server = %self.id, %object_id, "removing the administrator");
        let id = self.administrator(object_id)?;
        let outcome = self
            .patiently("removing the administrator", self.cx.patience(), || {
                self.clients.azure().delete(&id, API_VERSION, self.cx.patience())
            })
            .await;
        self.changed();
        Ok(outcome?)
    }

    async fn put(&self, wanted: &Wanted, patience: &Patience) -> std::result::Result<(), Error> {
        let id = self
            .administrator(wanted.principal.object_id)
            .map_err(|diagnostic| Error::new(Kind::InvalidRequest, diagnostic.detail))?;
        let (kind, tenant_id) = (
            wanted.principal.principal_type.to_string(),
            wanted.tenant_id.to_string(),
        );
        let body = Body {
            properties: NewAdministrator {
                principal_type: &kind,
                principal_name: &wanted.name,
                tenant_id: &tenant_id,
            },
        };
        self.patiently("setting the administrator", patience, || async {
            let made: Administrator = self.clients.azure().put(&id, API_VERSION, &body, patience).await?;
            tracing::debug!(name = made.properties.principal_name, "the administrator is set");
            Ok(())
        })
        .await
    }

    /// A principal that was made moments ago is not known everywhere; how long that is worth waiting for depends on who confirms it.
    async fn put_when_known(&self, wanted: &Wanted, first: Error) -> Result<()> {
        let visibility = wanted.principal.visibility(self.cx).await?;
        tracing::info!(%first, because = visibility.because, "the server does not know the principal yet");
        let patience = self
            .cx
            .patience()
            .at_most(visibility.limit)
            .with_backoff(Backoff::PROPAGATION);
        let attempted = until(&patience, "the server to know the principal", || async {
            match self.put(wanted, self.cx.patience()).await {
                Err(error) if error.kind() == Kind::PrincipalNotFound => Ok(Attempt::again(error.to_string())),
                other => other.map(Attempt::Done),
            }
        });
        attempted.await.map_err(|error: Error| match error.kind() {
            Kind::TimedOut => Diagnostic::error(
                "Principal not known to the server",
                format!(
                    "The server does not accept the principal ({}): {error}.",
                    visibility.because
                ),
            ),
            _ => error.into(),
        })
    }

    /// An operation that another one got in the way of is begun again.
    async fn patiently<F>(
        &self,
        what: &str,
        patience: &Patience,
        attempt: impl Fn() -> F,
    ) -> std::result::Result<(), Error>
    where
        F: Future<Output = std::result::Result<(), Error>>,
    {
        until(&patience.with_backoff(Backoff::OPERATION), what, || async {
            match attempt().await {
                Err(error) if error.kind() == Kind::Busy => Ok(Attempt::again(error.to_string())),
                other => other.map(Attempt::Done),
            }
        })
        .await
    }

    fn administrator(&self, object_id: Guid) -> Result<ResourceId> {
        let id = self.id.child("administrators", &object_id.to_string());
        id.map_err(|error| Diagnostic::bug(format!("No ARM ID can be made of an object ID: {error}.")))
    }

    /// Logins are found anew, and a refusal is worth another try for a while.
    fn changed(&self) {
        self.clients.administrators_were_changed(&self.host);
        self.clients.forget_server(&self.id);
    }
}

/// Why a server takes no administrators, if so.
fn refusal(id: &ResourceId, server: &FlexibleServer) -> Option<Diagnostic> {
    let properties = &server.properties;
    if server.is_replica() {
        let primary = properties
            .source_server_resource_id
            .as_deref()
            .unwrap_or("which Azure does not name");
        let detail = format!(
            "The server {id} is a read replica. Set the administrator on its primary, {primary}; the replicas follow."
        );
        return Some(Diagnostic::error("Server is a replica", detail));
    }
    if let Some(refusal) = not_running(id, server) {
        return Some(refusal);
    }
    let entra = properties
        .auth_config
        .as_ref()
        .and_then(|config| config.active_directory_auth.as_deref());
    if entra.is_some_and(|entra| !entra.eq_ignore_ascii_case("Enabled")) {
        let detail = format!(
            "Microsoft Entra authentication is not enabled on the server {id}, so it takes no administrators. Enable it first \
             (`active_directory_auth_enabled` in azurerm's `authentication` block); the server restarts then."
        );
        return Some(Diagnostic::error(
            "Microsoft Entra is not enabled on the server",
            detail,
        ));
    }
    None
}

/// Azure refuses changes while a server is stopped, with a conflict that looks as if it would pass.
fn not_running(id: &ResourceId, server: &FlexibleServer) -> Option<Diagnostic> {
    let state = server.properties.state.as_deref().unwrap_or("Ready");
    ["Stopped", "Stopping", "Dropping", "Disabled"]
        .contains(&state)
        .then(|| {
            let detail = format!(
                "The server {id} is {state}, and administrators are changed while it runs. Start it and apply again."
            );
            Diagnostic::error("Server is not running", detail)
        })
}

fn present(found: AdministratorProperties) -> Result<Present> {
    let object_id = found.object_id.parse().map_err(|error| {
        let detail = format!(
            "An administrator has the object ID `{}`, which is no GUID: {error}.",
            found.object_id
        );
        Diagnostic::error("Unexpected answer from Azure", detail)
    })?;
    Ok(Present {
        object_id,
        principal_type: found.principal_type.parse().ok(),
        name: found.principal_name,
        tenant_id: found.tenant_id.as_deref().and_then(|text| text.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::postgresql::{AuthConfig, FlexibleServerProperties};

    #[test]
    fn a_server_that_takes_no_administrators_says_why() {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg";
        let id: ResourceId = id.parse().expect("an ID");
        let server = |role: &str, state: &str, entra: &str| FlexibleServer {
            location: "West Europe".to_owned(),
            properties: FlexibleServerProperties {
                replication_role: Some(role.to_owned()),
                source_server_resource_id: Some("/subscriptions/s/primary".to_owned()),
                state: Some(state.to_owned()),
                auth_config: Some(AuthConfig {
                    active_directory_auth: Some(entra.to_owned()),
                    ..AuthConfig::default()
                }),
                ..FlexibleServerProperties::default()
            },
        };
        let table = [
            (server("Primary", "Ready", "Enabled"), None),
            (server("None", "Updating", "enabled"), None),
            (
                server("AsyncReplica", "Ready", "Enabled"),
                Some("on its primary, /subscriptions/s/primary;"),
            ),
            (server("Primary", "Stopped", "Enabled"), Some("is Stopped")),
            (
                server("Primary", "Ready", "Disabled"),
                Some("is not enabled on the server"),
            ),
        ];
        for (server, reason) in table {
            let refusal = refusal(&id, &server);
            match reason {
                None => assert_eq!(refusal, None),
                Some(reason) => assert!(refusal.expect(reason).detail.contains(reason)),
            }
        }
    }
}
