//! What a configuration declares: privileges by schema and class of objects, and what that is for each target. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::resources::postgresql::access::scene::{Scene, Target};
use crate::sql::postgres::acl::PUBLIC;
use crate::sql::postgres::class::Class;
use crate::sql::privilege::Privileges;
use crate::sql::statement::Name;

/// The classes whose objects stand in a schema.
pub const INSIDE: [Class; 4] = [Class::Table, Class::Sequence, Class::Routine, Class::Type];

/// What somebody shall have in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declaration {
    /// On the database itself; `None`: nothing is said about it.
    pub database: Option<Privileges>,
    /// By schema.
    pub schemas: BTreeMap<Name, Wish>,
    /// Whether there shall be nothing else.
    pub exclusive: bool,
}

/// What somebody shall have in a schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// By class, [`Class::Schema`] for the schema itself. About a class that is absent, nothing is said.
    pub classes: BTreeMap<Class, Privileges>,
    /// Whose future objects are covered; `None`: the roles that matter are found.
    pub creators: Option<BTreeSet<Name>>,
}

/// Privileges by target.
pub type ByTarget = BTreeMap<Target, Privileges>;

impl Declaration {
    /// What the declaration means for everything that is there, and for what will be.
    pub fn wanted(&self, scene: &Scene<'_>, grantee: u32) -> ByTarget {
        let mut wanted = ByTarget::new();
        if let Some(privileges) = self.database {
            wanted.insert(Target::Database, privileges);
        }
        for (schema, wish) in &self.schemas {
            if scene.catalog.schema(schema).is_none() {
                continue;
            }
            let creators = wish.creators(scene, schema, grantee);
            for (class, privileges) in &wish.classes {
                wanted.extend(
                    scene
                        .places(schema, *class)
                        .map(|place| (Target::Object(place), *privileges)),
                );
                let is_inside = INSIDE.contains(class);
                let creators = creators.iter().filter(|_| is_inside);
                wanted.extend(creators.map(|creator| {
                    let future = Target::Future {
                        creator: *creator,
                        schema: Some(schema.clone()),
                        class: *class,
                    };
                    (future, *privileges)
                }));
            }
        }
        wanted
    }

    /// Where a privilege that is not declared is worth a word: in what is declared, or everywhere when that shall be all.
    /// Of what everybody holds, only what is declared is ever looked at: PostgreSQL itself gives some of it.
    pub fn scope(&self, scene: &Scene<'_>, grantee: u32) -> Vec<Target> {
        let everywhere = self.exclusive && grantee != PUBLIC;
        let catalog = scene.catalog;
        let says = |schema: Option<&Name>, class: Class| {
            let wish = schema.and_then(|schema| self.schemas.get(schema));
            everywhere || wish.is_some_and(|wish| wish.classes.contains_key(&class))
        };
        let mut scope = Vec::new();
        if everywhere || self.database.is_some() {
            scope.push(Target::Database);
        }
        for (place, object) in catalog.objects.iter().enumerate() {
            let Some(class) = object.kind.class() else { continue };
            let schema = if class == Class::Schema {
                Some(&object.name)
            } else {
                object.schema.as_ref()
            };
            if says(schema, class) {
                scope.push(Target::Object(place));
            }
        }
        for place in 0..catalog.columns.len() {
            let schema = scene.column(place).and_then(|(_, table)| table.schema.as_ref());
            if says(schema, Class::Table) {
                scope.push(Target::Column(place));
            }
        }
        for entry in &catalog.default_privileges {
            if says(entry.schema.as_ref(), entry.class) {
                scope.push(Target::Future {
                    creator: entry.creator,
                    schema: entry.schema.clone(),
                    class: entry.class,
                });
            }
        }
        scope
    }

    /// The schemas that are declared and do not exist.
    pub fn absent<'s>(&'s self, scene: &'s Scene<'_>) -> impl Iterator<Item = &'s Name> {
        self.schemas
            .keys()
            .filter(|schema| scene.catalog.schema(schema).is_none())
    }

    /// The roles that are named as makers of future objects and do not exist.
    pub fn unknown_creators<'s>(&'s self, scene: &'s Scene<'_>) -> BTreeSet<&'s Name> {
        let named = self
            .schemas
            .values()
            .filter_map(|wish| wish.creators.as_ref())
            .flatten();
        named
            .filter(|name| scene.server.role(name.as_str()).is_none())
            .collect()
    }
}

impl Wish {
    fn creators(&self, scene: &Scene<'_>, schema: &Name, grantee: u32) -> BTreeSet<u32> {
        match &self.creators {
            Some(names) => {
                let known = names.iter().filter_map(|name| scene.server.role(name.as_str()));
                known.map(|role| role.oid).filter(|oid| *oid != grantee).collect()
            }
            None => scene.creators(schema, grantee),
        }
    }
}
