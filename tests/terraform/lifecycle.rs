//! A resource's whole life through the real `terraform`.

use serde_json::json;

use crate::terraform::azure::{by_hand, identity, identity_id, identity_workspace, requests, shared};
use crate::terraform::workspace::Workspace;

const APP: &str = "entradb_managed_identity.app";

fn only(action: &str) -> Vec<(String, String)> {
    vec![(APP.to_owned(), action.to_owned())]
}

#[tokio::test]
async fn a_saved_plan_is_applied_and_the_next_plan_is_empty() {
    let workspace = identity_workspace("life-saved").await;
    assert_eq!(workspace.planned("saved.tfplan", &[]).await, only("create"));
    assert_eq!(
        requests(shared().await, "PUT", "/life-saved"),
        0,
        "a plan writes nothing"
    );
    workspace.ok(&["apply", "saved.tfplan"]).await;
    workspace.settled().await;
    assert_eq!(requests(shared().await, "PUT", "/life-saved"), 1);

    // Terraform itself refuses a plan that was applied already.
    workspace
        .run(&["apply", "saved.tfplan"])
        .await
        .refused()
        .says(&["Saved plan is stale"]);
    workspace.destroy().await;
    assert_eq!(
        by_hand(shared().await, "GET", &identity_id(shared().await, "life-saved"), None)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn drift_is_shown_and_put_right() {
    let azure = shared().await;
    let id = identity_id(azure, "life-drift");
    let workspace = identity_workspace("life-drift").await;
    workspace.write("main.tf", &identity("life-drift", "  tags = { team = \"data\" }\n"));
    workspace.apply().await;

    by_hand(azure, "PATCH", &id, Some(json!({"tags": {"team": "somebody else"}}))).await;
    let refresh = workspace.run(&["plan", "-refresh-only", "-detailed-exitcode"]).await;
    refresh.says(&["Objects have changed outside of", "somebody else"]);
    assert_eq!(workspace.planned("drift.tfplan", &[]).await, only("update"));
    workspace.apply().await;
    workspace.settled().await;

    // Accepted instead of put right.
    by_hand(azure, "PATCH", &id, Some(json!({"tags": {"team": "others"}}))).await;
    workspace.ok(&["apply", "-refresh-only", "-auto-approve"]).await;
    assert_eq!(workspace.attributes(APP).await["tags"]["team"], "others");

    // Deleted by hand: made anew, and the destroy of something that is gone is no error.
    by_hand(azure, "DELETE", &id, None).await;
    assert_eq!(workspace.planned("gone.tfplan", &[]).await, only("create"));
    workspace.apply().await;
    by_hand(azure, "DELETE", &id, None).await;
    workspace.ok(&["destroy", "-auto-approve", "-refresh=false"]).await;
}

#[tokio::test]
async fn a_change_is_made_in_place_or_by_replacement_as_planned() {
    let workspace = identity_workspace("life-change").await;
    workspace.apply().await;
    let first = workspace.attributes(APP).await;

    workspace.write("main.tf", &identity("life-change", "  tags = { team = \"data\" }\n"));
    assert_eq!(workspace.planned("update.tfplan", &[]).await, only("update"));
    workspace.ok(&["apply", "update.tfplan"]).await;
    workspace.settled().await;
    let second = workspace.attributes(APP).await;
    assert_eq!(
        first["principal_id"], second["principal_id"],
        "an update keeps the identity"
    );

    let replaced = workspace.planned("replace.tfplan", &["-replace", APP]).await;
    assert_eq!(replaced, only("delete+create"));
    workspace.ok(&["apply", "replace.tfplan"]).await;
    let third = workspace.attributes(APP).await;
    assert_ne!(
        first["principal_id"], third["principal_id"],
        "a new identity has a new object ID"
    );

    workspace.write("main.tf", &identity("life-changed", ""));
    assert_eq!(workspace.planned("renamed.tfplan", &[]).await, only("delete+create"));
    workspace.apply().await;
    workspace.settled().await;
    workspace.destroy().await;
}

#[tokio::test]
async fn what_exists_is_imported_by_the_command() {
    let azure = shared().await;
    let id = identity_id(azure, "life-import");
    by_hand(
        azure,
        "PUT",
        &id,
        Some(json!({"location": "westeurope", "tags": {"team": "data"}})),
    )
    .await;
    let workspace = identity_workspace("life-import").await;
    workspace.write("main.tf", &identity("life-import", "  tags = { team = \"data\" }\n"));

    // Azure itself writes `resourcegroups`; both spellings are the same identity.
    workspace
        .ok(&["import", APP, &id.replace("resourceGroups", "resourcegroups")])
        .await;
    workspace.settled().await;
    workspace.ok(&["state", "rm", APP]).await;

    let missing = identity_id(azure, "life-nobody");
    workspace
        .run(&["import", APP, &missing])
        .await
        .refused()
        .says(&["Azure knows no identity"]);
    workspace.run(&["import", APP, "life-import"]).await.refused();
    workspace.ok(&["import", APP, &id]).await;
    workspace.destroy().await;
}

#[tokio::test]
async fn what_exists_is_imported_by_a_block_that_writes_the_configuration() {
    let azure = shared().await;
    let id = identity_id(azure, "life-block");
    by_hand(
        azure,
        "PUT",
        &id,
        Some(json!({"location": "West Europe", "tags": {"a b": "ü \"x\" ${y}"}})),
    )
    .await;
    let block = format!("provider \"entradb\" {{}}\n\nimport {{\n  to = {APP}\n  id = \"{id}\"\n}}\n");
    let workspace = Workspace::new(azure, &block);

    let plan = workspace
        .ok(&["plan", "-generate-config-out=generated.tf", "-out=import.tfplan"])
        .await;
    plan.says(&["1 to import, 0 to add, 0 to change, 0 to destroy"]);
    let generated = workspace.read("generated.tf");
    for line in ["name", "resource_group_name", "location", "tags"] {
        assert!(generated.contains(line), "{line} is missing:\n{generated}");
    }
    workspace.ok(&["apply", "import.tfplan"]).await;
    workspace.settled().await;
    workspace.remove("main.tf");
    workspace.write("main.tf", "provider \"entradb\" {}\n");
    workspace.settled().await;
    workspace.destroy().await;
}
