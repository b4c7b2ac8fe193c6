//! `entradb_entra_admin`: the arguments, and what each operation comes to. What each kind of server makes of it stands in its own module.

mod creation;
mod found;
mod mssql;
mod mysql;
mod ours;
mod planning;
mod postgresql;
mod removal;
mod seated;
mod seats;
mod validation;

use crate::azure::cloud::Scope;
use crate::azure::resource_id::ResourceId;
use crate::azure::server::ServerKind;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Rule;
use crate::protocol::typed::{Computed, Parsed, Timeouts};
use crate::protocol::value::Object;
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::database_server::no_server;
use crate::provider::import::Parts;
use crate::provider::plan::Plan;
use crate::provider::resource::Resource;
use crate::resources::attributes::PrincipalType;
use crate::resources::entra_admin::creation::Start;
use crate::resources::entra_admin::ours::Ours;
use crate::resources::entra_admin::seated::{GivesWay, is_same_name};
use crate::resources::entra_admin::seats::Seats;
use crate::resources::principal::{self, Named, Principal};

model! {
    /// A Microsoft Entra administrator of a database server: Azure Database for PostgreSQL or MySQL flexible server, Azure SQL Database server, or
    /// Azure SQL Managed Instance. It may log in with a token, and create other Entra users.
    ///
    /// A PostgreSQL server may have several administrators, the others have exactly one. On PostgreSQL, Microsoft Entra authentication must be enabled
    /// (see `entradb_entra_authentication`). Administrators are set on the primary; its replicas follow, and on MySQL are set along with it.
    ///
    /// An administrator that exists already, exactly as configured, is taken over with a warning, and destroying this resource then removes it. One that differs
    /// is an error that names the import command. With `adopt_existing`, the same principal's other attributes are corrected instead, and stay corrected;
    /// with `replace_existing`, another principal gives way too.
    ///
    /// An adopted administrator (`adopt_existing`) stays when the resource is destroyed, and it follows an identity that was re-created. It is taken from its
    /// principal for another one only with `replace_existing`. So name `entradb_client_config` here only if every run signs in as the same principal. Otherwise
    /// make a group the administrator, and put everybody who runs Terraform into it.
    ///
    /// The last administrator is not removed while passwords are off, since nobody could administer the server. On Azure SQL and MySQL, let
    /// `entradb_entra_authentication` refer to this resource (`server_id = entradb_entra_admin.this.server_id`), and passwords are given back first. On
    /// PostgreSQL it is the other way around: switch passwords on in an apply before.
    ///
    /// A managed instance looks the administrator up as itself: its own identity needs the directory role `Directory Readers`.
    pub struct EntraAdmin {
        /// The ARM ID of the server.
        #[replace]
        pub server_id: ResourceId,
        /// The ARM ID of the administrator's identity: a user-assigned identity, or any resource that has a system-assigned one. When the identity is
        /// re-created, the next plan shows the new object ID, and apply binds the administrator to it in place.
        pub identity_id: Option<ResourceId>,
        /// The object ID of the administrator. Of an application, it is that of the enterprise application.
        #[optional]
        pub object_id: Computed<Guid>,
        /// What the administrator is.
        #[optional]
        pub principal_type: Computed<PrincipalType>,
        /// The client (application) ID, where the administrator is an application. MySQL knows applications by it only, so it is needed there beside `object_id`.
        #[optional]
        pub client_id: Computed<Option<Guid>>,
        /// The name with which the administrator logs in. Default: the name of the identity when the administrator is created. Members of a group log in
        /// with the name of the group. On PostgreSQL it is the name of the role, and a change creates a new administrator; elsewhere it changes in place.
        /// The names of users are compared without regard to case.
        #[optional]
        #[stable]
        pub name: Computed<String>,
        /// The tenant of the administrator. Default: that of the identity, else that of the signed-in principal. On PostgreSQL a change creates a new administrator.
        #[optional]
        #[stable]
        pub tenant_id: Computed<Guid>,
        /// Needed on MySQL, and only there: the ARM ID of a user-assigned identity with which the server asks the directory. It must be attached to the server,
        /// and needs the application permissions `User.Read.All`, `GroupMember.Read.All` and `Application.Read.All` of Microsoft Graph, or the directory role
        /// `Directory Readers`.
        pub server_identity_id: Option<ResourceId>,
        /// Whether `server_identity_id` is attached to the server and its replicas first, where it is not yet. It stays attached when this resource is destroyed.
        #[default(false)]
        pub attach_server_identity: bool,
        /// Whether an administrator that exists already is taken over without a warning. It is kept when the resource is destroyed.
        #[default(false)]
        pub adopt_existing: bool,
        /// Whether another administrator gives way, where it has the only seat, or on PostgreSQL the name.
        #[default(false)]
        pub replace_existing: bool,
        /// Whether the administrator existed before and was taken over by `adopt_existing`.
        #[stable]
        pub adopted: Computed<bool>,
        /// The ID by which the server knows the administrator: its object ID; on MySQL the client ID of an application; on Azure SQL either.
        pub sid: Computed<Guid>,
        /// The host name of the server.
        #[stable]
        pub host: Computed<String>,
        /// Where it still has to be set, such as `replica mysql-replica (no administrator)`: replicas of a MySQL server that have none or another one. On
        /// PostgreSQL, its role, where the administrator came in the place of a former one and the role may have gone with that.
        #[drift]
        pub pending: Computed<Vec<String>>,
        pub timeouts: Timeouts,
    }
    rules:
        Rule::ExactlyOneOf(&["identity_id", "object_id"]),
        Rule::Requires("object_id", "principal_type"),
        Rule::Requires("object_id", "name"),
        Rule::AtMostOneOf(&["identity_id", "principal_type"]),
        Rule::AtMostOneOf(&["identity_id", "client_id"])
}

