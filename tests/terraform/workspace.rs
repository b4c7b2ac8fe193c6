//! A folder of its own for each test, and `terraform` in it, with nothing of the developer's environment.
//! It does not know what is configured.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use entradb_emulator::Emulator;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdout, Command};

/// Nothing here takes nearly as long, on a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(150);

/// The variable that names another program than the `terraform` of the PATH.
const PROGRAM: &str = "ENTRADB_TEST_TERRAFORM";

const REQUIREMENTS: &str = r#"
terraform {
  required_providers {
    entradb = { source = "entradb/entradb" }
  }
}
"#;

/// A folder with a configuration, and the environment in which `terraform` runs.
pub struct Workspace {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    command: String,
    code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A command that has not ended.
pub struct Running {
    command: String,
    child: Child,
    id: u32,
}

/// The folder of the provider that this build has made.
pub fn provider_folder() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_terraform-provider-entradb"));
    binary.parent().expect("a binary is in a folder").to_owned()
}

/// The `terraform` to run.
///
/// # Panics
/// When there is none: these tests are never skipped in silence.
pub fn terraform() -> PathBuf {
    if let Some(named) = std::env::var_os(PROGRAM) {
        return PathBuf::from(named);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("terraform"))
        .find(|program| program.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "These tests run the real `terraform`, and there is none on the PATH: install Terraform 1.11 or newer, or \
             set {PROGRAM} to the program's path (OpenTofu will do)."
        )
    })
}

impl Workspace {
    /// A folder with this configuration. The provider signs in as the emulator's runner.
    pub fn new(azure: &Emulator, configuration: &str) -> Self {
        let mut workspace = Self::bare(configuration);
        workspace.environment.extend(azure.environment());
        workspace
    }

    /// A folder with this configuration, and an environment that says nothing of Azure.
    pub fn bare(configuration: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("entradb-terraform-")
            .tempdir()
            .expect("a temporary folder");
        let cli = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"entradb/entradb\" = \"{}\"\n  }}\n  direct {{}}\n}}\n",
            provider_folder().display()
        );
        let workspace = Self {
            environment: Vec::new(),
            folder,
        };
        workspace.write("cli.tfrc", &cli);
        workspace.write("requirements.tf", REQUIREMENTS);
        workspace.write("main.tf", configuration);
        workspace
    }

    /// A file's place in the folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().expect("inside the folder")).expect("folders");
        std::fs::write(path, text).expect("a file in our own folder");
    }

    /// Removes a file.
    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).expect("a file that is there");
    }

    /// Reads a file.
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).expect("a file that is there")
    }

    /// Sets a variable of `terraform`'s environment.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.unset(name);
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Takes a variable out of `terraform`'s environment.
    pub fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            // Who is killed cannot remove its socket: it goes with the folder.
            .env("TMPDIR", self.folder.path())
            .env("TF_CLI_CONFIG_FILE", self.path("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("TF_CLI_ARGS", "-no-color")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            // A group of its own, so that Ctrl-C can be sent as a terminal sends it: to all of them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts `terraform` with these arguments.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_program(&terraform(), arguments)
    }

    /// Starts any program as `terraform` is started.
    pub fn start_program(&self, program: &Path, arguments: &[&str]) -> Running {
        let child = self
            .command(program, arguments)
            .spawn()
            .expect("a program that can be started");
        let id = child.id().expect("it runs");
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        Running {
            command: format!("{name} {}", arguments.join(" ")),
            child,
            id,
        }
    }

    /// Runs `terraform` with these arguments.
    pub async fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).end().await
    }

    /// Runs `terraform` with these arguments, which must succeed.
    pub async fn ok(&self, arguments: &[&str]) -> Outcome {
        self.run(arguments).await.succeeded()
    }

    /// Runs `terraform` with these arguments and this text on its standard input.
    pub async fn with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut running = self.start(arguments);
        let mut stdin = running.child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).await.expect("it reads its input");
        drop(stdin);
        running.end().await
    }

    /// Applies without asking.
    pub async fn apply(&self) -> Outcome {
        self.ok(&["apply", "-auto-approve"]).await
    }

    /// Destroys without asking, and looks that nothing is left.
    pub async fn destroy(&self) {
        self.ok(&["destroy", "-auto-approve"]).await;
        assert_eq!(self.ok(&["state", "list"]).await.stdout, "");
    }

    /// A plan must find nothing to do, with and without asking Azure, and the refresh nothing that has drifted.
    pub async fn settled(&self) {
        for further in ["-refresh=true", "-refresh=false", "-refresh-only"] {
            let outcome = self.run(&["plan", "-detailed-exitcode", further]).await;
            assert_eq!(
                outcome.code,
                Some(0),
                "there is something to do ({further}):\n{}",
                outcome.whole()
            );
        }
    }

    /// Plans into a file; answers what is to be done at each address that is not left as it is: `create`,
    /// `delete+create` …
    pub async fn planned(&self, file: &str, further: &[&str]) -> Vec<(String, String)> {
        let out = format!("-out={file}");
        let mut arguments = vec!["plan", out.as_str()];
        arguments.extend(further);
        self.ok(&arguments).await;
        let plan = self.shown(&[file]).await;
        let changes = plan["resource_changes"].as_array().cloned().unwrap_or_default();
        let changes = changes.iter().filter_map(|change| {
            let actions: Vec<&str> = change["change"]["actions"]
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let idle = actions == ["no-op"] || actions == ["read"];
            (!idle).then(|| {
                (
                    change["address"].as_str().unwrap_or_default().to_owned(),
                    actions.join("+"),
                )
            })
        });
        changes.collect()
    }

    /// Plans a new identity `app` under the same name into a file; what is bound to it is to be bound anew, in place. Answers everything planned.
    pub async fn plan_a_new_identity(&self, file: &str, bound: &str) -> Vec<String> {
        let planned = actions(&self.planned(file, &["-replace", "entradb_managed_identity.app"]).await);
        for expected in [
            "entradb_managed_identity.app delete+create".to_owned(),
            format!("{bound} update"),
        ] {
            assert!(planned.contains(&expected), "{planned:?}");
        }
        planned
    }

    /// `terraform show -json` of the state, or of a plan's file.
    pub async fn shown(&self, file: &[&str]) -> Value {
        let arguments: Vec<&str> = ["show", "-json"].iter().chain(file).copied().collect();
        let outcome = self.ok(&arguments).await;
        serde_json::from_str(&outcome.stdout).expect("JSON")
    }

    /// The attributes of the resource at this address of the root module, as the state has them.
    pub async fn attributes(&self, address: &str) -> Value {
        let state = self.shown(&[]).await;
        let resources = state["values"]["root_module"]["resources"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let found = resources.into_iter().find(|resource| resource["address"] == address);
        found.unwrap_or_else(|| panic!("{address} is not in the state"))["values"].clone()
    }
}

