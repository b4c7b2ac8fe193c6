//! `entradb_entra_authentication`

mod destroying;
mod half_way;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Options};

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::resources::world::{ADMINISTRATOR, by_hand, log_in, next_command, with};

const TYPE: &str = "entradb_entra_authentication";

async fn emulated(entra_enabled: bool) -> Emulator {
    let options = Options {
        entra_enabled,
        ..Options::default()
    };
    Emulator::start(options).await.expect("an emulated Azure")
}

/// With the runner as an administrator, so that the provider can look into the databases.
async fn administered() -> Emulator {
    let azure = emulated(true).await;
    let runner = azure.runner().object_id.clone();
    azure
        .add_administrator(&runner, ADMINISTRATOR)
        .await
        .expect("an administrator");
    azure
}

fn given(server: &str, password_enabled: bool) -> Object {
    config! { "server_id" => server, "password_enabled" => password_enabled }
}

fn forced(given: Object) -> Object {
    with(given, config! { "force" => true })
}

fn switches(azure: &Emulator) -> (String, String) {
    let config = azure.server_properties(&azure.postgresql().id)["properties"]["authConfig"].clone();
    let word = |name: &str| config[name].as_str().expect("a word").to_owned();
    (word("activeDirectoryAuth"), word("passwordAuth"))
}

fn words(entra: &str, password: &str) -> (String, String) {
    (entra.to_owned(), password.to_owned())
}

#[tokio::test]
async fn a_whole_life_on_postgresql() {
    let azure = emulated(false).await;
    let plugin = azure::provider(&azure).await;
    let server = azure.postgresql().id.clone();
    let planned = plugin.resource(TYPE).plan_create(given(&server, true)).await;
    assert_eq!(planned.warnings[0].summary, "The server restarts");
    let mut switched = plugin.resource(TYPE).create(given(&server, true)).await;
    switched.settled().await;
    assert_eq!(switches(&azure), words("Enabled", "Enabled"));
    assert_eq!(switched.get("tenant_id"), &Value::from(azure.tenant_id()));

    let mut imported = plugin.resource(TYPE).import(&server).await;
    imported.settled_as(given(&server, true)).await;
    assert_eq!(imported.update(forced(given(&server, true))).await, Action::Update);
    imported.settled().await;
    let told = imported.try_destroy().await.expect("nothing is known");
    assert_eq!(told[0].summary, "Settings left as they are");
    assert_eq!(switches(&azure), words("Enabled", "Enabled"));

    // By hand: drift, and the plan says that putting it right restarts the server.
    azure.set_server_property(
        &server,
        "/properties/authConfig/passwordAuth",
        serde_json::json!("Disabled"),
    );
    next_command(&plugin).await;
    assert_eq!(switched.refresh().await, Found::Changed);
    assert_eq!(switched.update(given(&server, true)).await, Action::Update);
    switched.settled().await;
    let off = with(given(&server, true), config! { "entra_enabled" => false });
    let planned = switched.plan(off.clone()).await.expect("a plan");
    assert_eq!(planned.warnings[0].summary, "The server restarts");
    switched.update(off).await;
    switched.settled().await;
    assert_eq!(switches(&azure), words("Disabled", "Enabled"));
    switched.update(given(&server, true)).await;
    switched.destroy().await;
    assert_eq!(switches(&azure), words("Disabled", "Enabled"), "as before");
}

#[tokio::test]
async fn passwords_go_off_only_when_nobody_breaks() {
    let azure = administered().await;
    let plugin = azure::provider(&azure).await;
    let server = azure.postgresql().id.clone();
    by_hand(
        &azure,
        "app",
        "create role old_app login password 'word-of-a-test'; create role idle login; create role owners nologin; \
         create table public.kept (); alter table public.kept owner to old_app",
    )
    .await;
    let session = log_in(&azure, "old_app", "word-of-a-test", "app")
        .await
        .expect("a session");
    let Err(refused) = plugin.resource(TYPE).try_create(given(&server, false)).await else {
        panic!("somebody would break")
    };
    let told = &refused.told[0];
    assert_eq!(told.summary, "Somebody still needs a password");
    assert_eq!(told.path.to_string(), "password_enabled");
    for word in [
        "`old_app`: 1 live session, owns 1 object",
        "`idle`: 0 live sessions, owns 0 objects",
        "new logins take a token from that moment",
        "force",
    ] {
        assert!(told.detail.contains(word), "{word}: {}", told.detail);
    }
    for word in ["owners", "azuresu", ADMINISTRATOR] {
        assert!(!told.detail.contains(&format!("`{word}`")), "{word}: {}", told.detail);
    }
    assert!(!refused.left.exists());
    assert_eq!(switches(&azure), words("Enabled", "Enabled"));

    // Only who asks for it breaks somebody.
    let mut off = plugin.resource(TYPE).create(forced(given(&server, false))).await;
    off.settled().await;
    assert_eq!(switches(&azure), words("Enabled", "Disabled"));
    off.destroy().await;
    assert_eq!(switches(&azure), words("Enabled", "Enabled"), "given back");

    drop(session);
    by_hand(
        &azure,
        "app",
        "drop table public.kept; drop role idle; alter role old_app nologin",
    )
    .await;
    let mut off = plugin.resource(TYPE).create(given(&server, false)).await;
    off.settled().await;
    assert_eq!(switches(&azure), words("Enabled", "Disabled"));
    off.destroy().await;
}

