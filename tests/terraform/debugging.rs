//! What people do beside plan and apply: a debugger, tests with mocks, the console, starting the program by hand.

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::terraform::azure::{identity_workspace, shared};
use crate::terraform::side_by_side::{each_block_is_itself, two_blocks};
use crate::terraform::workspace::{Running, Workspace, provider_folder};

fn provider() -> std::path::PathBuf {
    provider_folder().join("terraform-provider-entradb")
}

/// The value that the program tells people to export.
async fn told(running: &mut Running) -> String {
    let mut lines = BufReader::new(running.output()).lines();
    loop {
        let line = lines
            .next_line()
            .await
            .expect("readable")
            .expect("it tells before it ends");
        if let Some((_, value)) = line.split_once("TF_REATTACH_PROVIDERS='") {
            return value.trim_end_matches('\'').to_owned();
        }
    }
}

#[tokio::test]
async fn a_provider_under_a_debugger_serves_one_run_after_another() {
    let azure = shared().await;
    let mut workspace = two_blocks(azure, "debug-alias").await;
    let mut debugged = workspace.start_program(&provider(), &["-debug"]);
    workspace.set("TF_REATTACH_PROVIDERS", told(&mut debugged).await);
    // Nothing else is found: the folder of the build is not named any more.
    workspace.write("cli.tfrc", "");
    // Both blocks are served by one process, each with a connection of its own.
    each_block_is_itself(&workspace).await;
    each_block_is_itself(&workspace).await;
    debugged.signal("INT").await;
    debugged.end().await.succeeded();
    workspace.run(&["plan"]).await.refused();
}

#[tokio::test]
async fn a_program_started_by_hand_explains_itself() {
    let mut workspace = Workspace::bare("");
    workspace.unset("TF_PLUGIN_MAGIC_COOKIE");
    let outcome = workspace.start_program(&provider(), &[]).end().await.refused();
    assert_eq!(outcome.stdout, "", "standard output is Terraform's");
    outcome.says(&["Terraform"]);
    workspace.set("TF_PLUGIN_MAGIC_COOKIE", "a wrong one");
    workspace.start_program(&provider(), &[]).end().await.refused();
    workspace
        .start_program(&provider(), &["-version"])
        .end()
        .await
        .succeeded()
        .says(&["protocol 5"]);
    workspace
        .start_program(&provider(), &["-help"])
        .end()
        .await
        .succeeded()
        .says(&["dev_overrides"]);
}

#[tokio::test]
async fn terraform_test_runs_with_mocks_and_for_real() {
    let workspace = identity_workspace("debug-test").await;
    workspace.write(
        "tests/mocked.tftest.hcl",
        r#"
mock_provider "entradb" {
  mock_resource "entradb_managed_identity" {
    defaults = {
      client_id = "00000000-0000-0000-0000-00000000c11e"
    }
  }
}

run "mocked" {
  command = apply

  assert {
    condition     = entradb_managed_identity.app.client_id == "00000000-0000-0000-0000-00000000c11e"
    error_message = "The mock is used."
  }

  assert {
    condition     = length(entradb_managed_identity.app.principal_id) > 0
    error_message = "The rest is made up."
  }
}
"#,
    );
    workspace.write(
        "tests/real.tftest.hcl",
        r#"
run "planned" {
  command = plan

  assert {
    condition     = entradb_managed_identity.app.location == "westeurope"
    error_message = "The region is planned."
  }
}

run "applied" {
  assert {
    condition     = endswith(entradb_managed_identity.app.id, "/debug-test")
    error_message = "The identity is made."
  }
}
"#,
    );
    workspace.ok(&["test"]).await.says(&["3 passed, 0 failed"]);
}

#[tokio::test]
async fn schemas_are_told() {
    let workspace = Workspace::bare("");
    let told = workspace.ok(&["providers", "schema", "-json"]).await.stdout;
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let providers = told["provider_schemas"].as_object().expect("an object");
    let schema = providers.values().next().expect("ours");
    for name in entradb::resources::all().iter().map(|resource| resource.name()) {
        assert!(schema["resource_schemas"][name].is_object(), "{name} is missing");
    }
    for name in entradb::functions::all().iter().map(|function| function.name()) {
        assert!(schema["functions"][name].is_object(), "{name} is missing");
    }
}

#[tokio::test]
async fn functions_answer_in_the_console() {
    let workspace = Workspace::bare("provider \"entradb\" {}\n");
    let client = "00000000-0000-0000-0000-00000000c11e";
    let manifest = format!("provider::entradb::kubernetes_service_account(\"{client}\", \"app\", \"apps\").manifest\n");
    let good = workspace.with_input(&["console"], &manifest).await.succeeded();
    good.says(&["azure.workload.identity/client-id", client]);
    let bad = "provider::entradb::kubernetes_service_account(\"no GUID\", \"app\", \"apps\")\n";
    workspace
        .with_input(&["console"], bad)
        .await
        .refused()
        .says(&["Invalid function argument", "client_id", "GUID"]);
    let unknown = "provider::entradb::openmetadata_helm_values({ engine = \"oracle\" })\n";
    workspace
        .with_input(&["console"], unknown)
        .await
        .refused()
        .says(&["Invalid function argument"]);
}
