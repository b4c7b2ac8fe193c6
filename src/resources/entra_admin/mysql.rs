//! What MySQL makes of an administrator: one, on the server and on each of its replicas. An application goes by its client ID, and the server asks
//! the directory with an identity that has to be attached to it.

use crate::azure::error::{Error, Kind};
use crate::azure::resource_id::ResourceId;
use crate::azure::server::Server;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::config::Guid;
use crate::provider::database_server::DatabaseServer;
use crate::resources::attributes::PrincipalType;
use crate::resources::entra_admin::Wanted;
use crate::resources::principal::Principal;

/// How long the name of an account may be.
pub(super) const LONGEST_NAME: usize = 32;

/// The ID by which the server knows a principal.
pub(super) fn sid(principal: &Principal) -> Result<Guid> {
    match (principal.principal_type, principal.client_id) {
        (PrincipalType::ServicePrincipal, Some(client_id)) => Ok(client_id),
        (PrincipalType::ServicePrincipal, None) => Err(no_client_id()),
        _ => Ok(principal.object_id),
    }
}

/// What is said where an application is given without its client ID.
pub(super) fn no_client_id() -> Diagnostic {
    let detail = "MySQL knows an application by its client (application) ID, not by its object ID. Set `client_id` beside `object_id`, or set \
                  `identity_id` instead of both.";
    Diagnostic::error("No client ID given", detail).at("client_id")
}

/// The server itself, then its replicas: each has an administrator of its own.
pub(super) async fn with_replicas(server: &DatabaseServer<'_>) -> Result<Vec<ResourceId>> {
    let azure = server.clients.azure();
    let mut all = vec![server.id.clone()];
    match azure.mysql_replicas(&server.id, server.cx.patience()).await {
        Err(error) if error.is_gone() => {}
        replicas => all.extend(replicas?),
    }
    Ok(all)
}

/// Sees to it that the identity, with which the servers ask the directory, is attached to each of them.
pub(super) async fn attach(server: &DatabaseServer<'_>, all: &[ResourceId], wanted: &Wanted) -> Result<()> {
    let Some(identity) = &wanted.server_identity_id else {
        return Ok(());
    };
    let (azure, patience) = (server.clients.azure(), server.cx.patience());
    let mut missing = Vec::new();
    for id in all {
        let found = match *id == server.id {
            true => Some(server.found.clone()),
            false => azure.server(id, patience).await?,
        };
        if found.is_some_and(|found| !has(&found, identity)) {
            missing.push(id);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !wanted.attach {
        return Err(not_attached(identity, &missing));
    }
    for id in missing {
        tracing::info!(server = %id, %identity, "attaching the identity");
        azure
            .attach_to_mysql(id, identity, patience)
            .await
            .map_err(|error| explained(error, identity))?;
        server.clients.forget_server(id);
    }
    Ok(())
}

fn has(server: &Server, identity: &ResourceId) -> bool {
    let parsed = server.identities.iter().filter_map(|id| id.parse::<ResourceId>().ok());
    parsed.into_iter().any(|attached| attached == *identity)
}

fn not_attached(identity: &ResourceId, servers: &[&ResourceId]) -> Diagnostic {
    let servers: Vec<&str> = servers.iter().map(|id| id.as_str()).collect();
    let detail = format!(
        "The identity {identity}, with which MySQL asks the directory, is not attached to {}. Set `attach_server_identity = true`, or attach it with \
         `entradb_identity_assignment` (or the `identity` block of azurerm's server) and let this resource depend on it.",
        servers.join(" and ")
    );
    Diagnostic::error("Identity is not attached to the server", detail).at("server_identity_id")
}

fn explained(error: Error, identity: &ResourceId) -> Diagnostic {
    let is_missing = error.kind() == Kind::PrincipalNotFound;
    let told = Diagnostic::from(error);
    if !is_missing {
        return told;
    }
    let detail = format!("{}\n\nCheck that the identity {identity} exists.", told.detail);
    Diagnostic::error("Identity not found", detail).at("server_identity_id")
}
