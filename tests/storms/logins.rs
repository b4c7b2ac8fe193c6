//! As whom the provider logs in, and what it says when the server does not let it.

use entradb::protocol::value::Value;
use entradb_emulator::{Emulator, Options};

use crate::config;
use crate::harness::azure;
use crate::harness::message::Told;
use crate::resources::world::by_hand;

async fn server() -> Emulator {
    Emulator::start(Options::default()).await.expect("an emulator")
}

/// Makes a role, by the server's ID or its name, and takes it away again.
async fn role(emulator: &Emulator, by_id: bool, variables: &[(&str, &str)]) -> Result<(), Vec<Told>> {
    let plugin = azure::provider_with(emulator, variables).await;
    let postgresql = emulator.postgresql();
    let server = if by_id { &postgresql.id } else { &postgresql.fqdn };
    let given = config! { "server" => server.as_str(), "name" => "made by whom" };
    let made = plugin.resource("entradb_postgresql_role").try_create(given).await;
    match made {
        Ok(made) => {
            made.destroy().await;
            Ok(())
        }
        Err(failed) => Err(failed.told),
    }
}

/// The roles that were tried since the log was emptied, each once.
fn tried(emulator: &Emulator) -> Vec<String> {
    let mut names: Vec<String> = emulator.logins().into_iter().map(|login| login.user).collect();
    names.dedup();
    names
}

#[tokio::test]
async fn each_candidate_is_found_and_a_failure_names_all_of_them() {
    let emulator = server().await;
    let runner = emulator.runner().clone();
    let told = role(&emulator, false, &[]).await.expect_err("nobody is let in");
    // Without rights in Azure and in the directory, only the application's ID is left.
    let detail = &told[0].detail;
    assert!(
        detail.contains(&format!("as `{}`: password authentication failed", runner.client_id)),
        "{detail}"
    );
    assert!(detail.contains("`database_logins`"), "{detail}");

    // The administrator with our object ID.
    emulator
        .add_administrator(&runner.object_id, "By object ID")
        .await
        .expect("an administrator");
    emulator.clear_log();
    role(&emulator, true, &[]).await.expect("let in");
    assert_eq!(tried(&emulator), ["By object ID"]);

    // By host name Azure is not asked for administrators: the directory's own name, or what is configured.
    let told = role(&emulator, false, &[]).await.expect_err("nothing says who we are");
    assert_eq!(told[0].summary, "Login refused by the database");
    let logins = format!("{}=By object ID", emulator.postgresql().fqdn);
    emulator.clear_log();
    role(&emulator, false, &[("ENTRADB_DATABASE_LOGINS", &logins)])
        .await
        .expect("let in");
    assert_eq!(tried(&emulator), ["By object ID"]);

    // An administrator group, when the one with our object ID has another name in the database.
    let group = emulator.add_group("dba", &[&runner.object_id]).await.expect("a group");
    emulator
        .add_administrator(&group, "dba")
        .await
        .expect("an administrator");
    by_hand(&emulator, "postgres", "alter role \"By object ID\" rename to hidden").await;
    emulator.clear_log();
    role(&emulator, true, &[])
        .await
        .expect("let in as a member of the group");
    assert_eq!(tried(&emulator), ["By object ID", "dba"]);

    // What the directory calls us, and last the application's ID.
    by_hand(&emulator, "postgres", "alter role dba rename to hidden_group").await;
    for name in [&runner.display_name, &runner.client_id] {
        by_hand(
            &emulator,
            "postgres",
            &format!("alter role hidden rename to \"{name}\""),
        )
        .await;
        emulator.clear_log();
        role(&emulator, true, &[])
            .await
            .unwrap_or_else(|told| panic!("not found as {name}: {told:?}"));
        assert_eq!(tried(&emulator).last(), Some(name));
        by_hand(
            &emulator,
            "postgres",
            &format!("alter role \"{name}\" rename to hidden"),
        )
        .await;
    }
    let told = role(&emulator, true, &[]).await.expect_err("nobody is let in");
    for name in ["By object ID", "dba", &runner.display_name, &runner.client_id] {
        assert!(
            told[0].detail.contains(&format!("as `{name}`")),
            "{name} is missing in {}",
            told[0].detail
        );
    }
}

/// What servers were seen to say, with the advice that it leads to.
const REFUSALS: [(&str, &str, &str); 9] = [
    (
        "28P01",
        "password authentication failed for user \"app\"",
        "is not bound to a role of that name",
    ),
    (
        "28000",
        "The access token does not have a valid audience claim. Please acquire a new token for the resource \
         \"https://ossrdbms-aad.database.windows.net\".",
        "Check `environment`",
    ),
    (
        "28000",
        "The access token has invalid format. Please ensure the token is passed exactly as returned by the authentication \
         endpoint and retry.",
        "could not read the token",
    ),
    (
        "28000",
        "An error occurred while validating the access token. Please acquire a new token and retry",
        "could not read the token",
    ),
    (
        "28000",
        "Service principal oid mismatch for role \"The oid in the security label [a] does not match the appid [b] or oid [c] in \
         the token.\"",
        "was re-created since",
    ),
    (
        "28000",
        "Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role[app]",
        "another kind of principal",
    ),
    (
        "28000",
        "The access token does not have valid signature or is expired.",
        "Check the clock",
    ),
    (
        "28000",
        "no pg_hba.conf entry for host \"203.0.113.7\", user \"u\", database \"d\", SSL encryption",
        "No firewall rule of the server",
    ),
    (
        "28000",
        "role \"app\" is not permitted to log in",
        "may not log in (NOLOGIN)",
    ),
];

#[tokio::test]
async fn each_refusal_is_told_in_the_servers_words_with_its_own_advice() {
    let emulator = server().await;
    let runner = emulator.runner().clone();
    emulator
        .add_administrator(&runner.object_id, &runner.display_name)
        .await
        .expect("an administrator");
    let kept = azure::provider(&emulator).await;
    let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => "kept" };
    let mut instance = kept.resource("entradb_postgresql_role").create(given.clone()).await;
    for (code, text, advice) in REFUSALS {
        emulator.faults().refuse_every_login(code, text);
        kept.configure(config! {}).await;
        let read = instance.try_refresh().await.expect_err("not let in");
        let planned = kept
            .resource("entradb_postgresql_role")
            .try_create(given.clone())
            .await
            .err();
        let created = planned.expect("not let in").told;
        for told in [&read[0], &created[0]] {
            assert_eq!(told.summary, "Login refused by the database", "{told:?}");
            for words in [text[1..].trim_end_matches('.'), code, advice] {
                assert!(told.detail.contains(words), "{words} is missing in {}", told.detail);
            }
        }
    }
    // A database that is gone, or closed to us, is no refused login.
    emulator
        .faults()
        .refuse_every_login("3D000", "database \"postgres\" does not exist");
    kept.configure(config! {}).await;
    let told = instance.try_refresh().await.expect_err("not let in");
    assert_eq!(told[0].summary, "Database not found");
    emulator
        .faults()
        .refuse_every_login("42501", "permission denied for database \"postgres\"");
    kept.configure(config! {}).await;
    let told = instance.try_refresh().await.expect_err("not let in");
    assert_eq!(told[0].summary, "Not permitted in the database");

    emulator.faults().clear();
    kept.configure(config! {}).await;
    assert_eq!(instance.get("name"), &Value::from("kept"));
    instance.settled().await;
    instance.destroy().await;
}
