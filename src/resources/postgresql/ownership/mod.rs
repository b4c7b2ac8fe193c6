//! `entradb_postgresql_ownership`

mod abandoned;
pub mod argument;
pub mod borrowing;
pub mod carrying;
pub mod goal;
pub mod members;
pub mod moving;
pub mod note;
pub mod notebook;
pub mod recall;
pub mod record;
mod restoring;
pub mod rights;
pub mod scope;
mod steps;
#[cfg(test)]
mod tests;
mod twins;
pub mod verdict;

use std::collections::BTreeSet;

use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Rule;
use crate::protocol::typed::{Computed, Timeouts};
use crate::protocol::value::{Object, Value};
use crate::provider::context::Context;
use crate::provider::import::Parts;
use crate::provider::plan::Plan;
use crate::provider::resource::Resource;
use crate::provider::server::Server;
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::object_type::ObjectType;
use crate::resources::postgresql::ownership::argument::{OnDestroy, PreviousOwnerAccess};
use crate::resources::postgresql::ownership::record::Record;
use crate::resources::postgresql::ownership::scope::Scope;
use crate::sql::postgres::server_catalog::Role;
use crate::sql::statement::Name;

model! {
    /// The ownership of what is in a PostgreSQL database: objects move to a new owner and stay with it.
    ///
    /// Objects move in short transactions that give way to running applications, and previous owners keep working throughout. An apply that
    /// was interrupted is continued by the next one. What previous owners create later shows as `pending`, and moves with the next apply.
    ///
    /// A view, a materialized view or a rule runs with the privileges of its owner. Where it uses something that does not move along and that the
    /// new owner may not use, it stays as it is and is listed in `not_movable`; once the privileges are granted, the next apply moves it. Functions
    /// that are `SECURITY DEFINER` move, and the apply names them, because what they use cannot be seen: see to it that the new owner may use it.
    ///
    /// What belongs to an extension or to the platform stays where it is. Sequences of serial and identity columns follow their table.
    ///
    /// What the owner had been granted becomes part of its ownership. Whoever gives an object back by hand therefore leaves the owner without any
    /// privilege on it until the next apply moves it again; destroying this resource with `restore` grants again what had been granted before.
    ///
    /// The state and the database keep a record of who owned what. In the database it is the comment of an empty large object that belongs to
    /// `azure_pg_admin`; it is written before anything moves, and removed when this resource is destroyed. So a provider that is killed at any moment
    /// loses nothing: the next apply goes on, and `restore` gives back what was moved before. When a creation is killed or fails, keep what it declared
    /// (`owner`, `schemas`, `previous_owners`, `object_types`, `include_database`) until it has succeeded: by that its record is found again. When
    /// you clean up large objects (`vacuumlo`), leave that one out.
    ///
    /// Terraform destroys what failed half-way before it creates it again. With `restore` everything goes back first; with `keep` the record stays in
    /// the database, a warning says so, and the next creation goes on with it.
    ///
    /// Two resources must not claim the same objects for different owners: they would take them from each other with every apply. Two that declare the
    /// very same (a copy under another address, say) share one record. The later one says so when it is created, unless it is sure to continue a
    /// creation that was killed; the earlier one gives nothing back when it is destroyed, and the later one does. Once the earlier one has changed
    /// something, the last of the two does.
    pub struct PostgresqlOwnership {
        /// The server: its ARM ID or its host name, with a port where that is not 5432 (`…:6432` for PgBouncer).
        #[replace]
        pub server: Server,
        /// The ARM ID of the server; null when the server was given by its host name.
        #[stable]
        pub server_id: Computed<Option<ResourceId>>,
        /// The host name of the server.
        #[stable]
        pub host: Computed<String>,
        /// The name of the database.
        #[replace]
        pub database: Name,
        /// The role that owns the objects. When it changes, the objects move on to the new owner, and the former one becomes a previous owner.
        pub owner: Name,
        /// The schemas whose objects move, and that move themselves. Together with `previous_owners`: only what those own there.
        pub schemas: Option<BTreeSet<Name>>,
        /// The roles whose objects move, in all schemas unless `schemas` says which.
        pub previous_owners: Option<BTreeSet<Name>>,
        /// The kinds of objects that move. All kinds when left out.
        pub object_types: Option<BTreeSet<ObjectType>>,
        /// Whether the database itself moves too, whoever owns it.
        #[default(false)]
        pub include_database: bool,
        /// What previous owners can still do. With `membership` they are members of the owner, so that nothing changes for them: they can still
        /// alter and drop what was theirs. Before PostgreSQL 16 that needs roles with `INHERIT`; others are refused before anything moves. With
        /// `privileges` they keep all privileges on it, and with `none` they keep nothing.
        /// A membership that came with this resource ends with it, also when somebody grants the same again meanwhile: to PostgreSQL that is the same
        /// one. What is to stay has to be there before this resource is created, or to come with the ADMIN option.
        #[default("membership")]
        pub previous_owner_access: PreviousOwnerAccess,
        /// What destroying this resource does. With `keep` the owner keeps everything. With `restore` each object goes back to the owner it was
        /// taken from, the owner gets back the privileges it had before, and memberships that came with this resource end.
        #[default("keep")]
        pub on_destroy: OnDestroy,
        /// The role that gets what has no known former owner when ownership is restored: what was created since, or what was imported. By default the only
        /// entry of `previous_owners`, and then what belonged to the owner from the start stays with it; a role that is named here gets that too.
        pub restore_to: Option<Name>,
        /// What still has to move, such as `table public.user_entity (owner openmetadata_user)`. The first 200, sorted.
        #[drift]
        pub pending: Computed<Vec<String>>,
        /// How many objects still have to move.
        #[drift]
        pub pending_count: Computed<i64>,
        /// Selected objects that cannot be moved, and why. The first 200, sorted.
        pub not_movable: Computed<Vec<String>>,
        pub timeouts: Timeouts,
    }
    rules: Rule::AtLeastOneOf(&["schemas", "previous_owners"])
}

