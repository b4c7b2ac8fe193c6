//! Several at once, in two processes, and a stop in the middle: limits hold, and what exists is known.

use entradb::protocol::value::Value;
use entradb_emulator::{Emulator, Failure, Method, Options};

use crate::config;
use crate::harness::azure;
use crate::harness::plugin::Plugin;
use crate::resources::federated_credential::{TYPE, github, identity};
use crate::terraform::workspace::until;

/// Writes these credentials at once, by one process.
async fn write(plugin: &Plugin, identity: &str, numbers: std::ops::Range<usize>) {
    let made = numbers.map(|number| {
        let given = github(
            identity,
            &format!("number-{number}"),
            &format!("repo:a/b:environment:{number}"),
        );
        async move { plugin.resource(TYPE).create(given).await.settled().await }
    });
    futures_util::future::join_all(made).await;
}

#[tokio::test]
async fn forty_are_written_at_once_by_two_processes_and_the_next_is_refused() {
    let azure = azure::shared().await;
    let (plugin, other) = (azure::provider(azure).await, azure::provider(azure).await);
    let ((id, _), (second, _)) = (
        identity(&plugin, "fic-many").await,
        identity(&plugin, "fic-many-2").await,
    );
    tokio::join!(
        write(&plugin, &id, 0..10),
        write(&plugin, &second, 0..10),
        write(&other, &id, 10..20),
        write(&other, &second, 10..20),
    );
    for id in [&id, &second] {
        let refused = plugin
            .resource(TYPE)
            .try_create(github(id, "number-20", "repo:a/b:environment:20"))
            .await;
        let Err(refused) = refused else {
            panic!("there are twenty")
        };
        assert_eq!(refused.told[0].summary, "Too many federated credentials");
        assert!(refused.told[0].detail.contains("number-7"), "{:?}", refused.told);
        assert!(!refused.left.exists());
    }
}

#[tokio::test]
async fn of_two_processes_that_trust_the_same_one_is_told_about_the_other() {
    let azure = azure::shared().await;
    let (plugin, other) = (azure::provider(azure).await, azure::provider(azure).await);
    let (id, _) = identity(&plugin, "fic-twins").await;
    let (one, two) = (plugin.resource(TYPE), other.resource(TYPE));
    let (first, second) = tokio::join!(
        one.try_create(github(&id, "first", "repo:a/b:pull_request")),
        two.try_create(github(&id, "second", "repo:a/b:pull_request")),
    );
    let (made, refused) = match (first, second) {
        (Ok(_), Err(refused)) => ("`first`", refused),
        (Err(refused), Ok(_)) => ("`second`", refused),
        (Ok(_), Ok(_)) => panic!("both are there"),
        (Err(one), Err(other)) => panic!("{:?} {:?}", one.told, other.told),
    };
    assert_eq!(refused.told[0].summary, "Duplicate federated credential");
    assert!(refused.told[0].detail.contains(made), "{:?}", refused.told);
    assert!(!refused.left.exists());
}

#[tokio::test]
async fn what_came_first_meanwhile_is_named_also_when_only_azure_saw_it() {
    let azure = azure::shared().await;
    let (plugin, other) = (azure::provider(azure).await, azure::provider(azure).await);
    let (id, _) = identity(&plugin, "fic-late").await;
    let own = "fic-late/federatedIdentityCredentials/late";
    // Our list is read, our write is under way, and the other one's comes first.
    azure
        .faults()
        .fail_next(Method::PUT, own, 1, Failure::Delay(std::time::Duration::from_secs(2)));
    let late = plugin.resource(TYPE);
    let early = async {
        until("the late write is on its way", || azure.faults().outstanding(own) == 0).await;
        other
            .resource(TYPE)
            .create(github(&id, "early", "repo:a/b:pull_request"))
            .await;
    };
    let (refused, ()) = tokio::join!(late.try_create(github(&id, "late", "repo:a/b:pull_request")), early);
    let Err(refused) = refused else {
        panic!("it trusts the same")
    };
    assert_eq!(refused.told[0].summary, "Duplicate federated credential");
    assert!(refused.told[0].detail.contains("`early`"), "{:?}", refused.told);
}

#[tokio::test]
async fn a_stop_after_the_write_was_accepted_keeps_what_was_made() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let (plugin, later) = (azure::provider(&azure).await, azure::provider(&azure).await);
    let (id, _) = identity(&later, "fic-stopped").await;
    // What was just made cannot be read for a while, so that there is a middle.
    let gone = Failure::Error {
        status: 404,
        code: "NotFound".to_owned(),
        message: "not yet".to_owned(),
    };
    let identities = plugin.resource("entradb_managed_identity");
    let credentials = plugin.resource(TYPE);
    let invisible = |path: &str| azure.faults().fail_next(Method::GET, path, 1000, gone.clone());
    invisible("federatedIdentityCredentials/github");
    invisible("userAssignedIdentities/stopped-identity");
    let written = || azure.log().iter().filter(|request| request.method == "PUT").count() == 3;
    let stop = async {
        until("both writes are accepted", written).await;
        plugin.stop().await;
    };
    let other = config! {
        "name" => "stopped-identity", "resource_group_name" => "data-platform", "location" => "westeurope",
    };
    let (mut credential, mut identity, ()) = tokio::join!(
        credentials.create(github(&id, "github", "repo:a/b:pull_request")),
        identities.create(other),
        stop
    );
    assert_eq!(credential.get("subject"), &Value::from("repo:a/b:pull_request"));
    azure.faults().clear();
    credential.resource = later.resource(TYPE);
    credential.settled().await;
    identity.resource = later.resource("entradb_managed_identity");
    identity.settled().await;
}
