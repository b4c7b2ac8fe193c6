//! The pure part on a small world: a database `app` with schemas `public` (the platform's) and `sales`, and what people do to it.

use std::collections::BTreeSet;

use expect_test::Expect;

use crate::protocol::model::Model;
use crate::protocol::value::{Object, Value};
use crate::resources::postgresql::access::difference::Difference;
use crate::resources::postgresql::access::scene::Scene;
use crate::resources::postgresql::access::work::{Job, Work};
use crate::resources::postgresql::access::{PostgresqlAccess, found};
use crate::sql::postgres::database_catalog::DatabaseCatalog;
use crate::sql::postgres::server_catalog::ServerCatalog;
use crate::sql::quote::Dialect;
use crate::sql::recorder::Recorder;
use crate::sql::row::{Cell, Row};
use crate::sql::session::Session;
use crate::sql::statement::Name;

const ADMIN: i64 = 100;
const PLATFORM: i64 = 101;
const OWNER: i64 = 200;
const OTHER: i64 = 201;
const APP: i64 = 300;
const NEXT: i64 = 301;

/// The lock table of a server with the default settings.
const ROOM: u64 = 6400;

/// What is there; the columns are those of the queries.
struct World {
    version: u32,
    roles: Vec<Row>,
    memberships: Vec<Row>,
    database_acl: Cell,
    schemas: Vec<Row>,
    relations: Vec<Row>,
    routines: Vec<Row>,
    types: Vec<Row>,
    defaults: Vec<Row>,
    columns: Vec<Row>,
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn acl(entries: &[&str]) -> Cell {
    match entries {
        [] => Cell::Null,
        _ => Cell::List(entries.iter().map(|entry| (*entry).to_owned()).collect()),
    }
}

fn role(oid: i64, name: &str, create_role: bool) -> Row {
    let mut cells = vec![Cell::Number(oid), text(name)];
    cells.extend([true, false, true, create_role, false, false, false].map(Cell::Bool));
    cells.extend([
        Cell::Number(-1),
        Cell::Null,
        Cell::List(Vec::new()),
        Cell::Null,
        Cell::Null,
    ]);
    cells.push(Cell::Bool(oid == ADMIN));
    Row::new(cells)
}

fn membership(role: i64, member: i64, admin: bool) -> Row {
    let mut cells = vec![
        Cell::Number(role),
        Cell::Number(member),
        Cell::Number(10),
        Cell::Bool(admin),
    ];
    cells.extend([Cell::Null, Cell::Null]);
    Row::new(cells)
}

/// From version 16 on; the options are `admin`, `inherit` and `set`.
fn with_options(role: i64, member: i64, options: [bool; 3]) -> Row {
    let numbers = [role, member, ADMIN].map(Cell::Number);
    Row::new(numbers.into_iter().chain(options.map(Cell::Bool)).collect())
}

fn object(kind: &str, oid: i64, schema: &str, name: &str, owner: i64, entries: &[&str]) -> Vec<Cell> {
    let schema = if schema.is_empty() { Cell::Null } else { text(schema) };
    vec![
        text(kind),
        Cell::Number(oid),
        schema,
        text(name),
        Cell::Number(owner),
        acl(entries),
        Cell::Bool(false),
    ]
}

impl World {
    fn new(version: u32) -> Self {
        let roles = vec![
            role(ADMIN, "admin@example.com", true),
            role(PLATFORM, "azure_pg_admin", false),
            role(OWNER, "app_owner", false),
            role(OTHER, "etl", false),
            role(APP, "app", false),
            role(NEXT, "app2", false),
        ];
        let schema = |oid, name, owner| Row::new(object("schema", oid, "", name, owner, &[]));
        Self {
            version,
            roles,
            memberships: vec![membership(PLATFORM, ADMIN, false)],
            database_acl: Cell::Null,
            schemas: vec![schema(2200, "public", PLATFORM), schema(20000, "sales", OWNER)],
            relations: Vec::new(),
            routines: Vec::new(),
            types: Vec::new(),
            defaults: Vec::new(),
            columns: Vec::new(),
        }
    }

    fn relation(mut self, kind: &str, name: &str, owner: i64, entries: &[&str]) -> Self {
        let oid = 21000 + i64::try_from(self.relations.len()).unwrap();
        let mut cells = object(kind, oid, "sales", name, owner, entries);
        cells.extend([Cell::Null, Cell::Null, Cell::Bool(false), Cell::Number(1), Cell::Null]);
        self.relations.push(Row::new(cells));
        self
    }

    fn table(self, name: &str, owner: i64, entries: &[&str]) -> Self {
        self.relation("r", name, owner, entries)
    }

    fn function(mut self, name: &str, owner: i64, entries: &[&str]) -> Self {
        let oid = 22000 + i64::try_from(self.routines.len()).unwrap();
        let mut cells = object("function", oid, "sales", name, owner, entries);
        cells.extend([
            Cell::List(["pg_catalog", "int4"].map(str::to_owned).to_vec()),
            text("integer"),
            Cell::Bool(false),
        ]);
        self.routines.push(Row::new(cells));
        self
    }

    fn r#type(mut self, name: &str, owner: i64) -> Self {
        let oid = 23000 + i64::try_from(self.types.len()).unwrap();
        self.types
            .push(Row::new(object("type", oid, "sales", name, owner, &[])));
        self
    }

    /// Default privileges; `schema` empty: everywhere.
    fn default(mut self, creator: i64, schema: &str, class: &str, entries: &[&str]) -> Self {
        let schema = if schema.is_empty() { Cell::Null } else { text(schema) };
        self.defaults
            .push(Row::new(vec![Cell::Number(creator), schema, text(class), acl(entries)]));
        self
    }

