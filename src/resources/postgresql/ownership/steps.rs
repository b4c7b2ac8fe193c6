//! The steps of handing over, in the order in which nothing breaks in between.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::Computed;
use crate::provider::context::Context;
use crate::provider::postgresql::Failure;
use crate::provider::server::Server;
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::PostgresqlOwnership;
use crate::resources::postgresql::ownership::abandoned::sweep;
use crate::resources::postgresql::ownership::argument::PreviousOwnerAccess;
use crate::resources::postgresql::ownership::borrowing::Needs;
use crate::resources::postgresql::ownership::carrying::Carrier;
use crate::resources::postgresql::ownership::goal::{Goal, Handover, role};
use crate::resources::postgresql::ownership::members;
use crate::resources::postgresql::ownership::moving::lets_in;
use crate::resources::postgresql::ownership::note::Declaration;
use crate::resources::postgresql::ownership::recall::{open, prune};
use crate::resources::postgresql::ownership::record::{Member, Record, Usage, place};
use crate::resources::postgresql::ownership::rights::{warn_of_definers, warn_of_failing};
use crate::resources::postgresql::ownership::scope::LISTED;
use crate::sql;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::postgres::server_catalog::ServerCatalog;
use crate::sql::statement::{Name, Statement};

impl PostgresqlOwnership {
    /// Brings everything declared to the owner: previous owners become members first, then objects move, then what is wanted no more ends.
    /// `begun` is called before the first thing that lasts.
    pub(super) async fn hand_over(
        self,
        prior: Option<&Self>,
        cx: &Context,
        begun: impl FnOnce() + Send,
    ) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let (id, host) = (server.id.clone(), server.host.to_string());
        let former = prior.map(|prior| &prior.owner).filter(|former| **former != self.owner);
        let mut goal = Handover {
            scope: self.scope(),
            owner: &self.owner,
            former: former.into_iter().cloned().collect(),
            access: self.previous_owner_access,
        };
        let _turn = self.turn(&host, cx).await?;
        let mut carrier = Carrier::new(cx, server, &self.database);
        let inventory = carrier.look(&goal).await?;
        let owner = role(&inventory, &self.owner, "owner")?.oid;
        let (declared, before) = (Declaration::of(&self), prior.map(Declaration::of));
        let wanted: Vec<&Declaration> = before.iter().chain([&declared]).collect();
        let place = (&carrier.server, &self.database);
        let opened = open(cx, place, &inventory, (&wanted, before.as_ref())).await?;
        let others = self.twins(&opened, prior, cx);
        let (known, note) = (opened.record.unwrap_or_default(), opened.note);
        let abandoned = opened.abandoned;
        goal.former.extend(known.other_owner(&inventory.server, owner));
        let record = self.begin(&host, &inventory, (owner, known), prior);
        let holders = record.holder.into_iter().chain(others).collect();
        carrier.remember(record, Some(self.notebook(prior, holders, note)));
        self.warn_of_missing(&inventory, cx);

        let wanted = self.wanted_members(&inventory, owner, &carrier.record(), cx);
        let missing = members::missing(&inventory.server, owner, &wanted)?;
        let closed = self.closed_schemas(&inventory, owner, &carrier.record());
        // Whoever cannot be acted for is told of before anything changes.
        let moves = goal.moves(&inventory, &carrier.record())?;
        Needs::of(&moves, &inventory).borrow(&inventory)?;
        warn_of_definers(&moves, &inventory, &self.owner, cx);
        begun();
        let missing: Vec<Member> = missing.into_iter().map(|(member, _)| member).collect();
        let new = intend(&carrier, owner, &missing, &closed);
        carrier.write_down(Some(&moves), &inventory).await?;
        if !missing.is_empty() {
            make_members(&carrier, owner, &wanted, &new).await?;
        }
        self.let_in(&carrier, &inventory, &closed).await?;
        let inventory = carrier.carry(&goal, Some(inventory)).await?;

