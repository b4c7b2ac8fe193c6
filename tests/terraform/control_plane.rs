//! The control plane under the real `terraform`: an identity on a machine and on a database server, administrators, and passwords off; from the first plan
//! to the last destroy, with what people change by hand in between.

use entradb_emulator::{Emulator, Options};

use crate::terraform::workspace::{Workspace, actions};

/// An application's identity is attached to its machine, and administers Azure SQL. Each MySQL server has one to ask the directory with.
fn stack(azure: &Emulator, group: &str) -> String {
    format!(
        r#"
provider "entradb" {{}}

locals {{
  mysql = ["{mysql}", "{replica}"]
}}

resource "entradb_managed_identity" "app" {{
  name                = "control-plane"
  resource_group_name = "data-platform"
  location            = "westeurope"
}}

resource "entradb_managed_identity" "lookup" {{
  name                = "mysql-lookup"
  resource_group_name = "data-platform"
  location            = "westeurope"
}}

resource "entradb_identity_assignment" "machine" {{
  target_id   = "{machine}"
  identity_id = entradb_managed_identity.app.id
}}

resource "entradb_identity_assignment" "mysql" {{
  count       = 2
  target_id   = local.mysql[count.index]
  identity_id = entradb_managed_identity.lookup.id
}}

resource "entradb_identity_assignment" "sql" {{
  target_id       = "{sql}"
  system_assigned = true
}}

resource "entradb_entra_admin" "mysql" {{
  server_id          = local.mysql[0]
  object_id          = "{group}"
  principal_type     = "Group"
  name               = "operators"
  server_identity_id = entradb_identity_assignment.mysql[0].identity_id

  depends_on = [entradb_identity_assignment.mysql]
}}

resource "entradb_entra_admin" "sql" {{
  server_id   = "{sql}"
  identity_id = entradb_managed_identity.app.id
}}

resource "entradb_entra_authentication" "mysql" {{
  server_id        = entradb_entra_admin.mysql.server_id
  password_enabled = false
  force            = true
}}

resource "entradb_entra_authentication" "sql" {{
  server_id        = entradb_entra_admin.sql.server_id
  password_enabled = false
  force            = true
}}
"#,
        mysql = azure.mysql().id,
        replica = azure.mysql_replica().id,
        machine = azure.targets().virtual_machine,
        sql = azure.sql_server().id,
    )
}

struct Stack {
    azure: Emulator,
    workspace: Workspace,
    group: String,
}

impl Stack {
    async fn new() -> Self {
        let azure = Emulator::start(Options::default()).await.expect("the emulator starts");
        let group = azure.add_group("operators", &[]).await.expect("a group");
        let workspace = Workspace::new(&azure, &stack(&azure, &group));
        Self {
            azure,
            workspace,
            group,
        }
    }

    /// Whether everything is as the configuration says.
    fn is_whole(&self) -> bool {
        let azure = &self.azure;
        let sid = |server: &str| azure.administrators(server).first().map(|one| one["sid"].clone());
        let mysql = [&azure.mysql().id, &azure.mysql_replica().id];
        let machine = azure.resource(&azure.targets().virtual_machine);
        mysql
            .iter()
            .all(|server| sid(server) == Some(self.group.as_str().into()))
            && sid(&azure.sql_server().id).is_some()
            && azure.entra_only(mysql[0])
            && azure.entra_only(&azure.sql_server().id)
            && machine["identity"]["type"] == "UserAssigned"
    }

    fn is_empty(&self) -> bool {
        let azure = &self.azure;
        let machine = azure.resource(&azure.targets().virtual_machine);
        let servers = [azure.mysql(), azure.mysql_replica(), azure.sql_server()];
        let bare = |id: &str| {
            azure.administrators(id).is_empty()
                && !azure.entra_only(id)
                && azure.server_properties(id)["identity"]["userAssignedIdentities"].is_null()
        };
        servers.iter().all(|server| bare(&server.id)) && machine["identity"].is_null()
    }
}

#[tokio::test]
async fn it_lives_its_life() {
    let stack = Stack::new().await;
    let (azure, workspace) = (&stack.azure, &stack.workspace);
    azure.clear_log();
    assert_eq!(workspace.planned("first.tfplan", &[]).await.len(), 10);
    assert!(azure.writes().is_empty(), "a plan writes nothing");
    workspace.ok(&["apply", "first.tfplan"]).await;
    assert!(stack.is_whole());
    workspace.settled().await;

    // By hand: a replica's administrator, the machine's identity, passwords.
    let identity = workspace.attributes("entradb_managed_identity.app").await;
    let identity = identity["id"].as_str().expect("an ID");
    azure.remove_administrator(&azure.mysql_replica().id, &stack.group);
    azure.detach_identity(&azure.targets().virtual_machine, identity);
    azure.set_entra_only(&azure.sql_server().id, false);
    let drift = workspace.ok(&["plan", "-out=drift.tfplan"]).await;
    drift.says(&["replica mysql-replica (no administrator)"]);
    let mut drift = actions(&workspace.planned("drift.tfplan", &[]).await);
    drift.sort();
    assert_eq!(
        drift,
        [
            "entradb_entra_admin.mysql update",
            "entradb_entra_authentication.sql update",
            "entradb_identity_assignment.machine create"
        ]
    );
    workspace.ok(&["apply", "drift.tfplan"]).await;
    assert!(stack.is_whole());
    workspace.settled().await;

    workspace.destroy().await;
    assert!(stack.is_empty());
}

#[tokio::test]
async fn a_new_identity_is_followed_in_place() {
    let stack = Stack::new().await;
    let workspace = &stack.workspace;
    workspace.apply().await;
    let before = stack.azure.administrators(&stack.azure.sql_server().id);
    workspace
        .plan_a_new_identity("identity.tfplan", "entradb_entra_admin.sql")
        .await;
    workspace.ok(&["apply", "identity.tfplan"]).await;
    workspace.settled().await;
    assert_ne!(stack.azure.administrators(&stack.azure.sql_server().id), before);
    assert!(stack.is_whole());
    workspace.destroy().await;
    assert!(stack.is_empty());
}

#[tokio::test]
async fn a_plan_reminds_of_the_restart_that_mysql_waits_for() {
    let stack = Stack::new().await;
    let (azure, workspace) = (&stack.azure, &stack.workspace);
    let server = azure.mysql().id.as_str();
    azure.set_pending_restart(server, "aad_auth_only", true);
    workspace.apply().await.says(&["Restart needed", "has to be restarted"]);
    workspace
        .ok(&["plan"])
        .await
        .says(&["No changes", "Restart needed", "mysql-data"]);
    azure.set_pending_restart(server, "aad_auth_only", false);
    let plan = workspace.ok(&["plan"]).await;
    assert!(!plan.text().contains("Restart needed"), "{}", plan.whole());
    workspace.destroy().await;
}
