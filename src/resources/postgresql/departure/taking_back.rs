//! What a role was granted in one database, and how it is taken back: one by one, each in the name of who granted it. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::sql;
use crate::sql::postgres::acl::{Acl, PUBLIC};
use crate::sql::postgres::class::Class;
use crate::sql::postgres::database_catalog::{DatabaseCatalog, DefaultPrivileges};
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::postgres::server_catalog::ServerCatalog;
use crate::sql::statement::{Name, Part, Statement};

/// What there is to take back in one database.
#[derive(Debug, Default)]
pub struct TakingBack {
    /// The roles that we must be a member of meanwhile.
    pub lenders: BTreeSet<u32>,
    /// On what each role granted something.
    pub granted: BTreeMap<u32, Vec<String>>,
    /// What the role granted on to others with its grant options: it goes too.
    pub passed_on: Vec<String>,
    /// What we take back as a member of the owner.
    plain: Vec<Statement>,
    /// What has to be taken back in the name of a role.
    acting: BTreeMap<u32, Vec<Statement>>,
}

impl TakingBack {
    /// Looks through the access lists and default privileges of a database for one role.
    pub fn of(server: &ServerCatalog, database: &DatabaseCatalog, large_objects: &[Object], role: u32) -> Self {
        let mut taking = Self::default();
        let Some(name) = server.role_name(role) else {
            return taking;
        };
        let who = Who {
            role,
            name,
            ours: server.inherited_by(server.current_role),
            server,
        };
        // A number is unique within one catalogue only: a function may have that of a table.
        let relations = database
            .objects
            .iter()
            .filter(|object| object.kind.catalog() == ObjectKind::Table.catalog());
        let relations: HashMap<u32, &Object> = relations.map(|object| (object.oid, object)).collect();
        let columns = database
            .columns
            .iter()
            .filter_map(|column| Some((*relations.get(&column.table)?, Some(&column.name), &column.acl)));
        let objects = database.objects.iter().chain(large_objects);
        let lists = objects.filter_map(|object| Some((object, None, object.acl.as_ref()?)));
        for (object, column, acl) in lists.chain(columns) {
            if let Some(target) = object.grant_target() {
                let (shown, owner) = (object.to_string(), object.owner);
                taking.list(
                    &who,
                    &Place {
                        target,
                        column,
                        shown,
                        owner,
                    },
                    acl,
                );
            }
        }
        for entry in &database.default_privileges {
            taking.default_privileges(&who, entry);
        }
        taking
    }

    /// The same for the databases themselves, which all databases share.
    pub fn of_databases(server: &ServerCatalog, role: u32) -> Self {
        let mut taking = Self::default();
        let Some(name) = server.role_name(role) else {
            return taking;
        };
        let who = Who {
            role,
            name,
            ours: server.inherited_by(server.current_role),
            server,
        };
        for database in server.databases.values() {
            let Some(acl) = &database.acl else { continue };
            let place = Place {
                target: sql!("DATABASE {}", &database.name),
                column: None,
                shown: format!("database {}", database.name),
                owner: database.owner,
            };
            taking.list(&who, &place, acl);
        }
        taking
    }

    /// The statements, in the name of whoever has to speak them. The loan is around them.
    pub fn statements(&self, server: &ServerCatalog) -> Vec<Statement> {
        let mut statements = self.plain.clone();
        for (grantor, own) in &self.acting {
            let Some(grantor) = server.role_name(*grantor) else {
                continue;
            };
            statements.push(sql!("SET LOCAL ROLE {}", grantor));
            statements.extend(own.iter().cloned());
            statements.push(sql!("RESET ROLE"));
        }
        statements
    }

