//! `entradb_postgresql_user`

pub mod binding;
mod former_login;
mod work;

use serde::{Deserialize, Serialize};

use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Rule;
use crate::protocol::typed::{Computed, Timeouts};
use crate::protocol::value::Object;
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::import::Parts;
use crate::provider::plan::Plan;
use crate::provider::postgresql::Postgresql;
use crate::provider::resource::Resource;
use crate::provider::server::Server;
use crate::resources::attributes::PrincipalType;
use crate::resources::postgresql::departure::{self, Departure, OwnedObjects};
use crate::resources::postgresql::found_role::{
    all_settings, find, is_another, known_number, managed, note_import, plan_settings, settings, tell_of_another,
};
use crate::resources::postgresql::role_name;
use crate::resources::postgresql::role_settings::{self, Settings};
use crate::resources::postgresql::user::work::{Found, Work};
use crate::resources::principal::{self, Named, Principal};
use crate::sql::postgres::label::Label;
use crate::sql::postgres::server_catalog::Role;
use crate::sql::statement::Name;

model! {
    /// A Microsoft Entra principal that may log in to a PostgreSQL server: a role, bound to a managed identity, an application, a person or a group.
    ///
    /// A principal that was re-created under the same name is seen, and the role is bound to it in place, with everything that it owns and may do.
    ///
    /// A role that exists already, exactly as configured and bound to this very principal, is taken over with a warning. One that differs is an error
    /// that names the import command, unless `adopt_existing` takes it over; one that is bound to another principal always is. Whatever was taken over,
    /// destroying this resource drops the role. To keep it, use a `removed` block with `destroy = false`.
    ///
    /// From PostgreSQL 16 on, administrators may not change each other. What is to be changed on one, or its destruction, is therefore done while it
    /// is an ordinary role, for the length of one transaction, which no other session sees; this needs the function
    /// `pgaadauth_update_principal_with_oid` of the server, and the principal must still exist in the directory. Otherwise it is an error that says
    /// what to do, and nothing is changed.
    ///
    /// Attributes of the role that have no argument here are neither given nor taken: whoever was given `CREATEROLE`, `CREATEDB`, `BYPASSRLS` or
    /// `REPLICATION` by hand, and is no administrator, keeps them, also when the role is taken over.
    pub struct PostgresqlUser {
        /// The server: its ARM ID or its host name, with a port where that is not 5432 (`…:6432` for PgBouncer). Both spellings are the same server.
        #[replace]
        pub server: Server,
        /// The name of the role, which is the user name of the login. A change renames the role and keeps everything that it has. Without this argument it is the name of the identity at creation, and stays so.
        #[optional]
        #[stable]
        pub name: Computed<Name>,
        /// The ARM ID of the principal: a user-assigned identity, or any resource that has a system-assigned one. No permission in the directory is needed.
        pub identity_id: Option<ResourceId>,
        /// The object ID of the principal; of an application, that of its enterprise application.
        #[optional]
        pub object_id: Computed<Option<Guid>>,
        /// What the principal is. Managed identities and applications are service principals.
        #[optional]
        pub principal_type: Computed<Option<PrincipalType>>,
        /// Whether the principal administers the server: a member of `azure_pg_admin` that may create roles and databases.
        #[default(false)]
        pub administrator: bool,
        /// Whether a person must have signed in with a second factor.
        #[default(false)]
        pub mfa_required: bool,
        /// Whether the role may log in. `false` shuts the principal out and keeps everything else.
        #[default(true)]
        pub login: bool,
        /// How many sessions the role may have at once. Without this argument there is no limit.
        #[between(0, 262_143)]
        pub connection_limit: Option<i64>,
        /// Settings that each session of the role begins with, such as `search_path` or `statement_timeout`. Settings that are not listed are taken away; without this argument they are left alone.
        pub settings: Option<Settings>,
        /// Whether a role of this name that differs, such as one with a password, is taken over: it is bound to the principal and keeps what it owns and may do. Whoever logs in with its password is locked out by that: new logins take a token, open sessions go on until they end, and the apply names them. The guide [Moving a running PostgreSQL application to Entra](../guides/moving-a-running-application.md) does it without an interruption. Unlike in `entradb_entra_admin`, an adopted role is dropped on destroy.
        #[default(false)]
        pub adopt_existing: bool,
        /// What becomes of the objects that the role owns, in all databases, when it is destroyed: `refuse` keeps the role as long as there are any, `reassign` gives them to `reassign_owned_to`, `drop` drops them, but no databases and nothing of others that depends on them. Many objects go in steps; when one fails, the next destroy goes on from there. Like every argument, it must be applied before the destroy that it is meant for.
        #[default("refuse")]
        pub owned_objects: OwnedObjects,
        /// The role that becomes the owner, with `owned_objects = "reassign"`.
        pub reassign_owned_to: Option<Name>,
        /// The number (`oid`) of the role, which stays when the name changes.
        #[stable]
        pub oid: Computed<String>,
        /// The ARM ID of the server, when the server was given by it.
        #[stable]
        pub server_id: Computed<Option<ResourceId>>,
        /// The host name of the server.
        #[stable]
        pub host: Computed<String>,
        pub timeouts: Timeouts,
    }
    rules:
        Rule::ExactlyOneOf(&["identity_id", "object_id"]),
        Rule::Requires("object_id", "principal_type"),
        Rule::Requires("principal_type", "object_id"),
        Rule::Requires("object_id", "name"),
}

