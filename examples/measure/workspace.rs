//! Folders with configurations, and `terraform` run in them, timed and weighed. It knows no figure.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use entradb_emulator::Emulator;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Result, plugin};

/// Where the provider comes from: a mirror, as in a company without access to the registry.
const HOST: &str = "mirror.example.invalid";

/// What all workspaces share.
pub(crate) struct Bench {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command took.
pub(crate) struct Weighed {
    pub(crate) took: Duration,
    /// The most memory, in bytes, that a provider held.
    pub(crate) peak: u64,
    /// How long the providers computed, all of them together.
    pub(crate) computed: Duration,
}

/// A folder with a configuration.
pub(crate) struct Workspace<'bench> {
    bench: &'bench Bench,
    folder: PathBuf,
}

impl Bench {
    /// A temporary folder with a mirror of the provider in it.
    pub(crate) fn new(azure: &Emulator, provider: &Path) -> Result<Bench> {
        let folder = tempfile::Builder::new().prefix("entradb-figures-").tempdir()?;
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
        let package = folder
            .path()
            .join(format!("mirror/{HOST}/entradb/entradb/0.1.0/{system}_{processor}"));
        std::fs::create_dir_all(&package)?;
        let program = package.join("terraform-provider-entradb_v0.1.0");
        std::fs::copy(provider, &program)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        let mirror = folder.path().join("mirror");
        let cli = format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n",
            mirror.display()
        );
        std::fs::write(folder.path().join("cli.tfrc"), cli)?;
        Ok(Bench {
            folder,
            environment: azure.environment(),
        })
    }

    /// A folder with a configuration, initialised.
    pub(crate) async fn workspace(&self, name: &str, configuration: &str) -> Result<Workspace<'_>> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("main.tf"), configuration)?;
        let workspace = Workspace { bench: self, folder };
        workspace.run(&["init"]).await?;
        Ok(workspace)
    }

    /// The program's own words about itself.
    pub(crate) async fn version(&self) -> Result<String> {
        let output = self.command(self.folder.path(), &["version"]).output().await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("terraform");
        command
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("TF_CLI_CONFIG_FILE", self.folder.path().join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("TF_CLI_ARGS", "-no-color")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// What every configuration with our provider begins with.
pub(crate) fn requirements() -> String {
    format!(
        r#"terraform {{
  required_providers {{
    entradb = {{
      source  = "{HOST}/entradb/entradb"
      version = "~> 0.1"
    }}
  }}
}}

provider "entradb" {{}}
"#
    )
}

impl Workspace<'_> {
    /// How long a command takes.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Duration> {
        let begun = Instant::now();
        let output = self.bench.command(&self.folder, arguments).output().await;
        let output = output
            .map_err(|error| format!("`terraform` cannot be started (install Terraform 1.11 or newer): {error}"))?;
        let took = begun.elapsed();
        check(arguments, &output)?;
        Ok(took)
    }

    /// What a command takes, its providers included. The looks cost time too: a few of them in a
    /// second do not count, hundreds do.
    pub(crate) async fn weighed(&self, arguments: &[&str], between: Duration) -> Result<Weighed> {
        let begun = Instant::now();
        let child = self.bench.command(&self.folder, arguments).spawn()?;
        let id = child.id().ok_or("it has ended")?;
        let mut looks = tokio::time::interval(between);
        let mut ended = std::pin::pin!(child.wait_with_output());
        let mut peak = 0;
        let mut computed = BTreeMap::new();
        loop {
            tokio::select! {
                output = &mut ended => {
                    let took = begun.elapsed();
                    check(arguments, &output?)?;
                    let computed = computed.into_values().sum();
                    return Ok(Weighed { took, peak, computed });
                }
                _ = looks.tick() => {
                    for one in plugin::providers(id) {
                        peak = peak.max(plugin::memory(one, "VmHWM").unwrap_or_default());
                        computed.extend(plugin::computed(one).map(|time| (one, time)));
                    }
                }
            }
        }
    }
}

fn check(arguments: &[&str], output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`terraform {}` failed:\n{said}", arguments.join(" ")).into())
}
