//! Azure fails a third of the time under the real `terraform`: one apply, an empty plan, one destroy, and nothing done twice.

use entradb_emulator::{Emulator, Options, Stumble};

use crate::terraform::workspace::Workspace;

fn stack(azure: &Emulator) -> String {
    format!(
        r#"
provider "entradb" {{}}

resource "entradb_managed_identity" "app" {{
  count               = 3
  name                = "stumbling-${{count.index}}"
  resource_group_name = "data-platform"
  location            = "westeurope"
}}

resource "entradb_federated_credential" "app" {{
  count               = 3
  name                = "github"
  managed_identity_id = entradb_managed_identity.app[count.index].id
  issuer              = "https://token.actions.githubusercontent.com"
  subject             = "repo:a/b:ref:refs/heads/${{count.index}}"
}}

resource "entradb_entra_admin" "app" {{
  count       = 2
  server_id   = "{}"
  identity_id = entradb_managed_identity.app[count.index].id
}}
"#,
        azure.postgresql().id
    )
}

#[tokio::test]
async fn one_apply_is_enough() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let workspace = Workspace::new(&azure, &stack(&azure));
    azure.clear_log();
    azure.faults().stumble(Stumble { percent: 30, seed: 5 });
    workspace.apply().await;
    workspace.settled().await;
    let made = |azure: &Emulator, method: &str| {
        let writes = azure.writes();
        writes.iter().filter(|write| write.method == method).count()
    };
    assert_eq!(
        (made(&azure, "PUT"), azure.writes().len()),
        (8, 8),
        "{:#?}",
        azure.writes()
    );
    workspace.destroy().await;
    let failed = azure.faults().steady();
    assert!(failed > 5, "only {failed} answers failed");
    assert_eq!(
        (made(&azure, "DELETE"), azure.writes().len()),
        (8, 16),
        "{:#?}",
        azure.writes()
    );
}
