//! The life of `entradb_postgresql_user`: made, settled, changed, drifted, imported, destroyed.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::Emulator;

use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::harness::resource::{Action, Resource};
use crate::resources::world::{
    by_hand, emulator, fact, identity, label, literal, log_in, next_command, provider, quoted, text, with,
};
use crate::{block, config};

pub fn users(plugin: &Plugin) -> Resource<'_> {
    plugin.resource("entradb_postgresql_user")
}

/// A user for an application that is known by its object ID.
pub fn user(emulator: &Emulator, name: &str, object_id: &str, more: Object) -> Object {
    let given = config! {
        "server" => emulator.postgresql().id.as_str(),
        "name" => name,
        "object_id" => object_id,
        "principal_type" => "ServicePrincipal",
    };
    with(given, more)
}

pub async fn application(emulator: &Emulator, name: &str) -> String {
    let made = emulator.add_application(name, entradb_emulator::Access::None).await;
    made.expect("an application").object_id
}

async fn session_says(emulator: &Emulator, user: &str, object_id: &str, query: &str) -> String {
    let token = emulator.database_token(object_id);
    let client = log_in(emulator, user, &token, "app").await;
    let client = client.unwrap_or_else(|words| panic!("{user} is not let in: {words}"));
    client.query_one(query, &[]).await.expect("an answer").get(0)
}

#[tokio::test]
async fn a_whole_life() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let app = identity(&plugin, emulator, "life-app").await;
    let principal = text(app.get("principal_id")).to_owned();
    let given = config! {
        "server" => emulator.postgresql().id.as_str(),
        "identity_id" => app.get("id").clone(),
        "settings" => block! { "search_path" => "life, Public", "statement_timeout" => "30s" },
    };
    let planned = users(&plugin).plan_create(given.clone()).await;
    assert_eq!(planned.get("name"), &Value::from("life-app"));
    assert!(planned.get("object_id").is_unknown() && planned.get("oid").is_unknown());

    let mut made = users(&plugin).create(given.clone()).await;
    assert_eq!(made.get("object_id"), &Value::from(principal.as_str()));
    assert_eq!(made.get("host"), &Value::from(emulator.postgresql().fqdn.as_str()));
    made.settled().await;
    assert_eq!(
        label(emulator, "life-app").await,
        Some(format!("aadauth,oid={principal},type=service"))
    );
    let path = session_says(
        emulator,
        "life-app",
        &principal,
        "select current_setting('search_path')",
    );
    assert_eq!(path.await, "life, public");
    made.destroy().await;
    assert_eq!(label(emulator, "life-app").await, None);
}

#[tokio::test]
async fn a_user_is_renamed_in_place_and_imported() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let app = identity(&plugin, emulator, "rename-app").await;
    let principal = text(app.get("principal_id")).to_owned();
    let given = config! {
        "server" => emulator.postgresql().id.as_str(),
        "identity_id" => app.get("id").clone(),
        "settings" => block! { "statement_timeout" => "30s" },
    };
    let mut made = users(&plugin).create(given.clone()).await;
    let oid = made.get("oid").clone();
    let renamed = with(
        given.clone(),
        config! { "name" => "second \"2\"", "settings" => block! { "jit" => "off" } },
    );
    assert_eq!(made.update(renamed.clone()).await, Action::Update);
    assert_eq!(made.get("oid"), &oid);
    made.settled().await;
    let settings = "select current_setting('jit') || current_setting('statement_timeout')";
    assert_eq!(
        session_says(emulator, "second \"2\"", &principal, settings).await,
        "off0"
    );

    // Without a name, the name that it has stays.
    let unnamed = with(renamed.clone(), config! { "name" => Value::Null });
    assert_eq!(made.update(unnamed).await, Action::NoOp);

    // The other spelling of the server is the same server.
    let respelled = with(
        renamed.clone(),
        config! { "server" => emulator.postgresql().fqdn.to_uppercase().as_str() },
    );
    assert_eq!(made.update(respelled).await, Action::NoOp);

    let id = format!("{}|second \"2\"", emulator.postgresql().id);
    let mut imported = users(&plugin).import(&id).await;
    for name in [
        "oid",
        "object_id",
        "principal_type",
        "settings",
        "name",
        "host",
        "login",
    ] {
        assert_eq!(imported.get(name), made.get(name), "{name}");
    }
    imported
        .settled_as(user(
            emulator,
            "second \"2\"",
            &principal,
            config! { "settings" => block! { "jit" => "off" } },
        ))
        .await;
    made.destroy().await;
    next_command(&plugin).await;
    assert_eq!(label(emulator, "second \"2\"").await, None);
    assert_eq!(imported.refresh().await, Found::Gone);
    let gone = users(&plugin).try_import(&id).await;
    assert!(gone.is_err_and(|told| told[0].summary.contains("non-existent")));
}

