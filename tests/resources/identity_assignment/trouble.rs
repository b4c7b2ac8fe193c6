//! Throttling, failures, lost answers and a stop in the middle.

use std::time::Duration;

use entradb_emulator::{Emulator, Failure, Method, Options, Stumble};
use futures_util::future::join_all;

use crate::harness::azure;
use crate::harness::instance::Found;
use crate::resources::identity_assignment::{TYPE, attached, identity, user};
use crate::terraform::workspace::until;

#[tokio::test]
async fn trouble_on_the_way_is_waited_out_and_nothing_is_done_twice() {
    let azure = azure::shared().await;
    let plugin = azure::provider(azure).await;
    let target = &azure.targets().scale_set;
    let path = "virtualMachineScaleSets/vmss-workers";
    let (id, _) = identity(&plugin, "on-vmss").await;
    let status = |status, retry_after| Failure::Status { status, retry_after };
    let troubles = [
        (Method::GET, status(429, Some(1))),
        (Method::PATCH, status(503, None)),
        (Method::PATCH, status(429, Some(1))),
        (Method::PATCH, Failure::DropConnection),
        (Method::PATCH, Failure::DropAfterWrite),
        (Method::GET, Failure::Html(502)),
    ];
    for (method, failure) in troubles {
        azure.faults().fail_next(method, path, 1, failure);
    }
    let mut assignment = plugin.resource(TYPE).create(user(target, &id)).await;
    assignment.settled().await;
    azure.faults().fail_next(Method::PATCH, path, 1, status(403, None));
    assert!(assignment.try_destroy().await.is_err());
    assert!(assignment.exists(), "what is still there is kept");
    azure
        .faults()
        .fail_next(Method::PATCH, path, 1, Failure::DropAfterWrite);
    assignment.destroy().await;
    assert_eq!(attached(azure, target).0, "None");
}

#[tokio::test]
async fn an_answer_that_is_lost_where_nobody_may_look_leaves_the_assignment_in_the_state() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let target = &azure.targets().virtual_machine;
    let path = "virtualMachines/vm-bytebase";
    let (id, _) = identity(&plugin, "in-doubt").await;
    let faults = azure.faults();
    faults.fail_next(Method::PATCH, path, 1, Failure::DropAfterWrite);
    let assignments = plugin.resource(TYPE);
    // The next look, after the write was done.
    let no_look = async {
        until("the write is done", || faults.outstanding(path) == 0).await;
        let forbidden = Failure::Status {
            status: 403,
            retry_after: None,
        };
        faults.fail_next(Method::GET, path, 1, forbidden);
    };
    let (created, ()) = tokio::join!(assignments.try_create(user(target, &id)), no_look);
    let Err(failed) = created else {
        panic!("it is not permitted to look")
    };
    let mut assignment = failed.left;
    assert!(assignment.exists(), "{:?}", failed.told);
    until("it is attached", || attached(&azure, target).0 == "UserAssigned").await;
    assignment.update(user(target, &id)).await;
    assignment.settled().await;
    assignment.destroy().await;
    assert_eq!(attached(&azure, target).0, "None");
}

#[tokio::test]
async fn a_stop_after_the_write_was_accepted_keeps_what_is_attached() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let (plugin, later) = (azure::provider(&azure).await, azure::provider(&azure).await);
    let target = &azure.targets().virtual_machine;
    let (id, principal) = identity(&plugin, "stopped").await;
    azure.faults().slow_operations(Duration::from_secs(3));
    let written = || azure.log().iter().any(|request| request.method == "PATCH");
    let stop = async {
        until("the write is accepted", written).await;
        plugin.stop().await;
    };
    let assignments = plugin.resource(TYPE);
    let (mut assignment, ()) = tokio::join!(assignments.create(user(target, &id)), stop);
    assert_eq!(assignment.get("principal_id"), &principal);
    until("it is attached", || attached(&azure, target).0 == "UserAssigned").await;
    azure.faults().clear();
    assignment.resource = later.resource(TYPE);
    assert_eq!(assignment.refresh().await, Found::Same);
    assignment.settled().await;
    assignment.destroy().await;
}

#[tokio::test]
async fn a_third_of_all_answers_may_fail_and_nothing_is_done_twice() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let plugin = azure::provider(&azure).await;
    let (id, _) = identity(&plugin, "stumbling").await;
    let targets = azure.targets();
    let targets = [
        &targets.virtual_machine,
        &targets.web_app_slot,
        &targets.container_app,
        &targets.container_app_job,
    ];
    let before = azure.writes().len();
    azure.faults().stumble(Stumble { percent: 30, seed: 7 });
    let lives = targets.iter().map(|target| {
        let (plugin, id) = (&plugin, &id);
        async move {
            let assignments = plugin.resource(TYPE);
            let mut assignment = assignments.create(user(target, id)).await;
            assignment.settled().await;
            assignment.destroy().await;
        }
    });
    join_all(lives).await;
    let failed = azure.faults().steady();
    assert!(failed > 5, "only {failed} answers failed");
    let writes = azure.writes().split_off(before);
    for target in targets {
        let own = writes.iter().filter(|write| write.path.eq_ignore_ascii_case(target));
        let own: Vec<_> = own.map(|write| (&write.method, write.status)).collect();
        assert_eq!(own.len(), 2, "attached once, detached once: {own:?}");
        assert_eq!(attached(&azure, target).0, "None");
    }
}
