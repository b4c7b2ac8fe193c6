//! `entradb_entra_admin`. What each kind of server makes of it stands in its own module.

mod postgresql;

use crate::azure::cloud::Scope;
use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Rule;
use crate::protocol::typed::{Computed, Parsed, Timeouts};
use crate::protocol::value::{Object, Value};
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::import::{self, Parts};
use crate::provider::plan::Plan;
use crate::provider::resource::Resource;
use crate::provider::server::FLEXIBLE_SERVER;
use crate::resources::attributes::PrincipalType;
use crate::resources::entra_admin::postgresql::Administrators;
use crate::resources::principal::{self, Named, Principal};
use crate::sql::statement::Name;

model! {
    /// A Microsoft Entra administrator of an Azure Database for PostgreSQL flexible server. It may log in with a token, and create other Entra users.
    ///
    /// A server may have several administrators. Microsoft Entra authentication must be enabled on the server. Administrators are set on the primary;
    /// its replicas follow.
    ///
    /// An administrator that is exactly as configured already is taken over with a warning: an apply that was cut short leaves such a thing behind.
    /// One that differs is refused, and is to be imported.
    pub struct EntraAdmin {
        /// The ARM ID of the server.
        #[replace]
        pub server_id: ResourceId,
        /// The ARM ID of the administrator's identity: a user-assigned identity, or any resource that has a system-assigned one. When the identity is made
        /// anew, the next plan shows the new object ID, and apply binds the administrator to it in place.
        pub identity_id: Option<ResourceId>,
        /// The object ID of the administrator. Of an application, it is that of the enterprise application.
        #[optional]
        pub object_id: Computed<Guid>,
        /// What the administrator is.
        #[optional]
        pub principal_type: Computed<PrincipalType>,
        /// The name of the administrator, and of its role in the databases. Default: the name of the identity when the administrator is created.
        /// Members of a group log in with the name of the group.
        #[optional]
        #[stable]
        #[replace]
        pub name: Computed<String>,
        /// The tenant of the administrator. Default: that of the identity, else that of the signed-in principal.
        #[optional]
        #[stable]
        #[replace]
        pub tenant_id: Computed<Guid>,
        /// Whether an administrator that exists already is taken over without a warning. Such a one stays when the resource is destroyed.
        #[default(false)]
        pub adopt_existing: bool,
        /// Whether the administrator existed before and was taken over by `adopt_existing`.
        #[stable]
        pub adopted: Computed<bool>,
        /// The host name of the server.
        #[stable]
        pub host: Computed<String>,
        pub timeouts: Timeouts,
    }
    rules:
        Rule::ExactlyOneOf(&["identity_id", "object_id"]),
        Rule::Requires("object_id", "principal_type"),
        Rule::Requires("object_id", "name"),
        Rule::AtMostOneOf(&["identity_id", "principal_type"])
}

/// The administrator that a configuration comes to.
#[derive(Debug)]
struct Wanted {
    principal: Principal,
    name: String,
    tenant_id: Guid,
}

/// An administrator that a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Present {
    object_id: Guid,
    /// None where the server does not say.
    principal_type: Option<PrincipalType>,
    name: String,
    /// None where the server does not say.
    tenant_id: Option<Guid>,
}

/// What to do about an administrator that is to be created.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// There is none like it.
    Set,
    /// It is there, exactly so.
    Leave,
    /// It is there, and differs in what can be changed.
    Adjust,
}

