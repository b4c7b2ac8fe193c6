//! The administrators of one server: listed, set, bound anew, removed. It does not know which one is wanted, nor why.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::azure::administrator::{EntraAdministrator, NotSeated, Sitting};
use crate::azure::error::Kind;
use crate::azure::resource_id::ResourceId;
use crate::azure::server::ServerKind;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::database_server::DatabaseServer;
use crate::resources::attributes::PrincipalType;
use crate::resources::entra_admin::creation::{kept_by_another, refused};
use crate::resources::entra_admin::seated::{Present, Seated};
use crate::resources::entra_admin::{Wanted, mssql, mysql, postgresql};
use crate::resources::principal::NotKnown;
use crate::retry::Attempt;

/// The administrators of one server.
pub(super) struct Seats<'a> {
    server: &'a DatabaseServer<'a>,
    cx: &'a Context,
    in_doubt: AtomicBool,
}

impl<'a> Seats<'a> {
    pub(super) fn of(server: &'a DatabaseServer<'a>) -> Self {
        Self {
            server,
            cx: server.cx,
            in_doubt: AtomicBool::new(false),
        }
    }

    /// Whether a write that failed may have been done all the same.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Relaxed)
    }

    fn note(&self, outcome: &std::result::Result<(), NotSeated>) {
        let in_doubt = matches!(outcome, Err(NotSeated::Failed(error)) if error.is_in_doubt());
        self.in_doubt.fetch_or(in_doubt, Ordering::Relaxed);
    }

    fn kind(&self) -> ServerKind {
        self.server.kind()
    }

    /// That administrators can be set here: where they cannot, waiting would not help.
    pub(super) fn must_take_administrators(&self) -> Result<()> {
        match self.kind() {
            ServerKind::Postgresql => postgresql::must_take_administrators(self.server),
            _ => {
                self.server.must_not_follow("administrator")?;
                self.server.must_run()
            }
        }
    }

    /// The administrators that the server and its replicas have.
    pub(super) async fn look(&self) -> Result<Seated> {
        let mut seated = Seated {
            own: self.list(&self.server.id).await?,
            replicas: Vec::new(),
        };
        if self.kind() == ServerKind::Mysql {
            for id in mysql::with_replicas(self.server).await?.into_iter().skip(1) {
                let sole = self.list(&id).await?.into_iter().next();
                seated.replicas.push((id, sole));
            }
        }
        Ok(seated)
    }

    async fn list(&self, id: &ResourceId) -> Result<Vec<Present>> {
        let azure = self.server.clients.azure();
        let found = match azure.administrators(id, self.kind(), self.cx.patience()).await {
            Err(error) if error.is_gone() => Vec::new(),
            other => other?,
        };
        found.into_iter().map(|one| self.present(one)).collect()
    }

    fn present(&self, found: EntraAdministrator) -> Result<Present> {
        let sid: Guid = found.sid.parse().map_err(|error| {
            let detail = format!(
                "The administrator `{}` has the ID `{}`, which is no GUID: {error}.",
                found.name, found.sid
            );
            Diagnostic::error("Unexpected answer from Azure", detail)
        })?;
        // Only the server itself says what its only administrator is, and it may be a moment older.
        let shown = self.server.found.administrator.as_ref();
        let shown = shown.filter(|shown| shown.sid.as_deref().and_then(|sid| sid.parse().ok()) == Some(sid));
        let principal_type = found
            .principal_type
            .or_else(|| shown.and_then(|shown| shown.principal_type.clone()));
        Ok(Present {
            sid,
            principal_type: principal_type.as_deref().and_then(principal_type_of),
            name: found.name,
            tenant_id: found.tenant_id.as_deref().and_then(|text| text.parse().ok()),
            server_identity_id: found.server_identity_id.as_deref().and_then(|id| id.parse().ok()),
        })
    }

    /// Makes a principal an administrator.
    pub(super) async fn set(&self, wanted: &Wanted) -> Result<()> {
        let sid = wanted.sid;
        tracing::info!(server = %self.server.id, %sid, name = wanted.name, "setting the administrator");
        let outcome = async {
            if self.kind() != ServerKind::Mysql {
                return self.put_patiently(&self.server.id, wanted).await;
            }
            let all = mysql::with_replicas(self.server).await?;
            mysql::attach(self.server, &all, wanted).await?;
            for id in &all {
                let has = self.list(id).await?.iter().any(|one| one.is_exactly(wanted));
                if !has {
                    self.put_patiently(id, wanted).await?;
                }
            }
            Ok(())
        };
        let outcome = outcome.await;
        self.server.changed();
        outcome
    }

    /// Binds the administrator's name to another principal, or the only seat.
    ///
    /// PostgreSQL gets the new one first, then the former one goes. It takes the role of a name away together with its administrator, whoever the name was
    /// bound to last. So the new one is set once more, which changes nothing where the role is still there.
    pub(super) async fn rebind(&self, former: Guid, wanted: &Wanted) -> Result<()> {
        if self.kind() != ServerKind::Postgresql {
            return self.set(wanted).await;
        }
        if former != wanted.sid {
            match self.put(&self.server.id, wanted).await {
                Ok(()) => {}
                // Known not to be yet: waited for below, when the name is free.
                Err(NotSeated::Failed(error)) if error.kind() == Kind::PrincipalNotFound => {
                    self.put_when_known(&self.server.id, wanted).await?;
                }
                // The name belongs to the former one, and nobody else can have it before that one is gone.
                Err(NotSeated::Failed(error)) if error.message().contains("already exists") => {
                    tracing::info!(%error, "the name is taken by the former principal");
                }
                Err(ended) => return Err(self.told(&self.server.id, wanted, ended)),
            }
        }
        self.remove(&former.to_string()).await?;
        self.set(wanted).await
    }

    /// Takes one of the administrators of a PostgreSQL server away. Being none is success.
    pub(super) async fn remove(&self, sid: &str) -> Result<()> {
        self.server.must_run()?;
        tracing::info!(server = %self.server.id, %sid, "removing the administrator");
        let azure = self.server.clients.azure();
        let removed = azure.remove_administrator(&self.server.id, sid, self.cx.patience());
        let outcome = removed.await;
        self.server.changed();
        Ok(outcome?)
    }

    /// Empties the only seat of this server or a replica of it. Gives whoever has come there meanwhile, and stays.
    pub(super) async fn unseat(
        &self,
        id: &ResourceId,
        is_ours: impl Fn(&Present) -> bool + Send + Sync,
    ) -> Result<Option<Present>> {
        tracing::info!(server = %id, "removing the administrator");
        let azure = self.server.clients.azure();
        let is_meant = |found: &EntraAdministrator| self.present(found.clone()).is_ok_and(|one| is_ours(&one));
        let removed = azure.unseat_administrator(id, self.kind(), is_meant, self.cx.patience());
        let outcome = removed.await;
        self.server.changed();
        match outcome {
            Ok(()) => Ok(None),
            Err(NotSeated::Taken(stranger)) => self.present(stranger).map(Some),
            Err(NotSeated::Failed(error)) => Err(error.into()),
        }
    }

    /// That the last administrator of none of these servers goes while nobody else could log in.
    pub(super) async fn must_not_shut_everybody_out(&self, servers: &[ResourceId]) -> Result<()> {
        let azure = self.server.clients.azure();
        for id in servers {
            // PostgreSQL's switches are a part of the server, which was read before it was our turn.
            let Some(found) = azure.server(id, self.cx.patience()).await? else {
                continue;
            };
            let shown = azure.authentication(id, &found, self.cx.patience()).await?;
            if !shown.now.password {
                return Err(shut_out(id, self.kind()));
            }
        }
        Ok(())
    }

    /// Makes the principal an administrator of one server, also one that the server does not know yet.
    async fn put_patiently(&self, server: &ResourceId, wanted: &Wanted) -> Result<()> {
        match self.put(server, wanted).await {
            Err(NotSeated::Failed(error)) if error.kind() == Kind::PrincipalNotFound => {
                self.put_when_known(server, wanted).await
            }
            other => other.map_err(|ended| self.told(server, wanted, ended)),
        }
    }

    async fn put(&self, server: &ResourceId, wanted: &Wanted) -> std::result::Result<(), NotSeated> {
        let body = EntraAdministrator {
            sid: wanted.sid.to_string(),
            name: wanted.name.clone(),
            principal_type: Some(wanted.principal.principal_type.to_string()),
            tenant_id: Some(wanted.tenant_id.to_string()),
            server_identity_id: wanted.server_identity_id.as_ref().map(ToString::to_string),
        };
        let (azure, patience) = (self.server.clients.azure(), self.cx.patience());
        let outcome = match self.kind() {
            ServerKind::Postgresql => {
                let added = azure.add_administrator(server, &body, patience).await;
                added.map_err(NotSeated::Failed)
            }
            kind => {
                let judge = |found: &EntraAdministrator| judged(found, wanted);
                azure.seat_administrator(server, kind, &body, judge, patience).await
            }
        };
        self.note(&outcome);
        outcome
    }

    /// Why nobody was seated, for the person.
    fn told(&self, server: &ResourceId, wanted: &Wanted, ended: NotSeated) -> Diagnostic {
        let found = match ended {
            NotSeated::Failed(error) => return mssql::explained(error, server),
            NotSeated::Taken(found) => self.present(found),
        };
        match found {
            Ok(found) if *server == self.server.id => refused(server, true, &found, wanted),
            Ok(found) => kept_by_another(server, &found),
            Err(unreadable) => unreadable,
        }
    }

    /// A principal that was made moments ago is not known everywhere; how long that is worth waiting for depends on who confirms it.
    async fn put_when_known(&self, server: &ResourceId, wanted: &Wanted) -> Result<()> {
        let named = format!("the server {}", server.name());
        let known = wanted.principal.until_known(self.cx, &named, || async {
            match self.put(server, wanted).await {
                Err(NotSeated::Failed(error)) if error.kind() == Kind::PrincipalNotFound => {
                    Ok(Attempt::again(error.to_string()))
                }
                other => other.map(Attempt::Done),
            }
        });
        known.await.map_err(|ended| match ended {
            NotKnown::Failed(ended) => self.told(server, wanted, ended),
            NotKnown::Told(diagnostic) => diagnostic,
        })
    }
}

