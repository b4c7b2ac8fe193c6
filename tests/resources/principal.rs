//! `entradb_principal`

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Access, Emulator, Failure, Method};

use crate::config;
use crate::harness::azure;
use crate::harness::plugin::Plugin;

const TYPE: &str = "entradb_principal";

/// A provider that may read the directory.
async fn reader(azure: &Emulator, name: &str) -> Plugin {
    let reader = azure
        .add_application(name, Access::Reader)
        .await
        .expect("an application");
    azure.set_directory_reader(&reader.object_id, true);
    signed_in(azure, &reader.client_id, &reader.client_secret).await
}

async fn signed_in(azure: &Emulator, client_id: &str, secret: &str) -> Plugin {
    azure::provider_with(azure, &[("ARM_CLIENT_ID", client_id), ("ARM_CLIENT_SECRET", secret)]).await
}

fn holds(found: &Object, expected: &[(&str, Value)]) {
    for (name, value) in expected {
        assert_eq!(&found[*name], value, "{name}");
    }
}

#[tokio::test]
async fn principals_of_every_kind_are_found() {
    let azure = azure::shared().await;
    let plugin = reader(azure, "finder").await;
    let guest = "jane_example.org#EXT#@contoso.onmicrosoft.com";
    let user = azure.add_user(guest, "Jane O'Brien").await.expect("a user");
    let group = azure.add_group("Data & 'Friends'", &[&user]).await.expect("a group");
    let application = azure
        .add_application("found-app", Access::Reader)
        .await
        .expect("an application");
    let text = |text: &str| Value::from(text);
    let expected_user = [
        ("object_id", text(&user)),
        ("principal_type", text("User")),
        ("display_name", text("Jane O'Brien")),
        ("client_id", Value::Null),
        ("user_principal_name", text(guest)),
        ("tenant_id", text(azure.tenant_id())),
    ];
    let found = plugin
        .read_data_source(TYPE, config! { "user_principal_name" => guest })
        .await;
    holds(&found, &expected_user);
    let found = plugin
        .read_data_source(TYPE, config! { "object_id" => user.to_uppercase() })
        .await;
    holds(&found, &expected_user[1..]);
    let found = plugin
        .read_data_source(TYPE, config! { "group_name" => "Data & 'Friends'" })
        .await;
    holds(
        &found,
        &[
            ("object_id", text(&group)),
            ("principal_type", text("Group")),
            ("client_id", Value::Null),
        ],
    );
    let expected = [
        ("object_id", text(&application.object_id)),
        ("client_id", text(&application.client_id)),
        ("principal_type", text("ServicePrincipal")),
        ("display_name", text("found-app")),
        ("identity_id", Value::Null),
    ];
    for given in [
        config! { "client_id" => application.client_id.as_str() },
        config! { "application_name" => "found-app" },
        config! { "object_id" => application.object_id.as_str() },
    ] {
        holds(&plugin.read_data_source(TYPE, given).await, &expected);
    }
    assert!(plugin.shut_down().await.success());
}

#[tokio::test]
async fn a_managed_identity_tells_which_one_it_is() {
    let azure = azure::shared().await;
    let (plugin, runner) = (
        reader(azure, "finder-of-identities").await,
        azure::provider(azure).await,
    );
    let identities = runner.resource("entradb_managed_identity");
    let made = identities.create(config! {
        "name" => "found-identity", "resource_group_name" => "data-platform", "location" => "westeurope",
    });
    let made = made.await;
    let found = plugin
        .read_data_source(TYPE, config! { "application_name" => "found-identity" })
        .await;
    assert_eq!(&found["object_id"], made.get("principal_id"));
    let same = |found: &Value| found.as_str().map(str::to_lowercase);
    assert_eq!(same(&found["identity_id"]), same(made.get("id")));
}

