//! Servers that have one administrator: MySQL, Azure SQL, managed instances. The same life on each.

mod contested;
mod stopped;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{ArmServer, Emulator};

use crate::config;
use crate::harness::azure;
use crate::harness::instance::{Found, Instance};
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::entra_admin::{IDENTITY, TYPE, emulated, text, written};
use crate::resources::world::{next_command, with};

/// A server of one kind, and what its administrator needs besides.
struct Stage {
    azure: Emulator,
    plugin: Plugin,
    server: ArmServer,
    more: Object,
    is_mysql: bool,
}

/// An identity, as a test needs it.
struct App {
    id: String,
    object_id: String,
    client_id: String,
}

const KINDS: [&str; 3] = ["mysql", "mssql", "managed instance"];

async fn stage(kind: &str) -> Stage {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let server = match kind {
        "mysql" => azure.mysql(),
        "mssql" => azure.sql_server(),
        _ => azure.managed_instance(),
    };
    let server = server.clone();
    let is_mysql = kind == "mysql";
    let mut more = config! {};
    if is_mysql {
        let lookup = app(&plugin, "mysql-lookup").await;
        for one in [azure.mysql(), azure.mysql_replica()] {
            azure.attach_server_identity(&one.id, &lookup.id);
        }
        more = config! { "server_identity_id" => lookup.id };
    }
    Stage {
        azure,
        plugin,
        server,
        more,
        is_mysql,
    }
}

async fn app(plugin: &Plugin, name: &str) -> App {
    let made = plugin.resource(IDENTITY).create(written(name)).await;
    let get = |name: &str| text(made.get(name)).to_owned();
    App {
        id: get("id"),
        object_id: get("principal_id"),
        client_id: get("client_id"),
    }
}

impl Stage {
    fn of_identity(&self, app: &App) -> Object {
        let given = config! { "server_id" => self.server.id.as_str(), "identity_id" => app.id.as_str() };
        with(given, self.more.clone())
    }

    fn of_object(&self, object_id: &str, kind: &str, name: &str) -> Object {
        let given = config! {
            "server_id" => self.server.id.as_str(), "object_id" => object_id, "principal_type" => kind, "name" => name,
        };
        with(given, self.more.clone())
    }

    /// Who sits there, by ID and name.
    fn seat(&self) -> Option<(String, String)> {
        let found = self.azure.administrators(&self.server.id);
        let word = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        found.first().map(|one| (word(&one["sid"]), word(&one["login"])))
    }

    fn sit(&self, name: &str, sid: &str, kind: &str) {
        self.azure.set_administrator(&self.server.id, name, sid, kind);
    }

    async fn create(&self, given: Object) -> Instance<'_> {
        self.plugin.resource(TYPE).create(given).await
    }

    async fn refused(&self, given: Object) -> String {
        match self.plugin.resource(TYPE).try_create(given).await {
            Ok(_) => panic!("it is refused"),
            Err(failed) => {
                assert!(!failed.left.exists(), "nothing is left: {:?}", failed.told);
                failed.told[0].detail.clone()
            }
        }
    }
}

fn pair(sid: &str, name: &str) -> Option<(String, String)> {
    Some((sid.to_owned(), name.to_owned()))
}

