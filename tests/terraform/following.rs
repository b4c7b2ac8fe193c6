//! What a person does who follows a page: runs its commands as they stand there, and says yes.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::terraform::workspace::{Outcome, Workspace, terraform};

/// Lets whatever is tested be called `terraform`, as the pages call it, and answers `yes` for the person.
pub fn prepare(workspace: &mut Workspace) {
    workspace.write("bin/.keep", "");
    symlink(terraform(), workspace.path("bin/terraform")).expect("a link");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", workspace.path("bin").display());
    workspace.set("PATH", path);
    for command in ["apply", "destroy"] {
        workspace.set(&format!("TF_CLI_ARGS_{command}"), "-auto-approve");
    }
}

/// Runs a block of commands.
pub async fn run(workspace: &Workspace, script: &str) -> Outcome {
    let running = workspace.start_program(Path::new("sh"), &["-e", "-c", script]);
    running.end().await.succeeded()
}
