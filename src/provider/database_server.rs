//! A database server of any kind, as Resource Manager's side of it is worked on: found, refused with a reason, changed by one at a time.
//! It does not know what is changed.

use crate::azure::resource_id::ResourceId;
use crate::azure::server::{Server, ServerKind};
use crate::lock::Held;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::value::{Object, Value};
use crate::provider::clients::Clients;
use crate::provider::context::Context;
use crate::provider::server::Host;

/// States in which a server takes no changes, however long one waits.
const NOT_RUNNING: [&str; 4] = ["Stopped", "Stopping", "Dropping", "Disabled"];

/// A server that exists.
pub struct DatabaseServer<'a> {
    /// The call that it is worked on in.
    pub cx: &'a Context,
    /// What talks to Azure.
    pub clients: &'a Clients,
    /// Its ARM ID.
    pub id: ResourceId,
    /// What Azure says of it.
    pub found: Server,
}

impl Context {
    /// A server, to look at it: what was read a moment ago will do. `None`: it does not exist.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn seen_server(&self, id: &ResourceId) -> Result<Option<DatabaseServer<'_>>> {
        let found = self.clients()?.server(id, self.patience()).await?;
        found.as_ref().clone().map(|found| self.at(id, found)).transpose()
    }

    /// A server, to change it. `None`: it does not exist.
    ///
    /// # Errors
    /// Of Resource Manager.
    pub async fn server(&self, id: &ResourceId) -> Result<Option<DatabaseServer<'_>>> {
        let found = self.clients()?.azure().server(id, self.patience()).await?;
        found.map(|found| self.at(id, found)).transpose()
    }

    /// A server, to change it, which must exist.
    ///
    /// # Errors
    /// As [`Context::server`], and when it does not exist.
    pub async fn existing_server(&self, id: &ResourceId) -> Result<DatabaseServer<'_>> {
        let gone = || Diagnostic::error("Server not found", format!("Azure knows no server {id}.")).at("server_id");
        self.server(id).await?.ok_or_else(gone)
    }

    fn at(&self, id: &ResourceId, found: Server) -> Result<DatabaseServer<'_>> {
        Ok(DatabaseServer {
            cx: self,
            clients: self.clients()?,
            id: id.clone(),
            found,
        })
    }
}

impl DatabaseServer<'_> {
    /// What kind of server it is.
    pub fn kind(&self) -> ServerKind {
        self.found.kind
    }

    /// The host name.
    ///
    /// # Errors
    /// When Azure names none yet.
    pub fn host(&self) -> Result<Host> {
        host_of(&self.id, &self.found)
    }

    /// Our turn to change it: a server takes one change at a time. Other processes are waited out by the calls themselves.
    ///
    /// # Errors
    /// When the person wants to stop.
    pub async fn turn(&self) -> Result<Held> {
        self.cx.turn(format!("server {}", self.id).to_ascii_lowercase()).await
    }

    /// That it runs: Azure refuses changes while a server is stopped, with a conflict that looks as if it would pass.
    ///
    /// # Errors
    /// When it does not run.
    pub fn must_run(&self) -> Result<()> {
        let state = self.found.state.as_deref().unwrap_or("Ready");
        if !NOT_RUNNING.contains(&state) {
            return Ok(());
        }
        let detail = format!(
            "The server {} is {state}, and it takes changes only while it runs. Start it and apply again.",
            self.id
        );
        Err(Diagnostic::error("Server is not running", detail).at("server_id"))
    }

    /// That it follows no other server.
    ///
    /// # Errors
    /// With the name of its primary.
    pub fn must_not_follow(&self, what: &str) -> Result<()> {
        if !self.found.is_replica() {
            return Ok(());
        }
        let primary = self.found.primary.as_deref().filter(|id| !id.is_empty());
        let primary = primary.unwrap_or("which Azure does not name");
        let detail = format!(
            "The server {} is a read replica. Set the {what} on its primary, {primary}; the replicas follow.",
            self.id
        );
        Err(Diagnostic::error("Server is a replica", detail).at("server_id"))
    }

    /// It was changed: what was read of it is forgotten, logins are found anew, and a refusal is worth another try for a while.
    pub fn changed(&self) {
        self.clients.forget_server(&self.id);
        if let (ServerKind::Postgresql, Ok(host)) = (self.kind(), self.host()) {
            self.clients.administrators_were_changed(&host);
        }
    }
}

/// The host name of a server.
///
/// # Errors
/// When Azure names none yet.
pub fn host_of(id: &ResourceId, found: &Server) -> Result<Host> {
    let name = found.host.as_deref().unwrap_or_default();
    let mut host: Host = name.parse().map_err(|_| {
        let detail = format!("Azure names no host of the server {id} yet. Apply again when it is ready.");
        Diagnostic::error("Server has no host name", detail)
    })?;
    host.port = found.kind.port();
    Ok(host)
}

/// What is wrong with the `server_id` of a configuration, and of which kind it is, of what is known so far.
pub fn kind_in(config: &Object) -> std::result::Result<Option<ServerKind>, Box<Diagnostic>> {
    let text = config.get("server_id").and_then(Value::as_str);
    let Some(id) = text.and_then(|text| text.parse::<ResourceId>().ok()) else {
        return Ok(None);
    };
    match ServerKind::of(&id) {
        Some(kind) => Ok(Some(kind)),
        None => Err(Box::new(
            Diagnostic::error("Invalid value", no_server()).at("server_id"),
        )),
    }
}

/// What an ID must be that is not that of a server.
pub fn no_server() -> String {
    let types: Vec<&str> = ServerKind::ALL.iter().map(|kind| kind.resource_type()).collect();
    format!("The ARM ID of a server is required: of one of {}.", types.join(", "))
}