    /// The grants of one access list. What an owner holds on its own is no grant.
    fn list(&mut self, who: &Who<'_>, place: &Place<'_>, acl: &Acl) {
        let owner = place.owner;
        if owner == who.role {
            return;
        }
        self.note_passed_on(who, &place.shown, acl);
        let grantors: BTreeSet<u32> = acl
            .0
            .iter()
            .filter(|grant| grant.grantee == who.role)
            .map(|grant| grant.grantor)
            .collect();
        for grantor in grantors {
            // What an owner takes back of a table goes from its columns too. Who has grant options on columns alone may do nothing to the table.
            let statement = match place.column.filter(|_| grantor != owner) {
                Some(column) => sql!(
                    "REVOKE ALL PRIVILEGES ({}) ON {} FROM {} CASCADE",
                    column,
                    &place.target,
                    who.name
                ),
                None => sql!("REVOKE ALL PRIVILEGES ON {} FROM {} CASCADE", &place.target, who.name),
            };
            self.lenders.insert(grantor);
            self.granted.entry(grantor).or_default().push(place.shown.clone());
            // With grant options of our own, we would be taken for the grantor.
            let ambiguous = acl.0.iter().any(|grant| {
                grant.grantee != owner && !grant.grantable.is_empty() && who.ours.contains(&grant.grantee)
            });
            if grantor == owner && !ambiguous {
                if !self.plain.contains(&statement) {
                    self.plain.push(statement);
                }
            } else {
                self.acting.entry(grantor).or_default().push(statement);
            }
        }
    }

    fn note_passed_on(&mut self, who: &Who<'_>, what: &str, acl: &Acl) {
        let passed = acl
            .0
            .iter()
            .filter(|grant| grant.grantor == who.role && grant.grantee != who.role);
        self.passed_on.extend(passed.map(|grant| {
            let grantee = who.shown(grant.grantee);
            format!("{} on {what} to {grantee}", grant.privileges)
        }));
    }

    /// An entry of the role's own goes back to what PostgreSQL starts with; from others' entries the role is taken out.
    fn default_privileges(&mut self, who: &Who<'_>, entry: &DefaultPrivileges) {
        let Some(creator) = who.server.role_name(entry.creator) else {
            return;
        };
        let Some(objects) = plural(entry.class) else { return };
        let scope = match &entry.schema {
            Some(schema) => sql!("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {}", creator, schema),
            None => sql!("ALTER DEFAULT PRIVILEGES FOR ROLE {}", creator),
        };
        let own = entry.creator == who.role;
        let grantees: BTreeSet<u32> = entry.acl.0.iter().map(|grant| grant.grantee).collect();
        let gone = grantees.into_iter().filter(|grantee| {
            let initial = entry.schema.is_none() && *grantee == entry.creator;
            if own { !initial } else { *grantee == who.role }
        });
        let revoke = |grantee| {
            Some(sql!(
                "{} REVOKE ALL PRIVILEGES ON {} FROM {}",
                &scope,
                objects,
                who.part(grantee)?
            ))
        };
        let mut statements: Vec<Statement> = gone.filter_map(revoke).collect();
        if own && entry.schema.is_none() {
            statements.push(sql!("{} GRANT ALL PRIVILEGES ON {} TO {}", &scope, objects, creator));
            let public = entry.class.initially_public();
            if !public.is_empty() {
                statements.push(sql!(
                    "{} GRANT {} ON {} TO PUBLIC",
                    &scope,
                    Part::list(public.keywords()),
                    objects
                ));
            }
        }
        if !statements.is_empty() {
            self.lenders.insert(entry.creator);
            self.plain.extend(statements);
        }
    }
}

/// What an access list belongs to.
struct Place<'a> {
    /// As statements name it.
    target: Statement,
    /// Where the list is that of a column of it.
    column: Option<&'a Name>,
    /// As people call it.
    shown: String,
    owner: u32,
}

/// The role that is about to go, and who looks.
struct Who<'a> {
    role: u32,
    name: &'a Name,
    ours: BTreeSet<u32>,
    server: &'a ServerCatalog,
}

impl Who<'_> {
    fn part(&self, grantee: u32) -> Option<Part> {
        match grantee {
            PUBLIC => Some(Part::Word("PUBLIC")),
            role => self.server.role_name(role).map(Part::from),
        }
    }

    fn shown(&self, grantee: u32) -> String {
        match grantee {
            PUBLIC => "PUBLIC".to_owned(),
            role => self
                .server
                .role_name(role)
                .map_or_else(|| role.to_string(), Name::to_string),
        }
    }
}

/// The word of ALTER DEFAULT PRIVILEGES.
fn plural(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::Table => "TABLES",
        Class::Sequence => "SEQUENCES",
        Class::Routine => "FUNCTIONS",
        Class::Type => "TYPES",
        Class::Schema => "SCHEMAS",
        Class::LargeObject => "LARGE OBJECTS",
        _ => return None,
    })
}
