//! One emulator for all tests of ownership, a database for each, and the test's own eyes.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Options};
use tokio_postgres::Client;

use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;
use crate::resources::world;

/// The type under test.
pub const OWNERSHIP: &str = "entradb_postgresql_ownership";

/// A database of its own on a server that others may use at the same time.
pub struct Bench {
    /// The server.
    pub emulator: &'static Emulator,
    /// The database; roles of the test begin with its name.
    pub database: String,
    /// The platform's superuser in that database.
    pub eyes: Client,
}

/// An emulator of its own, whose administrator is the runner, with the roles `old` and `new`.
pub async fn start() -> Emulator {
    let emulator = world::started(Options::default()).await;
    let eyes = emulator.superuser("postgres").await;
    eyes.batch_execute("create role old; create role new")
        .await
        .expect("two roles");
    manage(&emulator, "^(old|new)$").await;
    emulator
}

/// On Azure every administrator manages every ordinary role; from version 16 on PostgreSQL wants that to be granted.
async fn manage(emulator: &Emulator, roles: &str) {
    let statements = format!(
        "do $$ declare managed text; begin
            if current_setting('server_version_num')::int < 160000 then return; end if;
            perform pg_advisory_xact_lock(42);
            for managed in select rolname from pg_roles where rolname ~ '{roles}' loop
                if not exists (select from pg_auth_members
                               where roleid = quote_ident(managed)::regrole and member = '{admin}'::regrole and admin_option) then
                    execute format('grant %I to {admin} with admin true, inherit false, set false', managed);
                end if;
            end loop;
        end $$",
        admin = world::ADMINISTRATOR
    );
    let everywhere = emulator.superuser("postgres").await;
    let managed = everywhere.batch_execute(&statements).await;
    managed.expect("roles that are managed");
}

impl Bench {
    /// A database in which `statements` have run; `{new}` and `{old}` stand for two roles that may log in.
    pub async fn new(database: &str, statements: &str) -> Self {
        let emulator = world::emulator().await;
        let everywhere = emulator.superuser("postgres").await;
        let make = format!("create database {database} owner pgadmin");
        everywhere.execute(&make, &[]).await.expect("a database");
        let roles = format!("create role {database}_old login; create role {database}_new login;");
        everywhere.batch_execute(&roles).await.expect("two roles");
        let bench = Self {
            emulator,
            database: database.to_owned(),
            eyes: emulator.superuser(database).await,
        };
        bench.run(statements).await;
        manage(emulator, &format!("^({database}_.*|pgadmin)$")).await;
        bench
    }

    /// The name of a role of the test.
    pub fn role(&self, name: &str) -> String {
        format!("{}_{name}", self.database)
    }

    /// The text with `{old}`, `{new}` and `{database}` filled in.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{old}", &self.role("old"))
            .replace("{new}", &self.role("new"))
            .replace("{database}", &self.database)
    }

    /// Runs statements as the superuser.
    pub async fn run(&self, statements: &str) {
        let filled = self.fill(statements);
        if let Err(error) = self.eyes.batch_execute(&filled).await {
            panic!("{error:?} in {filled}");
        }
    }

    /// The texts of a query's first column.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let rows = self.eyes.query(&self.fill(query), &[]).await;
        rows.expect("a query").iter().map(|row| row.get(0)).collect()
    }

    /// A number.
    pub async fn count(&self, query: &str) -> i64 {
        self.eyes
            .query_one(&self.fill(query), &[])
            .await
            .expect("a query")
            .get(0)
    }

    /// How much of the database a role owns.
    pub async fn owned_by(&self, name: &str) -> i64 {
        let role = self.role(name);
        let query = "select count(*) from pg_shdepend s join pg_database d on d.oid = s.dbid
                     where d.datname = current_database() and s.deptype = 'o' and s.refobjid = $1::text::regrole";
        self.eyes.query_one(query, &[&role]).await.expect("a count").get(0)
    }

    /// Owner and privileges of everything that has them, one text each: what everybody but the owner may do, whoever granted it.
    pub async fn picture(&self) -> Vec<String> {
        let query = "
            with grants (what, acl, owner, class) as (
                select 'relation ' || oid::regclass, relacl, relowner, case relkind when 'S' then 's' else 'r' end::\"char\"
                  from pg_class where relkind in ('r', 'p', 'f', 'v', 'm', 'S')
                union all select 'routine ' || oid::regprocedure, proacl, proowner, 'f' from pg_proc
                union all select 'type ' || oid::regtype, typacl, typowner, 'T' from pg_type
                union all select 'schema ' || nspname, nspacl, nspowner, 'n' from pg_namespace
                union all select 'database ' || datname, datacl, datdba, 'd' from pg_database where datname = current_database()
                union all select 'large object ' || oid, lomacl, lomowner, 'L' from pg_largeobject_metadata
                union all select 'column ' || attrelid::regclass || '.' || attname, attacl, relowner, 'c'
                  from pg_attribute join pg_class c on c.oid = attrelid where attacl is not null)
            select what || ' of ' || owner::regrole || ': ' || coalesce((
                select string_agg(distinct g.grantee || ' ' || g.privilege_type || case when g.is_grantable then '*' else '' end, ', ') from
                  aclexplode(case when class = 'c' then acl else coalesce(acl, acldefault(class, owner)) end) g
                where g.grantee <> owner), '')
            from grants where owner <> 10 order by 1";
        self.texts(query).await
    }

    /// Someone else's session, past the front.
    pub async fn session(&self, role: &str) -> Client {
        world::session_of(self.emulator, &self.role(role), &self.database).await
    }

    /// A transaction of the old owner that holds a table for as long as the session is there.
    pub async fn holding(&self, table: &str) -> Client {
        let session = self.session("old").await;
        let begin = format!("begin; insert into {table} values (1)");
        session.batch_execute(&begin).await.expect("a long transaction");
        session
    }

    /// A provider that signs in as the runner.
    pub async fn provider(&self) -> Plugin {
        provider(self.emulator).await
    }

    /// A configuration for this database.
    pub fn config(&self, more: Object) -> Object {
        let mut config = crate::config! {
            "server" => self.emulator.postgresql().id.as_str(),
            "database" => self.database.as_str(),
            "owner" => self.role("new"),
        };
        config.extend(more);
        config
    }

    /// The old user's objects, wherever they are.
    pub fn of_old(&self, more: Object) -> Object {
        let mut config = self.config(crate::config! { "previous_owners" => Value::from([self.role("old").as_str()]) });
        config.extend(more);
        config
    }
}

/// A provider that signs in as the runner of an emulator.
pub async fn provider(emulator: &Emulator) -> Plugin {
    let environment = emulator.environment();
    let mut environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    environment.push(("TF_LOG_PROVIDER", "DEBUG"));
    let plugin = Plugin::start(&environment).await;
    plugin.configure(crate::config! {}).await;
    plugin
}

/// The texts of a list in the state.
pub fn list(value: &Value) -> Vec<String> {
    value
        .as_list()
        .expect("a list")
        .iter()
        .map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}

/// The same state in the next command: another process of the provider, which remembers nothing.
pub fn next<'a>(instance: Instance<'_>, plugin: &'a Plugin) -> Instance<'a> {
    let Instance {
        resource: _,
        config,
        state,
        private,
        identity,
        tainted,
    } = instance;
    Instance {
        resource: plugin.resource(OWNERSHIP),
        config,
        state,
        private,
        identity,
        tainted,
    }
}
