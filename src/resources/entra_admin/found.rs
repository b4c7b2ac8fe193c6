//! What a look at a server makes of the state: our administrator as it is now, another one in its place, or none.

use crate::azure::graph::PrincipalKind;
use crate::azure::server::ServerKind;
use crate::protocol::diagnostic::Result;
use crate::protocol::typed::Computed;
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::resources::attributes::PrincipalType;
use crate::resources::entra_admin::ours::Ours;
use crate::resources::entra_admin::seated::{Present, Seated, is_same_name};
use crate::resources::entra_admin::{EntraAdmin, own_tenant};

/// Who an administrator is, as far as can be found out.
struct Who {
    object_id: Guid,
    client_id: Option<Guid>,
    principal_type: Option<PrincipalType>,
}

impl EntraAdmin {
    /// The state, after a look.
    pub(super) async fn seen(
        self,
        kind: ServerKind,
        seated: Seated,
        host: String,
        cx: &Context,
    ) -> Result<Option<Self>> {
        let present = &seated.own;
        let same_id = present.iter().find(|one| self.is(one.sid));
        let same_name = || present.iter().find(|one| self.name.get() == Some(&one.name));
        let sole = || present.first().filter(|_| kind != ServerKind::Postgresql);
        let Some(found) = same_id.or_else(same_name).or_else(sole).cloned() else {
            return Ok(None);
        };
        // An import knows an ID or a name, and nothing else.
        let is_import = self.sid.get().is_none() && self.principal_type.get().is_none();
        let is_ours = self.is(found.sid) && !is_import;
        let came_after = !is_ours && !is_import;
        let who = match (is_ours, kind, self.object_id.get()) {
            (true, _, Some(object_id)) => self.who(*object_id),
            (_, ServerKind::Postgresql, _) => Who {
                object_id: found.sid,
                client_id: None,
                principal_type: found.principal_type,
            },
            _ => identified(&found, cx).await,
        };
        let is_ours = is_ours || self.object_id.get() == Some(&who.object_id);
        if is_import && !is_ours && !self.names(&found) {
            return Ok(None);
        }
        let client_id = who
            .client_id
            .or(self.client_id.get().copied().flatten().filter(|_| is_ours));
        let principal_type = found
            .principal_type
            .or(who.principal_type)
            .or(self.principal_type.get().copied().filter(|_| is_ours))
            .unwrap_or(PrincipalType::ServicePrincipal);
        let tenant_id = match found.tenant_id.or(self.tenant_id.get().copied()) {
            Some(tenant_id) => tenant_id,
            None => own_tenant(cx).await?,
        };
        // A state that shows a stranger since an earlier look makes him no more ours.
        let ids = [who.object_id, found.sid];
        let ours = Ours::of(&self, cx).unwrap_or_else(|| Ours::new(ids));
        let was_set_here = ids.iter().any(|id| ours.is(*id));
        match was_set_here {
            true => ours.with(ids).keep(cx),
            false => ours.keep(cx),
        }
        let name = match is_import {
            true => found.name.clone(),
            false => self.shown_name(&found, principal_type, was_set_here),
        };
        let adopted = self.adopted.get().copied().unwrap_or(false);
        let pending = match kind {
            ServerKind::Postgresql if came_after => vec![format!(
                "role {} (it may have gone with its former administrator)",
                found.name
            )],
            // Nobody else can tell whether the role is there.
            ServerKind::Postgresql => self.pending.get().cloned().unwrap_or_default(),
            _ => seated.behind(&found, principal_type == PrincipalType::User),
        };
        Ok(Some(Self {
            object_id: Computed::known(who.object_id),
            principal_type: Computed::known(principal_type),
            client_id: Computed::known(client_id),
            name: Computed::known(name),
            tenant_id: Computed::known(tenant_id),
            server_identity_id: found.server_identity_id,
            adopted: Computed::known(adopted),
            sid: Computed::known(found.sid),
            host: Computed::known(host),
            pending: Computed::known(pending),
            ..self
        }))
    }

    fn who(&self, object_id: Guid) -> Who {
        Who {
            object_id,
            client_id: self.client_id.get().copied().flatten(),
            principal_type: self.principal_type.get().copied(),
        }
    }

    /// Whether an import means this one: by its name, by an ID, or by the word that ends its ARM ID.
    fn names(&self, found: &Present) -> bool {
        let given = self.name.get().map_or("", String::as_str);
        is_same_name(given, &found.name, true)
            || given.eq_ignore_ascii_case("ActiveDirectory")
            || given.parse::<Guid>().is_ok_and(|id| id == found.sid)
    }

    /// The name of another one in our place is not ours: what is planned is to put ours back.
    fn shown_name(&self, found: &Present, principal_type: PrincipalType, is_ours: bool) -> String {
        let user = principal_type == PrincipalType::User;
        match self.name.get() {
            Some(known) if !is_ours || is_same_name(known, &found.name, user) => known.clone(),
            _ => found.name.clone(),
        }
    }
}

/// Asks the directory who it is; where that is not permitted, what can be seen has to do.
async fn identified(found: &Present, cx: &Context) -> Who {
    let seen = Who {
        object_id: found.sid,
        client_id: None,
        principal_type: found.principal_type.or_else(|| {
            // Only the sign-in name of a person has this character.
            found.name.contains('@').then_some(PrincipalType::User)
        }),
    };
    let Ok(clients) = cx.clients() else { return seen };
    let (azure, sid, patience) = (clients.azure(), found.sid.to_string(), cx.patience());
    let asked = async {
        match azure.directory_object(&sid, patience).await? {
            Some(principal) => Ok(Some(principal)),
            None => azure.service_principal_by_app_id(&sid, patience).await,
        }
    };
    let principal = match asked.await {
        Ok(Some(principal)) => principal,
        Ok(None) => return seen,
        Err(error) => {
            tracing::info!(%error, %sid, "the directory does not tell who the administrator is");
            return seen;
        }
    };
    Who {
        object_id: principal.id.parse().unwrap_or(found.sid),
        client_id: principal.app_id.and_then(|id| id.parse().ok()),
        principal_type: Some(match principal.kind {
            PrincipalKind::User => PrincipalType::User,
            PrincipalKind::Group => PrincipalType::Group,
            PrincipalKind::ServicePrincipal => PrincipalType::ServicePrincipal,
        }),
    }
}
