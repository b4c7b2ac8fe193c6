//! One emulator for all tests of access, a database for each, and the test's own eyes.

use std::collections::BTreeSet;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Options};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;
use crate::resources::world::started;

/// The type under test.
pub const TYPE: &str = "entradb_postgresql_access";

/// The role as which the provider logs in.
pub const ADMINISTRATOR: &str = "terraform";

/// A database with schema `sales`, of role `owner`, in which `etl` may make things too.
pub struct Stage {
    /// The server.
    pub emulator: &'static Emulator,
    /// The provider.
    pub plugin: Plugin,
    /// The database; the names of the test's roles begin with it.
    pub database: String,
    /// The platform's superuser in that database.
    pub eyes: Client,
    /// What the administrator was a member of at the beginning.
    memberships: BTreeSet<String>,
}

async fn emulator() -> &'static Emulator {
    static EMULATOR: OnceCell<Emulator> = OnceCell::const_new();
    let start = || started(Options::default());
    EMULATOR.get_or_init(start).await
}

/// From version 16 on, who manages a role needs ADMIN OPTION; before, CREATEROLE is enough.
fn managed_by(emulator: &Emulator, role: &str, administrators: &str) -> String {
    let (role, administrators) = (quoted(role), quoted(administrators));
    match emulator.postgresql().major {
        16.. => format!("grant {role} to {administrators} with admin true, inherit false, set false;"),
        _ => String::new(),
    }
}

/// Makes a role that the administrators manage.
pub fn new_role(emulator: &Emulator, role: &str) -> String {
    format!(
        "create role {} login; {}",
        quoted(role),
        managed_by(emulator, role, "azure_pg_admin")
    )
}

/// The memberships of the administrator, with who granted them and how.
async fn memberships(eyes: &Client) -> BTreeSet<String> {
    let query =
        "select format('%s: %s', roleid::regrole, to_jsonb(m) - 'oid' - 'roleid' - 'member') from pg_auth_members m
                 where member = $1::text::regrole";
    let found = eyes.query(query, &[&ADMINISTRATOR]).await.expect("memberships");
    found.iter().map(|row| row.get(0)).collect()
}

impl Stage {
    /// A database in which these statements have run, too. `{app}` stands for the name of the role `app`.
    pub async fn new(database: &str, statements: &str) -> Self {
        let emulator = emulator().await;
        let server = emulator.superuser("postgres").await;
        let make = format!("create database {} owner pgadmin", quoted(database));
        server.simple_query(&make).await.expect("a database");
        for role in ["owner", "etl", "app", "app2"] {
            let make = new_role(emulator, &format!("{database}_{role}"));
            server.simple_query(&make).await.expect("a role");
        }
        let eyes = emulator.superuser(database).await;
        let stage = Self {
            emulator,
            plugin: azure::provider(emulator).await,
            database: database.to_owned(),
            memberships: memberships(&eyes).await,
            eyes,
        };
        let schema = "create schema sales authorization {owner}; grant usage, create on schema sales to {etl};";
        stage.by_hand(schema).await;
        stage.by_hand(statements).await;
        stage
    }

    /// The name of a role of the test.
    pub fn role(&self, name: &str) -> String {
        format!("{}_{name}", self.database)
    }

    fn fill(&self, text: &str) -> String {
        let roles = ["owner", "etl", "app", "app2"].iter();
        let filled = roles.fold(text.to_owned(), |text, role| {
            text.replace(&format!("{{{role}}}"), &quoted(&self.role(role)))
        });
        filled.replace("{database}", &quoted(&self.database))
    }

    /// Does something as the platform's superuser: what a person does by hand, between two runs of Terraform.
    pub async fn by_hand(&self, statements: &str) {
        let filled = self.fill(statements);
        if let Err(error) = self.eyes.simple_query(&filled).await {
            panic!("{error:?} in {filled}");
        }
        // Within one run, what was read is good for some seconds.
        self.plugin.configure(config! {}).await;
    }

    /// Whether a query is true.
    pub async fn is_true(&self, query: &str) -> bool {
        let query = format!("select {}", self.fill(query));
        self.eyes.query_one(&query, &[]).await.expect("a truth").get(0)
    }

    /// Whether `app` can do this with a table.
    pub async fn can(&self, privilege: &str, table: &str) -> bool {
        let (role, table) = (literal(&self.role("app")), literal(table));
        self.is_true(&format!("has_table_privilege({role}, {table}, '{privilege}')"))
            .await
    }

    /// How many things in this database, or the database itself, have a role in their access lists.
    pub async fn privileges_of(&self, role: &str) -> i64 {
        let query = "select count(*) from pg_shdepend s join pg_database d on d.datname = current_database()
                     where s.deptype = 'a' and s.refobjid = (select oid from pg_roles where rolname = $1)
                     and (s.dbid = d.oid or s.objid = d.oid)";
        let role = self.role(role);
        self.eyes.query_one(query, &[&role]).await.expect("a count").get(0)
    }

    /// Nothing that was borrowed is kept: the administrator is a member of nothing that it was not a member of at the beginning.
    pub async fn nothing_is_borrowed(&self) {
        let now = memberships(&self.eyes).await;
        let kept: Vec<&String> = now.difference(&self.memberships).collect();
        assert!(kept.is_empty(), "the administrator keeps {kept:?}");
    }

    /// What the provider sent to this database since a place in the log, in the attempt that succeeded: other tests borrow the same roles at
    /// the same time, and who meets them begins anew.
    pub fn sent_since(&self, place: usize) -> Vec<String> {
        let messages = self.attempt_since(place);
        // One message carries several.
        let statements = messages.iter().flat_map(|message| message.split(";\n"));
        statements.map(str::to_owned).collect()
    }

    /// How many messages that was.
    pub fn messages_since(&self, place: usize) -> usize {
        self.attempt_since(place).len()
    }

    fn attempt_since(&self, place: usize) -> Vec<String> {
        let all = self.emulator.statements();
        let ours = all.into_iter().skip(place);
        let ours = ours.filter(|statement| statement.user == ADMINISTRATOR && statement.database == self.database);
        let mut messages: Vec<String> = ours.map(|statement| statement.text).collect();
        let begun = messages.iter().rposition(|text| text == "ROLLBACK");
        messages.split_off(begun.map_or(0, |place| place + 1))
    }

    /// The place in the log.
    pub fn place(&self) -> usize {
        self.emulator.statements().len()
    }

    /// A declaration for `app`.
    pub fn declared(&self, more: Object) -> Object {
        let mut declared = config! {
            "server" => self.emulator.postgresql().id.as_str(),
            "database" => self.database.as_str(),
            "grantee" => self.role("app").as_str(),
        };
        declared.extend(more);
        declared
    }

    /// A level in schema `sales`.
    pub fn level(&self, level: &str) -> Object {
        self.declared(config! { "schema" => vec![crate::block! { "name" => "sales", "level" => level }] })
    }

    /// Creates.
    pub async fn create(&self, declared: Object) -> Instance<'_> {
        self.plugin.resource(TYPE).create(declared).await
    }

    /// What an import is asked for.
    pub fn id(&self) -> String {
        let server = self.emulator.postgresql();
        let escape = |text: &str| text.replace('%', "%25").replace('|', "%7C");
        format!("{}|{}|{}", server.id, escape(&self.database), escape(&self.role("app")))
    }
}

/// The texts of a list.
pub fn lines(value: &Value) -> Vec<&str> {
    let list = value.as_list().unwrap_or_else(|| panic!("{value:?} is no list"));
    list.iter().filter_map(Value::as_str).collect()
}

/// A text as SQL writes it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as SQL writes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