/// The role as it was applied: the name that a role goes back to when somebody renamed it, and whether it was to be an administrator.
#[derive(Debug, Serialize, Deserialize)]
struct Applied {
    name: String,
    /// Missing in records of the first version.
    #[serde(default)]
    administrator: Option<bool>,
}

impl Resource for PostgresqlUser {
    const NAME: &'static str = "entradb_postgresql_user";
    const IDENTITY: &'static [&'static str] = &["server", "name"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let mut mistakes = role_settings::mistakes(config);
        mistakes.extend(role_name::mistake(config, "name"));
        mistakes.extend(departure::mistakes(config));
        mistakes
    }

    async fn plan(plan: &mut Plan, cx: &Context) -> Result<()> {
        Server::plan(plan);
        principal::plan(plan, cx).await?;
        former_login::plan(plan);
        plan_settings(plan, cx);
        if !plan.config("name").is_null() {
            return Ok(());
        }
        if plan.is_create() {
            let identity = plan
                .planned("identity_id")
                .as_str()
                .and_then(|text| text.parse::<ResourceId>().ok());
            if let Some(identity) = identity {
                plan.set("name", name_of(identity.name())?.to_string());
            }
        } else if let Some(Applied { name, .. }) = cx.record() {
            plan.set("name", name);
        }
        Ok(())
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let principal = self.principal(None, cx).await?;
        let name = match (self.name.get(), &principal.name) {
            (Some(name), _) => name.clone(),
            (None, Some(name)) => name_of(name)?,
            (None, None) => return Err(Diagnostic::error("No name given", "Set `name`.").at("name")),
        };
        let work = Work {
            user: &self,
            server: &server,
            name: &name,
            label: self.label(&principal),
        };
        let (made, found) = binding::patiently(cx, &server, &principal, || work.make()).await?;
        match found {
            Found::Nothing => {}
            Found::Same => cx.warn(
                "Found already",
                format!("The role {name} existed already, exactly as configured; it is managed by Terraform from now on."),
            ),
            Found::Other => cx.warn(
                "Taken over",
                format!("The role {name} existed already. It is bound to the principal {} now, and managed by Terraform; it keeps what it owns and may do.", principal.object_id),
            ),
        }
        if let Some(former) = made.former {
            former.tell(&name, principal.object_id, cx);
        }
        self.keep_record(&name, cx);
        Ok(made.state)
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(None);
        };
        let catalog = server.catalog().await?;
        let Some(name) = self.name.get() else { return Ok(None) };
        let Some(role) = find(&catalog, self.oid.get(), name) else {
            return Ok(None);
        };
        let applied = cx.record().and_then(|record: Applied| record.administrator);
        let found = self.as_found(role, binding::administers(&catalog, role), applied, &server);
        // Made since, and bound to nobody or somebody else: taken over only where the configuration says so.
        if is_another(role, self.oid.get()) && found.object_id != self.object_id && !self.adopt_existing {
            tell_of_another(role, cx);
            return Ok(None);
        }
        let settings = if self.oid.get().is_some() {
            found.settings
        } else {
            all_settings(&role.settings)
        };
        Ok(Some(Self { settings, ..found }))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let last = prior.bound_to().filter(|_| self.identity_id == prior.identity_id);
        let principal = self.principal(last, cx).await?;
        let known = self.name.get().or(prior.name.get());
        let name = known.ok_or_else(|| Diagnostic::bug("The role in the state has no name."))?;
        let work = Work {
            user: &self,
            server: &server,
            name,
            label: self.label(&principal),
        };
        let settings = managed(prior.settings.clone(), cx);
        let prior = Self {
            settings,
            ..prior.clone()
        };
        let changed = binding::patiently(cx, &server, &principal, || work.change(&prior)).await?;
        if let Some(former) = changed.former {
            former.tell(name, principal.object_id, cx);
        }
        self.keep_record(name, cx);
        Ok(changed.state)
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(());
        };
        let role = known_number(self.oid.get(), self.name.get())?;
        let departure = Departure {
            server: &server,
            role,
            owned: self.owned_objects,
            heir: self.reassign_owned_to.as_ref(),
        };
        departure.carry_out(cx).await
    }

    async fn import(parts: &Parts, cx: &Context) -> Result<Self> {
        note_import(cx);
        Ok(Self {
            server: parts.parse("server")?,
            name: Computed::known(parts.parse("name")?),
            identity_id: None,
            object_id: Computed::UNKNOWN,
            principal_type: Computed::UNKNOWN,
            administrator: false,
            mfa_required: false,
            login: true,
            connection_limit: None,
            settings: None,
            adopt_existing: false,
            owned_objects: OwnedObjects::Refuse,
            reassign_owned_to: None,
            oid: Computed::UNKNOWN,
            server_id: Computed::UNKNOWN,
            host: Computed::UNKNOWN,
            timeouts: Timeouts::default(),
        })
    }
}