#[tokio::test]
async fn a_whole_life_on_each_kind() {
    for kind in KINDS {
        let stage = stage(kind).await;
        let app = app(&stage.plugin, "app").await;
        let mut admin = stage.create(stage.of_identity(&app)).await;
        admin.settled().await;
        assert_eq!(stage.seat(), pair(&app.client_id, "app"), "{kind}");
        for (name, value) in [
            ("object_id", app.object_id.as_str()),
            ("client_id", &app.client_id),
            ("sid", &app.client_id),
            ("tenant_id", stage.azure.tenant_id()),
            ("host", &stage.server.fqdn),
        ] {
            assert_eq!(admin.get(name), &Value::from(value), "{kind}: {name}");
        }
        let renamed = with(stage.of_identity(&app), config! { "name" => "dba" });
        assert_eq!(admin.update(renamed.clone()).await, Action::Update, "{kind}");
        admin.settled().await;
        assert_eq!(stage.seat(), pair(&app.client_id, "dba"), "{kind}");

        // Who may ask the directory finds the object ID behind a client ID.
        let runner = stage.azure.runner().object_id.clone();
        stage.azure.set_directory_reader(&runner, true);
        let application = config! { "client_id" => app.client_id.as_str() };
        let explicit = with(stage.of_object(&app.object_id, "ServicePrincipal", "dba"), application);
        for given in ["dba", "activedirectory", &app.client_id, &app.object_id] {
            let id = format!("{}|{given}", stage.server.id);
            let mut imported = stage.plugin.resource(TYPE).import(&id).await;
            imported.settled_as(explicit.clone()).await;
        }
        let stranger = format!("{}|somebody", stage.server.id);
        assert!(
            stage.plugin.resource(TYPE).try_import(&stranger).await.is_err(),
            "{kind}"
        );
        admin.destroy().await;
        assert_eq!(stage.seat(), None, "{kind}");
    }
}

#[tokio::test]
async fn without_the_directory_an_import_sends_nothing() {
    let stage = stage("mssql").await;
    let app = app(&stage.plugin, "app").await;
    stage.sit("app", &app.client_id, "Application");
    let id = format!("{}|app", stage.server.id);
    let mut imported = stage.plugin.resource(TYPE).import(&id).await;
    stage.azure.clear_log();
    imported.update(stage.of_identity(&app)).await;
    imported.settled().await;
    assert!(stage.azure.writes().is_empty(), "{:?}", stage.azure.writes());
    imported.destroy().await;
}

#[tokio::test]
async fn either_id_of_an_application_is_no_drift() {
    let stage = stage("mssql").await;
    let app = app(&stage.plugin, "app").await;
    let mut admin = stage.create(stage.of_identity(&app)).await;
    stage.sit("app", &app.object_id, "Application");
    admin.refresh().await;
    admin.settled().await;
    assert_eq!(admin.get("sid"), &Value::from(app.object_id.as_str()));
    // A change of something else leaves the one that is there.
    admin
        .update(with(stage.of_identity(&app), config! { "name" => "dba" }))
        .await;
    admin.settled().await;
    assert_eq!(stage.seat(), pair(&app.object_id, "dba"));
    admin.destroy().await;
    assert_eq!(stage.seat(), None);
}

#[tokio::test]
async fn another_one_is_refused_and_gives_way_only_when_told() {
    for kind in KINDS {
        let stage = stage(kind).await;
        let group = stage.azure.add_group("operators", &[]).await.expect("a group");
        let other = stage.azure.add_user("ann@example.com", "Ann").await.expect("a user");
        stage.sit("ann@example.com", &other, "User");
        let given = stage.of_object(&group, "Group", "operators");
        let told = stage.refused(given.clone()).await;
        let command = format!("terraform import <address> '{}|ann@example.com'", stage.server.id);
        assert!(told.contains(&command), "{kind}: {told}");
        assert_eq!(stage.seat(), pair(&other, "ann@example.com"), "{kind}");

        let replacing = with(given.clone(), config! { "replace_existing" => true });
        let mut admin = stage.create(replacing).await;
        admin.settled().await;
        assert_eq!(stage.seat(), pair(&group, "operators"), "{kind}");

        // By hand again: drift, put right in place.
        stage.sit("ann@example.com", &other, "User");
        next_command(&stage.plugin).await;
        assert_eq!(admin.refresh().await, Found::Changed, "{kind}");
        assert_eq!(admin.update(given).await, Action::Update, "{kind}");
        admin.settled().await;
        assert_eq!(stage.seat(), pair(&group, "operators"), "{kind}");

        // Who sits there at the end was not set here, also when Terraform has seen it before.
        stage.sit("ann@example.com", &other, "User");
        next_command(&stage.plugin).await;
        assert_eq!(admin.refresh().await, Found::Changed, "{kind}");
        assert_eq!(
            admin.refresh().await,
            Found::Same,
            "{kind}: a second look does not make him ours"
        );
        let told = admin.try_destroy().await.expect("it is left alone");
        assert_eq!(told[0].summary, "Administrator left in place", "{kind}");
        assert_eq!(stage.seat(), pair(&other, "ann@example.com"), "{kind}");
    }
}

