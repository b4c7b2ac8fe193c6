//! Who may be the administrator that Terraform logs in as, besides an application: a person, and a member of a group.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use entradb::protocol::value::Value;
use entradb_emulator::{Access, Cloud, Emulator, Failure, Method, Options};

use crate::harness::plugin::Plugin;
use crate::resources::world::{ADMINISTRATOR, by_hand, emulator, fact, identity, label, provider, started, text};
use crate::{block, config};

/// The provider of a person who is signed in to the Azure CLI.
async fn provider_of(emulator: &Emulator, person: &str, folder: &Path) -> Plugin {
    let management = emulator.access_token(person, "https://management.azure.com/");
    let databases = emulator.database_token(person);
    let answer = |token: &str| {
        format!(
            r#"{{"accessToken": "{token}", "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": 4070908800, "subscription": "s", "tenant": "t", "tokenType": "Bearer"}}"#
        )
    };
    let program = format!(
        "#!/bin/sh\ncase \"$*\" in\n*ossrdbms*) echo '{}' ;;\n*) echo '{}' ;;\nesac\n",
        answer(&databases),
        answer(&management)
    );
    let az = folder.join("az");
    std::fs::write(&az, program).expect("a program");
    std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).expect("a program");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut environment = emulator.environment();
    environment.retain(|(name, _)| !name.starts_with("ARM_CLIENT_"));
    environment.push(("ARM_USE_CLI".to_owned(), "true".to_owned()));
    environment.push(("PATH".to_owned(), path));
    let pairs: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let plugin = Plugin::start(&pairs).await;
    plugin.configure(config! {}).await;
    plugin
}

/// What an administrator does all day: a role, a user, a member, privileges, and all of it gone again.
async fn works(emulator: &Emulator, plugin: &Plugin, prefix: &str, login: &str) {
    works_at(emulator, plugin, &emulator.postgresql().id, (prefix, login)).await;
}

async fn works_at(emulator: &Emulator, plugin: &Plugin, server: &str, (prefix, login): (&str, &str)) {
    let (owner, app) = (format!("{prefix}-owner"), format!("{prefix}-app"));
    let made = emulator
        .add_application(&app, Access::None)
        .await
        .expect("an application");
    let given = config! { "server" => server, "name" => owner.as_str() };
    let role = plugin.resource("entradb_postgresql_role").create(given).await;
    let given = config! {
        "server" => server, "name" => app.as_str(), "object_id" => made.object_id.as_str(), "principal_type" => "ServicePrincipal",
        "connection_limit" => 5, "settings" => block! { "work_mem" => "8MB" },
    };
    let mut user = plugin.resource("entradb_postgresql_user").create(given.clone()).await;
    let pair = config! { "server" => server, "role" => owner.as_str(), "member" => app.as_str() };
    let mut member = plugin.resource("entradb_postgresql_role_membership").create(pair).await;
    let policy = config! {
        "server" => server, "database" => "app", "grantee" => app.as_str(), "database_privileges" => ["CONNECT", "TEMPORARY"],
        "schema" => Value::List(vec![block! { "name" => "public", "level" => "all" }]),
    };
    let mut access = plugin.resource("entradb_postgresql_access").create(policy).await;
    user.settled().await;
    member.settled().await;
    access.settled().await;
    assert!(
        label(emulator, &app)
            .await
            .is_some_and(|label| label.contains(&made.object_id))
    );
    let logins = emulator.logins();
    assert!(
        logins.iter().any(|one| one.user == login && one.refusal.is_none()),
        "{login} is logged in"
    );
    access.destroy().await;
    member.destroy().await;
    user.destroy().await;
    role.destroy().await;
}

#[tokio::test]
async fn each_cloud_has_its_own_tokens_and_host_names() {
    for (cloud, suffix) in [
        (Cloud::UsGovernment, ".postgres.database.usgovcloudapi.net"),
        (Cloud::China, ".postgres.database.chinacloudapi.cn"),
    ] {
        let options = Options {
            cloud,
            ..Options::default()
        };
        let emulator = started(options).await;
        let fqdn = emulator.postgresql().fqdn.clone();
        assert!(fqdn.ends_with(suffix), "{fqdn}");
        let plugin = provider(&emulator).await;
        works(&emulator, &plugin, "by-id", ADMINISTRATOR).await;
        works_at(&emulator, &plugin, &fqdn, ("by-host", ADMINISTRATOR)).await;
    }
}

