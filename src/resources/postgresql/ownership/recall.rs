//! The record, found and brought to what is there now: a note of a killed apply, other numbers after a restore from a dump, objects that somebody
//! else has taken.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::provider::context::Context;
use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::PostgresqlOwnership;
use crate::resources::postgresql::ownership::goal::Handover;
use crate::resources::postgresql::ownership::members;
use crate::resources::postgresql::ownership::note::{Declaration, Intent, Note};
use crate::resources::postgresql::ownership::notebook::{self, Found};
use crate::resources::postgresql::ownership::record::{Record, place};
use crate::resources::postgresql::ownership::scope::Selection;
use crate::resources::postgresql::ownership::steps::list;
use crate::resources::postgresql::role_name::is_platform;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::postgres::server_catalog::Role;
use crate::sql::statement::Name;

/// The record to go on with, and the note of it in the database.
#[derive(Debug, Default)]
pub struct Opened {
    /// Which resource asks. Nothing: one that is being created, or that never wrote anything down.
    pub holder: Option<Uuid>,
    /// Nothing, when neither Terraform nor the database knows of one.
    pub record: Option<Record>,
    /// Its number, and what stands there.
    pub note: Option<(u32, Note)>,
    /// Other notes, which were abandoned.
    pub abandoned: Vec<(u32, Note)>,
}

impl Opened {
    /// The other resources that go on with the same record.
    #[must_use]
    pub fn others(&self) -> Vec<Uuid> {
        let holders = self.note.iter().flat_map(|(_, note)| &note.holders).copied();
        holders.filter(|holder| Some(*holder) != self.holder).collect()
    }
}

/// The record that Terraform kept, when it is about this database.
pub fn kept(cx: &Context, host: &str, inventory: &Inventory) -> Option<Record> {
    current(cx.record()?, host, inventory)
}

