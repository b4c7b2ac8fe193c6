//! `entradb_entra_authentication`

mod planning;
mod previous;
mod ready;

use crate::azure::authentication::{Authentication, Shown};
use crate::azure::cloud::Scope;
use crate::azure::error::{Error, Kind};
use crate::azure::resource_id::ResourceId;
use crate::azure::server::ServerKind;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::{Computed, Record, Timeouts};
use crate::protocol::value::{Object, Value};
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::database_server::{DatabaseServer, kind_in, no_server};
use crate::provider::import::Parts;
use crate::provider::plan::Plan;
use crate::provider::resource::Resource;
use crate::resources::entra_authentication::previous::Previous;

model! {
    /// How people and applications may sign in to a database server: with Microsoft Entra, with passwords, or both. For Azure Database for PostgreSQL and
    /// MySQL flexible servers, Azure SQL Database servers and Azure SQL Managed Instances. Use one per server.
    ///
    /// Before passwords are switched off, it finds out who would break: on PostgreSQL it logs in, and refuses as long as there are logins without an Entra
    /// principal, naming each with its live sessions and the number of objects that it owns. Where it cannot look, it refuses too. `force = true` switches
    /// them off all the same.
    ///
    /// It cannot look into MySQL and Azure SQL yet, so there passwords are switched off with `force = true` only. Look for yourself first. On MySQL, these have
    /// a password: `SELECT user, host FROM mysql.user WHERE plugin <> 'aad_auth' AND account_locked = 'N'`, and `SHOW PROCESSLIST` shows who is connected. On
    /// Azure SQL and managed instances, these: `SELECT name, is_disabled FROM sys.sql_logins` in `master`, and in each database
    /// `SELECT name FROM sys.database_principals WHERE authentication_type_desc = 'DATABASE'`;
    /// `SELECT login_name, host_name, program_name FROM sys.dm_exec_sessions WHERE is_user_process = 1` shows who is connected.
    ///
    /// MySQL and Azure SQL know Microsoft Entra as soon as they have an administrator, and have no switch for it; passwords are switched off there by "Entra only",
    /// which needs an administrator first. Refer to `entradb_entra_admin` in `server_id`: the administrator is set before, and goes after. On PostgreSQL it
    /// is the other way around: the administrator refers to this resource, because Entra must be enabled first, and passwords are switched off in a later apply.
    ///
    /// Turning Entra authentication on or off restarts a PostgreSQL server; the plan says so, also the one to destroy this resource. Where MySQL must be restarted
    /// before the switch works, each plan says so until that is done.
    ///
    /// Read replicas of PostgreSQL have what their primary has. Those of MySQL have a switch of their own: use one resource for each.
    ///
    /// When it is destroyed, the server gets back the settings that it had before this resource was created. After an import nothing is known of them, and
    /// the settings stay. An apply that is killed before it can write its state forgets them too: the next one finds the new settings there, says so, and
    /// destroying leaves them.
    pub struct EntraAuthentication {
        /// The ARM ID of the server.
        #[replace]
        pub server_id: ResourceId,
        /// Whether Microsoft Entra is enabled. `false` is for PostgreSQL only.
        #[default(true)]
        pub entra_enabled: bool,
        /// Whether passwords are enabled.
        pub password_enabled: bool,
        /// The tenant whose principals may log in, on PostgreSQL. Default: the one that the server has, else that of the signed-in principal.
        #[optional]
        #[stable]
        pub tenant_id: Computed<Option<Guid>>,
        /// Whether passwords are switched off even where somebody would break, or where the provider cannot tell.
        #[default(false)]
        pub force: bool,
        /// What the server had before this resource was created, and gets back when it is destroyed. Null after an import.
        #[stable]
        pub previous: Computed<Option<Record<Previous>>>,
        pub timeouts: Timeouts,
    }
}

/// Why the settings could not be brought about.
struct Failed {
    told: Diagnostic,
    /// Whether Azure may have taken them all the same.
    in_doubt: bool,
}

impl From<Diagnostic> for Failed {
    fn from(told: Diagnostic) -> Self {
        Self { told, in_doubt: false }
    }
}