/// The administrator that a configuration comes to.
#[derive(Debug)]
struct Wanted {
    principal: Principal,
    /// The ID by which the server shall know it.
    sid: Guid,
    name: String,
    tenant_id: Guid,
    server_identity_id: Option<ResourceId>,
    attach: bool,
    gives_way: GivesWay,
}

impl Wanted {
    /// The IDs by which it is known.
    fn ids(&self) -> [Guid; 2] {
        [self.principal.object_id, self.sid]
    }
}

impl Resource for EntraAdmin {
    const NAME: &'static str = "entradb_entra_admin";
    const IDENTITY: &'static [&'static str] = &["server_id", "name"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        validation::mistakes(config)
    }

    async fn plan(plan: &mut Plan, cx: &Context) -> Result<()> {
        planning::name(plan);
        principal::plan(plan, cx).await?;
        planning::changes(plan);
        planning::adopted(plan, cx.record().as_ref())
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let server = cx.existing_server(&self.server_id).await?;
        let seats = Seats::of(&server);
        seats.must_take_administrators()?;
        let mut wanted = self.wanted(server.kind(), cx).await?;
        let _held = server.turn().await?;
        let before = seats.look().await?;
        let start = self.start(server.kind(), &before, &wanted)?;
        if let Start::Leave(sid) = start {
            wanted.sid = sid;
        }
        let adopted = matches!(start, Start::Leave(_) | Start::Adjust) && self.adopt_existing;
        let host = server.host()?.name;
        let done = match &start {
            Start::Leave(_) if before.is_followed(&wanted) => Ok(()),
            Start::Leave(_) | Start::Set | Start::Adjust => seats.set(&wanted).await,
            Start::Replace(former) => seats.rebind(former.sid, &wanted).await,
        };
        if let Err(error) = done {
            // What Azure has taken before it failed is remembered, and what it may have taken; but what was there before, unadopted, is not ours to take away.
            let is_ours = adopted || matches!(start, Start::Set | Start::Replace(_));
            let now = seats.look().await.ok();
            if !is_ours || !(seats.is_in_doubt() || now.is_none_or(|now| now.has(&wanted.principal) && now != before)) {
                return Err(error);
            }
            Ours::new(wanted.ids()).keep(cx);
            // Binding a name anew on PostgreSQL has three parts, and nothing would show which of them are done.
            let in_parts = server.kind() == ServerKind::Postgresql && matches!(start, Start::Replace(_));
            let made = self.with(&wanted, adopted, host);
            if in_parts || !cx.patience().is_over() {
                cx.checkpoint(&made);
                return Err(error);
            }
            // A creation that ends early is no failure, or else the next apply would begin by taking the administrator away.
            cx.warn_not_waited_for("the administrator", &error);
            return Ok(made);
        }
        Ours::new(wanted.ids()).keep(cx);
        match &start {
            Start::Leave(_) if !self.adopt_existing => cx.warn("Found already", self.found_already(&wanted)),
            Start::Replace(former) => cx.warn("Administrator replaced", self.replaced(former, &wanted)),
            _ => {}
        }
        Ok(self.with(&wanted, adopted, host))
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(server) = cx.seen_server(&self.server_id).await? else {
            return Ok(None);
        };
        let seated = Seats::of(&server).look().await?;
        let host = server.host()?.name;
        self.seen(server.kind(), seated, host, cx).await
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        let server = cx.existing_server(&self.server_id).await?;
        let seats = Seats::of(&server);
        let mut wanted = self.followed(&prior).wanted(server.kind(), cx).await?;
        let former = prior.sid.get().or(prior.object_id.get()).copied();
        let same = former.filter(|former| wanted.principal.is(*former));
        // Where a server takes either ID of an application, the one that it has stays.
        wanted.sid = same.unwrap_or(wanted.sid);
        let former = former.filter(|_| same.is_none());
        let is_azure_sql = matches!(server.kind(), ServerKind::Mssql | ServerKind::ManagedInstance);
        if is_azure_sql && same.is_some() && prior.principal_type.get() != Some(&wanted.principal.principal_type) {
            mssql::must_be(wanted.principal.principal_type, wanted.sid, &seats.look().await?)?;
        }
        let adopted = prior.adopted.get() == Some(&true);
        let ours = Ours::of(&prior, cx);
        let is_ours_again = ours.as_ref().is_some_and(|ours| ours.is(wanted.principal.object_id));
        if adopted && former.is_some() && !self.may_take_from(&prior) && !is_ours_again {
            return Err(planning::not_taken(prior.name.get().map_or("", String::as_str)));
        }
        let pending = prior.pending.get().cloned().unwrap_or_default();
        let is_pending = !pending.is_empty();
        wanted.gives_way.name(former.map(|former| former.to_string()));
        wanted.gives_way.name(pending);
        if is_pending || former.is_some() || self.differs_from(&prior, &wanted, server.kind()) {
            seats.must_take_administrators()?;
            let _held = server.turn().await?;
            // Should it fail after Azure has accepted it.
            ours.map_or_else(|| Ours::new(wanted.ids()), |ours| ours.with(wanted.ids()))
                .keep(cx);
            match former {
                Some(former) => seats.rebind(former, &wanted).await?,
                None => seats.set(&wanted).await?,
            }
        }
        let adopted = self
            .adopted
            .get()
            .copied()
            .unwrap_or(adopted && !(former.is_some() && self.replace_existing));
        Ours::new(wanted.ids()).keep(cx);
        let host = server.host()?.name;
        Ok(self.with(&wanted, adopted, host))
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        self.remove(cx).await
    }

    async fn import(parts: &Parts, _cx: &Context) -> Result<Self> {
        let server_id: ResourceId = parts.parse("server_id")?;
        if ServerKind::of(&server_id).is_none() {
            let detail = format!(
                "{} The name or the object ID of an administrator follows it.",
                no_server()
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
            client_id: Computed::known(None),
            name: Computed::known(text.to_owned()),
            tenant_id: Computed::UNKNOWN,
            server_identity_id: None,
            attach_server_identity: false,
            adopt_existing: false,
            replace_existing: false,
            adopted: Computed::known(false),
            sid: Computed::UNKNOWN,
            host: Computed::UNKNOWN,
            pending: Computed::known(Vec::new()),
            timeouts: Timeouts::default(),
        })
    }
}

