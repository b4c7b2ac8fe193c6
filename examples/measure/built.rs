//! The provider as a program, built where it is not up to date.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

const NAME: &str = "terraform-provider-entradb";

/// The provider of the same profile as this example. Cargo is asked for both, so that what they share is built once.
pub(crate) fn provider() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this
        .parent()
        .and_then(Path::parent)
        .ok_or("this program is in no target folder")?;
    let example = this.file_stem().ok_or("this program has no name")?;
    eprintln!("building the provider where it is not up to date");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--bin", NAME, "--example"])
        .arg(example)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        cargo.arg("--release");
    } else {
        eprintln!("this is no release build: the figures say little (cargo run --release --example …)");
    }
    if !cargo.status()?.success() {
        return Err("the provider cannot be built".into());
    }
    Ok(folder.join(NAME))
}
