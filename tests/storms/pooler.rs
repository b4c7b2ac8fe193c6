//! Behind PgBouncer in transaction mode, at port 6432: the real program, and lives of what is set up through it.

use std::time::Duration;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Access, Emulator, Options};
use futures_util::future::join_all;
use tokio::sync::OnceCell;

use crate::harness::azure;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::world::{ADMINISTRATOR, by_hand, fact, role_by_hand, started, with};
use crate::storms::picture::Eyes;
use crate::{block, config};

/// How many sessions the pooler opens at the server for one user in one database, as the emulator sets it up.
const POOL_SIZE: usize = 5;
/// How many processes of the provider share it; each opens as many as four sessions.
const PROCESSES: usize = 4;

/// One server with a pooler for all tests here: each uses names of its own.
pub async fn emulator() -> &'static Emulator {
    static EMULATOR: OnceCell<Emulator> = OnceCell::const_new();
    EMULATOR.get_or_init(with_pooler).await
}

async fn with_pooler() -> Emulator {
    let emulator = started(Options::default()).await;
    emulator.start_pgbouncer().await.expect("PgBouncer");
    emulator
}

/// A configuration for the server itself.
fn direct(emulator: &Emulator, more: Object) -> Object {
    with(config! { "server" => emulator.postgresql().fqdn.as_str() }, more)
}

/// A configuration for the server behind its pooler.
fn on(emulator: &Emulator, more: Object) -> Object {
    let server = format!("{}:6432", emulator.postgresql().fqdn);
    with(config! { "server" => server.as_str() }, more)
}

async fn provider(emulator: &Emulator) -> Plugin {
    azure::provider(emulator).await
}

/// No session of the pooler's stays in a transaction or holds an advisory lock; other tests may, for a moment.
async fn nothing_is_left_behind(emulator: &Emulator) {
    let eyes = Eyes::open(emulator, &[]).await;
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..500 {
        looks.tick().await;
        if eyes.holding().await == 0 {
            return;
        }
    }
    panic!("a session keeps what it holds");
}

#[tokio::test]
async fn a_user_lives_behind_the_pooler() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let app = emulator
        .add_application("pooled-app", Access::None)
        .await
        .expect("an application");
    let user = config! {
        "name" => "pooled-app", "object_id" => app.object_id.as_str(), "principal_type" => "ServicePrincipal",
        "settings" => block! { "search_path" => "a, b" },
    };
    let users = plugin.resource("entradb_postgresql_user");
    let mut made = users.create(on(emulator, user.clone())).await;
    assert_eq!(
        made.get("host"),
        &Value::from(format!("{}:6432", emulator.postgresql().fqdn).as_str())
    );
    made.settled().await;
    let changed = with(user, config! { "name" => "pooled app 2", "connection_limit" => 5 });
    assert_eq!(made.update(on(emulator, changed)).await, Action::Update);
    made.settled().await;
    let grants = "create schema pooled authorization azure_pg_admin; grant usage on schema pooled to \"pooled app 2\"";
    by_hand(emulator, "app", grants).await;
    made.destroy().await;
    assert_eq!(
        fact(
            emulator,
            "postgres",
            "select 1 from pg_roles where rolname like 'pooled app%'"
        )
        .await,
        None
    );
    by_hand(emulator, "app", "drop schema pooled").await;
    nothing_is_left_behind(emulator).await;
}

#[tokio::test]
async fn access_and_ownership_live_behind_the_pooler() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    for role in ["pooled_old", "pooled_new"] {
        role_by_hand(emulator, role, "login").await;
    }
    let tables = "create schema pooled_s authorization pooled_old; set role pooled_old; create table pooled_s.one (id serial); reset role";
    by_hand(emulator, "openmetadata_db", tables).await;
    let access = config! {
        "database" => "openmetadata_db", "grantee" => "pooled_new",
        "schema" => vec![block! { "name" => "pooled_s", "level" => "write" }],
    };
    let mut made = plugin
        .resource("entradb_postgresql_access")
        .create(direct(emulator, access.clone()))
        .await;
    assert_eq!(
        made.update(on(emulator, access)).await,
        Action::Update,
        "another port is no other server"
    );
    made.settled().await;
    let ownership = config! {
        "database" => "openmetadata_db", "owner" => "pooled_new", "previous_owners" => Value::from(["pooled_old"]), "on_destroy" => "restore",
    };
    let mut moved = plugin
        .resource("entradb_postgresql_ownership")
        .create(direct(emulator, ownership.clone()))
        .await;
    assert_eq!(moved.update(on(emulator, ownership)).await, Action::Update);
    moved.settled().await;
    let owner = "select relowner::regrole::text from pg_class where relname = 'one' and relnamespace = 'pooled_s'::regnamespace";
    assert_eq!(
        fact(emulator, "openmetadata_db", owner).await.as_deref(),
        Some("pooled_new")
    );
    moved.destroy().await;
    assert_eq!(
        fact(emulator, "openmetadata_db", owner).await.as_deref(),
        Some("pooled_old")
    );
    let members = "select pg_has_role('pooled_old', 'pooled_new', 'member')::text";
    assert_eq!(
        fact(emulator, "postgres", members).await.as_deref(),
        Some("false"),
        "the record was found again"
    );
    made.destroy().await;
    nothing_is_left_behind(emulator).await;
}

/// Each process keeps the sessions that it opened, and the server has fewer than there are of those.
#[tokio::test]
async fn the_pooler_keeps_few_sessions_for_many_of_ours() {
    // Of its own: whoever is logged in there as the administrator came through the pooler.
    let emulator = &with_pooler().await;
    let plugins = join_all((0..PROCESSES).map(|_| provider(emulator))).await;
    let making = (0..PROCESSES * 6).map(|number| {
        let plugin = &plugins[number % PROCESSES];
        let given = on(emulator, config! { "name" => format!("pooled_role_{number}").as_str() });
        async move { plugin.resource("entradb_postgresql_role").create(given).await }
    });
    let made = join_all(making).await;
    let logins = emulator.logins();
    let ours = logins
        .iter()
        .filter(|login| login.user == ADMINISTRATOR && login.refusal.is_none());
    let ours = ours.count();
    assert!(ours > POOL_SIZE, "the processes have only {ours} sessions");
    let kept = format!("select count(*) from pg_stat_activity where usename = '{ADMINISTRATOR}'");
    let kept = fact(emulator, "postgres", &kept).await.expect("a count");
    let kept: usize = kept.parse().expect("a number");
    assert!(
        (1..=POOL_SIZE).contains(&kept),
        "the server has {kept} sessions for {ours} of ours"
    );
    join_all(made.into_iter().map(|made| made.destroy())).await;
    let left = "select string_agg(rolname, ' ') from pg_roles where rolname like 'pooled_role%'";
    assert_eq!(fact(emulator, "postgres", left).await, None);
}