impl Resource for PostgresqlOwnership {
    const NAME: &'static str = "entradb_postgresql_ownership";
    const IDENTITY: &'static [&'static str] = &["server", "database", "owner"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let list = |name: &str| config.get(name).and_then(Value::as_list).unwrap_or_default();
        let mut mistakes = Vec::new();
        let owner = config.get("owner").filter(|owner| owner.as_str().is_some());
        if owner.is_some_and(|owner| list("previous_owners").contains(owner)) {
            let detail = "The owner cannot be one of the previous owners: what it owns already does not have to move.";
            mistakes.push(Diagnostic::error("Invalid value", detail).at("previous_owners"));
        }
        if list("object_types").contains(&Value::from(ObjectType::DATABASE)) {
            let detail = "Whether the database itself moves is decided by `include_database`.";
            mistakes.push(Diagnostic::error("Invalid value", detail).at("object_types"));
        }
        for name in ["schemas", "previous_owners", "object_types"] {
            if config
                .get(name)
                .and_then(Value::as_list)
                .is_some_and(<[Value]>::is_empty)
            {
                let detail = "An empty set means nothing at all. Leave the argument out to mean everything.";
                mistakes.push(Diagnostic::error("Invalid value", detail).at(name));
            }
        }
        mistakes
    }

    async fn plan(plan: &mut Plan, _cx: &Context) -> Result<()> {
        Server::plan(plan);
        Ok(())
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let so_far = self.clone();
        let outcome = self.hand_over(None, cx, || cx.checkpoint(&so_far)).await;
        match outcome {
            // Ended early, not failed: an error would have Terraform give everything back and begin anew.
            Err(error) if cx.is_over() => {
                let begun = cx
                    .record::<Record>()
                    .is_some_and(|record| !record.taken.is_empty() || !record.members.is_empty());
                match so_far.read(cx).await {
                    Ok(Some(seen)) if begun => {
                        let detail = format!(
                            "{} What is left stands in `pending`, and the next apply goes on.",
                            error.detail
                        );
                        cx.warn("Ownership is not complete", detail);
                        Ok(seen)
                    }
                    _ => Err(error),
                }
            }
            other => other,
        }
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(None);
        };
        let scope = self.scope();
        let asks = |role: &str| scope.asks_for_large_objects(role);
        let Some(inventory) = Inventory::load(&server, &self.database, asks).await? else {
            return Ok(None);
        };
        let kept = recall::kept(cx, &server.host.to_string(), &inventory);
        let record = match kept {
            Some(kept) => kept,
            // Where a provider was killed, Terraform has lost it.
            None => {
                let found = self.open(cx, &server, &inventory).await?.record;
                found.iter().for_each(|found| cx.keep_record(found));
                found.unwrap_or_default()
            }
        };
        let Some(owner) = owner(&inventory, &self.owner, &record) else {
            return Ok(None);
        };
        let record = recall::forget_lost(cx, &inventory, record, owner);
        let record = self.forget_untrue(cx, &inventory, record, owner.oid);
        let Findings {
            pending, not_movable, ..
        } = self.findings(&inventory, owner.oid, &record);
        let (id, host) = (server.id.clone(), server.host.to_string());
        Ok(Some(Self {
            server_id: Computed::known(id),
            host: Computed::known(host),
            pending_count: Computed::known(i64::try_from(pending.len()).unwrap_or(i64::MAX)),
            pending: Computed::known(pending.into_iter().take(scope::LISTED).collect()),
            not_movable: Computed::known(not_movable),
            ..self
        }))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        self.hand_over(Some(&prior), cx, || ()).await
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        match self.on_destroy {
            OnDestroy::Keep => self.keep(cx).await,
            OnDestroy::Restore => self.restore(cx).await,
        }
    }

    async fn import(parts: &Parts, cx: &Context) -> Result<Self> {
        let (server, database, owner) = (parts.parse("server")?, parts.parse("database")?, parts.parse("owner")?);
        let schemas = steps::schemas_of(&server, &database, &owner, cx).await?;
        Ok(Self {
            server,
            server_id: Computed::UNKNOWN,
            host: Computed::UNKNOWN,
            database,
            owner,
            schemas: Some(schemas),
            previous_owners: None,
            object_types: None,
            include_database: false,
            previous_owner_access: PreviousOwnerAccess::Membership,
            on_destroy: OnDestroy::Keep,
            restore_to: None,
            pending: Computed::UNKNOWN,
            pending_count: Computed::UNKNOWN,
            not_movable: Computed::UNKNOWN,
            timeouts: Timeouts::default(),
        })
    }
}

