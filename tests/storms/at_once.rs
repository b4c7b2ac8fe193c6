//! Eight at once on one server, over the same roles and databases: nobody is told of the others, and all converge.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Access, Emulator, Options};
use futures_util::future::join_all;

use crate::harness::azure;
use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;
use crate::resources::world::{by_hand, fact, role_by_hand, started, with};
use crate::terraform::workspace::Workspace;
use crate::{block, config};

const PROCESSES: usize = 8;

async fn server() -> Emulator {
    let emulator = started(Options::default()).await;
    for role in ["owner", "old", "new"] {
        role_by_hand(&emulator, role, "login").await;
    }
    let tables = "create schema sales authorization owner; set role owner; create table sales.orders (id serial);
                  create table sales.items (id serial); reset role; create schema legacy authorization old; set role old;
                  create table legacy.one (id serial); create table legacy.two (id serial); reset role";
    by_hand(&emulator, "app", tables).await;
    emulator
}

fn on(emulator: &Emulator, more: Object) -> Object {
    with(config! { "server" => emulator.postgresql().id.as_str() }, more)
}

async fn one<'a>(plugin: &'a Plugin, kind: &str, given: Object, made: &mut Vec<Instance<'a>>) {
    made.push(plugin.resource(kind).create(given).await);
}

/// What one of the processes makes: a user of its own, and what all of them want alike.
async fn everything<'a>(emulator: &Emulator, plugin: &'a Plugin, own: (&str, &str), shared: &str) -> Vec<Instance<'a>> {
    let (name, principal) = own;
    let mut made = Vec::new();
    let user = |name: &str, principal: &str| {
        let given = config! { "name" => name, "object_id" => principal, "principal_type" => "ServicePrincipal" };
        on(emulator, given)
    };
    let access = |grantee: &str, level: &str| {
        let given = config! {
            "database" => "app", "grantee" => grantee, "database_privileges" => Value::from(["CONNECT"]),
            "schema" => vec![block! { "name" => "sales", "level" => level }],
        };
        on(emulator, given)
    };
    let member = |member: &str| on(emulator, config! { "role" => "everybody", "member" => member });
    let owned = config! { "database" => "app", "owner" => "new", "schemas" => Value::from(["legacy"]) };
    one(
        plugin,
        "entradb_postgresql_role",
        on(emulator, config! { "name" => "everybody" }),
        &mut made,
    )
    .await;
    one(plugin, "entradb_postgresql_user", user("together", shared), &mut made).await;
    one(plugin, "entradb_postgresql_user", user(name, principal), &mut made).await;
    one(
        plugin,
        "entradb_postgresql_role_membership",
        member("together"),
        &mut made,
    )
    .await;
    one(plugin, "entradb_postgresql_role_membership", member(name), &mut made).await;
    one(
        plugin,
        "entradb_postgresql_access",
        access("together", "read"),
        &mut made,
    )
    .await;
    one(plugin, "entradb_postgresql_access", access(name, "all"), &mut made).await;
    one(plugin, "entradb_postgresql_ownership", on(emulator, owned), &mut made).await;
    made
}

/// How often the server says something in its log.
fn said(emulator: &Emulator, words: &str) -> usize {
    let sockets = &emulator.postgresql().unix_socket_dir;
    let log = std::fs::read(sockets.with_file_name("server.log")).expect("the server's log");
    String::from_utf8_lossy(&log).matches(words).count()
}

#[tokio::test]
async fn eight_processes_that_want_the_same_and_their_own_converge() {
    let emulator = server().await;
    let shared = emulator
        .add_application("together", Access::None)
        .await
        .expect("an application");
    let mut own = Vec::new();
    for number in 0..PROCESSES {
        let name = format!("alone-{number}");
        let application = emulator
            .add_application(&name, Access::None)
            .await
            .expect("an application");
        own.push((name, application.object_id));
    }
    let plugins = join_all((0..PROCESSES).map(|_| azure::provider(&emulator))).await;
    let making = plugins.iter().zip(&own);
    let making = making.map(|(plugin, (name, id))| everything(&emulator, plugin, (name, id), &shared.object_id));
    let mut made: Vec<Vec<Instance<'_>>> = join_all(making).await;

    let members = "select count(*)::text from pg_auth_members where roleid = 'everybody'::regrole and member <> 'terraform'::regrole
                   and member <> 'azure_pg_admin'::regrole";
    assert_eq!(fact(&emulator, "postgres", members).await.as_deref(), Some("9"));
    join_all(plugins.iter().map(|plugin| plugin.configure(config! {}))).await;
    join_all(made.iter_mut().map(|instances| async {
        for instance in instances {
            instance.settled().await;
        }
    }))
    .await;
    // The last made goes first; who comes second finds it gone.
    join_all(made.into_iter().map(|mut instances| async move {
        while let Some(instance) = instances.pop() {
            instance.destroy().await;
        }
    }))
    .await;
    let left = "select string_agg(rolname, ' ') from pg_roles where rolname ~ 'alone|together|everybody'";
    assert_eq!(fact(&emulator, "postgres", left).await, None);
    assert_eq!(said(&emulator, "deadlock detected"), 0);
    assert_eq!(said(&emulator, "tuple concurrently updated"), 0);
}

fn configuration(emulator: &Emulator, number: usize) -> String {
    let server = &emulator.postgresql().fqdn;
    format!(
        r#"
provider "entradb" {{}}

resource "entradb_managed_identity" "app" {{
  name                = "run-{number}"
  resource_group_name = "data-platform"
  location            = "westeurope"
}}

resource "entradb_postgresql_role" "everybody" {{
  server = "{server}"
  name   = "everybody"
}}

resource "entradb_postgresql_user" "app" {{
  server      = "{server}"
  identity_id = entradb_managed_identity.app.id
}}

resource "entradb_postgresql_role_membership" "app" {{
  server = "{server}"
  role   = entradb_postgresql_role.everybody.name
  member = entradb_postgresql_user.app.name
}}

resource "entradb_postgresql_access" "app" {{
  server              = "{server}"
  database            = "app"
  grantee             = entradb_postgresql_user.app.name
  database_privileges = ["CONNECT"]
  schema {{
    name  = "sales"
    level = "all"
  }}
}}

resource "entradb_postgresql_ownership" "legacy" {{
  server   = "{server}"
  database = "app"
  owner    = "new"
  schemas  = ["legacy"]
}}
"#
    )
}

#[tokio::test]
async fn eight_terraforms_at_once_converge() {
    let emulator = server().await;
    let workspaces: Vec<Workspace> = (0..PROCESSES)
        .map(|number| Workspace::new(&emulator, &configuration(&emulator, number)))
        .collect();
    let apply = ["apply", "-auto-approve"];
    join_all(workspaces.iter().map(|workspace| workspace.ok(&apply))).await;
    join_all(workspaces.iter().map(Workspace::settled)).await;
    let users = "select count(*)::text from pg_roles where rolname like 'run-%'";
    assert_eq!(fact(&emulator, "postgres", users).await.as_deref(), Some("8"));
    assert_eq!(said(&emulator, "deadlock detected"), 0);
    assert_eq!(said(&emulator, "tuple concurrently updated"), 0);
}
