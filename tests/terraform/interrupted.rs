//! Ctrl-C, and processes that are killed in the middle: the next apply converges without a manual step.

use std::time::Duration;

use entradb_emulator::{Failure, Method};

use crate::terraform::azure::{identity, identity_id, identity_workspace, requests, shared};
use crate::terraform::workspace::{Running, Workspace, signal, until};

const APPLY: [&str; 2] = ["apply", "-auto-approve"];

/// How long Azure takes to answer a write, so that there is a middle.
const SLOW: Duration = Duration::from_secs(4);

async fn converges(workspace: &Workspace, name: &str) {
    workspace.settled().await;
    let id = workspace.attributes("entradb_managed_identity.app").await["id"].clone();
    let wanted = identity_id(shared().await, name);
    assert!(id.as_str().is_some_and(|id| id.eq_ignore_ascii_case(&wanted)), "{id}");
    workspace.destroy().await;
}

/// Starts an apply and waits until Azure has the write, before it is carried out.
async fn waits_for_azure(workspace: &Workspace, name: &str) -> Running {
    let azure = shared().await;
    let path = format!("userassignedidentities/{name}");
    azure.faults().fail_next(Method::PUT, &path, 1, Failure::Delay(SLOW));
    let running = workspace.start(&APPLY);
    until("the write arrives", || azure.faults().outstanding(&path) == 0).await;
    running
}

/// Starts an apply and waits until the write is done in Azure, before it is answered.
async fn waits_for_the_answer(workspace: &Workspace, name: &str) -> Running {
    let azure = shared().await;
    let path = format!("userassignedidentities/{name}");
    // Longer than the test waits: nobody hears the answer.
    azure.faults().fail_next(
        Method::PUT,
        &path,
        1,
        Failure::DelayAfterWrite(Duration::from_secs(300)),
    );
    let running = workspace.start(&APPLY);
    until("the write is carried out", || {
        requests(azure, "PUT", &format!("/{name}")) == 1
    })
    .await;
    running
}

#[tokio::test]
async fn ctrl_c_stops_the_run_and_keeps_what_was_made() {
    let workspace = identity_workspace("stop-once").await;
    let waiter = "\nresource \"terraform_data\" \"later\" {\n  input = entradb_managed_identity.app.id\n}\n";
    workspace.write("main.tf", &format!("{}{waiter}", identity("stop-once", "")));
    let running = waits_for_azure(&workspace, "stop-once").await;
    running.signal_all("INT").await;
    running.end().await.refused().says(&["Interrupt received"]);

    // The write that had begun was seen to its end: it is in the state, and what came after it was not begun.
    assert_eq!(
        workspace.ok(&["state", "list"]).await.stdout.trim(),
        "entradb_managed_identity.app"
    );
    workspace.apply().await;
    assert_eq!(requests(shared().await, "PUT", "/stop-once"), 1, "it was made once");
    converges(&workspace, "stop-once").await;
}

#[tokio::test]
async fn a_second_ctrl_c_ends_at_once_and_the_next_apply_converges() {
    let workspace = identity_workspace("stop-twice").await;
    let running = waits_for_the_answer(&workspace, "stop-twice").await;
    running.signal_all("INT").await;
    let mut pause = tokio::time::interval(Duration::from_millis(500));
    pause.tick().await;
    pause.tick().await;
    running.signal_all("INT").await;
    running.end().await.refused().says(&["Two interrupts received"]);

    workspace
        .apply()
        .await
        .says(&["existed already, exactly as configured"]);
    converges(&workspace, "stop-twice").await;
}

#[tokio::test]
async fn a_provider_that_is_killed_before_the_write_is_survived() {
    let workspace = identity_workspace("killed-before").await;
    let running = waits_for_azure(&workspace, "killed-before").await;
    for id in running.providers() {
        signal("KILL", &id.to_string()).await;
    }
    running.end().await.refused();
    workspace.apply().await;
    converges(&workspace, "killed-before").await;
}

#[tokio::test]
async fn a_provider_that_is_killed_after_the_write_is_survived() {
    let workspace = identity_workspace("killed-after").await;
    let running = waits_for_the_answer(&workspace, "killed-after").await;
    for id in running.providers() {
        signal("KILL", &id.to_string()).await;
    }
    running.end().await.refused();
    assert_eq!(
        workspace.ok(&["state", "list"]).await.stdout,
        "",
        "nobody told Terraform"
    );

    workspace
        .apply()
        .await
        .says(&["existed already, exactly as configured"]);
    assert_eq!(
        requests(shared().await, "PUT", "/killed-after"),
        2,
        "PUT of what is there changes nothing"
    );
    converges(&workspace, "killed-after").await;
}

#[tokio::test]
async fn a_terraform_that_is_killed_leaves_no_provider_behind() {
    let workspace = identity_workspace("killed-core").await;
    let running = waits_for_the_answer(&workspace, "killed-core").await;
    let providers = running.providers();
    assert!(!providers.is_empty());
    running.signal("KILL").await;
    running.end().await;
    let left = || {
        providers
            .iter()
            .all(|id| !std::path::Path::new(&format!("/proc/{id}")).exists())
    };
    until("the providers end by themselves", left).await;

    workspace
        .apply()
        .await
        .says(&["existed already, exactly as configured"]);
    converges(&workspace, "killed-core").await;
}