impl Running {
    /// The processes that it started itself: providers.
    pub fn providers(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|id| parent(*id) == Some(self.id)).collect()
    }

    /// Its standard output, to be read while it runs; `end` does not have it then.
    pub fn output(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("piped")
    }

    /// Sends a signal to the whole group, as a terminal does.
    pub async fn signal_all(&self, name: &str) {
        signal(name, &format!("-{}", self.id)).await;
    }

    /// Sends a signal to `terraform` alone.
    pub async fn signal(&self, name: &str) {
        signal(name, &self.id.to_string()).await;
    }

    /// Waits for its end.
    pub async fn end(self) -> Outcome {
        let Self { command, child, id } = self;
        let Ok(output) = tokio::time::timeout(LIMIT, child.wait_with_output()).await else {
            signal("KILL", &format!("-{id}")).await;
            panic!("`{command}` does not end");
        };
        let output = output.expect("waited for");
        Outcome {
            command,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn parent(id: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The program's name, in brackets, may have spaces in it.
    status.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Sends a signal to a process, or to a group when `target` begins with `-`.
pub async fn signal(name: &str, target: &str) {
    let mut command = Command::new("kill");
    command.args([&format!("-{name}"), "--", target]).stderr(Stdio::null());
    // A process that is gone already needs no signal.
    let _ = command.status().await;
}

impl Outcome {
    /// Whether it ended well.
    pub fn is_good(&self) -> bool {
        self.code == Some(0)
    }

    /// It must have ended well.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.whole());
        self
    }

    /// It must have ended with exit code 1, the code of an error.
    pub fn refused(self) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.whole());
        self
    }

    /// Everything that it said, for a person who looks at a failed test.
    pub fn whole(&self) -> String {
        format!(
            "`{}` ended with {:?}\n{}\n{}",
            self.command, self.code, self.stdout, self.stderr
        )
    }

    /// Everything that it said, without the frame and the line breaks that depend on a terminal's width.
    pub fn text(&self) -> String {
        let whole = format!("{} {}", self.stdout, self.stderr).replace(['│', '╷', '╵'], " ");
        whole.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// It must have said each of these.
    pub fn says(&self, sentences: &[&str]) {
        let text = self.text();
        for sentence in sentences {
            assert!(text.contains(sentence), "{sentence:?} was not said.\n{}", self.whole());
        }
    }
}

/// Waits until something has happened, by looking again and again.
///
/// # Panics
/// When it does not happen.
pub async fn until(what: &str, happened: impl Fn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..3000 {
        looks.tick().await;
        if happened() {
            return;
        }
    }
    panic!("this did not happen within a minute: {what}");
}

/// What is planned, as texts: `entradb_managed_identity.app create`.
pub fn actions(planned: &[(String, String)]) -> Vec<String> {
    planned
        .iter()
        .map(|(address, action)| format!("{address} {action}"))
        .collect()
}