impl Resource for EntraAuthentication {
    const NAME: &'static str = "entradb_entra_authentication";
    const IDENTITY: &'static [&'static str] = &["server_id"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let kind = match kind_in(config) {
            Ok(Some(kind)) => kind,
            Ok(None) => return Vec::new(),
            Err(mistake) => return vec![*mistake],
        };
        let value = |name: &str| config.get(name).unwrap_or(&Value::Null);
        let switch = |name: &str| value(name).as_bool();
        let mistake = mistake(
            kind,
            switch("entra_enabled") != Some(false),
            switch("password_enabled") != Some(false),
            !value("tenant_id").is_null(),
        );
        mistake.into_iter().collect()
    }

    async fn plan(plan: &mut Plan, _cx: &Context) -> Result<()> {
        if plan.planned("entra_enabled").as_bool() == Some(false) && plan.config("tenant_id").is_null() {
            plan.set("tenant_id", Value::Null);
        }
        if plan.planned("entra_enabled").is_unknown() && plan.config("tenant_id").is_null() {
            plan.unknown("tenant_id");
        }
        if !plan.is_create() {
            plan.keep("previous");
        }
        planning::restarts(plan);
        Ok(())
    }

    fn plan_destroy(prior: &Object, cx: &Context) {
        let value = |name: &str| prior.get(name).unwrap_or(&Value::Null);
        if let Some(warning) = planning::restart_when_destroyed(value) {
            cx.warn(planning::RESTARTS, warning);
        }
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let server = self.server(cx).await?;
        let _held = server.turn().await?;
        let before = shown(&server).await?.now;
        let wanted = self.wanted(&before, cx).await?;
        if before == wanted {
            let detail = format!(
                "{} had these settings already, so there is nothing to give back when this resource is destroyed: they stay then. If an apply that was killed \
                 has set them, what the server had before that is not known any more.",
                server.id
            );
            cx.warn("Found already", detail);
        }
        let made = Self {
            previous: Computed::known(Some(Record(before.clone().into()))),
            ..self
        };
        if let Err(Failed { told, in_doubt }) = bring_about(&server, &before, &wanted, made.force).await {
            // What Azure has taken before it failed is to be given back.
            if !in_doubt && now_again(&server).await.is_some_and(|now| now == before) {
                return Err(told);
            }
            let made = made.with(&wanted);
            if !cx.patience().is_over() {
                cx.checkpoint(&made);
                return Err(told);
            }
            // A creation that ends early is no failure, or else the next apply would begin by switching back.
            cx.warn_not_waited_for("the change", &told);
            return Ok(made);
        }
        Ok(made.with(&wanted))
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(server) = cx.seen_server(&self.server_id).await? else {
            return Ok(None);
        };
        let found = shown(&server).await?;
        if found.needs_restart {
            cx.warn("Restart needed", restart_needed(&server));
        }
        Ok(Some(self.with(&found.now)))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        let server = self.server(cx).await?;
        let _held = server.turn().await?;
        let found = shown(&server).await?.now;
        let wanted = self.wanted(&found, cx).await?;
        let done = bring_about(&server, &found, &wanted, self.force).await;
        done.map_err(|failed| failed.told)?;
        let previous = Computed::known(prior.previous.into_inner().flatten());
        Ok(Self { previous, ..self }.with(&wanted))
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        let Some(Record(previous)) = self.previous.clone().into_inner().flatten() else {
            let detail = format!(
                "What {} had before is not known: this resource was imported. Its settings stay as they are: \
                 passwords are {}, Microsoft Entra is {}.",
                self.server_id,
                switched(self.password_enabled),
                switched(self.entra_enabled)
            );
            cx.warn("Settings left as they are", detail);
            return Ok(());
        };
        let mut before = Authentication::from(previous);
        let Some(server) = cx.server(&self.server_id).await? else {
            return Ok(());
        };
        let _held = server.turn().await?;
        let found = shown(&server).await?.now;
        if found.entra && !before.entra && ready::has_administrators(&server).await? {
            let detail = format!(
                "Microsoft Entra was not enabled on {} before, but the server has Entra administrators, who could not log in any more. It stays enabled.",
                self.server_id
            );
            cx.warn("Microsoft Entra left enabled", detail);
            (before.entra, before.tenant_id) = (true, found.tenant_id.clone());
        }
        let done = bring_about(&server, &found, &before, self.force).await;
        done.map_err(|failed| failed.told)
    }

    async fn import(parts: &Parts, _cx: &Context) -> Result<Self> {
        let server_id: ResourceId = parts.parse("server_id")?;
        if ServerKind::of(&server_id).is_none() {
            return Err(Diagnostic::error("Invalid import ID", no_server()));
        }
        Ok(Self {
            server_id,
            entra_enabled: true,
            password_enabled: true,
            tenant_id: Computed::known(None),
            force: false,
            previous: Computed::known(None),
            timeouts: Timeouts::default(),
        })
    }
}

impl EntraAuthentication {
    async fn server<'a>(&self, cx: &'a Context) -> Result<DatabaseServer<'a>> {
        let server = cx.existing_server(&self.server_id).await?;
        let tenant = self.tenant_id.get().is_some_and(Option::is_some);
        match mistake(server.kind(), self.entra_enabled, self.password_enabled, tenant) {
            Some(mistake) => Err(mistake),
            None => Ok(server),
        }
    }

    /// The settings that the configuration comes to.
    async fn wanted(&self, now: &Authentication, cx: &Context) -> Result<Authentication> {
        let given = self.tenant_id.get().copied().flatten().map(|id| id.to_string());
        let tenant_id = match (self.entra_enabled, given.or_else(|| now.tenant_id.clone())) {
            (false, _) => None,
            (true, Some(tenant_id)) => Some(tenant_id),
            // Only PostgreSQL asks for it, when Entra is enabled.
            (true, None) if !now.entra => cx.clients()?.azure().token(Scope::ResourceManager).await?.claims()?.tid,
            (true, None) => None,
        };
        Ok(Authentication {
            entra: self.entra_enabled,
            password: self.password_enabled,
            tenant_id,
        })
    }

    fn with(self, now: &Authentication) -> Self {
        let tenant_id = now.tenant_id.as_deref().filter(|_| now.entra);
        Self {
            entra_enabled: now.entra,
            password_enabled: now.password,
            tenant_id: Computed::known(tenant_id.and_then(|id| id.parse().ok())),
            ..self
        }
    }
}

