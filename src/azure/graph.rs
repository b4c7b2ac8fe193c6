//! Microsoft Graph: who a user, a group or a service principal is. It does not change anything.

use serde::Deserialize;
use url::Url;

use crate::azure::Azure;
use crate::azure::call::Call;
use crate::azure::cloud::Scope;
use crate::azure::error::{Error, Kind};
use crate::retry::Patience;

/// What kind of principal a directory object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A group.
    Group,
    /// An application or a managed identity.
    ServicePrincipal,
}

/// A user, group or service principal. Fields that its kind does not have are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The object ID.
    pub id: String,
    /// What it is.
    pub kind: PrincipalKind,
    /// The display name.
    pub display_name: Option<String>,
    /// The client ID of a service principal.
    pub app_id: Option<String>,
    /// The sign-in name of a user.
    pub user_principal_name: Option<String>,
    /// `Application`, `ManagedIdentity`, …
    pub service_principal_type: Option<String>,
    /// Other names of a service principal; of a managed identity also its ARM ID.
    pub alternative_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(rename = "@odata.type")]
    odata_type: Option<String>,
    id: String,
    display_name: Option<String>,
    app_id: Option<String>,
    user_principal_name: Option<String>,
    service_principal_type: Option<String>,
    alternative_names: Option<Vec<String>>,
}

/// Lookups give nothing when the directory has no such object, or does not show it yet, and
/// [`Kind::Forbidden`] when we may not look.
impl Azure {
    /// The service principal of an application.
    pub async fn service_principal_by_app_id(
        &self,
        app_id: &str,
        patience: &Patience,
    ) -> Result<Option<Principal>, Error> {
        let segment = format!("servicePrincipals(appId={})", literal(app_id));
        self.graph_object(&[&segment], PrincipalKind::ServicePrincipal, patience)
            .await
    }

    /// A service principal, by its object ID. One that is signed in may always read itself.
    pub async fn service_principal(&self, object_id: &str, patience: &Patience) -> Result<Option<Principal>, Error> {
        let path = ["servicePrincipals", object_id];
        self.graph_object(&path, PrincipalKind::ServicePrincipal, patience)
            .await
    }

    /// A user, by user principal name or object ID.
    pub async fn user(&self, name: &str, patience: &Patience) -> Result<Option<Principal>, Error> {
        // A name that begins with $ would be read as an operator.
        if name.starts_with('$') {
            let segment = format!("users({})", literal(name));
            return self.graph_object(&[&segment], PrincipalKind::User, patience).await;
        }
        self.graph_object(&["users", name], PrincipalKind::User, patience).await
    }

    /// A group, by its object ID.
    pub async fn group(&self, object_id: &str, patience: &Patience) -> Result<Option<Principal>, Error> {
        self.graph_object(&["groups", object_id], PrincipalKind::Group, patience)
            .await
    }

    /// The groups of this name: display names are not unique.
    pub async fn groups_by_name(&self, display_name: &str, patience: &Patience) -> Result<Vec<Principal>, Error> {
        self.graph_by_name("groups", PrincipalKind::Group, display_name, patience)
            .await
    }

    /// The service principals of this name: display names are not unique.
    pub async fn service_principals_by_name(
        &self,
        display_name: &str,
        patience: &Patience,
    ) -> Result<Vec<Principal>, Error> {
        let kind = PrincipalKind::ServicePrincipal;
        self.graph_by_name("servicePrincipals", kind, display_name, patience)
            .await
    }

    /// Whatever has this object ID: a user, a group or a service principal.
    pub async fn directory_object(&self, object_id: &str, patience: &Patience) -> Result<Option<Principal>, Error> {
        // No $select: fields of the derived types may not be named here.
        let url = self.graph_url(&["directoryObjects", object_id]).await?;
        let Some(body) = self.graph_find(url, patience).await? else {
            return Ok(None);
        };
        let kind = match body.odata_type.as_deref() {
            Some("#microsoft.graph.user") => PrincipalKind::User,
            Some("#microsoft.graph.group") => PrincipalKind::Group,
            Some("#microsoft.graph.servicePrincipal") => PrincipalKind::ServicePrincipal,
            other => {
                let what = other.unwrap_or("something without a type");
                let message = format!("the object {object_id} is {what}, not a user, a group or a service principal");
                return Err(Error::new(Kind::InvalidRequest, message));
            }
        };
        Ok(Some(body.into_principal(kind)))
    }

    async fn graph_object(
        &self,
        path: &[&str],
        kind: PrincipalKind,
        patience: &Patience,
    ) -> Result<Option<Principal>, Error> {
        let mut url = self.graph_url(path).await?;
        url.query_pairs_mut().append_pair("$select", fields(kind));
        let body = self.graph_find(url, patience).await?;
        Ok(body.map(|body| body.into_principal(kind)))
    }

    async fn graph_by_name(
        &self,
        collection: &str,
        kind: PrincipalKind,
        display_name: &str,
        patience: &Patience,
    ) -> Result<Vec<Principal>, Error> {
        let mut url = self.graph_url(&[collection]).await?;
        url.query_pairs_mut()
            .append_pair("$filter", &format!("displayName eq {}", literal(display_name)))
            .append_pair("$select", fields(kind));
        let bodies: Vec<Body> = self.pages(Scope::Graph, url, patience).await?;
        Ok(bodies.into_iter().map(|body| body.into_principal(kind)).collect())
    }

    async fn graph_find(&self, url: Url, patience: &Patience) -> Result<Option<Body>, Error> {
        match self.call(&Call::get(Scope::Graph, url), patience).await {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            other => other?.json().map(Some),
        }
    }

    async fn graph_url(&self, path: &[&str]) -> Result<Url, Error> {
        if path.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            let message = "the name or ID of a directory object is empty or only dots";
            return Err(Error::new(Kind::InvalidRequest, message));
        }
        let mut url = self.cloud().await?.graph_endpoint.clone();
        url.path_segments_mut()
            .expect("an https URL has a path")
            .pop_if_empty()
            .push("v1.0")
            .extend(path);
        Ok(url)
    }
}

impl Body {
    fn into_principal(self, kind: PrincipalKind) -> Principal {
        Principal {
            id: self.id,
            kind,
            display_name: self.display_name,
            app_id: self.app_id,
            user_principal_name: self.user_principal_name,
            service_principal_type: self.service_principal_type,
            alternative_names: self.alternative_names.unwrap_or_default(),
        }
    }
}

/// The fields that a kind has; Graph refuses others.
fn fields(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "id,displayName,userPrincipalName",
        PrincipalKind::Group => "id,displayName",
        PrincipalKind::ServicePrincipal => "id,displayName,appId,servicePrincipalType,alternativeNames",
    }
}

/// A string of OData.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
