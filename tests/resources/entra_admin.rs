//! `entradb_entra_admin`, on PostgreSQL; on servers with one administrator in `sole.rs`.

mod half_way;
mod last;
mod mysql;
mod replacing;
mod sole;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Failure, Method, Options};

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;

pub(super) const TYPE: &str = "entradb_entra_admin";
pub(super) const IDENTITY: &str = "entradb_managed_identity";

pub(super) async fn emulated() -> Emulator {
    Emulator::start(Options::default()).await.expect("an emulated Azure")
}

pub(super) fn written(name: &str) -> Object {
    config! { "name" => name, "resource_group_name" => "data-platform", "location" => "westeurope" }
}

fn of_identity(azure: &Emulator, identity: impl Into<Value>) -> Object {
    let identity: Value = identity.into();
    config! { "server_id" => azure.postgresql().id.as_str(), "identity_id" => identity }
}

pub(super) fn of_object(azure: &Emulator, object_id: &str, kind: &str, name: &str) -> Object {
    config! {
        "server_id" => azure.postgresql().id.as_str(), "object_id" => object_id, "principal_type" => kind, "name" => name,
    }
}

/// What the database says a role is bound to; none where there is no such role or binding.
pub(super) async fn label(azure: &Emulator, role: &str) -> Option<String> {
    let query = "SELECT s.label FROM pg_catalog.pg_shseclabel s JOIN pg_catalog.pg_roles r ON r.oid = s.objoid \
                 WHERE s.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.provider = 'pgaadauth' AND r.rolname = $1";
    let rows = azure.superuser("postgres").await.query(query, &[&role]).await;
    rows.expect("a catalogue").first().map(|row| row.get(0))
}

pub(super) async fn is_bound(azure: &Emulator, role: &str, object_id: &str) -> bool {
    let label = label(azure, role).await.unwrap_or_default();
    label.contains(object_id) && label.contains("admin")
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

async fn identity(plugin: &Plugin, name: &str) -> (String, String) {
    let made = plugin.resource(IDENTITY).create(written(name)).await;
    (
        text(made.get("id")).to_owned(),
        text(made.get("principal_id")).to_owned(),
    )
}

#[tokio::test]
async fn a_whole_life() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let (id, object_id) = identity(&plugin, "admin-life").await;
    let mut admin = plugin.resource(TYPE).create(of_identity(&azure, id.as_str())).await;
    admin.settled().await;
    assert_eq!(admin.get("name"), &Value::from("admin-life"));
    assert_eq!(admin.get("object_id"), &Value::from(object_id.as_str()));
    assert_eq!(admin.get("tenant_id"), &Value::from(azure.tenant_id()));
    assert_eq!(admin.get("host"), &Value::from(azure.postgresql().fqdn.as_str()));
    assert!(is_bound(&azure, "admin-life", &object_id).await);

    // The identity's own spelling changes nothing; that a later one would be adopted changes nothing on the server.
    let mut adopting = of_identity(&azure, id.to_lowercase());
    adopting.insert("adopt_existing".to_owned(), Value::from(true));
    azure.clear_log();
    assert_eq!(admin.update(adopting).await, Action::Update);
    assert!(
        azure
            .log()
            .iter()
            .all(|request| request.method == "GET" || !request.path.contains("administrators"))
    );
    admin.settled().await;
    assert_eq!(admin.get("adopted"), &Value::from(false));

    let mut renamed = of_identity(&azure, id.as_str());
    renamed.insert("name".to_owned(), Value::from("another \"name\""));
    assert_eq!(admin.update(renamed).await, Action::Replace);
    admin.settled().await;
    assert!(label(&azure, "admin-life").await.is_none());
    assert!(is_bound(&azure, "another \"name\"", &object_id).await);
    admin.destroy().await;
    assert!(label(&azure, "another \"name\"").await.is_none());
    assert!(plugin.shut_down().await.success());
}

