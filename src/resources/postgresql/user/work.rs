//! One creation or change of a user: a transaction that looks, decides, writes and reads back. It may run any number of times.

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::config::Guid;
use crate::provider::import;
use crate::provider::postgresql::{Failure, POSTGRES, Postgresql};
use crate::resources::postgresql::found_role::{NO_LIMIT, gone, known, limit, locks, number, setting_changes};
use crate::resources::postgresql::role_name::is_platform;
use crate::resources::postgresql::role_settings::Settings;
use crate::resources::postgresql::user::former_login::FormerLogin;
use crate::resources::postgresql::user::{PostgresqlUser, binding};
use crate::sql;
use crate::sql::error::Kind;
use crate::sql::pool::Pooled;
use crate::sql::postgres::label::Label;
use crate::sql::postgres::lock;
use crate::sql::postgres::role_look::{self, Look};
use crate::sql::postgres::server_catalog::{OPTIONS, Role};
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::session::Transaction;
use crate::sql::statement::{Name, Statement};

/// One creation or change, as every attempt at it sees it.
pub(super) struct Work<'a> {
    /// As planned.
    pub(super) user: &'a PostgresqlUser,
    /// Where.
    pub(super) server: &'a Postgresql<'a>,
    /// What the role is called in the end.
    pub(super) name: &'a Name,
    /// What it is bound to in the end.
    pub(super) label: Label,
}

/// What was there before a creation.
pub(super) enum Found {
    /// No role of that name.
    Nothing,
    /// Exactly what is configured: what an apply that was killed leaves behind.
    Same,
    /// Something else, with leave to take it over.
    Other,
}

/// What a creation or change came to.
pub(super) struct Changed {
    /// As it is now.
    pub(super) state: PostgresqlUser,
    /// How the role was logged in to before, where that ended.
    pub(super) former: Option<FormerLogin>,
}

/// How an administrator is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As any role.
    Directly,
    /// While it is an ordinary role: its rights go before and come after, in one transaction. For version 16 and later.
    AsOrdinary,
}