#[tokio::test]
async fn who_is_not_there_or_there_twice_is_told() {
    let azure = azure::shared().await;
    let plugin = reader(azure, "finder-in-vain").await;
    let one = azure.add_group("twins", &[]).await.expect("a group");
    let other = azure.add_group("twins", &[]).await.expect("a group");
    let table: [(Object, &str, &[&str]); 6] = [
        (
            config! { "group_name" => "twins" },
            "group_name",
            &[&one, &other, "object_id"],
        ),
        (config! { "group_name" => "nobody" }, "group_name", &["`nobody`"]),
        (
            config! { "user_principal_name" => "jane@example.org" },
            "user_principal_name",
            &["#EXT#"],
        ),
        (
            config! { "application_name" => "nothing" },
            "application_name",
            &["`nothing`"],
        ),
        (
            config! { "client_id" => "11111111-2222-3333-4444-555555555555" },
            "client_id",
            &["another tenant"],
        ),
        (
            config! { "object_id" => "11111111-2222-3333-4444-555555555555" },
            "object_id",
            &["enterprise application"],
        ),
    ];
    for (given, attribute, words) in table {
        let told = plugin.try_read_data_source(TYPE, given).await.expect_err(attribute);
        assert_eq!(told[0].path.to_string(), attribute);
        for words in words {
            assert!(told[0].detail.contains(words), "{words}: {told:?}");
        }
    }
}

#[tokio::test]
async fn without_permission_the_one_that_is_missing_is_named() {
    let azure = azure::shared().await;
    let stranger = azure
        .add_application("stranger", Access::Reader)
        .await
        .expect("an application");
    let plugin = signed_in(azure, &stranger.client_id, &stranger.client_secret).await;
    let other = azure.runner().object_id.clone();
    let table: [(Object, &str); 5] = [
        (config! { "user_principal_name" => "a@b.example" }, "User.ReadBasic.All"),
        (config! { "group_name" => "some" }, "GroupMember.Read.All"),
        (config! { "application_name" => "some" }, "Application.Read.All"),
        (
            config! { "client_id" => azure.runner().client_id.as_str() },
            "Application.Read.All",
        ),
        (config! { "object_id" => other.as_str() }, "Directory.Read.All"),
    ];
    for (given, permission) in table {
        let told = plugin.try_read_data_source(TYPE, given).await.expect_err(permission);
        assert_eq!(told[0].summary, "Not permitted in Microsoft Graph");
        for words in [permission, "Directory Readers", "Insufficient privileges"] {
            assert!(told[0].detail.contains(words), "{words}: {told:?}");
        }
    }
}

#[tokio::test]
async fn whoever_is_signed_in_may_read_itself() {
    let azure = azure::shared().await;
    let myself = azure
        .add_application("myself", Access::Reader)
        .await
        .expect("an application");
    let plugin = signed_in(azure, &myself.client_id, &myself.client_secret).await;
    let denied = || Failure::Error {
        status: 403,
        code: "Authorization_RequestDenied".to_owned(),
        message: "Insufficient privileges to complete the operation.".to_owned(),
    };
    let paths = [
        format!("/directoryObjects/{}", myself.object_id),
        format!("servicePrincipals(appId='{}')", myself.client_id),
    ];
    for path in &paths {
        azure.faults().fail_next(Method::GET, path, 1, denied());
    }
    for given in [
        config! { "object_id" => myself.object_id.as_str() },
        config! { "client_id" => myself.client_id.as_str() },
    ] {
        let found = plugin.read_data_source(TYPE, given).await;
        holds(
            &found,
            &[
                ("display_name", Value::from("myself")),
                ("object_id", Value::from(myself.object_id.as_str())),
            ],
        );
    }
    for path in &paths {
        assert_eq!(azure.faults().outstanding(path), 0, "{path}");
    }
}

#[tokio::test]
async fn exactly_one_name_is_given() {
    let plugin = azure::provider(azure::shared().await).await;
    for given in [
        config! {},
        config! { "group_name" => "a", "application_name" => "b" },
        config! { "group_name" => " " },
        config! { "object_id" => "no-guid" },
    ] {
        assert!(
            plugin.try_read_data_source(TYPE, given.clone()).await.is_err(),
            "{given:?}"
        );
    }
}