#[tokio::test]
async fn the_same_one_is_adopted_stays_and_follows_its_identity() {
    for kind in KINDS {
        let stage = stage(kind).await;
        let first = app(&stage.plugin, "app").await;
        // Azure SQL knows an application by either ID, MySQL by its client ID.
        let sid = if stage.is_mysql {
            &first.client_id
        } else {
            &first.object_id
        };
        stage.sit("app", sid, "Application");
        let adopting = with(stage.of_identity(&first), config! { "adopt_existing" => true });
        let mut admin = stage.create(adopting.clone()).await;
        admin.settled().await;
        assert_eq!(admin.get("adopted"), &Value::from(true), "{kind}");

        // Nobody takes it from its principal without being told so.
        let other = stage.azure.add_group("operators", &[]).await.expect("a group");
        let another = with(
            stage.of_object(&other, "Group", "operators"),
            config! { "adopt_existing" => true },
        );
        let told = admin.plan(another.clone()).await.expect_err("it is adopted");
        assert_eq!(told[0].path.to_string(), "object_id", "{kind}");

        // Somebody else in its place by hand: it gets that back.
        stage.sit("operators", &other, "Group");
        next_command(&stage.plugin).await;
        assert_eq!(admin.refresh().await, Found::Changed, "{kind}");
        admin.refresh().await;
        assert_eq!(admin.update(adopting.clone()).await, Action::Update, "{kind}");
        admin.settled().await;
        assert_eq!(admin.get("adopted"), &Value::from(true), "{kind}");

        // The identity was made anew: its former principal is gone, and nothing is taken from anybody.
        stage.plugin.resource(IDENTITY).import(&first.id).await.destroy().await;
        let again = app(&stage.plugin, "app").await;
        next_command(&stage.plugin).await;
        admin.refresh().await;
        assert_eq!(admin.update(adopting).await, Action::Update, "{kind}");
        admin.settled().await;
        assert_eq!(stage.seat(), pair(&again.client_id, "app"), "{kind}");
        assert_eq!(admin.get("adopted"), &Value::from(true), "{kind}");

        // Told so, it is taken, and it is ours from then on.
        let replacing = with(another.clone(), config! { "replace_existing" => true });
        admin.update(replacing).await;
        admin.settled().await;
        assert_eq!(admin.get("adopted"), &Value::from(false), "{kind}");
        admin.destroy().await;
        assert_eq!(stage.seat(), None, "{kind}");

        stage.sit("operators", &other, "Group");
        let mut adopted = stage.create(another).await;
        let told = adopted.try_destroy().await.expect("it stays");
        assert_eq!(told[0].summary, "Administrator left in place", "{kind}");
        assert_eq!(stage.seat(), pair(&other, "operators"), "{kind}");
    }
}

#[tokio::test]
async fn a_user_is_the_same_in_capitals() {
    let stage = stage("managed instance").await;
    let ann = stage.azure.add_user("ann@example.com", "Ann").await.expect("a user");
    stage.sit("Ann@Example.com", &ann, "User");
    let mut admin = stage.create(stage.of_object(&ann, "User", "ann@example.com")).await;
    admin.settled().await;
    let capitals = stage.of_object(&ann, "User", "ANN@example.com");
    let planned = admin.plan(capitals).await.expect("a plan");
    assert_eq!(planned.action, Action::NoOp);
    assert_eq!(stage.seat(), pair(&ann, "Ann@Example.com"), "nothing was sent");
    admin.destroy().await;
}