/// An identity's name as the name of a role.
fn name_of(identity: &str) -> Result<Name> {
    Name::new(identity).map_err(|error| {
        let detail = format!("The name of the identity cannot be the name of a role: {error}. Set `name`.");
        Diagnostic::error("Name needed", detail).at("name")
    })
}

impl PostgresqlUser {
    /// The principal, or else the last one: where an identity is gone, everything but the binding can still be changed.
    async fn principal(&self, last: Option<Principal>, cx: &Context) -> Result<Principal> {
        let object_id = self.object_id.get().copied().flatten();
        let principal_type = self.principal_type.get().copied().flatten();
        let named = Named {
            identity_id: self.identity_id.as_ref(),
            object_id: &object_id.map_or(Computed::UNKNOWN, Computed::known),
            principal_type: &principal_type.map_or(Computed::UNKNOWN, Computed::known),
            client_id: None,
        };
        named.resolve_or(last, cx).await
    }

    /// The principal that the role was last seen bound to.
    fn bound_to(&self) -> Option<Principal> {
        Some(Principal {
            object_id: self.object_id.get().copied().flatten()?,
            principal_type: self.principal_type.get().copied().flatten()?,
            client_id: None,
            tenant_id: None,
            name: None,
            confirmed: false,
        })
    }

    fn label(&self, principal: &Principal) -> Label {
        Label {
            oid: principal.object_id.0,
            kind: Some(binding::kind(principal.principal_type)),
            admin: self.administrator,
            mfa: self.mfa_required,
        }
    }

    fn keep_record(&self, name: &Name, cx: &Context) {
        cx.keep_record(&Applied {
            name: name.to_string(),
            administrator: Some(self.administrator),
        });
    }

    fn as_found(&self, role: &Role, administers: Option<bool>, applied: Option<bool>, server: &Postgresql<'_>) -> Self {
        let (object_id, principal_type) = binding::bound(role);
        Self {
            name: role.name.clone().into(),
            object_id: object_id.into(),
            principal_type: principal_type.into(),
            administrator: binding::is_administrator(role, administers, applied),
            mfa_required: role.binding().is_some_and(|label| label.mfa),
            login: role.login,
            connection_limit: role.connection_limit.map(i64::from),
            settings: settings(self.settings.as_ref(), &role.settings),
            oid: role.oid.to_string().into(),
            server_id: server.id.clone().into(),
            host: server.host.to_string().into(),
            ..self.clone()
        }
    }
}