impl Resource for EntraAdmin {
    const NAME: &'static str = "entradb_entra_admin";
    const IDENTITY: &'static [&'static str] = &["server_id", "name"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let text = |name: &str| config.get(name).and_then(Value::as_str);
        let mut mistakes = Vec::new();
        let id = text("server_id").and_then(|text| text.parse::<ResourceId>().ok());
        if id.is_some_and(|id| !id.is_type(FLEXIBLE_SERVER)) {
            let detail = format!("The ARM ID of a {FLEXIBLE_SERVER} is required.");
            mistakes.push(Diagnostic::error("Invalid value", detail).at("server_id"));
        }
        if let Some(Err(error)) = text("name").map(str::parse::<Name>) {
            let detail = format!("The name is that of a role in PostgreSQL: {error}.");
            mistakes.push(Diagnostic::error("Invalid value", detail).at("name"));
        }
        mistakes
    }

    async fn plan(plan: &mut Plan, cx: &Context) -> Result<()> {
        let identity = plan
            .planned("identity_id")
            .as_str()
            .and_then(|text| text.parse::<ResourceId>().ok());
        if let (true, Some(id)) = (plan.is_create() && plan.config("name").is_null(), identity) {
            plan.set("name", id.name().to_owned());
        }
        principal::plan(plan, cx).await
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let server = Administrators::of_existing(&self.server_id, cx).await?;
        server.must_take_administrators()?;
        let wanted = self.wanted(cx).await?;
        let _held = server.alone().await?;
        let start = self.start(&server.list().await?, &wanted)?;
        if start != Start::Leave {
            if let Err(error) = server.set(&wanted).await {
                if cx.is_over() {
                    // Azure may have taken it: the state remembers whom to look for.
                    cx.checkpoint(&self.with(&wanted, false, server.host()));
                }
                return Err(error);
            }
        } else if !self.adopt_existing {
            let detail = format!(
                "The administrator `{}` of {} existed already, exactly as configured; it is managed by Terraform from now on.",
                wanted.name, self.server_id
            );
            cx.warn("Found already", detail);
        }
        let adopted = start != Start::Set && self.adopt_existing;
        Ok(self.with(&wanted, adopted, server.host()))
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(server) = Administrators::seen(&self.server_id, cx).await? else {
            return Ok(None);
        };
        let present = server.list().await?;
        let same_id = present.iter().find(|one| self.object_id.get() == Some(&one.object_id));
        let same_name = || present.iter().find(|one| self.name.get() == Some(&one.name));
        let Some(found) = same_id.or_else(same_name).cloned() else {
            return Ok(None);
        };
        let tenant_id = match found.tenant_id.or(self.tenant_id.get().copied()) {
            Some(tenant_id) => tenant_id,
            None => own_tenant(cx).await?,
        };
        let known_type = self.principal_type.get().copied();
        let principal_type = found
            .principal_type
            .or(known_type)
            .unwrap_or(PrincipalType::ServicePrincipal);
        let adopted = self.adopted.get().copied().unwrap_or(false);
        Ok(Some(Self {
            object_id: Computed::known(found.object_id),
            principal_type: Computed::known(principal_type),
            name: Computed::known(found.name),
            tenant_id: Computed::known(tenant_id),
            adopted: Computed::known(adopted),
            host: Computed::known(server.host()),
            ..self
        }))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        let server = Administrators::of_existing(&self.server_id, cx).await?;
        let wanted = self.wanted(cx).await?;
        let former = prior
            .object_id
            .get()
            .copied()
            .filter(|former| *former != wanted.principal.object_id);
        let other_type = prior.principal_type.get() != Some(&wanted.principal.principal_type);
        if former.is_some() || other_type {
            server.must_take_administrators()?;
            let _held = server.alone().await?;
            match former {
                Some(former) => server.rebind(former, &wanted).await?,
                None => server.set(&wanted).await?,
            }
        }
        let adopted = prior.adopted.get().copied().unwrap_or(false);
        Ok(self.with(&wanted, adopted, server.host()))
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        if self.adopted.get() == Some(&true) {
            let detail = "The administrator existed before it was adopted, so it stays an administrator of the server.";
            cx.warn("Administrator left in place", detail);
            return Ok(());
        }
        let Some(object_id) = self.object_id.get().copied() else {
            return Ok(());
        };
        let Some(server) = Administrators::of(&self.server_id, cx).await? else {
            return Ok(());
        };
        let _held = server.alone().await?;
        server.remove(object_id).await
    }

    async fn import(parts: &Parts, _cx: &Context) -> Result<Self> {
        let server_id: ResourceId = parts.parse("server_id")?;
        if !server_id.is_type(FLEXIBLE_SERVER) {
            let detail = format!(
                "The ARM ID of a {FLEXIBLE_SERVER}, and the name or the object ID of an administrator, are required."
            );
            return Err(Diagnostic::error("Invalid import ID", detail));
        }
        // People who come from the portal or from azurerm have the object ID at hand.
        let text = parts.text("name")?;
        let object_id = text.parse::<Guid>().ok();
        Ok(Self {
            server_id,
            identity_id: None,
            object_id: object_id.map_or(Computed::UNKNOWN, Computed::known),
            principal_type: Computed::UNKNOWN,
            name: Computed::known(text.to_owned()),
            tenant_id: Computed::UNKNOWN,
            adopt_existing: false,
            adopted: Computed::known(false),
            host: Computed::UNKNOWN,
            timeouts: Timeouts::default(),
        })
    }
}

