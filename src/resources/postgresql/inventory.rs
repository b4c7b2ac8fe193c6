//! Everything in one database that has an owner, and who may do what about it. It does not know what is wanted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::provider::postgresql::{Failure, Postgresql};
use crate::resources::postgresql::role_name::is_platform;
use crate::sql;
use crate::sql::error::Error as SqlError;
use crate::sql::postgres::acl::Acl;
use crate::sql::postgres::database_catalog::{DatabaseCatalog, large_objects};
use crate::sql::postgres::object::{Object, ObjectKind, Parent, Qualifier};
use crate::sql::postgres::server_catalog::{Database, DependencyKind, ServerCatalog};
use crate::sql::privilege::Privilege;
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::statement::{Name, Statement};

/// The role that stands for "whoever owns the database".
const DATABASE_OWNER: u32 = 6171;

/// Publications whose owner has to be a superuser: of all tables, or of all tables in a schema.
/// The second kind came with version 15; its catalogue is looked at without being named.
const PUBLICATIONS: &str = "SELECT p.oid FROM pg_catalog.pg_publication p WHERE p.puballtables \
     OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_publication'::pg_catalog.regclass \
        AND d.refobjid = p.oid AND d.classid = pg_catalog.to_regclass('pg_catalog.pg_publication_namespace'))";

/// Multirange types, which versions 14 to 16 leave to the former owner when their range type moves.
const MULTIRANGES: &str = "SELECT r.rngtypid, n.nspname, t.typname FROM pg_catalog.pg_range r \
     JOIN pg_catalog.pg_type t ON t.oid = r.rngmultitypid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace";

/// One database, as it was a moment ago.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Roles, memberships and databases.
    pub server: Arc<ServerCatalog>,
    /// The objects, without those of `others`.
    pub catalog: Arc<DatabaseCatalog>,
    /// The database itself, and large objects.
    pub others: Vec<Object>,
    /// Publications that only a superuser may own.
    pub superusers_publications: BTreeSet<u32>,
    /// How ALTER names the multirange type of a range type, where it does not follow by itself.
    pub multiranges: HashMap<u32, Statement>,
}

impl Inventory {
    /// Reads the shared snapshots, and the large objects of those owners whose name `large` says. `None`: there is no such database.
    ///
    /// # Errors
    /// Of the sessions.
    pub async fn load(
        server: &Postgresql<'_>,
        database: &Name,
        large: impl Fn(&str) -> bool,
    ) -> Result<Option<Inventory>, Failure> {
        let (roles, catalog) = (server.catalog().await?, server.database(database.as_str()).await?);
        let (Some(catalog), Some(found)) = (catalog, roles.database(database.as_str()).cloned()) else {
            return Ok(None);
        };
        let kind = ObjectKind::LargeObject.catalog();
        let owners = roles.dependencies.iter().filter(|hanging| {
            let named = roles.role_name(hanging.role).is_some_and(|name| large(name.as_str()));
            named
                && hanging.database == Some(found.oid)
                && hanging.class == kind
                && hanging.kind == DependencyKind::Owner
        });
        let owners: BTreeSet<u32> = owners.map(|hanging| hanging.role).collect();
        let published = catalog
            .objects
            .iter()
            .any(|object| object.kind == ObjectKind::Publication);
        let (mut others, mut superusers_publications) = (vec![itself(&found)], BTreeSet::new());
        if published || !owners.is_empty() {
            let session = server.session(database.as_str()).await?;
            for owner in owners {
                others.extend(large_objects(&session, owner).await?);
            }
            for row in session.query(PUBLICATIONS, &[]).await? {
                superusers_publications.insert(row.oid(0)?);
            }
        }
        Ok(Some(Inventory {
            server: roles,
            catalog,
            others,
            superusers_publications,
            multiranges: HashMap::new(),
        }))
    }

    /// Reads what only those need who move types.
    ///
    /// # Errors
    /// Of the session.
    pub async fn read_multiranges(&mut self, server: &Postgresql<'_>, database: &Name) -> Result<(), Failure> {
        let types = self
            .catalog
            .objects
            .iter()
            .any(|object| object.kind == ObjectKind::Type);
        if types && (14..17).contains(&self.catalog.version) {
            let session = server.session(database.as_str()).await?;
            for row in session.query(MULTIRANGES, &[]).await? {
                let (schema, name) = (Name::from_catalog(row.text(1)?), Name::from_catalog(row.text(2)?));
                self.multiranges.insert(row.oid(0)?, sql!("TYPE {}.{}", schema, name));
            }
        }
        Ok(())
    }

    /// What [`Inventory::at_present`] has to be told: roles, memberships, databases and schemas, which are few.
    #[must_use]
    pub fn questions() -> Vec<Question> {
        let server = ServerCatalog::QUESTIONS.into_iter().take(3);
        server.chain(DatabaseCatalog::QUESTIONS.into_iter().take(1)).collect()
    }