    fn column(mut self, table: i64, name: &str, entries: &[&str]) -> Self {
        self.columns
            .push(Row::new(vec![Cell::Number(table), text(name), acl(entries)]));
        self
    }

    fn schema_acl(mut self, entries: &[&str]) -> Self {
        self.schemas[1] = Row::new(object("schema", 20000, "", "sales", OWNER, entries));
        self
    }

    fn member(mut self, role: i64, member: i64, admin: bool) -> Self {
        self.memberships.push(membership(role, member, admin));
        self
    }

    async fn look<T>(self, see: impl FnOnce(&Scene<'_>) -> T) -> T {
        let database = vec![
            Cell::Number(5),
            text("app"),
            Cell::Number(OWNER),
            Cell::Bool(true),
            Cell::Bool(false),
            self.database_acl,
        ];
        let recorder = Recorder::default()
            .server_version(self.version)
            .answer("SELECT r.oid, r.rolname", self.roles)
            .answer("SELECT m.roleid", self.memberships)
            .answer("SELECT d.oid, d.datname", vec![Row::new(database)])
            .answer("SELECT 'schema', n.oid", self.schemas)
            .answer("SELECT c.relkind", self.relations)
            .answer("SELECT CASE p.prokind", self.routines)
            .answer("SELECT CASE t.typtype", self.types)
            .answer("SELECT d.defaclrole", self.defaults)
            .answer("SELECT a.attrelid", self.columns);
        let session = Session::recorded(recorder);
        let server = ServerCatalog::load(&session).await.unwrap();
        let catalog = DatabaseCatalog::load(&session).await.unwrap();
        let refused = BTreeSet::new();
        see(&Scene::new(&server, &Name::new("app").unwrap(), &catalog, &refused).unwrap())
    }

    /// What Read says.
    async fn reads(self, declared: &PostgresqlAccess, expected: Expect) {
        let lines = self.look(|scene| {
            let grantee = scene.number(&declared.grantee).unwrap();
            let declaration = declared.declaration(scene.server.version);
            let difference = Difference::new(&declaration, scene, grantee);
            let missing = difference.missing(&declaration, scene).shown;
            let unexpected = difference
                .unexpected(scene)
                .shown
                .into_iter()
                .map(|line| format!("unexpected: {line}"));
            let beyond = difference
                .beyond(scene)
                .shown
                .into_iter()
                .map(|line| format!("beyond: {line}"));
            missing.into_iter().chain(unexpected).chain(beyond).collect::<Vec<_>>()
        });
        expected.assert_eq(&lines.await.join("\n"));
    }

    /// What an apply runs.
    async fn runs(self, now: Option<&PostgresqlAccess>, before: Option<&PostgresqlAccess>, expected: Expect) {
        let work = self
            .look(|scene| {
                let former = None;
                Work::new(Job { now, before, former }, scene, ROOM)
            })
            .await;
        let text = match work {
            Ok(work) => {
                let statements = work
                    .statements
                    .iter()
                    .map(|statement| statement.render(Dialect::PostgreSql));
                statements.collect::<Vec<_>>().join("\n")
            }
            Err(diagnostic) => format!("{} at {}: {}", diagnostic.summary, diagnostic.path, diagnostic.detail),
        };
        expected.assert_eq(&text);
    }

    /// What an import finds.
    async fn imports(self, expected: Expect) {
        let blocks = self.look(|scene| {
            let app = u32::try_from(APP).unwrap();
            let database = found::on_database(scene, app).map(|words| format!("database {words:?}"));
            let schemas = found::in_schemas(scene, app);
            let shown = schemas.into_iter().map(|block| {
                let given = block.into_object().into_iter().filter(|(_, value)| !value.is_null());
                given
                    .map(|(name, value)| match value {
                        Value::String(text) => format!("{name}={text}"),
                        Value::List(texts) => {
                            let texts = texts
                                .iter()
                                .filter_map(Value::as_str)
                                .map(str::to_owned)
                                .collect::<Vec<_>>();
                            format!("{name}=[{}]", texts.join(" "))
                        }
                        other => format!("{name}={other:?}"),
                    })
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            database.into_iter().chain(shown).collect::<Vec<_>>()
        });
        expected.assert_eq(&blocks.await.join("\n"));
    }
}

/// A declaration for `app`, with these attributes.
fn declared(more: &[(&str, Value)], schemas: &[&[(&str, Value)]]) -> PostgresqlAccess {
    let object = |pairs: &[(&str, Value)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<Object>()
    };
    let mut given = object(&[
        ("server", Value::from("pg.example")),
        ("database", Value::from("app")),
        ("grantee", Value::from("app")),
        ("exclusive", Value::Bool(false)),
        (
            "schema",
            Value::List(schemas.iter().map(|block| Value::Map(object(block))).collect()),
        ),
    ]);
    given.extend(object(more));
    PostgresqlAccess::from_object(given).unwrap()
}

fn level(level: &str) -> PostgresqlAccess {
    declared(&[], &[&[("name", Value::from("sales")), ("level", Value::from(level))]])
}

fn exclusive(level: &str) -> PostgresqlAccess {
    PostgresqlAccess {
        exclusive: true,
        ..self::level(level)
    }
}

fn grantee(name: &str, declared: PostgresqlAccess) -> PostgresqlAccess {
    PostgresqlAccess {
        grantee: name.parse().unwrap(),
        ..declared
    }
}

mod applying;
mod grantors;
mod locking;
mod reading;
