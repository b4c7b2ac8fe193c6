//! What runs with the privileges of its owner: views, materialized views, rules, and functions that are SECURITY DEFINER.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::provider::context::Context;
use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::moving::Move;
use crate::resources::postgresql::ownership::record::{Place, place};
use crate::resources::postgresql::ownership::scope::with_owner;
use crate::resources::postgresql::ownership::steps::list;
use crate::sql::postgres::acl::Acl;
use crate::sql::postgres::class::Class;
use crate::sql::postgres::database_catalog::Used;
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::privilege::{Privilege, Privileges};
use crate::sql::statement::Name;

/// What a query takes.
const READING: Privileges = Privileges::of(&[Privilege::Select]);

/// What a rule may take besides, and who writes through a view.
const WRITING: Privileges = Privileges::of(&[Privilege::Insert, Privilege::Update, Privilege::Delete]);

/// `pg_read_all_data`, whose members may read every table.
const READ_ALL: u32 = 6181;

/// `pg_write_all_data`.
const WRITE_ALL: u32 = 6182;

/// Which of these objects would fail as `owner`'s, and why: they use something that does not move along, and on which it lacks what their
/// present owner has.
#[must_use]
pub fn failing(moving: &[&Object], inventory: &Inventory, owner: u32) -> HashMap<Place, String> {
    let running = moving.iter().filter(|object| !used(object, inventory).is_empty());
    let running: Vec<&Object> = running.copied().collect();
    if running.is_empty() {
        return HashMap::new();
    }
    let scene = Scene::new(inventory, running.iter().map(|object| object.owner).chain([owner]));
    let tables = moving.iter().filter(|object| is_table(object));
    let mut along: HashSet<u32> = tables.map(|object| object.oid).collect();
    loop {
        let fails = |object: &&&Object| along.contains(&object.oid) && !scene.lacking(object, owner, &along).is_empty();
        let found: Vec<u32> = running.iter().filter(fails).map(|object| object.oid).collect();
        if found.is_empty() {
            break;
        }
        // What stays may be what another one uses.
        for oid in found {
            along.remove(&oid);
        }
    }
    let why = |object: &&Object| {
        let lacking = scene.lacking(object, owner, &along).into_iter();
        let lacking = lacking.map(|(relation, privileges)| format!("{privileges} on {relation}"));
        let what = match object.kind {
            ObjectKind::View | ObjectKind::MaterializedView => "it runs",
            _ => "its rules run",
        };
        format!(
            "{what} with its owner's privileges, and {} has no {}: grant it, with entradb_postgresql_access for example",
            inventory.called(owner),
            list(lacking)
        )
    };
    let stays = running.iter().filter(|object| !along.contains(&object.oid));
    stays.map(|object| (place(object), why(object))).collect()
}

/// How high each relation stands that runs on others: an inner view is lower than an outer one. What uses nothing is not among them.
#[must_use]
pub fn heights(inventory: &Inventory) -> HashMap<u32, usize> {
    let used = &inventory.catalog.used;
    let (mut heights, mut entered) = (HashMap::<u32, usize>::new(), HashSet::new());
    let mut open: Vec<(u32, bool)> = used.keys().map(|oid| (*oid, false)).collect();
    while let Some((oid, left)) = open.pop() {
        let Some(below) = used.get(&oid) else { continue };
        if left {
            let highest = below.iter().filter_map(|used| heights.get(&used.relation)).max();
            heights.insert(oid, 1 + highest.copied().unwrap_or_default());
        } else if entered.insert(oid) {
            open.push((oid, true));
            open.extend(below.iter().map(|used| (used.relation, false)));
        }
    }
    heights
}

/// Leaves out what must not move before an object that stays for now: what runs on it; and on the way back, what it runs on.
pub fn hold_back(moves: &mut Vec<Move<'_>>, object: &Object, inventory: &Inventory) {
    if !is_table(object) {
        return;
    }
    let below = |object| used(object, inventory).iter().map(|used| used.relation);
    let (mut staying, mut under) = (HashSet::from([object.oid]), below(object).collect::<HashSet<u32>>());
    moves.retain(|next| {
        let object = next.object;
        let on_it = || below(object).any(|relation| staying.contains(&relation));
        let waits = next.moves() && is_table(object) && (under.contains(&object.oid) || on_it());
        if waits {
            staying.insert(object.oid);
            under.extend(below(object));
        }
        !waits
    });
}