#[tokio::test]
async fn who_runs_terraform_makes_itself_an_administrator() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let me = plugin.read_data_source("entradb_client_config", config! {}).await;
    let given = of_object(
        &azure,
        text(&me["object_id"]),
        text(&me["principal_type"]),
        text(&me["name"]),
    );
    let mut admin = plugin.resource(TYPE).create(given).await;
    admin.settled().await;
    assert!(is_bound(&azure, "terraform", &azure.runner().object_id).await);
    let server = config! { "server_id" => azure.postgresql().id.as_str() };
    let server = plugin.read_data_source("entradb_server", server).await;
    let administrators = server["administrators"].as_list().expect("a list");
    assert_eq!(
        administrators[0].as_object().expect("an object")["name"],
        Value::from("terraform")
    );
    admin.destroy().await;
}

#[tokio::test]
async fn an_identity_that_was_made_anew_is_bound_in_place() {
    let azure = emulated().await;
    let (plugin, second, third) = (
        azure::provider(&azure).await,
        azure::provider(&azure).await,
        azure::provider(&azure).await,
    );
    let (id, former) = identity(&plugin, "admin-again").await;
    let given = of_identity(&azure, id.as_str());
    let mut admin = plugin.resource(TYPE).create(given.clone()).await;
    plugin.resource(IDENTITY).import(&id).await.destroy().await;
    let (_, object_id) = identity(&plugin, "admin-again").await;
    assert_ne!(former, object_id);

    admin.resource = second.resource(TYPE);
    admin.refresh().await;
    let planned = admin.plan(given.clone()).await.expect("a plan");
    assert_eq!(
        (planned.action, planned.get("object_id")),
        (Action::Update, &Value::from(object_id.as_str()))
    );
    admin.update(given.clone()).await;
    admin.settled().await;
    assert!(is_bound(&azure, "admin-again", &object_id).await);

    // Made anew in the same apply: its ID is known only after it, and yet nothing is replaced.
    let planned = admin.plan(of_identity(&azure, Value::unknown())).await.expect("a plan");
    assert_eq!(
        (planned.action, planned.get("name")),
        (Action::Update, &Value::from("admin-again"))
    );
    second.resource(IDENTITY).import(&id).await.destroy().await;
    let (_, newest) = identity(&second, "admin-again").await;
    admin.resource = third.resource(TYPE);
    admin.apply_known(planned, given).await.expect("applied");
    admin.settled().await;
    assert_eq!(admin.get("object_id"), &Value::from(newest.as_str()));
    assert!(is_bound(&azure, "admin-again", &newest).await);
    admin.destroy().await;
    assert!(label(&azure, "admin-again").await.is_none());
}

#[tokio::test]
async fn what_exists_is_adopted_and_what_differs_is_refused_with_the_command() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let user = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    let admins = plugin.resource(TYPE);
    let given = of_object(&azure, &group, "Group", "operators");
    // What an apply that was killed leaves behind.
    admins.create(given.clone()).await;
    let mut again = admins.create(given).await;
    again.settled().await;
    assert_eq!(again.get("adopted"), &Value::from(false));

    let refused = admins.try_create(of_object(&azure, &group, "Group", "others")).await;
    let Err(refused) = refused else {
        panic!("it has another name")
    };
    let command = format!("terraform import <address> '{}|operators'", azure.postgresql().id);
    assert!(refused.told[0].detail.contains(&command), "{:?}", refused.told);
    let refused = admins.try_create(of_object(&azure, &user, "User", "operators")).await;
    assert!(refused.is_err(), "the name is bound to somebody else");
    again.destroy().await;

    azure
        .add_administrator(&user, "ann@example.com")
        .await
        .expect("an administrator");
    let mut adopting = of_object(&azure, &user, "User", "ann@example.com");
    adopting.insert("adopt_existing".to_owned(), Value::from(true));
    let mut adopted = admins.create(adopting).await;
    adopted.settled().await;
    assert_eq!(adopted.get("adopted"), &Value::from(true));
    let told = adopted.try_destroy().await.expect("nothing to do");
    assert_eq!(told[0].summary, "Administrator left in place");
    assert!(is_bound(&azure, "ann@example.com", &user).await);
}

