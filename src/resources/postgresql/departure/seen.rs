//! What an attempt sees of the role that goes: all that hangs on it, and nothing else of the server.

use std::collections::BTreeSet;

use crate::provider::postgresql::Failure;
use crate::sql::postgres::acl::{Acl, Grant};
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::object::{Object, ObjectKind, Qualifier};
use crate::sql::postgres::server_catalog::ServerCatalog;
use crate::sql::postgres::traces;
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::session::Transaction;
use crate::sql::statement::Name;

/// What was seen, first of the role itself, then of those whom it takes to act.
#[derive(Debug)]
pub(super) struct Seen {
    /// What the databases share.
    pub(super) server: ServerCatalog,
    /// What is in the database; empty where only the server was looked at.
    pub(super) objects: DatabaseCatalog,
    /// The large objects on which the role stands in the access list, or which it owns.
    pub(super) large: Vec<Object>,
}

impl Seen {
    /// What to ask about the server and the session's database.
    pub(super) fn questions(version: u32, role: u32) -> Vec<Question> {
        let [server, database] = [&traces::on_server(version, role)[..], &traces::in_database(role)[..]];
        [server, database, &[traces::large_objects(role)]].concat()
    }

    /// The same of everybody and everything, what it takes to move or drop what the role owns; and of the role, what the system brought along.
    pub(super) fn everything(role: u32) -> Vec<Question> {
        let [server, database] = [&ServerCatalog::QUESTIONS[..], &DatabaseCatalog::QUESTIONS[..]];
        [
            server,
            database,
            &[traces::large_objects(role)],
            &traces::in_database(role),
        ]
        .concat()
    }

    /// The answers to these, or to their beginning, those of [`traces::on_server`].
    pub(super) fn read(version: u32, answers: &[Vec<Row>]) -> Result<Self, Failure> {
        let (server, rest) = answers.split_at(answers.len().min(ServerCatalog::QUESTIONS.len()));
        let (objects, rest) = rest.split_at(rest.len().min(DatabaseCatalog::QUESTIONS.len()));
        let (large, traces) = rest.split_at(rest.len().min(1));
        Ok(Self {
            server: ServerCatalog::of(version, server)?,
            objects: with_more(
                DatabaseCatalog::of(version, objects)?,
                DatabaseCatalog::of(version, traces)?,
            ),
            large: large.first().map_or(Ok(Vec::new()), |rows| large_objects(rows))?,
        })
    }

    /// The grants in which the role has a part.
    fn grants(&self, role: u32) -> impl Iterator<Item = &Grant> {
        let databases = self
            .server
            .databases
            .values()
            .filter_map(|database| database.acl.as_ref());
        let objects = self.objects.objects.iter().chain(&self.large);
        let columns = self.objects.columns.iter().map(|column| &column.acl);
        let lists = databases
            .chain(objects.filter_map(|object| object.acl.as_ref()))
            .chain(columns);
        lists
            .flat_map(|acl| &acl.0)
            .filter(move |grant| [grant.grantee, grant.grantor].contains(&role))
    }

    /// The roles that have to be known by name, or acted for.
    fn concerned(&self, role: u32) -> BTreeSet<u32> {
        let mut roles = BTreeSet::from([role]);
        roles.extend(self.grants(role).flat_map(|grant| [grant.grantee, grant.grantor]));
        for entry in &self.objects.default_privileges {
            roles.insert(entry.creator);
            let own = entry.creator == role;
            roles.extend(entry.acl.0.iter().filter(|_| own).map(|grant| grant.grantee));
        }
        roles.extend(self.server.databases.values().map(|database| database.owner));
        let granted = self.server.memberships.iter();
        roles.extend(granted.flat_map(|one| [one.role, one.member, one.grantor]));
        roles
    }

    /// Asks who they are.
    pub(super) async fn meet(mut self, transaction: &Transaction<'_>, role: u32) -> Result<Self, Failure> {
        let version = self.server.version;
        let questions = traces::of_roles(version, &self.concerned(role));
        let met = ServerCatalog::of(version, &transaction.execute_and_ask(&[], &questions).await?)?;
        let mut memberships = self.server.memberships;
        memberships.extend(met.memberships.iter().copied());
        memberships.sort_by_key(|one| (one.role, one.member, one.grantor));
        memberships.dedup();
        self.server = ServerCatalog {
            memberships,
            databases: self.server.databases,
            dependencies: self.server.dependencies,
            ..met
        };
        Ok(self)
    }
}

/// The objects and columns of both. Those of the second are of the role alone.
fn with_more(mut objects: DatabaseCatalog, more: DatabaseCatalog) -> DatabaseCatalog {
    let key = |object: &Object| (object.kind.catalog(), object.oid);
    let known: BTreeSet<(u32, u32)> = objects.objects.iter().map(key).collect();
    let is_new = |object: &Object| !known.contains(&key(object));
    let tables = more
        .objects
        .iter()
        .filter(|object| is_new(object))
        .map(|object| object.oid);
    let tables: BTreeSet<u32> = tables.collect();
    let columns = more.columns.into_iter();
    objects
        .columns
        .extend(columns.filter(|column| tables.contains(&column.table)));
    objects.objects.extend(more.objects.into_iter().filter(is_new));
    objects
}

/// The snapshot of a database leaves these out.
fn large_objects(rows: &[Row]) -> Result<Vec<Object>, Failure> {
    let object = |row: &Row| {
        Ok(Object {
            kind: ObjectKind::LargeObject,
            oid: row.oid(0)?,
            schema: None,
            name: Name::from_catalog(&row.oid(0)?.to_string()),
            qualifier: Qualifier::None,
            owner: row.oid(1)?,
            acl: row.optional_list(2)?.map(Acl::parse).transpose()?,
            extension: false,
            parent: None,
            locks: 1,
        })
    };
    rows.iter().map(object).collect()
}