    /// Who is a member of whom and who may create where, as it is at this moment: what a transaction borrows is decided by that, and not by
    /// a look before its locks. The objects are left out, but for the schemas and the database.
    ///
    /// # Errors
    /// When an answer is not understood.
    pub fn at_present(&self, version: u32, answers: &[Vec<Row>]) -> Result<Inventory, SqlError> {
        let (server, schemas) = answers.split_at(answers.len().min(3));
        let server = ServerCatalog::of(version, server)?;
        let number = self.database().map(|database| database.oid);
        let database = number.and_then(|oid| server.databases.get(&oid)).map(itself);
        Ok(Inventory {
            server: Arc::new(server),
            catalog: Arc::new(DatabaseCatalog::of(version, schemas)?),
            others: database.into_iter().collect(),
            superusers_publications: BTreeSet::new(),
            multiranges: self.multiranges.clone(),
        })
    }

    /// Everything that has an owner.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.catalog.objects.iter().chain(&self.others)
    }

    /// The database itself.
    #[must_use]
    pub fn database(&self) -> Option<&Object> {
        self.others.iter().find(|object| object.kind == ObjectKind::Database)
    }

    /// The name of a role, for statements: a role that is gone has none.
    #[must_use]
    pub fn role_name(&self, oid: u32) -> Option<&Name> {
        self.server.role_name(oid)
    }

    /// A role for people.
    #[must_use]
    pub fn called(&self, oid: u32) -> String {
        self.role_name(oid)
            .map_or_else(|| format!("the role with the number {oid}"), ToString::to_string)
    }

    /// The sequences that follow each table.
    #[must_use]
    pub fn followers(&self) -> HashMap<u32, Vec<&Object>> {
        let mut followers: HashMap<u32, Vec<&Object>> = HashMap::new();
        for object in &self.catalog.objects {
            if let Some(Parent::SequenceOf(table)) = object.parent {
                followers.entry(table).or_default().push(object);
            }
        }
        followers
    }

    /// The role itself, and all whose privileges it has without `SET ROLE`; whoever owns the database is `pg_database_owner` too.
    #[must_use]
    pub fn powers(&self, role: u32) -> BTreeSet<u32> {
        let mut powers = self.server.inherited_by(role);
        if self.database().is_some_and(|database| powers.contains(&database.owner)) {
            powers.insert(DATABASE_OWNER);
        }
        powers
    }

    /// Whether a role has a privilege on a schema or database, as its owner or by a grant.
    #[must_use]
    pub fn may(&self, role: u32, privilege: Privilege, object: &Object) -> bool {
        let powers = self.powers(role);
        let superuser = self.server.roles.get(&role).is_some_and(|role| role.superuser);
        let granted = |acl: &Acl| acl.effective(&powers).has(privilege);
        superuser
            || powers.contains(&object.owner)
            || object
                .effective_acl(self.catalog.version)
                .is_some_and(|acl| granted(&acl))
    }

    /// The role that has to be borrowed to act as the owner.
    #[must_use]
    pub fn acting_owner(&self, owner: u32) -> u32 {
        match self.database() {
            Some(database) if owner == DATABASE_OWNER => database.owner,
            _ => owner,
        }
    }
}

/// Why an object cannot get another owner, whoever that would be.
#[must_use]
pub fn obstacle(object: &Object, inventory: &Inventory) -> Option<&'static str> {
    let owner = inventory.server.roles.get(&object.owner);
    let (platform, superuser) = (
        owner.is_some_and(is_platform),
        owner.is_some_and(|owner| owner.superuser),
    );
    Some(match object.kind {
        ObjectKind::Database if superuser => "it belongs to the platform",
        ObjectKind::Database => return None,
        _ if object.extension => "it is a member of an extension",
        ObjectKind::Extension => "an extension keeps the owner that created it",
        ObjectKind::ForeignDataWrapper => "only a superuser may own a foreign-data wrapper",
        ObjectKind::Publication if inventory.superusers_publications.contains(&object.oid) => {
            "only a superuser may own a publication of all tables"
        }
        _ if object.owner == DATABASE_OWNER => "it belongs to whoever owns the database",
        _ if platform => "it belongs to a role of the platform",
        _ if object.address().is_none() => "its name cannot be written safely",
        _ => return None,
    })
}

/// The database itself, among what has an owner.
fn itself(database: &Database) -> Object {
    Object {
        kind: ObjectKind::Database,
        oid: database.oid,
        schema: None,
        name: database.name.clone(),
        qualifier: Qualifier::None,
        owner: database.owner,
        acl: database.acl.clone(),
        extension: false,
        parent: None,
        locks: 1,
    }
}
