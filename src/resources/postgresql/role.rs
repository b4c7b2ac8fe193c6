//! `entradb_postgresql_role`

use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::{Computed, Timeouts};
use crate::protocol::value::Object;
use crate::provider::context::Context;
use crate::provider::import::{self, Parts};
use crate::provider::plan::Plan;
use crate::provider::postgresql::{Failure, POSTGRES, Postgresql};
use crate::provider::resource::Resource;
use crate::provider::server::Server;
use crate::resources::postgresql::departure::{self, Departure, OwnedObjects};
use crate::resources::postgresql::found_role::{
    NO_LIMIT, all_settings, find, gone, is_another, known, known_number, limit, locks, managed, note_apply,
    note_import, number, plan_settings, setting_changes, settings, tell_of_another,
};
use crate::resources::postgresql::role_name;
use crate::resources::postgresql::role_settings::{self, Settings};
use crate::sql;
use crate::sql::error::Kind;
use crate::sql::pool::Pooled;
use crate::sql::postgres::lock;
use crate::sql::postgres::role_look;
use crate::sql::postgres::server_catalog::Role;
use crate::sql::session::Transaction;
use crate::sql::statement::{Name, Statement};

model! {
    /// A role of a PostgreSQL server that nobody logs in as: what several principals have in common, such as the ownership of an application's tables.
    ///
    /// Memberships are given by `entradb_postgresql_role_membership`, privileges by `entradb_postgresql_access`.
    ///
    /// A role that exists already, exactly as configured, is taken over with a warning, and destroying this resource then drops it. One that differs is an
    /// error that names the import command.
    pub struct PostgresqlRole {
        /// The server: its ARM ID or its host name, with a port where that is not 5432 (`…:6432` for PgBouncer). Both spellings are the same server.
        #[replace]
        pub server: Server,
        /// The name of the role. A change renames the role and keeps everything that it has.
        pub name: Name,
        /// Whether the role may create databases.
        #[default(false)]
        pub create_database: bool,
        /// Whether the role may create other roles.
        #[default(false)]
        pub create_role: bool,
        /// Whether the role has the privileges of the roles that it is a member of, without `SET ROLE`.
        #[default(true)]
        pub inherit: bool,
        /// How many sessions the role may have at once. Without this argument there is no limit.
        #[between(0, 262_143)]
        pub connection_limit: Option<i64>,
        /// Settings of the role in all databases, as `ALTER ROLE … SET` gives them. Settings that are not listed are taken away; without this argument they are left alone.
        pub settings: Option<Settings>,
        /// What becomes of the objects that the role owns, in all databases, when the role is destroyed: `refuse` keeps the role as long as there are any, `reassign` gives them to `reassign_owned_to`, `drop` drops them, but no databases and nothing of others that depends on them. Many objects go in steps; when one fails, the next destroy goes on from there. Like every argument, it must be applied before the destroy that it is meant for.
        #[default("refuse")]
        pub owned_objects: OwnedObjects,
        /// The role that becomes the owner, with `owned_objects = "reassign"`.
        pub reassign_owned_to: Option<Name>,
        /// The number (`oid`) of the role, which stays when the name changes.
        #[stable]
        pub oid: Computed<String>,
        /// Whether somebody may log in as the role: never after an apply. A login that was given by hand shows in a plan, and the apply takes it away.
        pub login: Computed<bool>,
        /// The ARM ID of the server, when the server was given by it.
        #[stable]
        pub server_id: Computed<Option<ResourceId>>,
        /// The host name of the server.
        #[stable]
        pub host: Computed<String>,
        pub timeouts: Timeouts,
    }
}

/// What an attempt to create came to.
struct Made {
    state: PostgresqlRole,
    found: bool,
}