/// What whoever has the only seat is to the administrator that is wanted.
fn judged(found: &EntraAdministrator, wanted: &Wanted) -> Sitting {
    match found.sid.parse::<Guid>() {
        Ok(sid) if sid == wanted.sid || wanted.principal.is(sid) => Sitting::Same,
        Ok(sid) if wanted.gives_way.includes(sid) => Sitting::GivesWay,
        _ => Sitting::Stays,
    }
}

fn shut_out(server: &ResourceId, kind: ServerKind) -> Diagnostic {
    let advice = match kind {
        ServerKind::Postgresql => {
            "Set another one first, or switch passwords on in an apply before this one (`password_enabled = true` in `entradb_entra_authentication`)."
        }
        _ => {
            "Switch passwords on first. If `entradb_entra_authentication` switched them off, let it refer to this resource (`server_id = \
             entradb_entra_admin.….server_id`, or `depends_on` for a replica): it is destroyed first then, and gives back what was there before."
        }
    };
    let detail = format!(
        "Passwords are switched off on {server} (\"Entra only\"), so without its last administrator nobody could administer it any more. {advice} If the \
         administrator is to go only because its creation failed half-way, `terraform untaint` lets the next apply go on instead."
    );
    Diagnostic::error("Passwords are switched off", detail)
}

/// SQL calls service principals applications.
fn principal_type_of(word: &str) -> Option<PrincipalType> {
    match word {
        "Application" => Some(PrincipalType::ServicePrincipal),
        _ => word.parse().ok(),
    }
}
