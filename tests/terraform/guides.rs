//! What the other guides promise: taking over what others manage, and coming back from a loss. Their blocks of configuration are taken from the pages.

use serde_json::json;

use crate::examples::fenced;
use crate::resources::world::log_in;
use crate::terraform::azure::{by_hand, by_hand_in, identity_id};
use crate::terraform::following;
use crate::terraform::stack::{ALL, Stack};
use crate::terraform::workspace::Outcome;
use crate::tidy::root;

/// What stands in the pages for what there is.
const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/data-platform";
const OLD_USER: &str = "openmetadata_user";

/// The blocks of configuration of a page, with the IDs of this Azure.
fn configuration(page: &str, stack: &Stack) -> String {
    let text = std::fs::read_to_string(root().join("docs/guides").join(page)).expect("a guide");
    let blocks = fenced(&text).into_iter().filter(|block| block.language == "terraform");
    let written: String = blocks.map(|block| block.text).collect();
    let azure = &stack.azure;
    let issuer = written
        .split('"')
        .find(|word| word.contains(".oic."))
        .expect("an issuer");
    written
        .replace(
            &format!("{SUBSCRIPTION}/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg-data"),
            &azure.postgresql().id,
        )
        .replace(
            &format!("{SUBSCRIPTION}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/openmetadata"),
            &identity_id(azure, "openmetadata"),
        )
        .replace(issuer, &azure.cluster_issuer())
}

/// The declarations, without what brings them in.
fn declared(configuration: &str) -> String {
    let brings_in = |block: &str| {
        ["removed {", "import {"]
            .iter()
            .any(|begin| block.trim_start().starts_with(begin))
    };
    let blocks = configuration.split_inclusive("\n}\n");
    blocks.filter(|block| !brings_in(block)).collect()
}

/// As other tools leave it: an identity with a federated credential, and a user with privileges that is bound to it.
async fn made_by_others(stack: &Stack) {
    let azure = &stack.azure;
    let runner = azure.runner();
    let made = azure.add_administrator(&runner.object_id, &runner.display_name).await;
    made.expect("the runner administers the server");
    let identity = identity_id(azure, "openmetadata");
    let (status, made) = by_hand(azure, "PUT", &identity, Some(json!({"location": "westeurope"}))).await;
    assert_eq!(status, 201, "{made}");
    let credential = json!({"properties": {
        "issuer": azure.cluster_issuer(), "subject": "system:serviceaccount:openmetadata:openmetadata-sa",
        "audiences": ["api://AzureADTokenExchange"],
    }});
    let id = format!("{identity}/federatedIdentityCredentials/aks");
    let (status, answer) = by_hand(azure, "PUT", &id, Some(credential)).await;
    assert_eq!(status, 201, "{answer}");
    let token = azure.database_token(&runner.object_id);
    let session = log_in(azure, &runner.display_name, &token, "postgres")
        .await
        .expect("an administrator");
    let principal = made["properties"]["principalId"].as_str().expect("an ID");
    let bound =
        format!("select pgaadauth_create_principal_with_oid('openmetadata', '{principal}', 'service', false, false)");
    session.simple_query(&bound).await.expect("a user");
    let granted =
        "grant connect on database openmetadata_db to openmetadata; grant usage on schema public to openmetadata;
        grant select, insert, update, delete on all tables in schema public to openmetadata;
        grant select, usage, update on all sequences in schema public to openmetadata;
        grant execute on all functions in schema public to openmetadata";
    stack.run_as_superuser(granted).await;
}

#[tokio::test]
async fn what_others_manage_is_taken_over_as_the_guide_says() {
    let stack = Stack::deployed().await;
    made_by_others(&stack).await;
    let workspace = &stack.workspace;
    for file in [
        "main.tf",
        "variables.tf",
        "outputs.tf",
        "versions.tf",
        "terraform.tfvars.json",
    ] {
        workspace.remove(file);
    }
    let requirements = "terraform {\n  required_providers {\n    entradb = { source = \"entradb/entradb\" }\n  }\n}\n";
    let taken_over = configuration("coming-from-other-providers.md", &stack);
    workspace.write("main.tf", &format!("{requirements}{taken_over}"));
    let planned = workspace.ok(&["plan"]).await;
    assert!(
        ["removed {", "import {"].iter().all(|block| taken_over.contains(block)),
        "{taken_over}"
    );
    planned.says(&["4 to import", "0 to add", "0 to destroy"]);
    workspace.apply().await;
    workspace.write("main.tf", &format!("{requirements}{}", declared(&taken_over)));
    workspace.settled().await;
}

/// Does what stands under a heading of the page about losses.
async fn follow(stack: &mut Stack, heading: &str) -> Outcome {
    let page = std::fs::read_to_string(root().join("docs/guides/when-something-was-lost.md")).expect("a guide");
    let (_, below) = page.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let script = fenced(below).into_iter().next().expect("a block").text;
    following::prepare(&mut stack.workspace);
    following::run(&stack.workspace, &script).await
}

#[tokio::test]
async fn an_administrator_that_was_lost_is_set_again_alone_and_then_the_rest_is_seen() {
    let mut stack = Stack::deployed().await;
    stack.workspace.apply().await;
    let (server, runner) = (stack.azure.postgresql(), stack.azure.runner());
    let id = format!("{}/administrators/{}", server.id, runner.object_id);
    let (status, answer) = by_hand_in(&stack.azure, "2024-08-01", "DELETE", &id, None).await;
    assert!([200, 202, 204].contains(&status), "{status} {answer}");
    let refused = stack.workspace.run(&["plan"]).await.refused();
    refused.says(&[
        "Login refused by the database",
        "entradb_entra_admin.terraform will be created",
    ]);
    follow(&mut stack, "The administrator is gone")
        .await
        .says(&["No changes."]);
    stack.workspace.destroy().await;
    assert_eq!(stack.owned_by(OLD_USER).await, ALL);
}

/// Everything is taken over, and what the database has on record is given back.
async fn comes_back(stack: &Stack, again: &Outcome) {
    again.says(&["existed already, exactly as configured"]);
    stack.workspace.settled().await;
    assert_eq!(stack.owned_by("openmetadata").await, ALL);
    stack.workspace.destroy().await;
    assert_eq!(stack.owned_by(OLD_USER).await, ALL, "who owned what is on record");
}

#[tokio::test]
async fn a_state_that_was_lost_comes_back_with_an_apply() {
    let stack = Stack::deployed().await;
    stack.workspace.apply().await;
    stack.workspace.remove("terraform.tfstate");
    let again = stack.workspace.apply().await;
    comes_back(&stack, &again).await;
}

#[tokio::test]
async fn what_is_let_go_of_is_taken_over_again() {
    let mut stack = Stack::deployed().await;
    stack.workspace.apply().await;
    let again = follow(&mut stack, "The server was restored under another name").await;
    comes_back(&stack, &again).await;
}
