//! `entradb_client_config`

use crate::azure::cloud::Scope;
use crate::azure::token::Claims;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::Computed;
use crate::provider::context::Context;
use crate::provider::resource::DataSource;
use crate::resources::attributes::PrincipalType;

model! {
    /// Who is signed in: the principal that Terraform runs as, as its token says.
    ///
    /// Use it with `entradb_entra_admin` to make the signed-in principal an administrator, where every run signs in as the same one. Nothing but the name of an
    /// application needs Microsoft Graph, and there a principal may always read itself.
    pub struct ClientConfig {
        /// The object ID of the signed-in user or service principal.
        pub object_id: Computed<String>,
        /// The client (application) ID: of the application that signs in, or of the program that a user signed in with.
        pub client_id: Computed<Option<String>>,
        /// The tenant that is signed in to.
        pub tenant_id: Computed<String>,
        /// The subscription in which resources are created, where one is given.
        pub subscription_id: Computed<Option<String>>,
        /// What is signed in: `User` or `ServicePrincipal` (an application or a managed identity).
        pub principal_type: Computed<PrincipalType>,
        /// What the signed-in principal is called: the user principal name of a user, the name of a managed identity or application. An application whose
        /// name Microsoft Graph does not tell is called by its client ID, and a PostgreSQL administrator that takes its name from here is then named by a GUID.
        pub name: Computed<String>,
    }
}

impl DataSource for ClientConfig {
    const NAME: &'static str = "entradb_client_config";

    async fn read(self, cx: &Context) -> Result<Self> {
        let clients = cx.clients()?;
        let claims = clients.azure().token(Scope::ResourceManager).await?.claims()?;
        let missing = |what: &str| {
            let detail = format!("The token of the signed-in principal does not tell its {what}.");
            Diagnostic::error("Unexpected answer from Azure", detail)
        };
        let object_id = claims.oid.clone().ok_or_else(|| missing("object ID"))?;
        let tenant_id = claims.tid.clone().ok_or_else(|| missing("tenant"))?;
        let name = name(&claims, &object_id, cx).await?;
        let principal_type = match claims.is_user() {
            true => PrincipalType::User,
            false => PrincipalType::ServicePrincipal,
        };
        Ok(Self {
            client_id: Computed::known(claims.client_id().map(str::to_owned)),
            subscription_id: Computed::known(clients.settings().azure.subscription_id.clone()),
            object_id: Computed::known(object_id),
            tenant_id: Computed::known(tenant_id),
            principal_type: Computed::known(principal_type),
            name: Computed::known(name),
        })
    }
}

/// The best name there is: in the token, in the directory, else the client ID.
async fn name(claims: &Claims, object_id: &str, cx: &Context) -> Result<String> {
    let of_identity = || claims.xms_mirid.as_deref().and_then(|id| id.rsplit('/').next());
    if let Some(name) = claims.user_name().or_else(of_identity) {
        return Ok(name.to_owned());
    }
    let display_name = match cx.clients()?.azure().service_principal(object_id, cx.patience()).await {
        Ok(found) => found.and_then(|found| found.display_name),
        Err(error) => {
            tracing::info!(%error, "the directory does not tell our own name");
            None
        }
    };
    let last_resort = || claims.client_id().unwrap_or(object_id).to_owned();
    Ok(display_name.unwrap_or_else(last_resort))
}
