//! Several at once: two runs, two provider blocks, one operation at a time and fifty.

use entradb_emulator::{Access, Emulator};

use crate::terraform::azure::{identity_id, shared};
use crate::terraform::workspace::Workspace;

fn many(azure: &Emulator, name: &str, count: usize) -> String {
    let server = &azure.postgresql().fqdn;
    format!(
        r#"
provider "entradb" {{}}

resource "entradb_managed_identity" "app" {{
  count               = {count}
  name                = "{name}-${{count.index}}"
  resource_group_name = "data-platform"
  location            = "westeurope"
}}

resource "entradb_federated_credential" "app" {{
  count               = 3
  name                = "aks-${{count.index}}"
  managed_identity_id = entradb_managed_identity.app[0].id
  issuer              = "https://oidc.example.invalid/1/"
  subject             = "system:serviceaccount:{name}:sa-${{count.index}}"
}}

resource "entradb_postgresql_user" "app" {{
  count       = {count}
  server      = "{server}"
  identity_id = entradb_managed_identity.app[count.index].id
}}
"#
    )
}

async fn roles(azure: &Emulator, pattern: &str) -> i64 {
    const COUNT: &str = "SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname LIKE $1";
    let client = azure.superuser("postgres").await;
    let row = client.query_one(COUNT, &[&pattern]).await;
    row.expect("the superuser may look").get(0)
}

#[tokio::test]
async fn two_runs_at_once_on_one_server_do_not_hinder_each_other() {
    let azure = shared().await;
    let first = Workspace::new(azure, &many(azure, "side-first", 6));
    let second = Workspace::new(azure, &many(azure, "side-second", 6));
    let fast = ["apply", "-auto-approve", "-parallelism=50"];
    tokio::join!(first.ok(&fast), second.ok(&fast));
    assert_eq!(
        roles(azure, "side-first-%").await + roles(azure, "side-second-%").await,
        12
    );
    tokio::join!(first.settled(), second.settled());
    tokio::join!(first.destroy(), second.destroy());
    assert_eq!(
        roles(azure, "side-first-%").await + roles(azure, "side-second-%").await,
        0
    );
}

/// Half of the credentials that two identities may have.
fn half_of_forty(azure: &Emulator, half: usize) -> String {
    let (one, other) = (identity_id(azure, "side-forty-0"), identity_id(azure, "side-forty-1"));
    format!(
        r#"
provider "entradb" {{}}

resource "entradb_federated_credential" "app" {{
  count               = 20
  name                = "half-{half}-${{count.index}}"
  managed_identity_id = count.index < 10 ? "{one}" : "{other}"
  issuer              = "https://oidc.example.invalid/forty/"
  subject             = "system:serviceaccount:half-{half}:sa-${{count.index}}"
}}
"#
    )
}

#[tokio::test]
async fn forty_credentials_of_two_identities_are_written_by_two_runs_at_once() {
    let azure = shared().await;
    let identities = Workspace::new(
        azure,
        r#"
provider "entradb" {}

resource "entradb_managed_identity" "app" {
  count               = 2
  name                = "side-forty-${count.index}"
  resource_group_name = "data-platform"
  location            = "westeurope"
}
"#,
    );
    identities.apply().await;
    let (first, second) = (
        Workspace::new(azure, &half_of_forty(azure, 0)),
        Workspace::new(azure, &half_of_forty(azure, 1)),
    );
    let fast = ["apply", "-auto-approve", "-parallelism=20"];
    tokio::join!(first.ok(&fast), second.ok(&fast));
    tokio::join!(first.settled(), second.settled());
    let further = half_of_forty(azure, 2).replace("count               = 20", "count               = 1");
    let third = Workspace::new(azure, &further);
    third
        .run(&["apply", "-auto-approve"])
        .await
        .refused()
        .says(&["Too many federated credentials"]);
    tokio::join!(first.destroy(), second.destroy());
    identities.destroy().await;
}

#[tokio::test]
async fn two_runs_at_once_that_want_the_same_converge() {
    let azure = shared().await;
    let first = Workspace::new(azure, &many(azure, "side-same", 4));
    let second = Workspace::new(azure, &many(azure, "side-same", 4));
    let apply = ["apply", "-auto-approve"];
    // Whoever comes second finds what it wants, and says so.
    tokio::join!(first.ok(&apply), second.ok(&apply));
    assert_eq!(roles(azure, "side-same-%").await, 4);
    tokio::join!(first.settled(), second.settled());
    tokio::join!(first.destroy(), second.destroy());
}

#[tokio::test]
async fn one_at_a_time_and_fifty_at_once_come_to_the_same() {
    let azure = shared().await;
    let workspace = Workspace::new(azure, &many(azure, "side-parallel", 12));
    workspace.ok(&["apply", "-auto-approve", "-parallelism=50"]).await;
    workspace.settled().await;
    workspace.ok(&["plan", "-parallelism=1", "-detailed-exitcode"]).await;
    workspace.ok(&["destroy", "-auto-approve", "-parallelism=1"]).await;
    assert_eq!(roles(azure, "side-parallel-%").await, 0);
    workspace.ok(&["apply", "-auto-approve", "-parallelism=1"]).await;
    workspace.settled().await;
    workspace.ok(&["destroy", "-auto-approve", "-parallelism=50"]).await;
    assert_eq!(roles(azure, "side-parallel-%").await, 0);
}

/// Two provider blocks: the runner of the environment, and an application that may only read.
pub async fn two_blocks(azure: &Emulator, name: &str) -> Workspace {
    let reader = azure
        .add_application(&format!("{name}-reader"), Access::Reader)
        .await
        .expect("an application");
    let mut workspace = Workspace::new(
        azure,
        &format!(
            r#"
provider "entradb" {{}}

variable "secret" {{
  type      = string
  sensitive = true
}}

provider "entradb" {{
  alias         = "reader"
  client_id     = "{}"
  client_secret = var.secret
}}

resource "entradb_managed_identity" "writer" {{
  name                = "{name}"
  resource_group_name = "data-platform"
  location            = "westeurope"
}}

resource "entradb_managed_identity" "reader" {{
  provider            = entradb.reader
  name                = "{name}-refused"
  resource_group_name = "data-platform"
  location            = "westeurope"
}}
"#,
            reader.client_id
        ),
    );
    workspace.set("TF_VAR_secret", reader.client_secret);
    workspace
}

/// Each block signs in as itself: one may write, the other may not.
pub async fn each_block_is_itself(workspace: &Workspace) {
    let refused = workspace.run(&["apply", "-auto-approve"]).await.refused();
    refused.says(&["AuthorizationFailed", "entradb_managed_identity.reader"]);
    assert_eq!(
        workspace.ok(&["state", "list"]).await.stdout.trim(),
        "entradb_managed_identity.writer"
    );
    workspace.destroy().await;
}

#[tokio::test]
async fn provider_blocks_do_not_overwrite_each_other() {
    let azure = shared().await;
    each_block_is_itself(&two_blocks(azure, "side-alias").await).await;
}
