//! One creation or change of a user: a transaction that looks, decides, writes and reads back. It may run any number of times.

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::config::Guid;
use crate::provider::import;
use crate::provider::postgresql::{Failure, POSTGRES, Postgresql};
use crate::resources::postgresql::found_role::{find, gone, limit, locks, setting_changes};
use crate::resources::postgresql::role_name::is_platform;
use crate::resources::postgresql::user::{PostgresqlUser, binding};
use crate::sql;
use crate::sql::error::Kind;
use crate::sql::pool::Pooled;
use crate::sql::postgres::label::Label;
use crate::sql::postgres::lock;
use crate::sql::postgres::server_catalog::{Role, ServerCatalog};
use crate::sql::session::Session;
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

impl Work<'_> {
    /// Makes the role, or takes over what is there.
    pub(super) async fn make(&self) -> Result<(PostgresqlUser, Found), Failure> {
        tracing::info!(role = %self.name, "creating the role");
        let make = |session| self.attempt_to_make(session);
        match self.server.write(POSTGRES, "creating the role", make).await {
            // Another tool made it in the same moment: look at what it is.
            Err(failure) if failure.kind() == Some(Kind::AlreadyExists) => {
                self.server.write(POSTGRES, "creating the role", make).await
            }
            outcome => outcome,
        }
    }

    async fn attempt_to_make(&self, mut session: Pooled) -> Result<(PostgresqlUser, Found), Failure> {
        let transaction = session.begin(&lock::take(&locks(None, self.name))).await?;
        let catalog = ServerCatalog::load(&transaction).await?;
        let found = match catalog.role(self.name.as_str()) {
            None => {
                binding::create(&transaction, self.name, self.label).await?;
                Found::Nothing
            }
            Some(role) => {
                let found = self.judge(role, &catalog)?;
                binding::rebind(&transaction, &catalog, role, self.label).await?;
                found
            }
        };
        let catalog = ServerCatalog::load(&transaction).await?;
        let role = catalog.role(self.name.as_str()).ok_or_else(|| gone(self.name))?;
        transaction.execute_all(&self.changes(role, None)?).await?;
        let state = self.read_back(&transaction).await?;
        transaction.commit().await?;
        Ok((state, found))
    }

    /// Whether a role that is there may become ours.
    fn judge(&self, role: &Role, catalog: &ServerCatalog) -> Result<Found> {
        let bound = binding::is_bound(role, self.label)
            && binding::is_administrator(catalog, role) == self.label.admin
            && self.changes(role, None)?.is_empty();
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
            None => ("is not bound to a principal of Microsoft Entra".to_owned(), true),
        };
        if adoptable && self.user.adopt_existing {
            return Ok(Found::Other);
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
    pub(super) async fn change(&self, prior: &PostgresqlUser) -> Result<PostgresqlUser, Failure> {
        tracing::info!(role = %self.name, "changing the role");
        let attempt = |session| self.attempt_to_change(session, prior);
        self.server.write(POSTGRES, "changing the role", attempt).await
    }

    async fn attempt_to_change(&self, mut session: Pooled, prior: &PostgresqlUser) -> Result<PostgresqlUser, Failure> {
        let transaction = session.begin(&lock::take(&locks(prior.oid.get(), self.name))).await?;
        let catalog = ServerCatalog::load(&transaction).await?;
        let known = prior.name.get().unwrap_or(self.name);
        let mut role = find(&catalog, prior.oid.get(), known)
            .cloned()
            .ok_or_else(|| gone(known))?;
        if role.name != *self.name {
            transaction
                .execute(sql!("ALTER ROLE {} RENAME TO {}", &role.name, self.name))
                .await?;
            role.name = self.name.clone();
        }
        binding::rebind(&transaction, &catalog, &role, self.label).await?;
        transaction.execute_all(&self.changes(&role, Some(prior))?).await?;
        let state = self.read_back(&transaction).await?;
        transaction.commit().await?;
        Ok(state)
    }

    /// What differs besides the name and the binding.
    fn changes(&self, role: &Role, prior: Option<&PostgresqlUser>) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        if role.login != self.user.login {
            let word = if self.user.login { "LOGIN" } else { "NOLOGIN" };
            statements.push(sql!("ALTER ROLE {} {}", self.name, word));
        }
        if limit(role) != self.user.connection_limit {
            statements.push(sql!(
                "ALTER ROLE {} CONNECTION LIMIT {}",
                self.name,
                self.user.connection_limit
            ));
        }
        let before = prior.and_then(|prior| prior.settings.as_ref());
        statements.extend(setting_changes(
            self.name,
            &role.settings,
            self.user.settings.as_ref(),
            before,
        )?);
        Ok(statements)
    }

    /// The role as it is now, which must be bound as was asked for.
    async fn read_back(&self, session: &Session) -> Result<PostgresqlUser, Failure> {
        let catalog = ServerCatalog::load(session).await?;
        let role = catalog.role(self.name.as_str()).ok_or_else(|| gone(self.name))?;
        if !binding::is_bound(role, self.label) || binding::is_administrator(&catalog, role) != self.label.admin {
            let found = role.label.as_deref().unwrap_or("nothing");
            let detail = format!(
                "The server bound the role {} to `{found}` where `{}` was asked for. Nothing was changed.",
                self.name, self.label
            );
            return Err(Diagnostic::error("Unexpected answer from the database", detail).into());
        }
        Ok(self.user.as_found(role, &catalog, self.server))
    }
}