/// Tells of what stays because it would fail.
pub fn warn_of_failing(failing: &[String], cx: &Context) {
    if failing.is_empty() {
        return;
    }
    let detail = format!(
        "As the new owner's, they would fail for everybody who uses them. Once the privileges are granted, the next apply moves them. {}",
        list(failing.iter().cloned())
    );
    cx.warn("Some objects stay with their owner", detail);
}

/// Tells of functions whose privileges change as they move: what they use, nobody can see.
pub fn warn_of_definers(moves: &[Move<'_>], inventory: &Inventory, owner: &Name, cx: &Context) {
    let definers = moves.iter().filter(|next| {
        let routine = next.object.kind.class() == Some(Class::Routine);
        routine && next.moves() && inventory.catalog.definers.contains(&next.object.oid)
    });
    let named: Vec<String> = definers.map(|next| with_owner(next.object, inventory)).collect();
    if named.is_empty() {
        return;
    }
    let detail = format!(
        "These are SECURITY DEFINER: they run with the privileges of their owner, from now on those of {owner}. What they use cannot be told \
         from outside; see to it that {owner} may use it too. {}",
        list(named.into_iter())
    );
    cx.warn("Functions run with other privileges", detail);
}

fn used<'a>(object: &Object, inventory: &'a Inventory) -> &'a [Used] {
    let found = inventory.catalog.used.get(&object.oid).filter(|_| is_table(object));
    found.map(Vec::as_slice).unwrap_or_default()
}

fn is_table(object: &Object) -> bool {
    object.kind.class() == Some(Class::Table)
}

/// What has to be looked up again and again.
struct Scene<'a> {
    inventory: &'a Inventory,
    relations: HashMap<u32, &'a Object>,
    columns: HashMap<(u32, &'a Name), &'a Acl>,
    /// Of each role, all whose privileges it has.
    powers: HashMap<u32, BTreeSet<u32>>,
}

impl<'a> Scene<'a> {
    fn new(inventory: &'a Inventory, roles: impl Iterator<Item = u32>) -> Scene<'a> {
        let catalog = &inventory.catalog;
        let relations = catalog.objects.iter().filter(|object| is_table(object));
        let columns = catalog.columns.iter();
        let roles: BTreeSet<u32> = roles.collect();
        Scene {
            inventory,
            relations: relations.map(|relation| (relation.oid, relation)).collect(),
            columns: columns
                .map(|column| ((column.table, &column.name), &column.acl))
                .collect(),
            powers: roles.into_iter().map(|role| (role, inventory.powers(role))).collect(),
        }
    }

    /// What an object uses that another owner may not use as the present one may.
    fn lacking(&self, object: &Object, owner: u32, along: &HashSet<u32>) -> Vec<(&'a Object, Privileges)> {
        let wanted = match object.kind {
            ObjectKind::MaterializedView => READING,
            _ => READING.union(WRITING),
        };
        let each = |used: &Used| {
            let relation = *self.relations.get(&used.relation)?;
            let present = self.held(object.owner, relation, &used.columns);
            let next = self.held(owner, relation, &used.columns);
            let lacking = present.iter().zip(next).fold(Privileges::NONE, |set, (present, next)| {
                set.union(present.without(next))
            });
            let lacking = lacking.intersection(wanted);
            (!lacking.is_empty()).then_some((relation, lacking))
        };
        let staying = used(object, self.inventory)
            .iter()
            .filter(|used| !along.contains(&used.relation));
        staying.filter_map(each).collect()
    }

    /// What a role may do with each of these columns; with the relation as a whole, when there are none.
    fn held(&self, role: u32, relation: &Object, columns: &BTreeSet<Name>) -> Vec<Privileges> {
        let version = self.inventory.catalog.version;
        let superuser = self
            .inventory
            .server
            .roles
            .get(&role)
            .is_some_and(|role| role.superuser);
        let Some(powers) = self.powers.get(&role) else {
            return Vec::new();
        };
        let acl = relation.effective_acl(version);
        let granted = acl.map(|acl| acl.effective(powers)).unwrap_or_default();
        let everywhere = [
            (superuser, Class::Table.all(version)),
            (powers.contains(&READ_ALL), READING),
            (powers.contains(&WRITE_ALL), WRITING),
        ];
        let everywhere = everywhere.into_iter().filter(|(has, _)| *has);
        let whole = everywhere.fold(granted, |set, (_, privileges)| set.union(privileges));
        if columns.is_empty() {
            return vec![whole];
        }
        let of_column = |column: &Name| {
            let acl = self.columns.get(&(relation.oid, column));
            acl.map_or(whole, |acl| whole.union(acl.effective(powers)))
        };
        columns.iter().map(of_column).collect()
    }
}
