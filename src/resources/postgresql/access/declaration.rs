//! What a configuration declares: privileges by schema and class of objects, and what that is for each target. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::resources::postgresql::access::scene::{Scene, Target};
use crate::resources::postgresql::access::word::{AccessLevel, meaning};
use crate::resources::postgresql::access::{PostgresqlAccess, SchemaAccess};
use crate::sql::postgres::acl::PUBLIC;
use crate::sql::postgres::class::{Class, Level, WrongPrivilege};
use crate::sql::privilege::{Privilege, Privileges};
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

impl PostgresqlAccess {
    /// What is declared, as a server of this version understands it.
    pub fn declaration(&self, version: u32) -> Declaration {
        let known = |class: Class, set: Privileges| set.intersection(class.all(version));
        Declaration {
            database: self
                .database_privileges
                .as_ref()
                .map(|words| known(Class::Database, meaning(words, version))),
            schemas: self
                .schema
                .0
                .iter()
                .map(|block| (block.name.clone(), block.wish(version)))
                .collect(),
            exclusive: self.exclusive,
        }
    }

    /// Refuses privileges that only newer servers have.
    pub fn check_version(&self, version: u32) -> Result<()> {
        for block in &self.schema.0 {
            let named = block
                .tables
                .as_ref()
                .map(|words| meaning(words, version))
                .unwrap_or_default();
            if let Some(privilege) = named.without(Class::Table.all(version)).iter().next() {
                let wrong = WrongPrivilege::NotOfClass {
                    class: Class::Table,
                    privilege,
                    version,
                };
                return Err(Diagnostic::error(
                    "Privilege not known to the server",
                    format!("In the schema {}, {wrong}.", block.name),
                )
                .at("schema"));
            }
        }
        Ok(())
    }
}

impl SchemaAccess {
    fn wish(&self, version: u32) -> Wish {
        let mut wish = Wish {
            creators: self.future_objects_of.clone(),
            ..Wish::default()
        };
        let mut say = |class: Class, privileges: Privileges| {
            let entry = wish.classes.entry(class).or_default();
            *entry = entry.union(privileges.intersection(class.all(version)));
        };
        if let Some(AccessLevel(level)) = self.level {
            // Types need no privilege below `all`: everybody may use them, and those who may not should not by accident.
            let classes = [Class::Schema, Class::Table, Class::Sequence, Class::Routine];
            classes
                .into_iter()
                .for_each(|class| say(class, level.privileges(class, version)));
            if level == Level::All {
                say(Class::Type, Privileges::of(&[Privilege::Usage]));
            }
        }
        if let Some(words) = &self.privileges {
            say(Class::Schema, meaning(words, version));
        }
        if let Some(words) = &self.tables {
            say(Class::Table, meaning(words, version));
        }
        if let Some(words) = &self.sequences {
            say(Class::Sequence, meaning(words, version));
        }
        if let Some(words) = &self.functions {
            say(Class::Routine, meaning(words, version));
        }
        wish
    }
}