impl Resource for PostgresqlRole {
    const NAME: &'static str = "entradb_postgresql_role";
    const IDENTITY: &'static [&'static str] = &["server", "name"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let mut mistakes = role_settings::mistakes(config);
        mistakes.extend(role_name::mistake(config, "name"));
        mistakes.extend(departure::mistakes(config));
        mistakes
    }

    async fn plan(plan: &mut Plan, cx: &Context) -> Result<()> {
        Server::plan(plan);
        plan_settings(plan, cx);
        if plan.prior("login").as_bool() == Some(true) {
            let detail = "Somebody may log in as this role, which was not given here: an apply takes that away, from applications too. \
                          A role that is logged in as is an `entradb_postgresql_user`.";
            plan.warn(Diagnostic::warning("Login will be taken away", detail).at("name"));
        }
        plan.set("login", false);
        Ok(())
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let make = |session| self.attempt_to_make(session, &server);
        let mut made = server.write(POSTGRES, "creating the role", make).await;
        if made
            .as_ref()
            .is_err_and(|failure| failure.kind() == Some(Kind::AlreadyExists))
        {
            // Somebody made it in the same moment: look at what it is.
            made = server.write(POSTGRES, "creating the role", make).await;
        }
        let Made { state, found } = made?;
        note_apply(cx);
        if found {
            let detail = format!(
                "The role {} existed already, exactly as configured; it is managed by Terraform from now on.",
                self.name
            );
            cx.warn("Found already", detail);
        }
        Ok(state)
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(None);
        };
        let catalog = server.catalog().await?;
        let Some(role) = find(&catalog, self.oid.get(), &self.name) else {
            return Ok(None);
        };
        if is_another(role, self.oid.get()) && (role.login || role.label.is_some()) {
            tell_of_another(role, cx);
            return Ok(None);
        }
        let found = self.as_found(role, &server);
        let settings = if self.oid.get().is_some() {
            found.settings
        } else {
            all_settings(&role.settings)
        };
        Ok(Some(Self { settings, ..found }))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let settings = managed(prior.settings.clone(), cx);
        let prior = Self { settings, ..prior };
        let attempt = |session| self.attempt_to_change(session, &prior, &server);
        let changed = server.write(POSTGRES, "changing the role", attempt).await?;
        note_apply(cx);
        Ok(changed)
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(());
        };
        let role = known_number(self.oid.get(), Some(&self.name))?;
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
            name: parts.parse("name")?,
            create_database: false,
            create_role: false,
            inherit: true,
            connection_limit: None,
            settings: None,
            owned_objects: OwnedObjects::Refuse,
            reassign_owned_to: None,
            oid: Computed::UNKNOWN,
            login: Computed::UNKNOWN,
            server_id: Computed::UNKNOWN,
            host: Computed::UNKNOWN,
            timeouts: Timeouts::default(),
        })
    }
}

impl PostgresqlRole {
    fn as_found(&self, role: &Role, server: &Postgresql<'_>) -> Self {
        Self {
            name: role.name.clone(),
            create_database: role.create_database,
            create_role: role.create_role,
            inherit: role.inherit,
            connection_limit: role.connection_limit.map(i64::from),
            settings: settings(self.settings.as_ref(), &role.settings),
            oid: role.oid.to_string().into(),
            login: role.login.into(),
            server_id: server.id.clone().into(),
            host: server.host.to_string().into(),
            ..self.clone()
        }
    }

    async fn attempt_to_make(&self, mut session: Pooled, server: &Postgresql<'_>) -> Result<Made, Failure> {
        let question = [role_look::question(None, &self.name)];
        let (transaction, answers) = session
            .begin_and_ask(&lock::take(&locks(None, &self.name)), &question)
            .await?;
        if let Some(look) = role_look::read(&answers, None, &self.name)? {
            return Ok(Made {
                state: self.adopt(&look.role, server)?,
                found: true,
            });
        }
        let mut statements = vec![sql!(
            "CREATE ROLE {} NOLOGIN {} {} {} CONNECTION LIMIT {}",
            &self.name,
            if self.create_database { "CREATEDB" } else { "NOCREATEDB" },
            if self.create_role { "CREATEROLE" } else { "NOCREATEROLE" },
            if self.inherit { "INHERIT" } else { "NOINHERIT" },
            self.connection_limit.unwrap_or(NO_LIMIT)
        )];
        statements.extend(setting_changes(
            &self.name,
            &Settings::new(),
            self.settings.as_ref(),
            None,
        )?);
        Ok(Made {
            state: self.finish(transaction, statements, server).await?,
            found: false,
        })
    }

