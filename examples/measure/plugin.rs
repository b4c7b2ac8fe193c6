//! The provider as a program: built, started as Terraform starts it, weighed. It knows no resource.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, PKCS_ECDSA_P521_SHA512};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::Result;

const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
const NAME: &str = "terraform-provider-entradb";

/// What one start came to.
pub(crate) struct Started {
    pub(crate) to_handshake: Duration,
    /// In bytes, when the line was out.
    pub(crate) resident: u64,
}

/// The provider of the same profile as this program, built anew where that is needed.
pub(crate) fn built() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this
        .parent()
        .and_then(Path::parent)
        .ok_or("this program is in no target folder")?;
    let release = folder.ends_with("release");
    eprintln!("building the provider where it is not up to date");
    let mut cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--bin", NAME])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if release {
        cargo.arg("--release");
    } else {
        eprintln!("this is no release build: the figures say little (cargo run --release --example …)");
    }
    if !cargo.status()?.success() {
        return Err("the provider cannot be built".into());
    }
    Ok(folder.join(NAME))
}

/// Starts the provider, reads its line, ends it.
pub(crate) async fn start(provider: &Path) -> Result<Started> {
    let certificate = certificate()?;
    // Who is killed cannot remove its socket: it goes with the folder.
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(provider);
    command
        .env_clear()
        .env("TMPDIR", folder.path())
        .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
        .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
        .env("PLUGIN_CLIENT_CERT", certificate)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let output = child.stdout.take().ok_or("no standard output")?;
    let line = BufReader::new(output).lines().next_line().await?;
    let to_handshake = begun.elapsed();
    if !line.is_some_and(|line| line.starts_with("1|5|")) {
        return Err("the provider does not begin as Terraform wants it".into());
    }
    let resident = memory(child.id().ok_or("it has ended")?, "VmRSS").ok_or("it has ended")?;
    child.kill().await?;
    Ok(Started { to_handshake, resident })
}

/// The one-time certificate that Terraform gives to each provider that it starts.
fn certificate() -> Result<String> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512)?;
    let mut parameters = CertificateParams::new(vec!["localhost".to_owned()])?;
    parameters.distinguished_name.push(DnType::CommonName, "localhost");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(parameters.self_signed(&key)?.pem())
}

/// A process's memory in bytes, by the name that the kernel gives the figure.
pub(crate) fn memory(id: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The children of a process that are providers of ours.
pub(crate) fn providers(parent: u32) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_ours = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The program's name, in brackets, may have spaces in it.
        let (name, rest) = status.rsplit_once(") ")?;
        let found: u32 = rest.split(' ').nth(1)?.parse().ok()?;
        Some(found == parent && name.contains("(terraform-prov"))
    };
    ids.filter(|id| is_ours(id).unwrap_or(false)).collect()
}