#[tokio::test]
async fn the_administrator_of_the_server_counts_while_it_is_at_work() {
    let azure = administered().await;
    let plugin = azure::provider(&azure).await;
    let server = azure.postgresql().id.clone();
    let login = azure.server_properties(&server)["properties"]["administratorLogin"].clone();
    let login = login.as_str().expect("a login").to_owned();
    let owned = format!(
        "create table public.of_the_administrator (); alter table public.of_the_administrator owner to \"{login}\""
    );
    by_hand(&azure, "app", &owned).await;
    let Err(refused) = plugin.resource(TYPE).try_create(given(&server, false)).await else {
        panic!("it owns something")
    };
    let line = format!("`{login}` (the administrator that the server was made with)");
    assert!(refused.told[0].detail.contains(&line), "{:?}", refused.told);
}

#[tokio::test]
async fn where_nobody_can_look_passwords_stay() {
    let azure = emulated(true).await;
    let plugin = azure::provider(&azure).await;
    // Nobody is an administrator of PostgreSQL, so nobody can log in to look.
    let server = azure.postgresql().id.clone();
    let Err(refused) = plugin.resource(TYPE).try_create(given(&server, false)).await else {
        panic!("nobody can look")
    };
    assert_eq!(refused.told[0].summary, "Who would break is not known");
    let group = azure.add_group("operators", &[]).await.expect("a group");
    for server in [azure.mysql(), azure.sql_server(), azure.managed_instance()] {
        let passwords_off = given(&server.id, false);
        let Err(refused) = plugin.resource(TYPE).try_create(forced(passwords_off.clone())).await else {
            panic!("there is no administrator")
        };
        assert_eq!(
            refused.told[0].summary, "No Microsoft Entra administrator",
            "{}",
            server.name
        );
        azure.set_administrator(&server.id, "operators", &group, "Group");
        azure.clear_log();
        let Err(refused) = plugin.resource(TYPE).try_create(passwords_off).await else {
            panic!("nobody can look")
        };
        assert_eq!(
            refused.told[0].summary, "Who would break is not known",
            "{}",
            server.name
        );
        // What a person looks at before, and what it takes then.
        let looks = match server.id == azure.mysql().id {
            true => ["FROM mysql.user WHERE plugin <> 'aad_auth'", "`SHOW PROCESSLIST`"],
            false => ["FROM sys.sql_logins", "authentication_type_desc = 'DATABASE'"],
        };
        for words in looks.into_iter().chain(["Passwords stay on", "`force = true`"]) {
            assert!(refused.told[0].detail.contains(words), "{words}: {:?}", refused.told);
        }
        assert!(azure.writes().is_empty(), "{}", server.name);
    }
}

#[tokio::test]
async fn a_whole_life_where_entra_only_is_the_switch() {
    let azure = emulated(true).await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    for server in [azure.mysql(), azure.sql_server(), azure.managed_instance()] {
        let id = server.id.as_str();
        azure.set_administrator(id, "operators", &group, "Group");
        azure.faults().busy(id, 2);
        let mut off = plugin.resource(TYPE).create(forced(given(id, false))).await;
        off.settled().await;
        assert!(azure.entra_only(id), "{id}");
        assert_eq!(off.get("tenant_id"), &Value::Null);

        azure.set_entra_only(id, false);
        assert_eq!(off.refresh().await, Found::Changed, "{id}");
        assert_eq!(off.update(forced(given(id, false))).await, Action::Update, "{id}");
        assert!(azure.entra_only(id), "{id}");
        off.settled().await;
        let mut imported = plugin.resource(TYPE).import(id).await;
        imported.settled_as(given(id, false)).await;
        assert_eq!(imported.update(forced(given(id, false))).await, Action::Update, "{id}");
        imported.settled().await;

        azure.clear_log();
        off.destroy().await;
        assert!(!azure.entra_only(id), "{id}: given back");
        assert!(azure.writes().iter().all(|write| write.method != "DELETE"), "{id}");
    }
}

