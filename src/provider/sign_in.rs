//! Logging in to a database: which role, with which token, over which address. What worked is remembered.

use crate::azure::cloud::Scope;
use crate::azure::error::Kind as AzureKind;
use crate::azure::token::Claims;
use crate::protocol::diagnostic::Diagnostic;
use crate::provider::login::{Administrator, candidates};
use crate::provider::postgresql::{Failure, Postgresql};
use crate::retry::within;
use crate::sql::dial::Endpoint;
use crate::sql::dial::proxy::Proxy;
use crate::sql::error::{Error as SqlError, Kind, LoginRefusal};
use crate::sql::pool::{Key, Pooled};
use crate::sql::postgres::connection::{Limits, Login, Target, connect};

impl Postgresql<'_> {
    /// Logs in as the role that worked before, else as each candidate in turn.
    pub(crate) async fn log_in(&self, database: &str) -> Result<Pooled, Failure> {
        self.may_see_the_token().await?;
        if let Some(outcome) = self.log_in_as_before(database).await {
            return outcome;
        }
        let turn = self.clients.locks.hold(format!("login {}", self.host));
        let what = format!("the login to {}", self.host);
        let _one_at_a_time = within(&self.patience, what, "another resource is at it", turn).await?;
        match self.log_in_as_before(database).await {
            Some(outcome) => outcome,
            None => self.find_login(database).await,
        }
    }

    /// Logs in as the role that worked before; `None` when there is none, or when it is refused by now.
    async fn log_in_as_before(&self, database: &str) -> Option<Result<Pooled, Failure>> {
        let user = self.clients.known_login(&self.host)?;
        match self.log_in_as(&user, database).await {
            Err(failure) if failure.login_refusal().is_some() => {
                self.clients.forget_login(&self.host);
                None
            }
            outcome => Some(outcome),
        }
    }

    /// A token goes only to a host of the cloud, or to one that the provider block names.
    async fn may_see_the_token(&self) -> Result<(), Failure> {
        let settings = self.clients.settings();
        let suffix = &self.clients.azure().cloud().await?.postgresql_host_suffix;
        let name = &self.host.name;
        if name.ends_with(suffix.as_str()) || settings.dial_address(&self.host).is_some() {
            return Ok(());
        }
        let detail = format!(
            "`{name}` is not a host of Azure Database for PostgreSQL in this cloud (`*{suffix}`), so no token is sent to it. \
             If it is the right host all the same, name it in `database_hosts` of the provider block."
        );
        Err(Diagnostic::error("Refused to send a token", detail).into())
    }

    async fn find_login(&self, database: &str) -> Result<Pooled, Failure> {
        let mut refusals: Vec<(String, SqlError)> = Vec::new();
        for round in [Round::WithoutDirectory, Round::WithDirectory] {
            for user in self.candidates(round).await? {
                if refusals.iter().any(|(tried, _)| *tried == user) {
                    continue;
                }
                tracing::debug!(host = %self.host, user, "trying to log in");
                match self.log_in_as(&user, database).await {
                    Err(Failure::Sql(error)) if matches!(error.kind, Kind::LoginRefused(refusal) if refusal != LoginRefusal::NoEncryptionOrFirewall) =>
                    {
                        refusals.push((user, error));
                    }
                    outcome => {
                        if was_let_in(&outcome) {
                            self.clients.remember_login(&self.host, user);
                        }
                        return outcome;
                    }
                }
            }
        }
        Err(refused(&self.host.name, refusals))
    }

    async fn candidates(&self, round: Round) -> Result<Vec<String>, Failure> {
        let token = self.clients.azure().token(Scope::OpenSourceDatabases).await?;
        let claims = token.claims()?;
        let administrators = self.administrators().await?;
        let configured = self.clients.settings().database_logins.get(&self.host.name).cloned();
        let (claims, own_name) = match round {
            // The client ID is the last resort, after the directory's own name.
            Round::WithoutDirectory => (
                Claims {
                    appid: None,
                    azp: None,
                    ..claims
                },
                None,
            ),
            Round::WithDirectory => {
                let own_name = self.own_name(&claims).await;
                (claims, own_name)
            }
        };
        let found = candidates(&claims, &administrators, own_name.as_deref());
        Ok(configured.into_iter().chain(found).collect())
    }

    /// The server's administrators; none where they may not be read.
    async fn administrators(&self) -> Result<Vec<Administrator>, Failure> {
        let Some(id) = &self.id else { return Ok(Vec::new()) };
        let found = match self.clients.azure().postgresql_administrators(id, &self.patience).await {
            Ok(found) => found,
            Err(error) if error.kind() == AzureKind::Forbidden || error.is_gone() => {
                tracing::info!(%error, "the server's administrators cannot be read; the login name is found without them");
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        let administrator = |found: crate::azure::postgresql::Administrator| Administrator {
            object_id: found.properties.object_id,
            name: found.properties.principal_name,
            is_group: found.properties.principal_type.eq_ignore_ascii_case("Group"),
        };
        Ok(found.into_iter().map(administrator).collect())
    }

    /// What the directory calls us; a service principal may read itself.
    async fn own_name(&self, claims: &Claims) -> Option<String> {
        let oid = claims.oid.as_deref().filter(|_| !claims.is_user())?;
        match self.clients.azure().service_principal(oid, &self.patience).await {
            Ok(found) => found?.display_name,
            Err(error) => {
                tracing::info!(%error, "the directory does not tell our own name");
                None
            }
        }
    }

    async fn log_in_as(&self, user: &str, database: &str) -> Result<Pooled, Failure> {
        match self.pooled(user, database).await {
            // A token that was good when it was fetched may have grown old in our memory.
            Err(failure)
                if matches!(
                    failure.login_refusal(),
                    Some(LoginRefusal::ExpiredToken | LoginRefusal::BadToken)
                ) =>
            {
                let azure = self.clients.azure();
                let token = azure.token(Scope::OpenSourceDatabases).await?;
                azure.discard(Scope::OpenSourceDatabases, &token).await;
                self.pooled(user, database).await
            }
            other => other,
        }
    }

    async fn pooled(&self, user: &str, database: &str) -> Result<Pooled, Failure> {
        let (azure, pool) = (self.clients.azure(), &self.clients.pool);
        let key = Key {
            host: self.host.name.clone(),
            port: self.host.port,
            user: user.to_owned(),
            database: database.to_owned(),
        };
        let token = azure.token(Scope::OpenSourceDatabases).await?;
        let tls = azure.trust().client_config()?;
        let login = Login {
            user: user.to_owned(),
            token: token.secret().clone(),
        };
        let target = Target {
            endpoint: &self.endpoint(),
            database,
            login: &login,
            limits: self.limits(),
        };
        pool.session(key, &self.patience, || async { connect(&target, &tls).await })
            .await
    }

    fn endpoint(&self) -> Endpoint {
        let dial = self.clients.settings().dial_address(&self.host).map(str::to_owned);
        Endpoint {
            host: self.host.name.clone(),
            port: self.host.port,
            proxy: self.proxy(dial.as_deref()),
            dial,
        }
    }

    /// The proxy on the way to what is dialled.
    fn proxy(&self, dial: Option<&str>) -> Option<Proxy> {
        let dialled = dial.and_then(|dial| dial.rsplit_once(':')).map(|(host, _)| host);
        let proxies = &self.clients.settings().proxies;
        proxies.on_the_way_to(dialled.unwrap_or(&self.host.name)).cloned()
    }

    fn limits(&self) -> Limits {
        let settings = self.clients.settings();
        Limits {
            connect: settings.connect_timeout,
            lock: settings.lock_timeout,
            ..Limits::default()
        }
    }
}

#[derive(Clone, Copy)]
enum Round {
    WithoutDirectory,
    WithDirectory,
}

/// Whether the server took the login. That there is no such database, or that it is closed to us, it says only after that; anything else, such as
/// that it is starting or has no session left, may come before it has looked at who asks.
fn was_let_in(outcome: &Result<Pooled, Failure>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(failure) => matches!(failure.kind(), Some(Kind::DatabaseGone | Kind::PermissionDenied)),
    }
}

/// Every role that was tried, and what the server said to each.
fn refused(host: &str, refusals: Vec<(String, SqlError)>) -> Failure {
    let Some((last_user, last)) = refusals.last() else {
        return Diagnostic::error(
            "No login name known",
            format!(
                "Nothing says as which role to log in to {host}. Name it in `database_logins` of the provider block."
            ),
        )
        .into();
    };
    let tried: Vec<String> = refusals
        .iter()
        .map(|(user, error)| format!("as `{user}`: {}", error.report.message))
        .collect();
    tracing::debug!(host, last_user, "every login was refused");
    let mut report = (*last.report).clone();
    report.message = format!("the login to {host} was refused ({})", tried.join("; "));
    Failure::Sql(SqlError::reported(last.kind, report))
}