impl Work<'_> {
    /// Makes the role, or takes over what is there.
    pub(super) async fn make(&self) -> Result<(Changed, Found), Failure> {
        tracing::info!(role = %self.name, "creating the role");
        let make = |session| self.attempt_to_make(session, Way::Directly);
        match self.server.write(POSTGRES, "creating the role", make).await {
            // Another tool made it in the same moment: look at what it is.
            Err(failure) if failure.kind() == Some(Kind::AlreadyExists) => {
                self.server.write(POSTGRES, "creating the role", make).await
            }
            Err(refused) if self.may_be_lowered(&refused, None).await => {
                let make = |session| self.attempt_to_make(session, Way::AsOrdinary);
                let made = self.server.write(POSTGRES, "creating the administrator", make).await;
                made.map_err(|failure| self.explained(failure, refused))
            }
            outcome => outcome,
        }
    }

    /// Whether this may be the refusal that administrators meet who change each other, from version 16 on.
    async fn may_be_lowered(&self, refused: &Failure, prior: Option<&PostgresqlUser>) -> bool {
        let administers = self.label.admin || prior.is_some_and(|prior| prior.administrator);
        let refuses = refused.kind() == Some(Kind::PermissionDenied);
        let catalog = self.server.catalog();
        administers && refuses && catalog.await.is_ok_and(|catalog| catalog.version >= OPTIONS)
    }

    fn explained(&self, failure: Failure, refused: Failure) -> Failure {
        match failure.kind() {
            Some(Kind::PermissionDenied | Kind::EntraNotEnabled) => {
                binding::another_administrator(self.name, refused).into()
            }
            _ => failure,
        }
    }

    fn ordinary(&self) -> Label {
        Label {
            admin: false,
            ..self.label
        }
    }

    async fn attempt_to_make(&self, mut session: Pooled, way: Way) -> Result<(Changed, Found), Failure> {
        let version = session.version();
        let (transaction, answers) = session
            .begin_and_ask(&lock::take(&locks(None, self.name)), &[self.question()])
            .await?;
        match role_look::read(&answers, None, self.name)? {
            None => {
                // What a new role begins with; what is different all the same is seen afterwards.
                let changes = self.changes(true, NO_LIMIT, &Settings::new(), None)?;
                let statements = match way {
                    Way::Directly => [vec![binding::create(self.name, self.label)?], changes].concat(),
                    Way::AsOrdinary => {
                        let last = vec![binding::update(self.name, self.label)?];
                        [vec![binding::create(self.name, self.ordinary())?], changes, last].concat()
                    }
                };
                let state = self.finish(transaction, statements, None).await?;
                Ok((Changed { state, former: None }, Found::Nothing))
            }
            Some(look) => {
                let found = self.judge(&look)?;
                let changes = self.changes_of(&look.role, None)?;
                let statements = self.bound(&look, changes, (way, version))?;
                let former = FormerLogin::find(&transaction, &look.role, self.user, self.label).await?;
                let state = self.finish(transaction, statements, None).await?;
                Ok((Changed { state, former }, found))
            }
        }
    }

    fn question(&self) -> Question {
        role_look::question(None, self.name)
    }

    /// The changes of a role that is there, and what binds it.
    fn bound(&self, look: &Look, changes: Vec<Statement>, (way, version): (Way, u32)) -> Result<Vec<Statement>> {
        if way == Way::Directly || !look.can_rebind {
            return Ok([binding::rebind(&look.role.name, look, self.label, version)?, changes].concat());
        }
        let mut statements = vec![binding::update(&look.role.name, self.ordinary())?];
        statements.extend(changes);
        if self.label.admin {
            statements.push(binding::update(self.name, self.label)?);
        }
        Ok(statements)
    }

    /// Writes, looks again in the same message, and makes it lasting when it is what was asked for.
    async fn finish(
        &self,
        transaction: Transaction<'_>,
        statements: Vec<Statement>,
        prior: Option<&PostgresqlUser>,
    ) -> Result<PostgresqlUser, Failure> {
        let question = [self.question()];
        let mut look = self.look(&transaction.execute_and_ask(&statements, &question).await?)?;
        let left = self.changes_of(&look.role, prior)?;
        if !left.is_empty() {
            look = self.look(&transaction.execute_and_ask(&left, &question).await?)?;
        }
        self.check(&look)?;
        transaction.commit().await?;
        Ok(self.user.as_found(&look.role, look.administers, None, self.server))
    }

    fn look(&self, answers: &[Vec<Row>]) -> Result<Look, Failure> {
        role_look::read(answers, None, self.name)?.ok_or_else(|| gone(self.name))
    }

    /// Whether a role that is there may become ours.
    fn judge(&self, look: &Look) -> Result<Found> {
        let role = &look.role;
        let bound = binding::is_bound(role, self.label)
            && look.administers.unwrap_or(self.label.admin) == self.label.admin
            && !binding::lacks_attributes(role, self.label.admin)
            && self.changes_of(role, None)?.is_empty();
        if bound && !is_platform(role) {
            return Ok(Found::Same);
        }
        let (object_id, _) = binding::bound(role);
        let ours = Guid(self.label.oid);
        let (what, adoptable) = match object_id {
            _ if is_platform(role) => {
                let detail = format!(
                    "The role {} belongs to PostgreSQL or to Azure. Choose another `name`.",
                    self.name
                );
                return Err(Diagnostic::error("Belongs to the platform", detail).at("name"));
            }
            Some(other) if other != ours => (format!("is bound to the principal {other}, not to {ours}"), false),
            Some(_) => (
                "is bound to the same principal, but with other flags, attributes or settings".to_owned(),
                true,
            ),
            None if role.login => (
                "is not bound to a principal of Microsoft Entra: it logs in with a password so far, and with a token once it is bound".to_owned(),
                true,
            ),
            None => ("is not bound to a principal of Microsoft Entra".to_owned(), true),
        };
        if adoptable && self.user.adopt_existing {
            return self.keeps_its_rights(look).map(|()| Found::Other);
        }
        let id = import::id([self.user.server.to_string().as_str(), self.name.as_str()]);
        let adopt = if adoptable { "set `adopt_existing`, or " } else { "" };
        let detail = format!(
            "The role {} exists already and {what}. To manage it all the same, {adopt}import it, and the plan will show what changes:\n\n  \
             terraform import <address> '{id}'",
            self.name
        );
        Err(Diagnostic::error("Already exists in the database", detail).at("name"))
    }

    /// Changes what differs, and nothing else.
    pub(super) async fn change(&self, prior: &PostgresqlUser) -> Result<Changed, Failure> {
        tracing::info!(role = %self.name, "changing the role");
        let attempt = |session| self.attempt_to_change(session, prior, Way::Directly);
        match self.server.write(POSTGRES, "changing the role", attempt).await {
            Err(refused) if self.may_be_lowered(&refused, Some(prior)).await => {
                let attempt = |session| self.attempt_to_change(session, prior, Way::AsOrdinary);
                let changed = self.server.write(POSTGRES, "changing the administrator", attempt).await;
                changed.map_err(|failure| self.explained(failure, refused))
            }
            outcome => outcome,
        }
    }

    async fn attempt_to_change(
        &self,
        mut session: Pooled,
        prior: &PostgresqlUser,
        way: Way,
    ) -> Result<Changed, Failure> {
        let version = session.version();
        let oid = prior.oid.get();
        let last = prior.name.get().unwrap_or(self.name);
        let question = [role_look::question(number(oid), last)];
        let (transaction, answers) = session
            .begin_and_ask(&lock::take(&locks(oid, self.name)), &question)
            .await?;
        let look = known(role_look::read(&answers, number(oid), last)?, oid, last)?;
        let former = FormerLogin::find(&transaction, &look.role, self.user, self.label).await?;
        let mut changes = Vec::new();
        if look.role.name != *self.name {
            changes.push(sql!("ALTER ROLE {} RENAME TO {}", &look.role.name, self.name));
        }
        changes.extend(self.changes_of(&look.role, Some(prior))?);
        let statements = self.bound(&look, changes, (way, version))?;
        Ok(Changed {
            state: self.finish(transaction, statements, Some(prior)).await?,
            former,
        })
    }

    fn changes_of(&self, role: &Role, prior: Option<&PostgresqlUser>) -> Result<Vec<Statement>> {
        self.changes(role.login, limit(role), &role.settings, prior)
    }

    /// What differs besides the name and the binding.
    fn changes(
        &self,
        login: bool,
        limit: i64,
        found: &Settings,
        prior: Option<&PostgresqlUser>,
    ) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        if login != self.user.login {
            let word = if self.user.login { "LOGIN" } else { "NOLOGIN" };
            statements.push(sql!("ALTER ROLE {} {}", self.name, word));
        }
        let limited = self.user.connection_limit.unwrap_or(NO_LIMIT);
        if limit != limited {
            statements.push(sql!("ALTER ROLE {} CONNECTION LIMIT {}", self.name, limited));
        }
        let before = prior.and_then(|prior| prior.settings.as_ref());
        statements.extend(setting_changes(self.name, found, self.user.settings.as_ref(), before)?);
        Ok(statements)
    }

    /// The role must be bound as was asked for.
    fn check(&self, look: &Look) -> Result<()> {
        let administers = look.administers.unwrap_or(self.label.admin) == self.label.admin;
        let lacks_attributes = binding::lacks_attributes(&look.role, self.label.admin);
        if binding::is_bound(&look.role, self.label) && administers && !lacks_attributes {
            return Ok(());
        }
        let found = look.role.label.as_deref().unwrap_or("nothing");
        let rights = match look.administers {
            Some(true) if !administers => ", and as a member of `azure_pg_admin`",
            Some(false) if !administers => ", and not as a member of `azure_pg_admin`",
            _ if lacks_attributes => ", and without CREATEROLE or CREATEDB",
            _ => "",
        };
        let detail = format!(
            "The server bound the role {} to `{found}`{rights} where `{}` was asked for. Nothing was changed.",
            self.name, self.label
        );
        Err(Diagnostic::error("Unexpected answer from the database", detail))
    }

    /// To take over an administrator as something less would take its rights away: that has to be said.
    fn keeps_its_rights(&self, look: &Look) -> Result<()> {
        if look.administers != Some(true) || self.label.admin {
            return Ok(());
        }
        let detail = format!(
            "The role {} exists already and administers the server, as a member of `azure_pg_admin`. To take it over with its rights, set \
             `administrator = true`; to take it over without them, revoke the membership first.",
            self.name
        );
        Err(Diagnostic::error("Already exists in the database", detail).at("administrator"))
    }
}
