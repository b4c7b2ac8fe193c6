//! The Azure CLI: a program that says what the test wants.

use std::os::unix::fs::PermissionsExt;

use entradb_emulator::Emulator;
use tempfile::TempDir;

use crate::config;
use crate::harness::azure;
use crate::harness::message::Told;

const TYPE: &str = "entradb_client_config";

/// A folder with an `az` that does this.
fn cli(script: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("az");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a program");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it may be run");
    folder
}

async fn me(azure: &Emulator, folder: &TempDir) -> Result<entradb::protocol::value::Object, Vec<Told>> {
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let nobody = [
        ("ARM_CLIENT_ID", ""),
        ("ARM_CLIENT_SECRET", ""),
        ("PATH", path.as_str()),
    ];
    let plugin = azure::provider_with(azure, &nobody).await;
    plugin.try_read_data_source(TYPE, config! {}).await
}

#[tokio::test]
async fn whoever_is_signed_in_to_it_is_signed_in_here() {
    let azure = azure::shared().await;
    let runner = azure.runner();
    let token = |audience: &str| azure.access_token(&runner.object_id, audience);
    let answer =
        |token: String| format!(r#"echo '{{"accessToken":"{token}","expires_on":4000000000,"tokenType":"Bearer"}}'"#);
    let script = format!(
        "case \"$*\" in\n*graph*) {} ;;\n*) {} ;;\nesac",
        answer(token(azure.graph_endpoint())),
        answer(token("https://management.azure.com/"))
    );
    let me = me(azure, &cli(&script)).await.expect("who we are");
    assert_eq!(me["object_id"], runner.object_id.as_str().into());
}

#[tokio::test]
async fn who_is_not_signed_in_is_told_to() {
    let azure = azure::shared().await;
    let script = "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1";
    let told = me(azure, &cli(script)).await.expect_err("nobody");
    assert_eq!(told[0].summary, "No way to sign in");
    for part in [
        "client secret: client_secret is not set",
        "managed identity: use_msi is not set",
        "Azure CLI: Please run 'az login' to setup account.",
    ] {
        assert!(told[0].detail.contains(part), "{part} in {}", told[0].detail);
    }
    let script = "echo 'ERROR: AADSTS700082: The refresh token has expired due to inactivity.' >&2; exit 1";
    let told = me(azure, &cli(script)).await.expect_err("nobody");
    assert_eq!(told[0].summary, "Sign-in failed");
    assert!(told[0].detail.contains("run `az login`"), "{}", told[0].detail);
}
