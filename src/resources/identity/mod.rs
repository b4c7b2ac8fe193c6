//! Managed identities, who may sign in as them, and what they are attached to.

pub mod assignment;
pub mod federated_credential;
pub mod managed_identity;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::azure::error::Error;
use crate::azure::managed_identity::API_VERSION;
use crate::azure::resource_id::ResourceId;
use crate::protocol::model::Model;
use crate::provider::clients::Clients;
use crate::provider::context::Context;

/// Writes an object of Microsoft.ManagedIdentity whole, and gives the state that follows from it.
///
/// Such a write is answered with all that there is to know. So it is remembered as soon as Azure has taken it: whatever ends the call after
/// that, Terraform knows what exists, and a creation that was only not looked at again is no failure that must be begun anew.
async fn put<T: DeserializeOwned, M: Model>(
    id: &ResourceId,
    body: &(impl Serialize + Sync),
    state: impl Fn(T) -> M,
    (clients, cx): (&Clients, &Context),
) -> Result<M, Error> {
    let azure = clients.azure();
    let written = azure.set(id, API_VERSION, body, cx.patience()).await?;
    let shown = written.shown().map(&state);
    if let Some(shown) = &shown {
        cx.checkpoint(shown);
    }
    match (azure.written(id, API_VERSION, cx.patience()).await, shown) {
        (Ok(made), _) => Ok(state(made)),
        (Err(error), Some(shown)) => {
            let detail = format!("Azure has accepted {id}, and it could not be looked at again: {error}.");
            cx.warn("Not looked at again", detail);
            Ok(shown)
        }
        (Err(error), None) => Err(error),
    }
}
