//! A creation that Azure has done and that failed all the same.

use std::time::Duration;

use entradb_emulator::{Emulator, Failure, Method};

use crate::harness::azure;
use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::resources::entra_authentication::{TYPE, emulated, forced, given, switchable};
use crate::resources::world::next_command;
use crate::terraform::workspace::until;

/// What such a creation left.
async fn failed_half_way<'a>(plugin: &'a Plugin, azure: &Emulator, server: &str, polls: &'static str) -> Instance<'a> {
    // Azure takes it and is still at it when it is looked at; whoever may write may not look at operations.
    azure.faults().slow_operations(Duration::from_secs(4));
    let forbidden = Failure::Error {
        status: 403,
        code: "AuthorizationFailed".to_owned(),
        message: "Not permitted.".to_owned(),
    };
    azure.faults().fail_next(Method::GET, polls, 1, forbidden);
    let Err(failed) = plugin.resource(TYPE).try_create(forced(given(server, false))).await else {
        panic!("{server}: it is not permitted to look")
    };
    assert!(failed.left.exists(), "{server}: {:?}", failed.told);
    until("the operation comes to its end", || azure.entra_only(server)).await;
    azure.faults().clear();
    next_command(plugin).await;
    failed.left
}

#[tokio::test]
async fn what_failed_half_way_is_still_given_back() {
    let azure = emulated(true).await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    for (server, polls) in switchable(&azure) {
        azure.set_administrator(&server, "operators", &group, "Group");
        let left = failed_half_way(&plugin, &azure, &server, polls).await;
        left.destroy().await;
        assert!(!azure.entra_only(&server), "{server}: as before");
    }
}

#[tokio::test]
async fn a_stop_after_the_switch_was_accepted_keeps_it() {
    let azure = emulated(true).await;
    let later = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    for (server, _) in switchable(&azure) {
        let plugin = azure::provider(&azure).await;
        azure.set_administrator(&server, "operators", &group, "Group");
        azure.faults().slow_operations(Duration::from_secs(3));
        azure.clear_log();
        let stop = async {
            until("the write is accepted", || !azure.writes().is_empty()).await;
            plugin.stop().await;
        };
        let off = forced(given(&server, false));
        let switches = plugin.resource(TYPE);
        let (mut switched, ()) = tokio::join!(switches.create(off.clone()), stop);
        azure.faults().clear();
        until("it is switched", || azure.entra_only(&server)).await;
        switched.resource = later.resource(TYPE);
        switched.refresh().await;
        assert_ne!(switched.update(off).await, Action::Replace, "{server}");
        switched.settled().await;
        switched.destroy().await;
        assert!(!azure.entra_only(&server), "{server}: as before");
    }
}

/// Terraform destroys what is left of it first, and keeps nothing of what is private.
#[tokio::test]
async fn what_failed_half_way_and_is_made_anew_is_still_given_back() {
    let azure = emulated(true).await;
    let plugin = azure::provider(&azure).await;
    let group = azure.add_group("operators", &[]).await.expect("a group");
    for (server, polls) in switchable(&azure) {
        azure.set_administrator(&server, "operators", &group, "Group");
        let mut left = failed_half_way(&plugin, &azure, &server, polls).await;
        let again = forced(given(&server, false));
        assert_eq!(left.update(again).await, Action::Replace, "{server}");
        left.settled().await;
        assert!(azure.entra_only(&server), "{server}");
        left.destroy().await;
        assert!(!azure.entra_only(&server), "{server}: as before");
    }
}