#[tokio::test]
async fn azure_sql_knows_better_what_a_principal_is() {
    for kind in ["mssql", "managed instance"] {
        let stage = stage(kind).await;
        let group = stage.azure.add_group("operators", &[]).await.expect("a group");
        let wrong = stage.of_object(&group, "User", "operators");
        let mut admin = stage.create(wrong.clone()).await;
        next_command(&stage.plugin).await;
        assert_eq!(admin.refresh().await, Found::Changed, "{kind}");
        let planned = admin.plan(wrong).await.expect("a plan");
        let told = admin.apply(planned).await.expect_err("it is a group");
        assert_eq!(told[0].path.to_string(), "principal_type", "{kind}");
        assert!(
            told[0].detail.contains("`principal_type = \"Group\"`"),
            "{kind}: {told:?}"
        );
        admin.settled_as(stage.of_object(&group, "Group", "operators")).await;
        admin.destroy().await;
    }
}

#[tokio::test]
async fn two_processes_and_a_busy_server_are_waited_out() {
    for kind in KINDS {
        let stage = stage(kind).await;
        let other = azure::provider(&stage.azure).await;
        let group = stage.azure.add_group("operators", &[]).await.expect("a group");
        let given = stage.of_object(&group, "Group", "operators");
        stage.azure.faults().busy(&stage.server.id, 3);
        stage.azure.faults().delay_operations(1);
        let elsewhere = other.resource(TYPE);
        let (mut one, mut two) = tokio::join!(stage.create(given.clone()), elsewhere.create(given.clone()));
        one.settled().await;
        two.settled().await;
        stage.azure.faults().busy(&stage.server.id, 2);
        one.destroy().await;
        two.destroy().await;
        assert_eq!(stage.seat(), None, "{kind}");
    }
}

#[tokio::test]
async fn the_last_administrator_stays_while_passwords_are_off() {
    for kind in KINDS {
        let stage = stage(kind).await;
        let group = stage.azure.add_group("operators", &[]).await.expect("a group");
        let mut admin = stage.create(stage.of_object(&group, "Group", "operators")).await;
        stage.azure.set_entra_only(&stage.server.id, true);
        stage.azure.clear_log();
        let told = admin.try_destroy().await.expect_err("nobody could log in");
        assert_eq!(told[0].summary, "Passwords are switched off", "{kind}");
        assert!(
            told[0].detail.contains("entradb_entra_authentication"),
            "{kind}: {told:?}"
        );
        assert!(
            stage.azure.log().iter().all(|request| request.method == "GET"),
            "{kind}"
        );
        assert!(admin.exists(), "{kind}");
        stage.azure.set_entra_only(&stage.server.id, false);
        admin.destroy().await;
    }
}

#[tokio::test]
async fn a_managed_instance_that_may_not_read_the_directory_says_what_to_do() {
    let stage = stage("managed instance").await;
    let group = stage.azure.add_group("operators", &[]).await.expect("a group");
    let given = stage.of_object(&group, "Group", "operators");
    stage.azure.set_instance_reads_directory(&stage.server.id, false);
    let told = stage.refused(given.clone()).await;
    for words in ["ServicePrincipalLookupInAadFailed", "`Directory Readers`", "mi-data"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(stage.seat(), None);
    stage.azure.set_instance_reads_directory(&stage.server.id, true);
    stage.create(given).await.destroy().await;
}

#[tokio::test]
async fn a_stopped_server_and_a_missing_one_say_so() {
    let stage = stage("mysql").await;
    let group = stage.azure.add_group("operators", &[]).await.expect("a group");
    let given = stage.of_object(&group, "Group", "operators");
    let id = stage.server.id.clone();
    let stopped = serde_json::json!("Stopped");
    stage.azure.set_server_property(&id, "/properties/state", stopped);
    assert!(stage.refused(given.clone()).await.contains("is Stopped"));
    let missing = with(given, config! { "server_id" => format!("{id}-2") });
    assert!(stage.refused(missing).await.contains("knows no server"));
}
