//! How a role was logged in to until it was bound to a principal, or to another one: what is still open, and what the person who applies is told.

use crate::protocol::diagnostic::Diagnostic;
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::plan::Plan;
use crate::provider::postgresql::Failure;
use crate::resources::postgresql::found_role::{sessions, sessions_of};
use crate::resources::postgresql::user::PostgresqlUser;
use crate::resources::postgresql::user::binding;
use crate::sql::postgres::label::Label;
use crate::sql::postgres::server_catalog::Role;
use crate::sql::quote::Dialect;
use crate::sql::session::Transaction;
use crate::sql::statement::Name;

/// What a password role becomes.
const BY_TOKEN: &str = "Signs in with a token from now on";

/// What a bond does to a password.
const PASSWORD: &str = "New logins take a token and no longer the password. (Azure's documentation does not say so explicitly; nothing that is known contradicts it.)";

/// The way that locks nobody out.
const WITHOUT_INTERRUPTION: &str = "To move a running application without an interruption, make a user for its identity beside this role, move what the role owns with \
     `entradb_postgresql_ownership`, and then change the application; the guide \"Moving a running PostgreSQL application to Entra\" goes that way.";

/// How somebody logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    /// With a password, as far as anybody but a superuser can tell.
    Password,
    /// As another principal.
    Principal(Guid),
}

/// A way in that ends.
#[derive(Debug)]
pub(super) struct FormerLogin {
    login: Login,
    /// The sessions that it opened and that go on.
    sessions: Vec<String>,
}

impl FormerLogin {
    /// Looks, before the role is bound. The server is asked only when a way in ends.
    pub(super) async fn find(
        transaction: &Transaction<'_>,
        role: &Role,
        user: &PostgresqlUser,
        label: Label,
    ) -> Result<Option<Self>, Failure> {
        let login = match role.binding() {
            Some(found) if found.oid != label.oid => Login::Principal(Guid(found.oid)),
            None if role.label.is_none() && role.login && user.login => Login::Password,
            _ => return Ok(None),
        };
        let answers = transaction.execute_and_ask(&[], &[sessions_of(role.oid)]).await?;
        Ok(Some(Self {
            login,
            sessions: sessions(&answers)?,
        }))
    }

    /// Tells it, once the role is bound to this principal.
    pub(super) fn tell(&self, name: &Name, principal: Guid, cx: &Context) {
        let sessions = self.sessions.join(", ");
        match self.login {
            Login::Principal(_) if self.sessions.is_empty() => {}
            Login::Principal(old) => {
                let detail = format!(
                    "The role {name} is bound to the principal {principal} now. Sessions that the former principal {old} opened stay open until they close: {sessions}."
                );
                cx.warn("Sessions of the former principal", detail);
            }
            Login::Password => {
                let open = match self.sessions.is_empty() {
                    true => "No session of it is open.".to_owned(),
                    false => format!(
                        "These sessions are open and go on until they end; who opened them cannot open another one: {sessions}."
                    ),
                };
                let back = binding::unbind(name).render(Dialect::PostgreSql);
                let detail = format!(
                    "The role {name} had no principal, and logged in with a password. It is bound to the principal {principal} now. {PASSWORD}\n\n{open}\n\n\
                     The password itself is left as it is: `{back}` brings its login back, until the next apply. {WITHOUT_INTERRUPTION}"
                );
                cx.warn(BY_TOKEN, detail);
            }
        }
    }
}

/// Tells it in the plan, where the state knows that the role has no principal: after an import, or when somebody took the label away.
pub(super) fn plan(plan: &mut Plan) {
    let logs_in = [plan.prior("login"), plan.planned("login")].map(|login| login.as_bool() == Some(true));
    if plan.is_create() || logs_in != [true, true] || !plan.prior("object_id").is_null() {
        return;
    }
    let detail = format!(
        "The role {} has no principal, so it logs in with a password, and is to be bound to one. {PASSWORD}\n\n{WITHOUT_INTERRUPTION}",
        plan.prior("name").as_str().unwrap_or_default()
    );
    plan.warn(Diagnostic::warning(BY_TOKEN, detail));
}