#[tokio::test]
async fn a_host_of_another_cloud_gets_no_token() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let given = config! { "server" => "data.postgres.database.usgovcloudapi.net", "name" => "nobody" };
    let refused = plugin.resource("entradb_postgresql_role").try_create(given).await;
    let told = refused.err().expect("a refusal").told;
    assert!(
        told.iter().any(|told| told.summary == "Refused to send a token"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_person_is_the_administrator() {
    let emulator = emulator().await;
    let person = emulator.add_user("ann@login.example", "Ann").await.expect("a person");
    emulator.set_access(&person, Access::Contributor);
    emulator
        .add_administrator(&person, "ann@login.example")
        .await
        .expect("an administrator");
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = provider_of(emulator, &person, folder.path()).await;
    works(emulator, &plugin, "login-ann", "ann@login.example").await;
}

#[tokio::test]
async fn a_member_of_a_group_is_the_administrator() {
    let emulator = emulator().await;
    let person = emulator.add_user("bob@login.example", "Bob").await.expect("a person");
    emulator.set_access(&person, Access::Contributor);
    let group = emulator.add_group("login-team", &[&person]).await.expect("a group");
    emulator
        .add_administrator(&group, "login-team")
        .await
        .expect("an administrator");
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = provider_of(emulator, &person, folder.path()).await;
    works(emulator, &plugin, "login-bob", "login-team").await;
    // The group is bound as one; nobody has a role of his own.
    assert!(
        label(emulator, "login-team")
            .await
            .is_some_and(|label| label.contains("type=group,admin"))
    );
    let own = "select 1 from pg_roles where rolname = 'bob@login.example'";
    assert_eq!(fact(emulator, "postgres", own).await, None);
    by_hand(emulator, "postgres", "drop role \"login-team\"").await;
}

/// The roles that were tried, each once.
fn tried(emulator: &Emulator) -> Vec<String> {
    let mut names: Vec<String> = emulator.logins().into_iter().map(|login| login.user).collect();
    names.sort();
    names.dedup();
    names
}

/// An emulator of one's own: what was tried is nobody else's.
async fn alone() -> Emulator {
    Emulator::start(Options::default()).await.expect("an emulator")
}

#[tokio::test]
async fn a_person_is_found_by_the_upn_where_administrators_may_not_be_read() {
    let emulator = &alone().await;
    let person = emulator.add_user("eve@login.example", "Eve").await.expect("a person");
    emulator
        .add_administrator(&person, "eve@login.example")
        .await
        .expect("an administrator");
    let folder = tempfile::tempdir().expect("a folder");
    // By host name nothing is asked of Azure, so no right in it is needed.
    emulator.set_access(&person, Access::None);
    let plugin = provider_of(emulator, &person, folder.path()).await;
    let server = emulator.postgresql();
    works_at(emulator, &plugin, &server.fqdn, ("login-eve", "eve@login.example")).await;
    // By ID the server may be read, and its administrators not.
    emulator.set_access(&person, Access::Reader);
    let refusal = Failure::Status {
        status: 403,
        retry_after: None,
    };
    emulator.faults().fail_next(Method::GET, "/administrators", 1, refusal);
    let plugin = provider_of(emulator, &person, folder.path()).await;
    works(emulator, &plugin, "login-eve-2", "eve@login.example").await;
    assert_eq!(
        emulator.faults().outstanding("/administrators"),
        0,
        "they were asked for"
    );
    assert_eq!(tried(emulator), ["eve@login.example"]);
}

#[tokio::test]
async fn a_managed_identity_is_found_by_the_name_of_its_resource() {
    let emulator = &alone().await;
    let runner = emulator.runner().object_id.clone();
    emulator
        .add_administrator(&runner, ADMINISTRATOR)
        .await
        .expect("an administrator");
    let plugin = provider(emulator).await;
    let made = identity(&plugin, emulator, "login-machine").await;
    let (object_id, client_id) = (text(made.get("principal_id")), text(made.get("client_id")));
    emulator
        .add_administrator(object_id, "login-machine")
        .await
        .expect("an administrator");
    emulator.machine_identities(false, &[client_id]);
    emulator.set_access(object_id, Access::None);
    let mut environment = emulator.environment();
    environment.retain(|(name, _)| !name.starts_with("ARM_CLIENT_"));
    environment.push(("ARM_USE_MSI".to_owned(), "true".to_owned()));
    environment.push(("ARM_CLIENT_ID".to_owned(), client_id.to_owned()));
    let pairs: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let machine = Plugin::start(&pairs).await;
    machine.configure(config! {}).await;
    emulator.clear_log();
    let server = emulator.postgresql();
    works_at(emulator, &machine, &server.fqdn, ("login-msi", "login-machine")).await;
    assert_eq!(tried(emulator), ["login-machine"]);
}

#[tokio::test]
async fn a_group_of_the_token_is_tried_and_no_other() {
    let emulator = &alone().await;
    let person = emulator.add_user("dan@login.example", "Dan").await.expect("a person");
    emulator.set_access(&person, Access::Contributor);
    let theirs = emulator.add_group("a-team", &[]).await.expect("a group");
    let ours = emulator.add_group("b-team", &[&person]).await.expect("a group");
    for (group, name) in [(&theirs, "a-team"), (&ours, "b-team")] {
        emulator.add_administrator(group, name).await.expect("an administrator");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = provider_of(emulator, &person, folder.path()).await;
    works(emulator, &plugin, "login-dan", "b-team").await;
    assert_eq!(tried(emulator), ["b-team"]);
}

/// An application's token says nothing of groups, so each group is tried; the server is busy at first, and many want their session at once.
#[tokio::test]
async fn a_group_that_was_tried_while_the_server_starts_is_not_taken_for_ours() {
    let emulator = &alone().await;
    let runner = emulator.runner().object_id.clone();
    for name in ["a-team", "b-team", "c-team", "d-team", "our-team"] {
        let members: &[&str] = if name == "our-team" { &[&runner] } else { &[] };
        let group = emulator.add_group(name, members).await.expect("a group");
        emulator
            .add_administrator(&group, name)
            .await
            .expect("an administrator");
    }
    let plugin = provider(emulator).await;
    emulator.faults().refuse_logins(1);
    let roles = ["one", "two", "three", "four", "five", "six"].map(|name| {
        let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => name };
        let resource = plugin.resource("entradb_postgresql_role");
        async move { resource.create(given).await }
    });
    for made in futures_util::future::join_all(roles).await {
        made.destroy().await;
    }
    let logins = emulator.logins();
    let taken = logins.iter().filter(|one| one.refusal.is_none());
    assert!(taken.clone().count() > 0 && taken.clone().all(|one| one.user == "our-team"));
}
