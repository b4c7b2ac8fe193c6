//! What there is to grant on in a database, who owns it and who holds what: the snapshots, seen from one resource. Changes nothing.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::resources::postgresql::access::acting::{Acting, Reach};
use crate::resources::postgresql::access::word::Grantee;
use crate::resources::postgresql::role_name::is_platform;
use crate::sql::postgres::acl::{Acl, Grant, PUBLIC};
use crate::sql::postgres::class::Class;
use crate::sql::postgres::database_catalog::{Column, DatabaseCatalog, DefaultPrivileges};
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::postgres::server_catalog::{Database, ServerCatalog};
use crate::sql::privilege::Privileges;
use crate::sql::statement::Name;

/// The role that stands for the owner of the database one is in.
const DATABASE_OWNER: &str = "pg_database_owner";

/// Something that privileges are granted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The database.
    Database,
    /// An object, by its place in the snapshot.
    Object(usize),
    /// A column with an access list, by its place in the snapshot.
    Column(usize),
    /// What a role will make: in a schema, or (`None`) anywhere.
    Future {
        /// Who will make it.
        creator: u32,
        /// Where.
        schema: Option<Name>,
        /// What.
        class: Class,
    },
}

/// The snapshots.
pub struct Scene<'a> {
    /// Roles and databases.
    pub server: &'a ServerCatalog,
    /// The database.
    pub database: &'a Database,
    /// What is in it.
    pub catalog: &'a DatabaseCatalog,
    /// For whom we may act.
    pub acting: Acting<'a>,
    relations: HashMap<u32, usize>,
}

impl<'a> Scene<'a> {
    /// `None`: the snapshot has no such database.
    pub fn new(
        server: &'a ServerCatalog,
        name: &Name,
        catalog: &'a DatabaseCatalog,
        refused: &'a BTreeSet<String>,
    ) -> Option<Self> {
        let database = server.database(name.as_str())?;
        let relation = |(place, object): (usize, &Object)| {
            (object.kind.catalog() == ObjectKind::Table.catalog()).then_some((object.oid, place))
        };
        let relations = catalog.objects.iter().enumerate().filter_map(relation).collect();
        Some(Self {
            server,
            database,
            catalog,
            acting: Acting::new(server, refused),
            relations,
        })
    }

    /// The number of a grantee; `None`: the role does not exist.
    pub fn number(&self, grantee: &Grantee) -> Option<u32> {
        match grantee {
            Grantee::Public => Some(PUBLIC),
            Grantee::Role(name) => self.server.role(name.as_str()).map(|role| role.oid),
        }
    }