impl EntraAdmin {
    async fn wanted(&self, kind: ServerKind, cx: &Context) -> Result<Wanted> {
        let named = Named {
            identity_id: self.identity_id.as_ref(),
            object_id: &self.object_id,
            principal_type: &self.principal_type,
            client_id: self.client_id.get().copied().flatten(),
        };
        let principal = named.resolve(cx).await?;
        let Some(name) = self.name.get().or(principal.name.as_ref()).cloned() else {
            return Err(Diagnostic::error("No name given", "Set the `name` of the administrator.").at("name"));
        };
        validation::name(kind, &name)?;
        validation::server_identity(kind, self.server_identity_id.is_some(), self.attach_server_identity)?;
        let of_principal = principal.tenant_id.as_deref().and_then(|text| text.parse().ok());
        let tenant_id = match self.tenant_id.get().copied().or(of_principal) {
            Some(tenant_id) => tenant_id,
            None => own_tenant(cx).await?,
        };
        let sid = match kind {
            ServerKind::Postgresql => postgresql::sid(&principal),
            ServerKind::Mysql => mysql::sid(&principal)?,
            ServerKind::Mssql | ServerKind::ManagedInstance => mssql::sid(&principal),
        };
        Ok(Wanted {
            principal,
            sid,
            name,
            tenant_id,
            server_identity_id: self.server_identity_id.clone(),
            attach: self.attach_server_identity,
            gives_way: GivesWay::when(self.replace_existing),
        })
    }

