//! The provider as people get it: found in a mirror, installed by `terraform init`, held to its checksum ever after.

use std::os::unix::fs::PermissionsExt as _;

use crate::terraform::azure::{identity, shared};
use crate::terraform::workspace::{Workspace, provider_folder};

const HOST: &str = "mirror.example.invalid";

/// The platform as Terraform names it.
pub fn platform() -> String {
    let system = if cfg!(target_os = "macos") {
        "darwin"
    } else {
        std::env::consts::OS
    };
    let processor = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    format!("{system}_{processor}")
}

fn with_a_mirror(workspace: &Workspace) -> String {
    let package = format!("mirror/{HOST}/entradb/entradb/0.1.0/{}", platform());
    let program = format!("{package}/terraform-provider-entradb_v0.1.0");
    workspace.write(&program, "");
    let built = provider_folder().join("terraform-provider-entradb");
    std::fs::copy(built, workspace.path(&program)).expect("a copy of the build");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(workspace.path(&program), executable).expect("an executable");
    let mirror = workspace.path("mirror");
    workspace.write(
        "cli.tfrc",
        &format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n",
            mirror.display()
        ),
    );
    workspace.write(
        "requirements.tf",
        &format!(
            "terraform {{\n  required_providers {{\n    entradb = {{\n      source  = \"{HOST}/entradb/entradb\"\n      \
             version = \"~> 0.1\"\n    }}\n  }}\n}}\n"
        ),
    );
    program
}

#[tokio::test]
async fn the_provider_is_installed_from_a_mirror_and_held_to_its_checksum() {
    let workspace = Workspace::new(shared().await, &identity("installed", ""));
    let program = with_a_mirror(&workspace);
    workspace.run(&["plan"]).await.refused().says(&[" init"]);
    workspace
        .ok(&["init"])
        .await
        .says(&["Installed mirror.example.invalid/entradb/entradb v0.1.0"]);
    assert!(workspace.read(".terraform.lock.hcl").contains("h1:"));
    let applied = workspace.apply().await;
    assert!(!applied.text().contains("Warning"), "{}", applied.whole());
    workspace.settled().await;
    workspace.destroy().await;

    // Another program under the same name is not started.
    let mut bytes = std::fs::read(workspace.path(&program)).expect("the program");
    bytes.push(0);
    std::fs::remove_file(workspace.path(&program)).expect("the program");
    std::fs::write(workspace.path(&program), bytes).expect("another program");
    workspace.run(&["plan"]).await.refused().says(&["checksums"]);
}
