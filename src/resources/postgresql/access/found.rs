//! What somebody holds, as a configuration would declare it: for import. Never more than is held on every object. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::resources::postgresql::access::SchemaAccess;
use crate::resources::postgresql::access::declaration::INSIDE;
use crate::resources::postgresql::access::scene::{Scene, Target};
use crate::resources::postgresql::access::word::{AccessLevel, OnDatabase, Words, words};
use crate::sql::postgres::class::Class;
use crate::sql::privilege::Privileges;
use crate::sql::statement::Name;

/// What is held on the database itself.
pub fn on_database(scene: &Scene<'_>, grantee: u32) -> Option<Words<OnDatabase>> {
    let held = scene.granted(&Target::Database, grantee);
    (!held.is_empty() && scene.owner(&Target::Database) != grantee).then(|| words(held, scene.server.version))
}

/// What is held in each schema; schemas in which nothing is held are left out.
pub fn in_schemas(scene: &Scene<'_>, grantee: u32) -> Vec<SchemaAccess> {
    let schemas = scene
        .catalog
        .objects
        .iter()
        .filter(|object| object.kind.class() == Some(Class::Schema));
    schemas
        .filter_map(|schema| in_schema(scene, grantee, &schema.name))
        .collect()
}

/// By class.
type Held = BTreeMap<Class, Privileges>;

fn in_schema(scene: &Scene<'_>, grantee: u32, schema: &Name) -> Option<SchemaAccess> {
    let creators = scene.creators(schema, grantee);
    let mut held = Held::new();
    let mut undecided = BTreeSet::new();
    for class in [Class::Schema].into_iter().chain(INSIDE) {
        let future = || in_future(scene, grantee, schema, (&creators, class));
        match on_all(scene, grantee, schema, class).or_else(|| future().filter(|held| !held.is_empty())) {
            Some(privileges) => drop(held.insert(class, privileges)),
            None => drop(undecided.insert(class)),
        }
    }
    if held.values().all(|privileges| privileges.is_empty()) {
        return None;
    }
    let covered: BTreeSet<u32> = creators
        .iter()
        .copied()
        .filter(|creator| is_covered(scene, grantee, schema, (&held, *creator)))
        .collect();
    let covered_by_name: BTreeSet<Name> = covered
        .iter()
        .filter_map(|creator| scene.server.role_name(*creator).cloned())
        .collect();
    let block = SchemaAccess {
        name: schema.clone(),
        level: None,
        privileges: None,
        tables: None,
        sequences: None,
        functions: None,
        future_objects_of: (covered != creators).then(|| covered_by_name.clone()),
    };
    let version = scene.server.version;
    // A class without objects says nothing, unless what will be made of it should be covered and is not.
    let uncovered = |level: &AccessLevel| {
        !covered_by_name.is_empty()
            && undecided
                .iter()
                .any(|class| !level.0.privileges(*class, version).is_empty())
    };
    let exactly = |level: &AccessLevel| {
        let same = held
            .iter()
            .all(|(class, privileges)| *privileges == level.0.privileges(*class, version));
        same && held.contains_key(&Class::Table) && !uncovered(level)
    };
    let level = AccessLevel::ALL.into_iter().find(exactly);
    if level.is_some() {
        return Some(SchemaAccess { level, ..block });
    }
    let on = |class: Class| held.get(&class).copied().filter(|privileges| !privileges.is_empty());
    let block = SchemaAccess {
        privileges: on(Class::Schema).map(|set| words(set, version)),
        tables: on(Class::Table).map(|set| words(set, version)),
        sequences: on(Class::Sequence).map(|set| words(set, version)),
        functions: on(Class::Routine).map(|set| words(set, version)),
        ..block
    };
    let says_something =
        block.privileges.is_some() || block.tables.is_some() || block.sequences.is_some() || block.functions.is_some();
    says_something.then_some(block)
}

/// What is held on each of the objects; `None` where there are none to judge by.
fn on_all(scene: &Scene<'_>, grantee: u32, schema: &Name, class: Class) -> Option<Privileges> {
    let targets = scene.places(schema, class).map(Target::Object);
    let judged = targets.filter(|target| scene.owner(target) != grantee && scene.is_ours_to_grant(target));
    judged
        .map(|target| scene.granted(&target, grantee))
        .reduce(Privileges::intersection)
}

/// What is held on the future objects of each creator.
fn in_future(
    scene: &Scene<'_>,
    grantee: u32,
    schema: &Name,
    (creators, class): (&BTreeSet<u32>, Class),
) -> Option<Privileges> {
    let future = |creator: &u32| Target::Future {
        creator: *creator,
        schema: Some(schema.clone()),
        class,
    };
    let creators = creators.iter().filter(|_| INSIDE.contains(&class));
    creators
        .map(|creator| scene.granted(&future(creator), grantee))
        .reduce(Privileges::intersection)
}

fn is_covered(scene: &Scene<'_>, grantee: u32, schema: &Name, (held, creator): (&Held, u32)) -> bool {
    held.iter()
        .filter(|(class, _)| INSIDE.contains(class))
        .all(|(class, privileges)| {
            let future = Target::Future {
                creator,
                schema: Some(schema.clone()),
                class: *class,
            };
            scene.granted(&future, grantee).covers(*privileges)
        })
}
