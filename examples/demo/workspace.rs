//! The folder that the demo works in, and how a provider gets there that `terraform init` can find. Nothing of it stays.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use entradb_emulator::Emulator;

use crate::demo::console::{Console, Context, Failure, Result};

const BINARY: &str = "terraform-provider-entradb";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the emulated Azure is.
pub(crate) const LOCATION: &str = "westeurope";

/// Holds the folder for as long as its input is open, which is as long as we live, however we end.
const KEEPER: &str = r#"read -r word; cd / && rm -rf -- "$1""#;

const NO_TERRAFORM: &str = "\
Neither `terraform` nor `tofu` was found on the PATH.
Install Terraform 1.8 or later (https://developer.hashicorp.com/terraform/install),
or OpenTofu 1.8 or later (https://opentofu.org/docs/intro/install/), and run the demo again.";

/// A temporary folder with the configuration, the provider's mirror and Terraform's own settings.
pub(crate) struct Workspace {
    pub(crate) folder: PathBuf,
    keeper: Child,
}

/// `terraform` or `tofu`.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) name: &'static str,
}

impl Program {
    pub(crate) fn find() -> Result<Program> {
        let places: Vec<PathBuf> = std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths)
            .collect();
        for name in ["terraform", "tofu"] {
            if let Some(path) = places.iter().map(|place| place.join(name)).find(|path| path.is_file()) {
                return Ok(Program { path, name });
            }
        }
        Err(Failure(NO_TERRAFORM.to_owned()))
    }
}

impl Workspace {
    /// Makes the folder and copies the example's configuration into it.
    pub(crate) fn create() -> Result<Workspace> {
        let folder = tempfile::Builder::new().prefix("entradb-demo-").tempdir();
        let folder = folder.context("no temporary folder")?.keep();
        let keeper = Command::new("sh")
            .args([
                OsString::from("-c"),
                KEEPER.into(),
                "entradb-demo".into(),
                folder.clone().into(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is meant for the demo, which closes the input in the end.
            .process_group(0)
            .spawn()
            .context("`sh` does not run")?;
        let workspace = Workspace { folder, keeper };
        for name in ["configuration", "logs", "home"] {
            fs::create_dir(workspace.folder.join(name)).context("a folder in the temporary folder")?;
        }
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/openmetadata/postgresql");
        for entry in fs::read_dir(&example).context("the example's folder")? {
            let path = entry.context("the example's folder")?.path();
            if let (Some("tf"), Some(name)) = (path.extension().and_then(|end| end.to_str()), path.file_name()) {
                fs::copy(&path, workspace.configuration().join(name)).context("the example's configuration")?;
            }
        }
        Ok(workspace)
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.join("configuration")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.folder.join("terraform.rc")
    }

    /// Answers to the example's variables that have no default.
    pub(crate) fn write_variables(&self, emulator: &Emulator) -> Result<()> {
        let text = format!(
            "server_id           = \"{}\"\ncluster_id          = \"{}\"\nresource_group_name = \"{}\"\nlocation            = \"{LOCATION}\"\n",
            emulator.postgresql().id,
            emulator.cluster_id(),
            emulator.resource_group(),
        );
        self.write("configuration/terraform.tfvars", &text)
    }

    /// Lays the provider out as a filesystem mirror, and tells Terraform to install from there and from nowhere else.
    pub(crate) fn write_mirror(&self, address: &str, binary: &Path) -> Result<()> {
        let folder = self.folder.join("mirror").join(address).join(VERSION).join(platform());
        fs::create_dir_all(&folder).context("the mirror")?;
        symlink(binary, folder.join(format!("{BINARY}_v{VERSION}"))).context("the mirror")?;
        let text = format!(
            "disable_checkpoint = true\n\nprovider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n",
            self.folder.join("mirror").display()
        );
        self.write("terraform.rc", &text)
    }

    /// Writes a file, which may hold the emulator's secrets: nobody else reads it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.folder.join(name);
        let file = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.context(format!("`{}` cannot be written", path.display()))
    }

    /// Saves the logs from what happens to the folder, after a failure. Gives the place.
    pub(crate) fn keep_logs(&self) -> Option<PathBuf> {
        let place = tempfile::Builder::new()
            .prefix("entradb-demo-logs-")
            .tempdir()
            .ok()?
            .keep();
        for entry in fs::read_dir(self.logs()).ok()?.flatten() {
            fs::copy(entry.path(), place.join(entry.file_name())).ok()?;
        }
        Some(place)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // The folder is gone when the keeper is; nothing can be done about one that cannot be waited for.
        let _ = self.keeper.wait();
    }
}

/// The platform as Terraform names it.
fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    format!("{system}_{processor}")
}

/// The provider's binary, of the same build as the demo: beside it when it was built already and nothing has changed since.
///
/// `cargo run --example` builds examples only, so cargo is asked for the program too; with the example in the same
/// command, so that dependencies are built with the same features, which is to say not once more.
pub(crate) async fn provider_binary(console: &Console) -> Result<PathBuf> {
    let own = std::env::current_exe().context("the demo's own place")?;
    let profile_folder = own
        .parent()
        .and_then(Path::parent)
        .context("the demo does not stand in target/<profile>/examples")?;
    let binary = profile_folder.join(BINARY);
    let Some(cargo) = std::env::var_os("CARGO") else {
        return match binary.is_file() {
            true => Ok(binary),
            false => Err(Failure(format!(
                "The provider was not found at `{}`. Run the demo with `cargo run --release --example demo`, which builds it.",
                binary.display()
            ))),
        };
    };
    let profile = match profile_folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    console.command(&format!("cargo build --profile {profile} --bin {BINARY}"));
    let mut command = tokio::process::Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--profile",
            profile,
            "--bin",
            BINARY,
            "--example",
            "demo",
        ])
        .kill_on_drop(true)
        .stdin(Stdio::null());
    if let Some(target) = target_folder(profile_folder) {
        command.arg("--target-dir").arg(target);
    }
    let built = command.status().await.context("cargo does not run")?;
    match built.success() && binary.is_file() {
        true => Ok(binary),
        false => Err(Failure(
            "The provider could not be built; cargo says why above.".to_owned(),
        )),
    }
}

/// The folder that `--target-dir` names, when the demo stands right inside of it.
fn target_folder(profile_folder: &Path) -> Option<&Path> {
    profile_folder
        .parent()
        .filter(|folder| folder.join(".rustc_info.json").is_file())
}
