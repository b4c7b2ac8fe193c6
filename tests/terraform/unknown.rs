//! Plans while nothing exists yet: everything unknown, or mocks in place of what another unit will make. No request is
//! sent then, to nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

use crate::terraform::workspace::Workspace;

/// Stands where Azure and the database would, and counts who comes.
struct Nobody {
    address: String,
    visits: Arc<AtomicUsize>,
}

impl Nobody {
    async fn at_home() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("bound").to_string();
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = visits.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, visits }
    }

    fn workspace(&self, configuration: &str) -> Workspace {
        let mut workspace = Workspace::bare(configuration);
        let endpoint = format!("https://{}", self.address);
        for name in [
            "ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST",
            "ARM_RESOURCE_MANAGER_ENDPOINT",
            "ARM_MICROSOFT_GRAPH_ENDPOINT",
            "ARM_MSI_ENDPOINT",
        ] {
            workspace.set(name, endpoint.clone());
        }
        workspace.set("ARM_METADATA_HOSTNAME", self.address.clone());
        workspace.set("ARM_TENANT_ID", "00000000-0000-0000-0000-000000000001");
        workspace.set("ARM_SUBSCRIPTION_ID", "00000000-0000-0000-0000-000000000002");
        workspace.set("ARM_CLIENT_ID", "00000000-0000-0000-0000-000000000003");
        workspace.set("ARM_CLIENT_SECRET", "none-that-anybody-knows");
        workspace.set(
            "ENTRADB_DATABASE_HOSTS",
            format!("pg-mock.postgres.database.azure.com={}", self.address),
        );
        workspace
    }

    fn was_left_alone(&self) {
        assert_eq!(self.visits.load(Ordering::SeqCst), 0, "somebody was asked something");
    }
}

/// Every resource, with these values for the server and the identity.
fn stack(server: &str, server_id: &str, identity: &str) -> String {
    format!(
        r#"
resource "entradb_managed_identity" "app" {{
  name                = "app"
  resource_group_name = "data-platform"
  location            = "westeurope"
}}

resource "entradb_federated_credential" "app" {{
  name                = "aks"
  managed_identity_id = {identity}
  issuer              = "https://oidc.example.invalid/1/"
  subject             = "system:serviceaccount:openmetadata:openmetadata-sa"
}}

resource "entradb_entra_admin" "runner" {{
  server_id   = {server_id}
  identity_id = {identity}
}}

resource "entradb_postgresql_role" "owner" {{
  server = {server}
  name   = "owner"
}}

resource "entradb_postgresql_user" "app" {{
  server      = {server}
  identity_id = {identity}
}}
"#
    )
}

const MOCK: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mock/providers";

#[tokio::test]
async fn mocks_are_planned_without_a_request() {
    let nobody = Nobody::at_home().await;
    let server = format!("\"{MOCK}/Microsoft.DBforPostgreSQL/flexibleServers/pg-mock\"");
    let identity = format!("\"{MOCK}/Microsoft.ManagedIdentity/userAssignedIdentities/mock\"");
    for spelling in [&server, "\"pg-mock.postgres.database.azure.com\""] {
        let configuration = format!("provider \"entradb\" {{}}\n{}", stack(spelling, &server, &identity));
        let workspace = nobody.workspace(&configuration);
        workspace.ok(&["validate"]).await;
        let planned = workspace.planned("mock.tfplan", &[]).await;
        assert_eq!(planned.len(), 5, "{planned:?}");
        assert!(planned.iter().all(|(_, action)| action == "create"), "{planned:?}");
    }
    nobody.was_left_alone();
}

#[tokio::test]
async fn what_is_unknown_is_planned_without_a_request() {
    let nobody = Nobody::at_home().await;
    let configuration = format!(
        "provider \"entradb\" {{}}\n\nresource \"terraform_data\" \"later\" {{\n  input = \"known after apply\"\n}}\n{}",
        stack(
            "terraform_data.later.output",
            "terraform_data.later.output",
            "terraform_data.later.output"
        )
    );
    let workspace = nobody.workspace(&configuration);
    assert_eq!(workspace.planned("unknown.tfplan", &[]).await.len(), 6);
    nobody.was_left_alone();
}

#[tokio::test]
async fn a_provider_block_of_unknown_values_is_planned() {
    let nobody = Nobody::at_home().await;
    let provider = r#"
provider "entradb" {
  tenant_id       = terraform_data.later.output
  subscription_id = terraform_data.later.output
  client_id       = terraform_data.later.output
  client_secret   = terraform_data.later.output
  ca_file         = terraform_data.later.output
  use_oidc        = terraform_data.later.output
  database_hosts  = { (terraform_data.later.output) = terraform_data.later.output }
  connect_timeout = terraform_data.later.output
}

resource "terraform_data" "later" {
  input = "known after apply"
}
"#;
    let values = stack(
        "terraform_data.later.output",
        "terraform_data.later.output",
        "entradb_managed_identity.app.id",
    );
    let workspace = nobody.workspace(&format!("{provider}{values}"));
    assert_eq!(workspace.planned("unknown.tfplan", &[]).await.len(), 6);
    nobody.was_left_alone();
}

#[tokio::test]
async fn nothing_needs_to_be_signed_in_for_a_plan_to_create() {
    let server = format!("\"{MOCK}/Microsoft.DBforPostgreSQL/flexibleServers/pg-mock\"");
    let identity = "entradb_managed_identity.app.id";
    let workspace = Workspace::bare(&format!(
        "provider \"entradb\" {{}}\n{}",
        stack(&server, &server, identity)
    ));
    workspace.ok(&["validate"]).await;
    assert_eq!(workspace.planned("bare.tfplan", &[]).await.len(), 5);
}