impl EntraAdmin {
    async fn wanted(&self, cx: &Context) -> Result<Wanted> {
        let named = Named {
            identity_id: self.identity_id.as_ref(),
            object_id: &self.object_id,
            principal_type: &self.principal_type,
            client_id: None,
        };
        let principal = named.resolve(cx).await?;
        let Some(name) = self.name.get().or(principal.name.as_ref()).cloned() else {
            return Err(Diagnostic::error("No name given", "Give the `name` of the administrator.").at("name"));
        };
        let of_principal = principal.tenant_id.as_deref().and_then(|text| text.parse().ok());
        let tenant_id = match self.tenant_id.get().copied().or(of_principal) {
            Some(tenant_id) => tenant_id,
            None => own_tenant(cx).await?,
        };
        Ok(Wanted {
            principal,
            name,
            tenant_id,
        })
    }

    /// What is there already decides how creation begins.
    fn start(&self, present: &[Present], wanted: &Wanted) -> Result<Start> {
        let object_id = wanted.principal.object_id;
        let Some(found) = present
            .iter()
            .find(|one| one.object_id == object_id || one.name == wanted.name)
        else {
            return Ok(Start::Set);
        };
        let same_names = found.object_id == object_id && found.name == wanted.name;
        let said_otherwise = |said: Option<bool>| said == Some(false);
        let differs = said_otherwise(
            found
                .principal_type
                .map(|found| found == wanted.principal.principal_type),
        ) || said_otherwise(found.tenant_id.map(|found| found == wanted.tenant_id));
        match (same_names, differs) {
            (true, false) => Ok(Start::Leave),
            (true, true) if self.adopt_existing => Ok(Start::Adjust),
            _ => Err(self.differs(found, wanted)),
        }
    }

    fn differs(&self, found: &Present, wanted: &Wanted) -> Diagnostic {
        let kind = found
            .principal_type
            .map_or_else(|| "a principal".to_owned(), |kind| kind.to_string());
        let detail = format!(
            "The server has the administrator `{}` already: {kind} with the object ID {}. Configured is `{}`: {} with the object ID {}. \
             To manage the one that exists, import it (the next apply then binds it to the configured principal where only that differs):\n\n  \
             terraform import <address> '{}'",
            found.name,
            found.object_id,
            wanted.name,
            wanted.principal.principal_type,
            wanted.principal.object_id,
            import::id([self.server_id.as_str(), found.name.as_str()])
        );
        Diagnostic::error("Already exists in Azure", detail)
    }

    fn with(self, wanted: &Wanted, adopted: bool, host: String) -> Self {
        Self {
            object_id: Computed::known(wanted.principal.object_id),
            principal_type: Computed::known(wanted.principal.principal_type),
            name: Computed::known(wanted.name.clone()),
            tenant_id: Computed::known(wanted.tenant_id),
            adopted: Computed::known(adopted),
            host: Computed::known(host),
            ..self
        }
    }
}

/// The tenant that is signed in to.
async fn own_tenant(cx: &Context) -> Result<Guid> {
    let token = cx.clients()?.azure().token(Scope::ResourceManager).await?;
    let tenant = token.claims()?.tid;
    let found = tenant.and_then(|text| text.parse().ok());
    found.ok_or_else(|| {
        let detail = format!("The token names no tenant. Give `tenant_id`, a {}.", Guid::WHAT);
        Diagnostic::error("No tenant known", detail).at("tenant_id")
    })
}

#[cfg(test)]
mod tests;