/// The newer one of what Terraform kept and what stands in the database. The note is known by its number, where Terraform kept that; else by what
/// is declared, in this order; else by what was declared `earlier`. A creation knows of nothing earlier, and of no number.
///
/// # Errors
/// Of the session.
pub async fn open(
    cx: &Context,
    (server, database): (&Postgresql<'_>, &Name),
    inventory: &Inventory,
    (declared, earlier): (&[&Declaration], Option<&Declaration>),
) -> Result<Opened, Failure> {
    let kept: Option<Record> = cx.record();
    let notes = notebook::find(server, database, inventory).await?;
    let number = kept.as_ref().and_then(|kept| kept.note).filter(|_| earlier.is_some());
    let exactly = |declared: &&Declaration| notes.iter().find(|found| found.heading.declared == **declared);
    let before = |found: &&Found| earlier.is_some() && found.heading.before.as_ref() == earlier;
    let found = match number {
        Some(number) => notes.iter().find(|found| found.number == number),
        None => (declared.iter().find_map(exactly)).or_else(|| notes.iter().find(before)),
    };
    let note = match found {
        Some(found) => found.read(database)?.map(|note| (found.number, note)),
        None => None,
    };
    let noted = note.as_ref().map(|(_, note)| &note.record);
    let lost = noted.filter(|_| kept.is_none() && earlier.is_some());
    let holder = kept.as_ref().or(lost).and_then(|record| record.holder);
    let newer = match (kept, noted) {
        (Some(kept), Some(noted)) if kept.writes < noted.writes => Some(noted.clone()),
        (None, noted) => noted.cloned(),
        (kept, _) => kept,
    };
    let host = server.host.to_string();
    let mut record = newer.and_then(|record| current(record, &host, inventory));
    if let (Some(record), Some((number, note))) = (&mut record, &note) {
        (record.note, record.holder) = (Some(*number), holder);
        if is_of(&note.record, &host, inventory) {
            Intent::settle(note.intended.clone(), record, inventory);
        }
    }
    let others = notes
        .iter()
        .filter(|other| found.is_none_or(|found| found.number != other.number));
    let abandoned = others.filter_map(|other| Some((other.number, other.abandoned()?)));
    Ok(Opened {
        holder,
        record,
        note,
        abandoned: abandoned.collect(),
    })
}

/// What a note says by itself, when it is about this database.
pub fn recorded(note: Note, host: &str, inventory: &Inventory) -> Option<Record> {
    let same = is_of(&note.record, host, inventory);
    let mut record = current(note.record, host, inventory)?;
    if same {
        Intent::settle(note.intended, &mut record, inventory);
    }
    Some(record)
}

fn is_of(record: &Record, host: &str, inventory: &Inventory) -> bool {
    let database = inventory.database();
    database.is_some_and(|database| record.is_of(host, database.name.as_str(), database.oid))
}

/// The record, when it is about this database. One that was restored from a dump has other numbers: names tell then what is what.
fn current(record: Record, host: &str, inventory: &Inventory) -> Option<Record> {
    if is_of(&record, host, inventory) {
        return Some(record);
    }
    let named = record.is_named(host, inventory.database()?.name.as_str());
    named.then(|| by_names(record, inventory))
}

/// The same record in the numbers of today.
pub fn by_names(record: Record, inventory: &Inventory) -> Record {
    let numbers = |oid: u32| {
        let name = record.roles.get(&oid)?;
        inventory.server.role(name).map(|role| role.oid)
    };
    let named: HashMap<String, &Object> = inventory.objects().map(|object| (object.to_string(), object)).collect();
    let taken = record.taken.values().filter_map(|taken| {
        let mut taken = taken.clone();
        taken.from = numbers(taken.from)?;
        Some((place(named.get(&taken.name)?), taken))
    });
    let own = record
        .own
        .values()
        .filter_map(|name| Some((place(named.get(name)?), name.clone())));
    let usage = record.usage.iter().filter_map(|usage| {
        let mut usage = usage.clone();
        (usage.schema, usage.role) = (named.get(&usage.name)?.oid, numbers(usage.role)?);
        Some(usage)
    });
    let members = record.members.iter().filter_map(|member| {
        let mut member = member.clone();
        (member.role, member.member) = (numbers(member.role)?, numbers(member.member)?);
        Some(member)
    });
    Record {
        database_oid: inventory.database().map(|database| database.oid).unwrap_or_default(),
        owner: numbers(record.owner).unwrap_or_default(),
        former_owners: record.former_owners.iter().filter_map(|oid| numbers(*oid)).collect(),
        taken: taken.collect(),
        own: own.collect(),
        usage: usage.collect(),
        members: members.collect(),
        host: record.host.clone(),
        database: record.database.clone(),
        roles: record
            .roles
            .iter()
            .filter_map(|(oid, name)| Some((numbers(*oid)?, name.clone())))
            .collect(),
        writes: record.writes,
        note: record.note,
        holder: record.holder,
        ..Record::default()
    }
}

/// Forgets what never left its owner, and what is gone.
pub fn prune(record: &mut Record, inventory: &Inventory, owner: u32) {
    let owners: HashMap<_, u32> = inventory
        .objects()
        .map(|object| (place(object), object.owner))
        .collect();
    // Large objects of the owner are not looked at: there may be millions.
    let unseen = ObjectKind::LargeObject.catalog();
    // What could not follow to another owner has stayed with the one before.
    let ours = |has: &u32| *has == owner || record.former_owners.contains(has);
    record
        .taken
        .retain(|place, _| place.0 == unseen || owners.get(place).is_some_and(ours));
    record.remember_names(&inventory.server);
}

/// What another owner has taken is not ours to give back any more: said once, then forgotten.
pub fn forget_lost(cx: &Context, inventory: &Inventory, mut record: Record, owner: &Role) -> Record {
    let strangers = |object: &&Object| {
        let taken = record.taken.get(&place(object));
        let ordinary = inventory
            .server
            .roles
            .get(&object.owner)
            .is_none_or(|role| !is_platform(role));
        ordinary
            && object.owner != owner.oid
            // Where a change of the owner was cut short, part of it stands with the next owner already.
            && object.owner != record.owner
            && taken.is_some_and(|taken| taken.from != object.owner)
            && !record.former_owners.contains(&object.owner)
    };
    let lost: Vec<&Object> = inventory.objects().filter(strangers).collect();
    if lost.is_empty() {
        return record;
    }
    let named = lost
        .iter()
        .map(|object| format!("{object} (now of {})", inventory.called(object.owner)));
    let detail = format!(
        "These objects had been moved to {}, and somebody moved them on: {}. When another resource claims the same objects, let only one of the \
         two do so: they would take them from each other with every apply.",
        owner.name,
        list(named)
    );
    cx.warn("Another owner has taken objects", detail);
    let places: BTreeSet<_> = lost.into_iter().map(place).collect();
    record.taken.retain(|place, _| !places.contains(place));
    cx.keep_record(&record);
    record
}

impl PostgresqlOwnership {
    /// What another owner got before an update was cut short, and has to come back, or to follow.
    pub(super) fn cut_short<'a>(&self, inventory: &'a Inventory, record: &Record, owner: u32) -> Selection<'a> {
        let handover = Handover {
            scope: self.scope(),
            owner: &self.owner,
            former: record.other_owner(&inventory.server, owner).into_iter().collect(),
            access: self.previous_owner_access,
        };
        handover.handed_on(inventory, record, owner)
    }

    /// Forgets an update that was cut short before anything moved: what the next owner makes from now on is its own. And forgets memberships that
    /// are gone: when they come back, somebody else has granted them.
    pub(super) fn forget_untrue(&self, cx: &Context, inventory: &Inventory, mut record: Record, owner: u32) -> Record {
        let before = record.clone();
        // Large objects of the next owner are not looked at.
        let unseen = (record.taken.keys()).any(|(catalog, _)| *catalog == ObjectKind::LargeObject.catalog());
        let began = record.other_owner(&inventory.server, owner).is_some();
        let left = self.cut_short(inventory, &record, owner);
        if began && !unseen && left.pending.is_empty() && left.not_movable.is_empty() {
            record.owner = owner;
        }
        record
            .members
            .retain(|member| members::is_there(&inventory.server, member));
        if record != before {
            cx.keep_record(&record);
        }
        record
    }
}
