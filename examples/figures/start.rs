//! The provider, started as Terraform starts it. It knows no resource.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, PKCS_ECDSA_P521_SHA512};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::Result;
use crate::plugin::memory;

const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// What one start came to.
pub(crate) struct Started {
    pub(crate) to_handshake: Duration,
    /// In bytes, when the line was out.
    pub(crate) resident: u64,
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