#[tokio::test]
async fn it_is_given_back_before_the_administrator_goes() {
    let azure = emulated(true).await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let server = azure.managed_instance().id.as_str();
    let admin = config! {
        "server_id" => server, "object_id" => group, "principal_type" => "Group", "name" => "operators",
    };
    let mut admin = plugin.resource("entradb_entra_admin").create(admin).await;
    let off = plugin.resource(TYPE).create(forced(given(server, false))).await;
    assert!(admin.try_destroy().await.is_err(), "it is the last one");
    off.destroy().await;
    admin.destroy().await;
    assert!(azure.administrators(server).is_empty());
}

/// A server, what it takes to switch passwords off there, and where its operations are polled.
fn switchable(azure: &Emulator) -> [(String, &'static str); 4] {
    [
        (azure.postgresql().id.clone(), "PostgreSQL/locations"),
        (azure.mysql().id.clone(), "MySQL/locations"),
        (azure.sql_server().id.clone(), "Sql/locations"),
        (azure.managed_instance().id.clone(), "Sql/locations"),
    ]
}

#[tokio::test]
async fn what_a_killed_apply_had_switched_is_found_and_said() {
    let azure = emulated(true).await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    for (server, _) in switchable(&azure) {
        azure.set_administrator(&server, "operators", &group, "Group");
        // Nothing is left of a killed apply but what it did.
        azure.set_entra_only(&server, true);
        azure.clear_log();
        let planned = plugin.resource(TYPE).plan_create(given(&server, false)).await;
        let mut switched = plugin.resource(TYPE).absent();
        let told = switched.apply(planned).await.expect("there is nothing to do");
        assert_eq!(told[0].summary, "Found already", "{server}");
        assert!(told[0].detail.contains("nothing to give back"), "{told:?}");
        switched.settled().await;
        switched.destroy().await;
        assert!(azure.entra_only(&server), "{server}: as it was found");
        assert!(azure.writes().is_empty(), "{server}: {:?}", azure.writes());
    }
}

#[tokio::test]
async fn a_restart_that_mysql_wants_is_told_until_it_is_done() {
    let azure = emulated(true).await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let server = azure.mysql().id.as_str();
    azure.set_administrator(server, "operators", &group, "Group");
    azure.set_pending_restart(server, "aad_auth_only", true);
    let off = forced(given(server, false));
    let planned = plugin.resource(TYPE).plan_create(off.clone()).await;
    let mut switched = plugin.resource(TYPE).absent();
    let told = switched.apply(planned).await.expect("it is switched");
    assert_eq!(told[0].summary, "Restart needed", "{told:?}");
    switched.settled().await;
    switched.destroy().await;
}

#[tokio::test]
async fn replicas_have_what_their_primary_has_or_a_switch_of_their_own() {
    let azure = emulated(true).await;
    let plugin = azure::provider(&azure).await;
    let replica = azure.postgresql_replica().id.as_str();
    azure.clear_log();
    let Err(refused) = plugin.resource(TYPE).try_create(forced(given(replica, false))).await else {
        panic!("it is a replica")
    };
    assert_eq!(refused.told[0].summary, "Server is a replica");
    assert!(
        refused.told[0].detail.contains(&azure.postgresql().id),
        "{:?}",
        refused.told
    );
    assert!(
        azure
            .log()
            .iter()
            .all(|asked| asked.method == "GET" || asked.method == "POST")
    );

    let group = azure.add_group("operators", &[]).await.expect("a group");
    let (server, replica) = (azure.mysql().id.as_str(), azure.mysql_replica().id.as_str());
    azure.set_administrator(replica, "operators", &group, "Group");
    let mut off = plugin.resource(TYPE).create(forced(given(replica, false))).await;
    off.settled().await;
    assert!(azure.entra_only(replica) && !azure.entra_only(server));
    off.destroy().await;
    assert!(!azure.entra_only(replica));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_where_it_stands() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let (sql, pg) = (azure.sql_server().id.as_str(), azure.postgresql().id.as_str());
    let no_entra = config! { "entra_enabled" => false };
    let table = [
        ("entra_enabled", with(given(sql, true), no_entra.clone())),
        (
            "tenant_id",
            with(given(sql, true), config! { "tenant_id" => azure.tenant_id() }),
        ),
        ("password_enabled", with(given(pg, false), no_entra)),
        ("server_id", given(azure.cluster_id(), true)),
    ];
    for (attribute, given) in table {
        let told = plugin
            .resource(TYPE)
            .try_plan_create(given)
            .await
            .expect_err("a mistake");
        assert_eq!(told[0].path.to_string(), attribute, "{told:?}");
    }
    let wrong = format!("{}|x", sql);
    assert!(plugin.resource(TYPE).try_import(&wrong).await.is_err());
    assert!(plugin.resource(TYPE).try_import(azure.cluster_id()).await.is_err());
}