#[tokio::test]
async fn imports_by_name_by_object_id_and_by_identity_settle() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let user = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    azure
        .add_administrator(&user, "ann|ann")
        .await
        .expect("an administrator");
    let server = azure.postgresql().id.as_str();
    let admins = plugin.resource(TYPE);
    let given = of_object(&azure, &user, "User", "ann|ann");
    for id in [
        format!("{server}|ann%7Cann"),
        format!("{server}|{user}"),
        format!("{}|{user}", server.to_uppercase()),
    ] {
        let mut imported = admins.import(&id).await;
        imported.settled_as(given.clone()).await;
        let generated = imported.generated_config().await;
        imported.settled_as(generated).await;
    }
    let by_identity = admins
        .try_import_identity(config! { "server_id" => server, "name" => "ann|ann" })
        .await;
    let Ok(mut imported) = by_identity else {
        panic!("it is found")
    };
    for wrong in [
        format!("{server}|bob"),
        format!("{server}-2|{user}"),
        "no-id|x".to_owned(),
        server.to_owned(),
    ] {
        assert!(admins.try_import(&wrong).await.is_err(), "{wrong}");
    }
    // The name is another's in the configuration: bound anew in place.
    imported.update(given.clone()).await;
    let other = azure.add_user("bob@example.com", "Bob").await.expect("a user");
    azure.remove_principal(&user).await.expect("removed");
    let now = of_object(&azure, &other, "User", "ann|ann");
    assert_eq!(imported.update(now).await, Action::Update);
    imported.settled().await;
    assert!(is_bound(&azure, "ann|ann", &other).await);
    imported.destroy().await;
}

#[tokio::test]
async fn trouble_on_the_way_is_waited_out() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let (id, object_id) = identity(&plugin, "admin-trouble").await;
    let faults = azure.faults();
    let status = |status, retry_after| Failure::Status { status, retry_after };
    faults.fail_next(Method::GET, "administrators", 1, status(429, Some(1)));
    faults.fail_next(Method::PUT, "administrators", 1, status(503, None));
    faults.fail_next(Method::PUT, "administrators", 1, Failure::DropAfterWrite);
    faults.fail_next(Method::GET, "azureAsyncOperation", 1, status(500, None));
    faults.fail_operation(
        "administrators",
        "ServerIsNotAccessible",
        "The server is not accessible.",
    );
    faults.delay_operations(2);
    // Made a moment ago: the server does not know it yet.
    faults.hide_principal(&object_id, 1).await.expect("hidden");
    let mut admin = plugin.resource(TYPE).create(of_identity(&azure, id.as_str())).await;
    faults.delay_operations(0);
    admin.settled().await;
    assert!(is_bound(&azure, "admin-trouble", &object_id).await);

    faults.fail_operation("administrators", "InternalServerError", "It broke.");
    let told = admin.try_destroy().await.expect_err("it broke");
    assert!(told[0].detail.contains("It broke."), "{told:?}");
    assert!(admin.exists(), "what is still there is kept");
    faults.fail_next(Method::DELETE, "administrators", 1, Failure::DropAfterWrite);
    admin.destroy().await;

    faults.fail_operation("administrators", "InternalServerError", "It broke.");
    let failed = plugin.resource(TYPE).try_create(of_identity(&azure, id.as_str())).await;
    let Err(mut failed) = failed else { panic!("it broke") };
    assert!(
        !failed.left.exists() && failed.told[0].detail.contains("It broke."),
        "{:?}",
        failed.told
    );
    failed.left.update(of_identity(&azure, id.as_str())).await;
    failed.left.settled().await;
}

