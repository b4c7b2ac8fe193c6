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
use crate::sql::privilege::{Privilege, Privileges};
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
        self.behind(self.actual_owner(target))
    }

    /// Who acts for a role: itself, and the database's owner for `pg_database_owner`.
    pub fn behind(&self, role: u32) -> u32 {
        let stands_in = self
            .server
            .role_name(role)
            .is_some_and(|name| name.as_str() == DATABASE_OWNER);
        if stands_in { self.database.owner } else { role }
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
            Target::Database => self.database.owner,
            Target::Object(place) => self.object(*place).owner,
            Target::Column(place) => self.column(*place).map_or(PUBLIC, |(_, table)| table.owner),
            Target::Future { creator, .. } => *creator,
        }
    }

    /// Whether we can grant on it.
    pub fn is_ours_to_grant(&self, target: &Target) -> bool {
        self.acting.reach(self.owner(target)) != Reach::Never
    }

    /// Whether we can take back what this role granted on it.
    pub fn is_ours_to_take(&self, target: &Target, grantor: u32) -> bool {
        match self.speaker(target, grantor) {
            None => self.is_ours_to_grant(target),
            Some(role) => self.can_speak(role, target),
        }
    }

    /// In whose name one takes back what this role granted on it; `None`: in our own, with the owner's privileges.
    ///
    /// Of all roles whose privileges we have, PostgreSQL takes the nearest one with the grant options for the one that revokes. Where that is not
    /// the owner, what the owner granted stays, and no error says so.
    pub fn speaker(&self, target: &Target, grantor: u32) -> Option<u32> {
        if grantor != self.actual_owner(target) {
            return Some(grantor);
        }
        if self.acting.is_superuser() {
            return None;
        }
        let mut others = self.with_grant_options(target);
        others.remove(&grantor);
        let reach = |role: &u32| self.acting.reach(self.behind(*role));
        // Whom we only borrow may be nearer, if it is borrowed here at all.
        let ambiguous = others.iter().any(|role| reach(role) == Reach::Already)
            || others.iter().any(|role| reach(role) != Reach::Never) && self.can_speak(grantor, target);
        ambiguous.then_some(grantor)
    }

    /// Who has grant options on it. What is granted on a table counts for its columns, and a revoke from a table is one from its columns too.
    fn with_grant_options(&self, target: &Target) -> BTreeSet<u32> {
        let mut targets = vec![target.clone()];
        match target {
            Target::Object(place) if self.class(target) == Class::Table => {
                targets.extend(self.columns_of(self.object(*place).oid).map(Target::Column));
            }
            Target::Column(place) => {
                let table = self.relations.get(&self.catalog.columns[*place].table);
                targets.extend(table.copied().map(Target::Object));
            }
            // Default privileges are always the creator's.
            Target::Future { .. } => targets.clear(),
            Target::Object(_) | Target::Database => {}
        }
        let lists = targets.iter().filter_map(|target| self.acl(target));
        let grants = lists.flat_map(|acl| acl.into_owned().0);
        let with_options = grants.filter(|grant| !grant.grantable.is_empty());
        with_options.map(|grant| grant.grantee).collect()
    }

    /// Whether we can speak in the name of this role, and that role may name it.
    fn can_speak(&self, role: u32, target: &Target) -> bool {
        let schema = match target {
            Target::Object(place) => self.object(*place).schema.as_ref(),
            Target::Column(place) => self.column(*place).and_then(|(_, table)| table.schema.as_ref()),
            Target::Database | Target::Future { .. } => None,
        };
        let roles = self.server.inherited_by(role);
        let uses = |schema: &Object| {
            let owned = [schema.owner, self.behind(schema.owner)]
                .iter()
                .any(|owner| roles.contains(owner));
            let acl = schema.effective_acl(self.server.version);
            owned || acl.is_some_and(|acl| acl.effective(&roles).has(Privilege::Usage))
        };
        let schema = schema.and_then(|name| self.catalog.schema(name));
        // We ourselves have meanwhile what we borrow.
        let names = role == self.server.current_role || schema.is_none_or(uses);
        names && self.acting.voice(self.behind(role)) != Reach::Never
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
