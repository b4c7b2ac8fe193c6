//! The record, brought to what is there now: other numbers after a restore from a dump, objects that somebody else has taken.

use std::collections::{BTreeSet, HashMap};

use crate::provider::context::Context;
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::record::{Record, place};
use crate::resources::postgresql::ownership::steps::list;
use crate::resources::postgresql::role_name::is_platform;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::postgres::server_catalog::Role;

/// The record, when it is about this database. One that was restored from a dump has other numbers: names tell then what is what.
pub fn open(cx: &Context, host: &str, inventory: &Inventory) -> Option<Record> {
    let record: Record = cx.record()?;
    let database = inventory.database()?;
    if record.is_of(host, database.name.as_str(), database.oid) {
        return Some(record);
    }
    (record.host == host && record.database == database.name.as_str()).then(|| by_names(record, inventory))
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
    let usage = record
        .usage
        .values()
        .filter_map(|name| Some((named.get(name)?.oid, name.clone())));
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
    record
        .taken
        .retain(|place, _| place.0 == unseen || owners.get(place) == Some(&owner));
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