    /// The object at a place.
    pub fn object(&self, place: usize) -> &'a Object {
        &self.catalog.objects[place]
    }

    /// The column at a place, and its table.
    pub fn column(&self, place: usize) -> Option<(&'a Column, &'a Object)> {
        let column = &self.catalog.columns[place];
        Some((column, self.object(*self.relations.get(&column.table)?)))
    }

    /// The columns of a table that have access lists of their own, by their places.
    pub fn columns_of(&self, table: u32) -> impl Iterator<Item = usize> {
        let columns = self.catalog.columns.iter().enumerate();
        columns
            .filter(move |(_, column)| column.table == table)
            .map(|(place, _)| place)
    }

    /// The objects of a class in a schema, by their places; a schema itself is in no schema.
    pub fn places(&self, schema: &Name, class: Class) -> impl Iterator<Item = usize> {
        let objects = self.catalog.objects.iter().enumerate();
        let within = move |object: &Object| match class {
            Class::Schema => object.kind == ObjectKind::Schema && object.name == *schema,
            _ => object.schema.as_ref() == Some(schema) && object.kind.class() == Some(class),
        };
        objects
            .filter(move |(_, object)| within(object))
            .map(|(place, _)| place)
    }

    /// The class of a target.
    pub fn class(&self, target: &Target) -> Class {
        match target {
            Target::Database => Class::Database,
            Target::Object(place) => self.object(*place).kind.class().unwrap_or(Class::Table),
            Target::Column(_) => Class::Column,
            Target::Future { class, .. } => *class,
        }
    }

    /// Who owns it, or will.
    pub fn owner(&self, target: &Target) -> u32 {
        let owner = match target {
            Target::Database => self.database.owner,
            Target::Object(place) => self.object(*place).owner,
            Target::Column(place) => self.column(*place).map_or(PUBLIC, |(_, table)| table.owner),
            Target::Future { creator, .. } => *creator,
        };
        let stands_in = self
            .server
            .role_name(owner)
            .is_some_and(|name| name.as_str() == DATABASE_OWNER);
        if stands_in { self.database.owner } else { owner }
    }

    fn acl(&self, target: &Target) -> Option<Cow<'a, Acl>> {
        match target {
            Target::Database => Some(match &self.database.acl {
                Some(acl) => Cow::Borrowed(acl),
                None => Cow::Owned(Acl::initial(Class::Database, self.database.owner, self.server.version)),
            }),
            Target::Object(place) => self.object(*place).effective_acl(self.server.version),
            Target::Column(place) => Some(Cow::Borrowed(&self.catalog.columns[*place].acl)),
            Target::Future { creator, schema, class } => self
                .default_entry(*creator, schema.as_ref(), *class)
                .map(|entry| Cow::Borrowed(&entry.acl)),
        }
    }

    fn default_entry(&self, creator: u32, schema: Option<&Name>, class: Class) -> Option<&'a DefaultPrivileges> {
        let matches = |entry: &&DefaultPrivileges| {
            entry.creator == creator && entry.class == class && entry.schema.as_ref() == schema
        };
        self.catalog.default_privileges.iter().find(matches)
    }

    /// What was granted on exactly this to exactly this grantee, by each grantor.
    pub fn grants(&self, target: &Target, grantee: u32) -> Vec<Grant> {
        let acl = self.acl(target);
        let entries = acl.iter().flat_map(|acl| acl.0.iter());
        entries.filter(|grant| grant.grantee == grantee).copied().collect()
    }

    /// What this role granted to others on exactly this.
    pub fn granted_by(&self, target: &Target, grantor: u32) -> Vec<Grant> {
        let acl = self.acl(target);
        let entries = acl.iter().flat_map(|acl| acl.0.iter());
        entries.filter(|grant| grant.grantor == grantor).copied().collect()
    }

    /// What was granted to exactly this grantee. For future objects in a schema, what they get everywhere counts too.
    pub fn granted(&self, target: &Target, grantee: u32) -> Privileges {
        let here = self.acl(target).map(|acl| acl.granted(grantee)).unwrap_or_default();
        match target {
            Target::Future {
                creator,
                schema: Some(_),
                class,
            } => {
                let everywhere = self
                    .default_entry(*creator, None, *class)
                    .map(|entry| entry.acl.granted(grantee));
                here.union(everywhere.unwrap_or_default())
            }
            _ => here,
        }
    }

    /// What these roles can do with it, by whatever way: as owner, by a grant, as everybody can.
    pub fn effective(&self, target: &Target, roles: &BTreeSet<u32>) -> Privileges {
        let class = self.class(target);
        if roles.contains(&self.owner(target)) {
            return class.all(self.server.version);
        }
        let here = self.acl(target).map(|acl| acl.effective(roles)).unwrap_or_default();
        match target {
            Target::Future {
                creator,
                schema: Some(_),
                class,
            } => here.union(match self.default_entry(*creator, None, *class) {
                Some(entry) => entry.acl.effective(roles),
                None => class.initially_public(),
            }),
            _ => here,
        }
    }

    /// The owner as access lists have it, without putting the database's owner in for `pg_database_owner`.
    pub fn actual_owner(&self, target: &Target) -> u32 {
        match target {
            Target::Object(place) => self.object(*place).owner,
            _ => self.owner(target),
        }
    }

    /// Whether we can grant on it.
    pub fn is_ours_to_grant(&self, target: &Target) -> bool {
        self.acting.reach(self.owner(target)) != Reach::Never
    }

    /// Whether we can take back what this role granted on it.
    pub fn is_ours_to_take(&self, target: &Target, grantor: u32) -> bool {
        if grantor == self.actual_owner(target) {
            self.is_ours_to_grant(target)
        } else {
            self.acting.voice(grantor) != Reach::Never
        }
    }

    /// A role for people.
    pub fn called(&self, role: u32) -> String {
        self.server
            .role_name(role)
            .map_or_else(|| format!("the role with the number {role}"), ToString::to_string)
    }

    /// Whose future objects a schema's declaration is about when it does not say: all who own something there, the owners of schema and
    /// database, and who is covered already; less the grantee and the platform.
    pub fn creators(&self, schema: &Name, grantee: u32) -> BTreeSet<u32> {
        let owners = self
            .catalog
            .within(schema)
            .filter(|object| object.kind.class().is_some())
            .map(|object| object.owner);
        let schema_owner = self.catalog.schema(schema).map(|found| found.owner);
        let covered = self.catalog.default_privileges.iter().filter(|entry| {
            entry.schema.as_ref() == Some(schema) && entry.acl.0.iter().any(|grant| grant.grantee == grantee)
        });
        let all = owners
            .chain(schema_owner)
            .chain([self.database.owner])
            .chain(covered.map(|entry| entry.creator));
        let ordinary = |oid: &u32| *oid != grantee && self.server.roles.get(oid).is_some_and(|role| !is_platform(role));
        all.filter(ordinary).collect()
    }

    /// As people call it.
    pub fn describe<'s>(&'s self, target: &'s Target) -> Described<'s, 'a> {
        Described { scene: self, target }
    }
}

/// A target, as people call it.
pub struct Described<'s, 'a> {
    scene: &'s Scene<'a>,
    target: &'s Target,
}

impl fmt::Display for Described<'_, '_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scene = self.scene;
        match self.target {
            Target::Database => write!(out, "database {}", scene.database.name),
            Target::Object(place) => scene.object(*place).fmt(out),
            Target::Column(place) => match scene.column(*place) {
                Some((column, table)) => write!(out, "column {} of {table}", column.name),
                None => out.write_str("column"),
            },
            Target::Future { creator, schema, class } => {
                write!(out, "future {class}s")?;
                match scene.server.role_name(*creator) {
                    Some(name) => write!(out, " of {name}")?,
                    None => write!(out, " of role {creator}")?,
                }
                match schema {
                    Some(schema) => write!(out, " in schema {schema}"),
                    None => out.write_str(" in any schema"),
                }
            }
        }
    }
}
