//! What a thousand users, a thousand memberships and two hundred access policies on one server cost it: counted in the server's own log.
//!
//! A statement is what the server logs as one (`log_statement = all`): a message of the simple protocol is one entry, however many commands it
//! carries, and an executed query is one. Commands are counted beside it, so that nothing hides in long messages. A connection is what the server
//! logs as authorized (`log_connections`).

use std::time::Duration;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Options};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::harness::instance::{Found, Instance};
use crate::harness::plugin::Plugin;
use crate::resources::world::{ADMINISTRATOR, by_hand, fact, next_command, provider, started};
use crate::{block, config};

const USERS: usize = 1000;
const GROUPS: usize = 10;
const POLICIES: usize = 200;
/// A hundred of them were granted something.
const LEAVING: usize = 300;

/// More than any `-parallelism` that a person gives.
const AT_ONCE: usize = 256;

/// What the server has logged of us so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    statements: usize,
    commands: usize,
    connections: usize,
}

fn cost(emulator: &Emulator) -> Cost {
    let sent = emulator.statements();
    let folder = emulator.postgresql().unix_socket_dir.parent();
    let log =
        std::fs::read_to_string(folder.expect("the server's folder").join("server.log")).expect("the server's log");
    let ours = format!("connection authorized: user={ADMINISTRATOR} ");
    Cost {
        statements: sent.len(),
        // Our messages have a line for each command, and no value here has a semicolon at the end of a line.
        commands: sent.iter().map(|one| one.text.matches(";\n").count() + 1).sum(),
        connections: log.lines().filter(|line| line.contains(&ours)).count(),
    }
}

fn since(before: Cost, emulator: &Emulator) -> Cost {
    let now = cost(emulator);
    Cost {
        statements: now.statements - before.statements,
        commands: now.commands - before.commands,
        connections: now.connections - before.connections,
    }
}

async fn create<'a>(plugin: &'a Plugin, name: &'static str, given: Vec<Object>) -> Vec<Instance<'a>> {
    let creating = given
        .into_iter()
        .map(|given| async move { plugin.resource(name).create(given).await });
    stream::iter(creating).buffer_unordered(AT_ONCE).collect().await
}

fn named(server: &str, name: String, object_id: &str) -> Object {
    config! { "server" => server, "name" => name.as_str(), "object_id" => object_id, "principal_type" => "ServicePrincipal" }
}

fn policy(server: &str, grantee: String) -> Object {
    let schema = block! { "name" => "public", "level" => "read" };
    config! {
        "server" => server,
        "database" => "app",
        "grantee" => grantee.as_str(),
        "database_privileges" => ["CONNECT"],
        "schema" => Value::List(vec![schema]),
    }
}

/// A server of its own that logs its connections too.
async fn logging() -> Emulator {
    let options = Options {
        postgresql_settings: vec![("log_connections".to_owned(), "on".to_owned())],
        ..Options::default()
    };
    started(options).await
}

#[tokio::test]
async fn a_refresh_asks_for_everything_at_once_and_an_apply_takes_three_statements_an_object() {
    let emulator = logging().await;
    let runner = emulator.runner().clone();
    let plugin = provider(&emulator).await;
    let server = emulator.postgresql().fqdn.as_str();

    let groups = (0..GROUPS).map(|group| config! { "server" => server, "name" => format!("group-{group}").as_str() });
    let mut made = create(&plugin, "entradb_postgresql_role", groups.collect()).await;
    let users = (0..USERS).map(|user| named(server, format!("user-{user}"), &runner.object_id));
    let memberships = (0..USERS).map(|user| {
        let (role, member) = (format!("group-{}", user % GROUPS), format!("user-{user}"));
        config! { "server" => server, "role" => role.as_str(), "member" => member.as_str() }
    });
    let policies = (0..POLICIES).map(|user| policy(server, format!("user-{user}")));
    let kinds = [
        ("entradb_postgresql_user", 6, users.collect::<Vec<_>>()),
        ("entradb_postgresql_role_membership", 6, memberships.collect()),
        ("entradb_postgresql_access", 34, policies.collect()),
    ];
    for (name, commands, given) in kinds {
        let (before, count) = (cost(&emulator), given.len());
        made.extend(create(&plugin, name, given).await);
        let cost = since(before, &emulator);
        assert!(cost.statements <= 3 * count + 10, "{count} of {name}: {cost:?}");
        assert!(cost.commands <= commands * count + 10, "{count} of {name}: {cost:?}");
        assert!(cost.connections <= 4, "{count} of {name}: {cost:?}");
    }

    next_command(&plugin).await;
    let before = cost(&emulator);
    let refreshing = made
        .iter_mut()
        .map(|one| async move { (one.resource.name, one.refresh().await) });
    let found: Vec<_> = stream::iter(refreshing).buffer_unordered(AT_ONCE).collect().await;
    let cost = since(before, &emulator);
    let changed: Vec<_> = found.iter().filter(|(_, found)| *found != Found::Same).collect();
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(found.len(), GROUPS + 2 * USERS + POLICIES);
    assert!(cost.commands <= 40 && cost.connections <= 4, "{cost:?}");
    tokio::time::timeout(Duration::from_secs(60), plugin.shut_down())
        .await
        .expect("it ends");
}

/// What a user costs that goes, however many others there are: two statements, and a few more for each database in which it was granted something.
#[tokio::test]
async fn a_destroy_asks_about_the_one_user_and_nothing_else() {
    let emulator = logging().await;
    let plugin = provider(&emulator).await;
    let server = emulator.postgresql().fqdn.as_str();
    let object_id = emulator.runner().object_id.clone();
    let named = |user| named(server, format!("user-{user}"), &object_id);
    let users = create(&plugin, "entradb_postgresql_user", (0..LEAVING).map(named).collect()).await;
    let grants = "do $$ begin for user_number in 0..99 loop
        execute format('grant connect on database app to \"user-%s\"', user_number);
        execute format('grant usage on schema public to \"user-%s\"', user_number); end loop; end $$";
    by_hand(&emulator, "app", grants).await;
    let (granted, plain): (Vec<_>, Vec<_>) = users.into_iter().partition(|user| {
        let name = user.get("name").as_str().unwrap_or_default();
        name.len() <= "user-99".len()
    });
    for (users, most) in [(plain, 2), (granted, 10)] {
        let (before, count) = (cost(&emulator), users.len());
        let leaving = users.into_iter().map(|user| async move { user.destroy().await });
        stream::iter(leaving)
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<()>>()
            .await;
        let cost = since(before, &emulator);
        // Of so many at once, some meet and try again.
        let again = count / 5;
        assert!(cost.statements <= most * count + again, "{count} users: {cost:?}");
    }
    let left = fact(
        &emulator,
        "postgres",
        "select count(*)::text from pg_roles where rolname like 'user-%'",
    )
    .await;
    assert_eq!(left.as_deref(), Some("0"));
}