#[tokio::test]
async fn several_are_set_at_once_by_two_processes() {
    let azure = emulated().await;
    let (plugin, other) = (azure::provider(&azure).await, azure::provider(&azure).await);
    let mut given = Vec::new();
    for name in ["one", "two", "three"] {
        let group = azure.add_group(name, &[]).await.expect("a group");
        given.push(of_object(&azure, &group, "Group", name));
    }
    let set = async |plugin: &Plugin, given: Object| plugin.resource(TYPE).create(given).await.settled().await;
    tokio::join!(
        set(&plugin, given[0].clone()),
        set(&plugin, given[1].clone()),
        set(&other, given[2].clone()),
    );
}

#[tokio::test]
async fn what_was_taken_away_by_hand_is_set_again_and_a_server_that_is_gone_takes_it_along() {
    let azure = emulated().await;
    let (plugin, elsewhere) = (azure::provider(&azure).await, azure::provider(&azure).await);
    let user = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    let given = of_object(&azure, &user, "User", "ann@example.com");
    let mut admin = plugin.resource(TYPE).create(given.clone()).await;
    let id = format!("{}|ann@example.com", azure.postgresql().id);
    elsewhere.resource(TYPE).import(&id).await.destroy().await;
    assert_eq!(admin.refresh().await, Found::Gone);
    assert_eq!(admin.update(given).await, Action::Create);
    admin.settled().await;
    let gone = |code: &str| Failure::Error {
        status: 404,
        code: code.to_owned(),
        message: "Not there.".to_owned(),
    };
    azure
        .faults()
        .fail_next(Method::GET, "flexibleServers/pg-data", 1, gone("ResourceGroupNotFound"));
    admin.try_destroy().await.expect("gone with its server");
    assert!(!admin.exists());
    let mut missing = of_object(&azure, &user, "User", "x");
    let id = format!("{}-2", azure.postgresql().id);
    missing.insert("server_id".to_owned(), Value::from(id));
    let Err(refused) = plugin.resource(TYPE).try_create(missing).await else {
        panic!("there is no server")
    };
    assert_eq!(refused.told[0].path.to_string(), "server_id");
}

#[tokio::test]
async fn a_server_without_entra_says_so() {
    let options = Options {
        entra_enabled: false,
        ..Options::default()
    };
    let azure = Emulator::start(options).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let runner = &azure.runner().object_id;
    let refused = plugin
        .resource(TYPE)
        .try_create(of_object(&azure, runner, "ServicePrincipal", "terraform"))
        .await;
    let Err(refused) = refused else {
        panic!("Entra is not enabled")
    };
    assert_eq!(refused.told[0].summary, "Microsoft Entra is not enabled on the server");
    assert_eq!(refused.told[0].path.to_string(), "server_id");
}

#[tokio::test]
async fn a_plan_to_create_asks_nobody_and_mistakes_are_told_where_they_are() {
    let nowhere = [("ARM_RESOURCE_MANAGER_ENDPOINT", "https://127.0.0.1:1")];
    let azure = azure::shared().await;
    let plugin = azure::provider_with(azure, &nowhere).await;
    let admins = plugin.resource(TYPE);
    let identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app";
    let planned = admins.plan_create(of_identity(azure, identity)).await;
    assert_eq!(planned.get("name"), &Value::from("app"));
    assert!(planned.get("object_id").is_unknown());
    let planned = admins.plan_create(of_identity(azure, Value::unknown())).await;
    assert!(planned.get("name").is_unknown());

    let good = of_object(azure, "11111111-1111-1111-1111-111111111111", "Group", "operators");
    let long = "x".repeat(64);
    for (attribute, value) in [
        ("server_id", identity),
        ("object_id", "me"),
        ("principal_type", "Person"),
        ("name", &long),
    ] {
        let mut given = good.clone();
        given.insert(attribute.to_owned(), Value::from(value));
        let told = admins.try_plan_create(given).await.expect_err("a mistake");
        assert!(
            told.iter().any(|one| one.path.to_string() == attribute),
            "{attribute}: {told:?}"
        );
    }
    for missing in ["principal_type", "name", "object_id"] {
        let mut given = good.clone();
        given.remove(missing);
        assert!(admins.try_plan_create(given).await.is_err(), "{missing}");
    }
}