    /// Writes and looks again, in one message.
    async fn finish(
        &self,
        transaction: Transaction<'_>,
        statements: Vec<Statement>,
        server: &Postgresql<'_>,
    ) -> Result<Self, Failure> {
        let question = [role_look::question(None, &self.name)];
        let answers = transaction.commit_and_ask(&statements, &question).await?;
        let look = role_look::read(&answers, None, &self.name)?.ok_or_else(|| gone(&self.name))?;
        Ok(self.as_found(&look.role, server))
    }

    /// A role that is there already is ours if it is exactly what is asked for: what an apply that was killed leaves behind.
    fn adopt(&self, role: &Role, server: &Postgresql<'_>) -> Result<Self> {
        let found = Self {
            oid: Computed::UNKNOWN,
            ..self.clone()
        }
        .as_found(role, server);
        let wanted = Self {
            oid: found.oid.clone(),
            login: false.into(),
            server_id: found.server_id.clone(),
            host: found.host.clone(),
            ..self.clone()
        };
        if found == wanted && role.label.is_none() {
            return Ok(found);
        }
        let what = if role.login {
            "The role exists already, and somebody may log in as it, which an apply would take away"
        } else {
            "The role exists already, with other attributes or settings"
        };
        let id = import::id([self.server.to_string().as_str(), self.name.as_str()]);
        let detail = format!("{what}. To manage it all the same, import it:\n\n  terraform import <address> '{id}'");
        Err(Diagnostic::error("Already exists in the database", detail).at("name"))
    }

    async fn attempt_to_change(
        &self,
        mut session: Pooled,
        prior: &Self,
        server: &Postgresql<'_>,
    ) -> Result<Self, Failure> {
        let oid = prior.oid.get();
        let question = [role_look::question(number(oid), &prior.name)];
        let (transaction, answers) = session
            .begin_and_ask(&lock::take(&locks(oid, &self.name)), &question)
            .await?;
        let look = known(role_look::read(&answers, number(oid), &prior.name)?, oid, &prior.name)?;
        self.finish(transaction, self.changes(&look.role, prior)?, server).await
    }

    /// What differs, and nothing else.
    fn changes(&self, role: &Role, prior: &Self) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        if role.name != self.name {
            statements.push(sql!("ALTER ROLE {} RENAME TO {}", &role.name, &self.name));
        }
        let attributes = [
            (role.login, false, "LOGIN", "NOLOGIN"),
            (role.create_database, self.create_database, "CREATEDB", "NOCREATEDB"),
            (role.create_role, self.create_role, "CREATEROLE", "NOCREATEROLE"),
            (role.inherit, self.inherit, "INHERIT", "NOINHERIT"),
        ];
        for (has, wanted, yes, no) in attributes {
            if has != wanted {
                statements.push(sql!("ALTER ROLE {} {}", &self.name, if wanted { yes } else { no }));
            }
        }
        let limited = self.connection_limit.unwrap_or(NO_LIMIT);
        if limit(role) != limited {
            statements.push(sql!("ALTER ROLE {} CONNECTION LIMIT {}", &self.name, limited));
        }
        statements.extend(setting_changes(
            &self.name,
            &role.settings,
            self.settings.as_ref(),
            prior.settings.as_ref(),
        )?);
        Ok(statements)
    }
}