impl PostgresqlOwnership {
    fn scope(&self) -> Scope<'_> {
        Scope {
            schemas: self.schemas.as_ref(),
            previous_owners: self.previous_owners.as_ref(),
            object_types: self.object_types.as_ref(),
            include_database: self.include_database,
        }
    }

    /// What is left to move, and what cannot.
    fn findings(&self, inventory: &Inventory, owner: u32, record: &Record) -> Findings {
        let mut selection = self.scope().select(inventory, owner, record);
        let left = self.cut_short(inventory, record, owner);
        let mut pending: Vec<String> = (selection.pending.iter().chain(&left.pending))
            .map(|object| scope::with_owner(object, inventory))
            .collect();
        let theirs = members::of_others(&inventory.server, record, owner);
        pending.extend(theirs.map(|held| {
            let (member, role) = (inventory.called(held.member), inventory.called(held.role));
            format!("role {member} (member of {role})")
        }));
        if self.previous_owner_access == PreviousOwnerAccess::Membership {
            let lost = self
                .scope()
                .previous_owners(inventory, owner, record)
                .into_iter()
                .filter(|member| !members::is_full_member(&inventory.server, owner, *member));
            pending
                .extend(lost.map(|member| format!("role {} (no member of {})", inventory.called(member), self.owner)));
        }
        pending.sort();
        pending.dedup();
        selection.not_movable.extend(left.not_movable);
        selection.failing.extend(left.failing);
        for list in [&mut selection.not_movable, &mut selection.failing] {
            list.sort();
            list.dedup();
        }
        selection.not_movable.truncate(scope::LISTED);
        Findings {
            pending,
            not_movable: selection.not_movable,
            failing: selection.failing,
        }
    }
}

/// What a look found, as people read it.
struct Findings {
    /// What has to move.
    pending: Vec<String>,
    /// What stays, and why.
    not_movable: Vec<String>,
    /// What of that stays because it would fail as the owner's.
    failing: Vec<String>,
}

/// The owner, also under another name than when it was last seen.
fn owner<'a>(inventory: &'a Inventory, name: &Name, record: &Record) -> Option<&'a Role> {
    let server = &inventory.server;
    server.role(name.as_str()).or_else(|| server.roles.get(&record.owner))
}
