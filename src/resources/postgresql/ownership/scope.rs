//! Which objects an ownership is about, and which of them still have to move. Pure: from what is declared and what is there.

use std::collections::BTreeSet;

use crate::resources::postgresql::inventory::{Inventory, obstacle};
use crate::resources::postgresql::object_type::ObjectType;
use crate::resources::postgresql::ownership::record::{Record, place};
use crate::resources::postgresql::ownership::rights;
use crate::resources::postgresql::role_name::is_platform;
use crate::sql::postgres::object::{Object, ObjectKind, Parent};
use crate::sql::statement::Name;

/// How many entries a list in the state has at most.
pub const LISTED: usize = 200;

/// What is declared.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Everything in these schemas, and the schemas themselves.
    pub schemas: Option<&'a BTreeSet<Name>>,
    /// Everything of these roles.
    pub previous_owners: Option<&'a BTreeSet<Name>>,
    /// Only these kinds.
    pub object_types: Option<&'a BTreeSet<ObjectType>>,
    /// The database too, whoever owns it.
    pub include_database: bool,
}

/// What was found in the scope, less what the owner has already.
#[derive(Debug)]
pub struct Selection<'a> {
    /// What has to move.
    pub pending: Vec<&'a Object>,
    /// What stays where it is, and why.
    pub not_movable: Vec<String>,
    /// What of that stays because it would fail as the new owner's.
    pub failing: Vec<String>,
}

impl<'a> Selection<'a> {
    /// These, less those that would fail as `owner`'s.
    #[must_use]
    pub fn of(objects: Vec<&'a Object>, inventory: &Inventory, owner: u32) -> Selection<'a> {
        let why = rights::failing(&objects, inventory, owner);
        let (stays, pending): (Vec<_>, _) = objects.into_iter().partition(|object| why.contains_key(&place(object)));
        let line = |object: &&Object| {
            Some(format!(
                "{}: {}",
                with_owner(object, inventory),
                why.get(&place(object))?
            ))
        };
        let failing: Vec<String> = stays.iter().filter_map(line).collect();
        Selection {
            pending,
            not_movable: failing.clone(),
            failing,
        }
    }
}

impl Scope<'_> {
    /// Whether an object is among those declared, whoever owns it.
    #[must_use]
    pub fn covers(&self, object: &Object) -> bool {
        if object.kind == ObjectKind::Database {
            return self.include_database;
        }
        let inside = |schemas: &BTreeSet<Name>| match (&object.schema, object.kind) {
            (Some(schema), _) => schemas.contains(schema),
            (None, ObjectKind::Schema) => schemas.contains(&object.name),
            (None, _) => false,
        };
        self.object_types
            .is_none_or(|types| types.contains(&ObjectType::of(object.kind)))
            && self.schemas.is_none_or(inside)
    }

    /// Whether an object is among those declared because of its owner, who is not the new one.
    #[must_use]
    pub fn claims(&self, object: &Object, inventory: &Inventory) -> bool {
        let named = |owners: &BTreeSet<Name>| {
            inventory
                .role_name(object.owner)
                .is_some_and(|name| owners.contains(name))
        };
        let whoever = object.kind == ObjectKind::Database;
        self.covers(object) && (whoever || self.previous_owners.is_none_or(named))
    }

    /// Whether large objects of this role have to be looked at.
    #[must_use]
    pub fn asks_for_large_objects(&self, role: &str) -> bool {
        let kind = ObjectType::of(ObjectKind::LargeObject);
        let named = |owners: &BTreeSet<Name>| owners.iter().any(|owner| owner.as_str() == role);
        self.schemas.is_none()
            && self.object_types.is_none_or(|types| types.contains(&kind))
            && self.previous_owners.is_some_and(named)
    }

    /// What has to move to `owner`, and what stays.
    #[must_use]
    pub fn select<'a>(&self, inventory: &'a Inventory, owner: u32, record: &Record) -> Selection<'a> {
        let (mut members, mut stays, mut moving) = (0_usize, Vec::new(), Vec::new());
        let others = |object: &&Object| object.owner != owner && self.claims(object, inventory);
        for object in inventory.objects().filter(others) {
            if object.extension && object.kind != ObjectKind::Extension {
                members += 1;
                continue;
            }
            if matches!(object.parent, Some(Parent::SequenceOf(_))) {
                continue;
            }
            let reason: Option<&str> = obstacle(object, inventory);
            match reason.or_else(|| refusal(record, object)) {
                Some(reason) => stays.push(format!("{}: {reason}", with_owner(object, inventory))),
                None => moving.push(object),
            }
        }
        if members > 0 {
            let objects = if members == 1 { "object" } else { "objects" };
            stays.push(format!(
                "{members} {objects} of extensions: what an extension brought stays with it"
            ));
        }
        let mut selection = Selection::of(moving, inventory, owner);
        selection.not_movable.extend(stays);
        selection.not_movable.sort();
        selection.not_movable.truncate(LISTED);
        selection
    }

    /// The roles that are previous owners: those named, else those whose objects have to move. Platform roles are none.
    #[must_use]
    pub fn previous_owners(&self, inventory: &Inventory, owner: u32, record: &Record) -> BTreeSet<u32> {
        let server = &inventory.server;
        let found: BTreeSet<u32> = match self.previous_owners {
            Some(names) => names
                .iter()
                .filter_map(|name| server.role(name.as_str()))
                .map(|role| role.oid)
                .collect(),
            None => {
                let pending = self.select(inventory, owner, record).pending;
                let from = record.taken.values().map(|taken| taken.from);
                pending.iter().map(|object| object.owner).chain(from).collect()
            }
        };
        let ordinary = |oid: &u32| *oid != owner && server.roles.get(oid).is_some_and(|role| !is_platform(role));
        found.into_iter().filter(ordinary).collect()
    }
}

pub(super) fn refusal<'a>(record: &'a Record, object: &Object) -> Option<&'a str> {
    let known = record
        .refused
        .iter()
        .find(|refused| refused.place == place(object) && refused.owner == object.owner)?;
    Some(&known.reason)
}

/// `table public.user_entity (owner openmetadata_user)`
#[must_use]
pub fn with_owner(object: &Object, inventory: &Inventory) -> String {
    format!("{object} (owner {})", inventory.called(object.owner))
}
