//! Database servers that exist in Azure Resource Manager only: no process stands behind them. What they all have: a
//! place, identities, one administrator, and the turn of whoever changes them. It does not know paths or bodies.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::arm::assignment::Assignment;
use crate::arm::{Call, busy, resource_not_found};
use crate::directory::{Principal, PrincipalKind};
use crate::journal::hold;
use crate::world::{State, World};

/// The sort of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PostgresqlReplica,
    Mysql,
    Sql,
    ManagedInstance,
}

impl Kind {
    /// The ARM resource type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::PostgresqlReplica => "Microsoft.DBforPostgreSQL/flexibleServers",
            Kind::Mysql => "Microsoft.DBforMySQL/flexibleServers",
            Kind::Sql => "Microsoft.Sql/servers",
            Kind::ManagedInstance => "Microsoft.Sql/managedInstances",
        }
    }
}

/// The Entra administrator of a server that has one at most.
#[derive(Clone, Debug)]
pub(crate) struct Administrator {
    pub(crate) login: String,
    /// As it was sent: an object ID, or the client ID of an application.
    pub(crate) sid: String,
    pub(crate) tenant: String,
    /// `User`, `Group` or `Application`.
    pub(crate) principal_type: String,
    /// MySQL only: the identity of the server that looks principals up.
    pub(crate) identity: Option<String>,
}

/// One server.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) fqdn: String,
    /// The primary's ID when this is a replica.
    pub(crate) source: Option<String>,
    pub(crate) tags: Value,
    pub(crate) administrator: Option<Administrator>,
    /// SQL only: passwords are refused (`azureADOnlyAuthentication`). MySQL has a server parameter for it.
    pub(crate) entra_only: bool,
    /// IDs of user-assigned identities.
    pub(crate) identities: Vec<String>,
    /// Object ID of the system-assigned identity.
    pub(crate) system_identity: Option<String>,
    /// SQL only: the identity that the server acts with.
    pub(crate) primary_identity: Option<String>,
    /// Managed instances only: whether its identity may read the directory.
    pub(crate) reads_directory: bool,
    /// Server parameters that were set.
    pub(crate) configurations: BTreeMap<String, String>,
    pub(crate) databases: Vec<String>,
    /// A change is under way.
    pub(crate) busy: bool,
}

impl Record {
    pub(crate) fn new(kind: Kind, base: &str, name: &str, fqdn: String) -> Record {
        Record {
            kind,
            id: format!("{base}/{}/{name}", kind.name()),
            name: name.to_owned(),
            fqdn,
            source: None,
            tags: json!({}),
            administrator: None,
            entra_only: false,
            identities: Vec::new(),
            system_identity: None,
            primary_identity: None,
            reads_directory: true,
            configurations: BTreeMap::new(),
            databases: vec!["app".to_owned()],
            busy: false,
        }
    }

    pub(crate) fn key(&self) -> String {
        self.id.to_ascii_lowercase()
    }

    /// Whether a user-assigned identity is attached.
    pub(crate) fn has_identity(&self, id: &str) -> bool {
        self.identities.iter().any(|other| other.eq_ignore_ascii_case(id))
    }
}

/// The key of the server in a path: the first eight parts, lower case.
pub(crate) fn key(call: &Call<'_>) -> String {
    let parts = call.ask.segments.get(..8).unwrap_or_default();
    format!("/{}", parts.join("/")).to_ascii_lowercase()
}

/// The server of the path as it is now.
pub(crate) fn find(call: &Call<'_>, kind: Kind) -> Result<Record, Answer> {
    let found = hold(&call.world.state).records.get(&key(call)).cloned();
    found.ok_or_else(|| resource_not_found(kind.name(), call.part(7), call.part(3)))
}

/// Every server of a kind, in one group or in all.
pub(crate) fn all(call: &Call<'_>, kind: Kind, group: Option<&str>) -> Vec<Record> {
    let state = hold(&call.world.state);
    let wanted = group.map(|group| format!("/resourcegroups/{group}/"));
    let of_group = |key: &str| wanted.as_ref().is_none_or(|wanted| key.contains(wanted));
    let found = state
        .records
        .iter()
        .filter(|(key, one)| one.kind == kind && of_group(key));
    found.map(|(_, one)| one.clone()).collect()
}

/// The turn of one change; the next one is refused until it is dropped.
pub(crate) struct Turn {
    world: Arc<World>,
    key: String,
}