#[tokio::test]
async fn every_drift_is_seen_and_put_right() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let object_id = application(emulator, "drift").await;
    let more = config! { "connection_limit" => 7, "settings" => block! { "work_mem" => "8MB" } };
    let given = user(emulator, "drift", &object_id, more);
    let mut made = users(&plugin).create(given.clone()).await;
    let other = application(emulator, "drift-other").await;
    let label_is = |label: &str| format!("security label for pgaadauth on role drift is {label}");
    let drifts = [
        ("connection_limit", "alter role drift connection limit 3".to_owned()),
        ("settings", "alter role drift set work_mem = '9MB'".to_owned()),
        ("settings", "alter role drift set jit = off".to_owned()),
        ("settings", "alter role drift reset work_mem".to_owned()),
        ("login", "alter role drift nologin".to_owned()),
        ("name", "alter role drift rename to drifted".to_owned()),
        ("object_id", label_is(&format!("'aadauth,oid={other},type=service'"))),
        ("object_id", label_is("null")),
        (
            "principal_type",
            label_is(&format!("'aadauth,oid={object_id},type=user'")),
        ),
        (
            "mfa_required",
            label_is(&format!("'aadauth,oid={object_id},type=service,mfa'")),
        ),
        (
            "administrator",
            format!(
                "{}; revoke drift from azure_pg_admin; grant azure_pg_admin to drift",
                label_is(&format!("'aadauth,oid={object_id},type=service,admin'"))
            ),
        ),
    ];
    for (attribute, statement) in drifts {
        by_hand(emulator, "postgres", &statement).await;
        next_command(&plugin).await;
        let before = made.get(attribute).clone();
        assert_eq!(made.refresh().await, Found::Changed, "{statement}");
        assert_ne!(made.get(attribute), &before, "{statement}");
        assert_eq!(made.update(given.clone()).await, Action::Update, "{statement}");
        assert_eq!(made.get(attribute), &before, "{statement}");
        made.settled().await;
    }
    let rights = "select pg_has_role('drift', 'azure_pg_admin', 'member')::text || rolcreaterole from pg_roles where rolname = 'drift'";
    assert_eq!(fact(emulator, "postgres", rights).await.as_deref(), Some("falsefalse"));
    session_says(emulator, "drift", &object_id, "select 'x'").await;
    made.destroy().await;
}

#[tokio::test]
async fn a_role_without_a_configured_name_goes_back_to_the_name_that_it_was_made_with() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let app = identity(&plugin, emulator, "fixed-name").await;
    let given = config! {
        "server" => emulator.postgresql().id.as_str(),
        "identity_id" => app.get("id").clone(),
    };
    let mut made = users(&plugin).create(given.clone()).await;
    by_hand(
        emulator,
        "postgres",
        "alter role \"fixed-name\" rename to \"other-name\"",
    )
    .await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Changed);
    assert_eq!(made.update(given).await, Action::Update);
    assert_eq!(made.get("name"), &Value::from("fixed-name"));
    made.settled().await;
    made.destroy().await;
}

#[tokio::test]
async fn hostile_names_are_only_names() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let longest = "é".repeat(31) + "x";
    let names = [
        "a\"b",
        "it's.me",
        "Ünï ☃",
        "%|\\%7C",
        "user; drop role terraform --",
        "$1",
        "ann@example.com",
        &longest,
    ];
    for (index, name) in names.into_iter().enumerate() {
        let object_id = application(emulator, &format!("hostile-{index}")).await;
        let mut made = users(&plugin)
            .create(user(emulator, name, &object_id, config! {}))
            .await;
        made.settled().await;
        assert_eq!(
            session_says(emulator, name, &object_id, "select session_user::text").await,
            name
        );
        let id = entradb::provider::import::id([emulator.postgresql().id.as_str(), name]);
        let imported = users(&plugin).import(&id).await;
        assert_eq!(imported.get("oid"), made.get("oid"), "{name}");
        by_hand(
            emulator,
            "app",
            &format!("grant create on schema public to {}", quoted(name)),
        )
        .await;
        made.destroy().await;
        let left = format!("select 1 from pg_roles where rolname = {}", literal(name));
        assert_eq!(fact(emulator, "postgres", &left).await, None, "{name}");
    }
    let object_id = application(emulator, "refused").await;
    for name in ["", "a\0b", &"x".repeat(64), "pg_mine", "public", "azure_pg_admin"] {
        let told = users(&plugin)
            .try_plan_create(user(emulator, name, &object_id, config! {}))
            .await;
        assert_eq!(told.expect_err(name)[0].path.to_string(), "name", "{name:?}");
    }
}

#[tokio::test]
async fn mistakes_are_told_before_anything_is_asked() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let id = "11111111-2222-3333-4444-555555555555";
    let wrong = [
        (
            config! { "settings" => block! { "search_path" => "a,,b" } },
            "settings[\"search_path\"]",
        ),
        (config! { "settings" => block! { "a b" => "1" } }, "settings[\"a b\"]"),
        (config! { "owned_objects" => "reassign" }, "reassign_owned_to"),
        (config! { "reassign_owned_to" => "x" }, "reassign_owned_to"),
        (config! { "owned_objects" => "keep" }, "owned_objects"),
        (config! { "object_id" => "app" }, "object_id"),
        (config! { "principal_type" => "Robot" }, "principal_type"),
        (config! { "connection_limit" => -2 }, "connection_limit"),
        (config! { "principal_type" => Value::Null }, ""),
        (config! { "name" => Value::Null }, ""),
        (config! { "object_id" => Value::Null }, ""),
    ];
    for (more, place) in wrong {
        let told = users(&plugin)
            .validate(&users(&plugin).config(user(emulator, "w", id, more.clone())))
            .await;
        assert!(told.iter().any(|one| one.error), "{more:?}");
        if !place.is_empty() {
            assert_eq!(told[0].path.to_string(), place, "{told:?}");
        }
    }
}