        end_members(&carrier, &inventory, owner, &wanted).await?;
        carrier.keep(|record| {
            record
                .members
                .retain(|member| member.role == owner && wanted.contains(&member.member));
            prune(record, &inventory, owner);
        });
        carrier.write_down(None, &inventory).await?;
        let found = self.findings(&inventory, owner, &carrier.record());
        warn_of_failing(&found.failing, cx);
        warn_of_refused(&carrier.record(), &inventory, cx);
        sweep(&carrier.server, &self.database, abandoned, &inventory).await;
        Ok(Self {
            server_id: Computed::known(self.server_id.get().cloned().unwrap_or(id)),
            host: Computed::known(self.host.get().cloned().unwrap_or(host)),
            // What appeared since the last look is the next one's to tell.
            pending: Computed::known(Vec::new()),
            pending_count: Computed::known(0),
            not_movable: Computed::known(found.not_movable),
            ..self
        })
    }

    /// The record to go on with. What the owner had from the start is written down before anything moves; of what was imported, or has lost its
    /// record, nobody knows that any more.
    fn begin(
        &self,
        host: &str,
        inventory: &Inventory,
        (owner, mut record): (u32, Record),
        prior: Option<&Self>,
    ) -> Record {
        let another = prior.is_none_or(|prior| prior.owner != self.owner);
        // An apply that was cut short has written it down already, and what it moved is not the owner's from the start.
        let fresh = another && record.owner != owner;
        record.host = host.to_owned();
        record.database = self.database.as_str().to_owned();
        record.database_oid = inventory.database().map(|database| database.oid).unwrap_or_default();
        record.refused.clear();
        record.holder = record
            .holder
            .filter(|_| prior.is_some())
            .or_else(|| Some(Uuid::new_v4()));
        if fresh {
            let scope = self.scope();
            let own = inventory
                .objects()
                .filter(|object| object.owner == owner && scope.covers(object))
                .map(|object| (place(object), object.to_string()));
            let own: Vec<_> = own.filter(|(place, _)| !record.taken.contains_key(place)).collect();
            record.own.extend(own);
        }
        let before = prior.and_then(|prior| inventory.server.role(prior.owner.as_str()));
        let on_record = inventory.server.roles.get(&record.owner);
        // Whoever is on record and unknown to Terraform was to become the owner, in a change that was cut short.
        let former = before.or(on_record).map(|role| role.oid);
        record.former_owners.extend(former.filter(|former| *former != owner));
        record.owner = owner;
        record.remember_names(&inventory.server);
        record
    }

    /// Who is to be a member of the owner.
    fn wanted_members(&self, inventory: &Inventory, owner: u32, record: &Record, cx: &Context) -> BTreeSet<u32> {
        if self.previous_owner_access != PreviousOwnerAccess::Membership {
            return BTreeSet::new();
        }
        let mut wanted = self.scope().previous_owners(inventory, owner, record);
        let server = &inventory.server;
        for former in record
            .former_owners
            .iter()
            .filter(|former| **former != owner && server.roles.contains_key(former))
        {
            if server.memberships_of(owner).contains(former) {
                let (former, owner) = (inventory.called(*former), inventory.called(owner));
                let detail = format!(
                    "{owner} is a member of {former}, so {former} cannot become a member of {owner}. What still runs as {former} can use what was its own only by what is granted to it."
                );
                cx.warn("Former owner loses access", detail);
            } else {
                wanted.insert(*former);
            }
        }
        wanted
    }

    /// The schemas that the owner has to be let into: foreign keys are checked in the name of the table's owner, before it owns a table there.
    fn closed_schemas<'b>(&self, inventory: &'b Inventory, owner: u32, record: &Record) -> Vec<&'b Object> {
        let pending = self.scope().select(inventory, owner, record).pending;
        let moving: BTreeSet<u32> = pending
            .iter()
            .filter(|object| object.kind == ObjectKind::Schema)
            .map(|schema| schema.oid)
            .collect();
        let schemas: BTreeMap<u32, &Object> = pending
            .iter()
            .filter_map(|object| inventory.catalog.schema(object.schema.as_ref()?))
            .filter(|schema| !moving.contains(&schema.oid) && !lets_in(schema, inventory, owner))
            .map(|schema| (schema.oid, schema))
            .collect();
        schemas.into_values().collect()
    }

    async fn let_in(&self, carrier: &Carrier<'_>, inventory: &Inventory, schemas: &[&Object]) -> Result<(), Failure> {
        if schemas.is_empty() {
            return Ok(());
        }
        let grant = |schema: &&Object| sql!("GRANT USAGE ON SCHEMA {} TO {}", &schema.name, &self.owner);
        let statements: Vec<Statement> = schemas.iter().map(grant).collect();
        let owners = schemas.iter().map(|schema| schema.owner).collect();
        carrier.act(owners, inventory, statements).await
    }

    fn warn_of_missing(&self, inventory: &Inventory, cx: &Context) {
        let roles = self
            .previous_owners
            .iter()
            .flatten()
            .filter(|name| inventory.server.role(name.as_str()).is_none());
        for name in roles {
            cx.warn(
                "Previous owner not found",
                format!("There is no role {name}, so nothing of it can move. Names are case-sensitive."),
            );
        }
        for name in self
            .schemas
            .iter()
            .flatten()
            .filter(|name| inventory.catalog.schema(name).is_none())
        {
            cx.warn(
                "Schema not found",
                format!(
                    "There is no schema {name} in database {}. When it is there, its objects show as pending.",
                    self.database
                ),
            );
        }
    }
}