    /// The same, with the client ID that was known of the same principal.
    fn followed(&self, prior: &Self) -> Self {
        let mut followed = self.clone();
        if self.client_id.get().is_none() && self.object_id == prior.object_id {
            followed.client_id = prior.client_id.clone();
        }
        followed
    }

    /// Whether an adopted administrator may be taken from its principal.
    fn may_take_from(&self, prior: &Self) -> bool {
        self.replace_existing || self.identity_id.is_some() && self.identity_id == prior.identity_id
    }

    /// Whether the server has to be told, beyond who it is.
    fn differs_from(&self, prior: &Self, wanted: &Wanted, kind: ServerKind) -> bool {
        let user = wanted.principal.principal_type == PrincipalType::User;
        let name = prior
            .name
            .get()
            .is_none_or(|prior| !is_same_name(prior, &wanted.name, user));
        let tenant = prior.tenant_id.get() != Some(&wanted.tenant_id);
        let identity = prior.server_identity_id != wanted.server_identity_id;
        match kind {
            // Another name or tenant is another administrator there.
            ServerKind::Postgresql => prior.principal_type.get() != Some(&wanted.principal.principal_type),
            ServerKind::Mysql => name || tenant || identity,
            ServerKind::Mssql | ServerKind::ManagedInstance => name || tenant,
        }
    }

    /// Whether an ID of the server's is that of our administrator.
    fn is(&self, sid: Guid) -> bool {
        let client_id = self.client_id.get().copied().flatten();
        [self.sid.get().copied(), self.object_id.get().copied(), client_id].contains(&Some(sid))
    }

    fn with(self, wanted: &Wanted, adopted: bool, host: String) -> Self {
        let client_id = self.client_id.get().copied().flatten();
        Self {
            object_id: Computed::known(wanted.principal.object_id),
            principal_type: Computed::known(wanted.principal.principal_type),
            client_id: Computed::known(wanted.principal.client_id.or(client_id)),
            name: Computed::known(wanted.name.clone()),
            tenant_id: Computed::known(wanted.tenant_id),
            adopted: Computed::known(adopted),
            sid: Computed::known(wanted.sid),
            host: Computed::known(host),
            pending: Computed::known(Vec::new()),
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
        let detail = format!("The token names no tenant. Set `tenant_id` (a {}).", Guid::WHAT);
        Diagnostic::error("No tenant known", detail).at("tenant_id")
    })
}

#[cfg(test)]
mod tests;