/// What makes no sense for a kind of server.
fn mistake(kind: ServerKind, entra: bool, password: bool, tenant: bool) -> Option<Diagnostic> {
    let (attribute, detail) = match kind {
        ServerKind::Postgresql if !entra && !password => (
            "password_enabled",
            "With Microsoft Entra and passwords both switched off, nobody could log in. Enable one of them.".to_owned(),
        ),
        ServerKind::Postgresql if !entra && tenant => (
            "tenant_id",
            "A tenant is of use only while Microsoft Entra is enabled.".to_owned(),
        ),
        ServerKind::Postgresql => return None,
        _ if !entra => (
            "entra_enabled",
            format!(
                "{} has no switch for Microsoft Entra: it is on as soon as the server has an Entra administrator. Remove the administrator instead.",
                kind.title()
            ),
        ),
        _ if tenant => (
            "tenant_id",
            format!(
                "{} takes the tenant from its Entra administrator. Set `tenant_id` there, in `entradb_entra_admin`.",
                kind.title()
            ),
        ),
        _ => return None,
    };
    Some(Diagnostic::error("Invalid value", detail).at(attribute))
}

/// What a server says of its settings.
async fn shown(server: &DatabaseServer<'_>) -> Result<Shown> {
    let azure = server.clients.azure();
    Ok(azure
        .authentication(&server.id, &server.found, server.cx.patience())
        .await?)
}

/// The same after a write that failed; none where that cannot be found out.
async fn now_again(server: &DatabaseServer<'_>) -> Option<Authentication> {
    let again = server.cx.server(&server.id).await.ok()??;
    shown(&again).await.ok().map(|shown| shown.now)
}

fn switched(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn restart_needed(server: &DatabaseServer<'_>) -> String {
    format!(
        "Azure says that {} has to be restarted before the change works. Until then, people and applications sign in as they did.",
        server.id
    )
}

/// Opens and shuts what is to be opened and shut, and nothing where nothing is.
async fn bring_about(
    server: &DatabaseServer<'_>,
    now: &Authentication,
    wanted: &Authentication,
    force: bool,
) -> Result<(), Failed> {
    if now == wanted {
        return Ok(());
    }
    if server.kind() == ServerKind::Postgresql {
        server.must_not_follow("ways to sign in")?;
    }
    server.must_run()?;
    if now.password && !wanted.password {
        ready::must_be_ready(server, now, force).await?;
    }
    tracing::info!(server = %server.id, entra = wanted.entra, password = wanted.password, "switching the ways to sign in");
    let azure = server.clients.azure();
    let done = azure
        .set_authentication(&server.id, server.kind(), wanted, server.cx.patience())
        .await;
    server.changed();
    match done {
        Ok(false) => Ok(()),
        Ok(true) => {
            server.cx.warn("Restart needed", restart_needed(server));
            Ok(())
        }
        Err(error) => Err(Failed {
            in_doubt: error.is_in_doubt(),
            told: explained(error, server),
        }),
    }
}

fn explained(error: Error, server: &DatabaseServer<'_>) -> Diagnostic {
    if error.code().is_some_and(|code| code.contains("NoAADAdmin")) {
        return ready::no_administrator(server);
    }
    let on_replica = error.kind() == Kind::InvalidRequest && server.found.is_replica();
    let told = Diagnostic::from(error);
    if !on_replica {
        return told;
    }
    let primary = server.found.primary.as_deref().unwrap_or("which Azure does not name");
    let detail = format!("{}\n\nThe server is a replica; its primary is {primary}.", told.detail);
    Diagnostic { detail, ..told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_for_a_kind_is_refused() {
        let (pg, sql) = (ServerKind::Postgresql, ServerKind::Mssql);
        let table = [
            (pg, true, true, true, None),
            (pg, false, true, false, None),
            (pg, false, false, false, Some("password_enabled")),
            (pg, false, true, true, Some("tenant_id")),
            (sql, true, false, false, None),
            (sql, false, true, false, Some("entra_enabled")),
            (ServerKind::Mysql, true, true, true, Some("tenant_id")),
            (ServerKind::ManagedInstance, false, false, false, Some("entra_enabled")),
        ];
        for (kind, entra, password, tenant, wrong) in table {
            let told = mistake(kind, entra, password, tenant);
            let at = told.map(|told| told.path.to_string());
            assert_eq!(at.as_deref(), wrong, "{kind:?} {entra} {password} {tenant}");
        }
    }
}