/// Puts on record what is about to be granted: before the server knows of it. Gives the memberships that were not on record yet.
fn intend(carrier: &Carrier<'_>, owner: u32, missing: &[Member], schemas: &[&Object]) -> Vec<Member> {
    let mut new = Vec::new();
    carrier.keep(|record| {
        let same = |member: &Member| {
            let mut known = record.members.iter();
            known.any(|known| known.role == member.role && known.member == member.member)
        };
        new = missing.iter().filter(|member| !same(member)).cloned().collect();
        record.members.extend(new.iter().cloned());
        for schema in schemas {
            let usage = Usage {
                schema: schema.oid,
                role: owner,
                name: schema.to_string(),
            };
            if !record.usage.contains(&usage) {
                record.usage.push(usage);
            }
        }
    });
    new
}

/// Makes previous owners members of the owner. The new ones stay on record only when the membership is there in the end, and ours.
async fn make_members(
    carrier: &Carrier<'_>,
    owner: u32,
    wanted: &BTreeSet<u32>,
    new: &[Member],
) -> Result<(), Failure> {
    let roles: BTreeSet<u32> = wanted.iter().copied().chain([owner]).collect();
    let decide = |server: &ServerCatalog| members::missing(server, owner, wanted);
    let changed = members::change(&carrier.server, &roles, decide).await;
    // What became of a commit without an answer only a look can tell; without one, everything intended stays on record.
    if let Ok(server) = carrier.server.catalog().await {
        carrier.keep(|record| {
            let ours = |member: &Member| members::is_ours(&server, member);
            record.members.retain(|member| !new.contains(member) || ours(member));
            record.remember_names(&server);
        });
    }
    changed
}

/// Ends the memberships of ours that are wanted no more.
pub(super) async fn end_members(
    carrier: &Carrier<'_>,
    inventory: &Inventory,
    owner: u32,
    wanted: &BTreeSet<u32>,
) -> Result<(), Failure> {
    let record = carrier.record().clone();
    let decide = |server: &ServerCatalog| Ok(members::superfluous(server, &record, owner, wanted));
    let ending = members::superfluous(&inventory.server, &record, owner, wanted);
    if ending.is_empty() {
        return Ok(());
    }
    let roles = ending.iter().flat_map(|(member, _)| [member.role, member.member]);
    members::change(&carrier.server, &roles.collect(), decide).await
}

pub(super) fn warn_of_refused(record: &Record, inventory: &Inventory, cx: &Context) {
    if record.refused.is_empty() {
        return;
    }
    let named = record.refused.iter().map(|refused| {
        let object = inventory.objects().find(|object| place(object) == refused.place);
        let name = object.map_or_else(|| "an object that is gone".to_owned(), ToString::to_string);
        format!("{name}: {}", refused.reason)
    });
    let detail = format!(
        "The server refused to move these objects; everything else has moved. The next change tries them again. {}",
        list(named)
    );
    cx.warn("Some objects stay with their owner", detail);
}

/// A list for a sentence, no longer than one can read.
pub(super) fn list(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    names.sort();
    let more = names.len().saturating_sub(LISTED / 10);
    names.truncate(LISTED / 10);
    let listed = names.join("; ");
    if more > 0 {
        format!("{listed}; and {more} more")
    } else {
        listed
    }
}

/// The schemas in which a role owns something: what an import takes for declared.
pub(super) async fn schemas_of(server: &Server, database: &Name, owner: &Name, cx: &Context) -> Result<BTreeSet<Name>> {
    let found = cx.existing_postgresql(server).await?;
    let missing = || {
        Diagnostic::error(
            "Database not found",
            format!("There is no database {database} on {}.", found.host),
        )
        .at("database")
    };
    let inventory = Inventory::load(&found, database, |_| false)
        .await?
        .ok_or_else(missing)?;
    let oid = role(&inventory, owner, "owner")?.oid;
    let owned = inventory.catalog.objects.iter().filter(|object| object.owner == oid);
    let schemas: BTreeSet<Name> = owned
        .filter_map(|object| {
            if object.kind == ObjectKind::Schema {
                Some(&object.name)
            } else {
                object.schema.as_ref()
            }
        })
        .cloned()
        .collect();
    if schemas.is_empty() {
        let detail = format!(
            "{owner} owns nothing in any schema of database {database}, so there is no ownership to import. Create it instead."
        );
        return Err(Diagnostic::error("Nothing to import", detail));
    }
    Ok(schemas)
}