impl Turn {
    /// Changes the server under its lock.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        hold(&self.world.state).records.get_mut(&self.key).map(change)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.change(|one| one.busy = false);
    }
}

/// Takes the turn, or says as the provider does that somebody else has it.
pub(crate) fn begin(call: &Call<'_>) -> Result<Turn, Answer> {
    let key = key(call);
    let mut state = hold(&call.world.state);
    if let Some(one) = state.records.get_mut(&key)
        && !std::mem::replace(&mut one.busy, true)
    {
        let world = call.world.clone();
        return Ok(Turn { world, key });
    }
    Err(busy::answer(call))
}

/// Carries an assignment of identities out.
pub(crate) async fn assign(world: &Arc<World>, turn: &Turn, wish: Assignment) -> crate::error::Result<()> {
    let before = turn.change(|one| {
        if wish.none {
            one.identities.clear();
        }
        for (id, wanted) in &wish.user_assigned {
            one.identities.retain(|other| !other.eq_ignore_ascii_case(id));
            if *wanted {
                one.identities.push(id.clone());
            }
        }
        (one.id.clone(), one.name.clone(), one.system_identity.clone())
    });
    let Some((id, name, system)) = before else {
        return Ok(());
    };
    let system = switch_system(world, &id, &name, system, wish.system).await?;
    turn.change(|one| one.system_identity = system);
    Ok(())
}

/// Makes or removes the system-assigned identity of a resource; answers its object ID.
pub(crate) async fn switch_system(
    world: &Arc<World>,
    id: &str,
    name: &str,
    present: Option<String>,
    wanted: bool,
) -> crate::error::Result<Option<String>> {
    match (present, wanted) {
        (None, true) => {
            let mut principal = Principal::new(PrincipalKind::ManagedIdentity, name);
            principal.resource_id = Some(id.to_owned());
            let object_id = principal.object_id.clone();
            world.add_principal(principal).await?;
            Ok(Some(object_id))
        }
        (Some(object_id), false) => {
            world.remove_principal(&object_id).await?;
            Ok(None)
        }
        (present, _) => Ok(present),
    }
}

/// The map of user-assigned identities, each shown by the provider's own form.
pub(crate) fn identity_map(state: &State, ids: &[String], form: impl Fn(&str, &str) -> Value) -> Map<String, Value> {
    let known = ids
        .iter()
        .filter_map(|id| state.identities.get(&id.to_ascii_lowercase()));
    known
        .map(|one| (one.id.clone(), form(&one.object_id, &one.client_id)))
        .collect()
}

/// The word of Azure for what is assigned; `None` when nothing is.
pub(crate) fn identity_type(user_assigned: bool, system: bool) -> Option<&'static str> {
    match (user_assigned, system) {
        (true, true) => Some("SystemAssigned,UserAssigned"),
        (true, false) => Some("UserAssigned"),
        (false, true) => Some("SystemAssigned"),
        (false, false) => None,
    }
}

/// Servers show no `tags` at all when there are none.
pub(crate) fn show_tags(body: &mut Value, tags: &Value) {
    if tags.as_object().is_some_and(|tags| !tags.is_empty()) {
        body["tags"] = tags.clone();
    }
}

/// The body as a GET shows it, with what somebody changed past this API.
pub(crate) fn overlaid(state: &State, id: &str, mut body: Value) -> Value {
    let changes = state.overlays.get(&id.to_ascii_lowercase());
    for (pointer, value) in changes.into_iter().flatten() {
        put_at(&mut body, pointer, value.clone());
    }
    body
}

/// Sets the value at a JSON pointer, with every object on the way.
fn put_at(body: &mut Value, pointer: &str, value: Value) {
    let mut place = body;
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name];
    }
    *place = value;
}

/// A request that writes these parts of a body undoes what was changed past this API there.
pub(crate) fn forget_overlay(state: &mut State, id: &str, pointers: &[&str]) {
    if let Some(changes) = state.overlays.get_mut(&id.to_ascii_lowercase()) {
        changes.retain(|(pointer, _)| !pointers.iter().any(|prefix| pointer.starts_with(prefix)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_makes_the_objects_on_its_way() {
        let mut body = json!({"properties": {"state": "Ready"}});
        put_at(&mut body, "/properties/network/publicNetworkAccess", json!("Disabled"));
        let expected = json!({"properties": {"state": "Ready", "network": {"publicNetworkAccess": "Disabled"}}});
        assert_eq!(body, expected);
    }
}
