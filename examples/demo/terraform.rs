//! Runs the real `terraform` in a cleaned environment and shows its progress. It does not know the configuration.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use entradb_emulator::Emulator;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::demo::console::{Console, Context, Failure, Result};
use crate::demo::workspace::{Program, Workspace};

/// What people are told to do. The demo does that, and nothing else.
const GUIDE: &str = include_str!("../../docs/guides/moving-a-running-application.md");

/// Lines that tell of progress.
const PROGRESS: [&str; 6] = [
    ": Creation complete",
    ": Modifications complete",
    ": Destruction complete",
    ": Still ",
    "Plan: ",
    "Apply complete!",
];

/// The longest that is shown of an output when a command fails, in lines.
const SHOWN: usize = 60;

/// Terraform, ready to run on one configuration.
pub(crate) struct Terraform {
    program: Program,
    configuration: PathBuf,
    logs: PathBuf,
    environment: Vec<(String, String)>,
    runs: std::cell::Cell<usize>,
}

/// What a command came to.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) output: String,
}

/// A running command with all that it started: the provider runs in its group.
struct Running {
    child: Child,
    group: Option<u32>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            let kill = std::process::Command::new("sh")
                .args(["-c", r#"kill -s KILL -- "-$1""#, "sh", &group.to_string()])
                .stderr(Stdio::null())
                .status();
            // What has ended by itself cannot be killed, and need not be.
            drop(kill);
        }
    }
}

impl Terraform {
    pub(crate) fn new(program: &Program, workspace: &Workspace, emulator: &Emulator) -> Terraform {
        let text = |path: &Path| path.display().to_string();
        let own = [
            ("HOME", text(&workspace.folder.join("home"))),
            ("TMPDIR", text(&workspace.folder)),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("TF_CLI_CONFIG_FILE", text(&workspace.settings())),
            ("TF_IN_AUTOMATION", "1".to_owned()),
            ("TF_INPUT", "0".to_owned()),
            ("CHECKPOINT_DISABLE", "1".to_owned()),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        Terraform {
            program: program.clone(),
            configuration: workspace.configuration(),
            logs: workspace.logs(),
            environment: own.chain(emulator.environment()).collect(),
            runs: std::cell::Cell::new(0),
        }
    }

    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Runs a command that must succeed.
    pub(crate) async fn run(&self, console: &Console, arguments: &[&str]) -> Result<String> {
        let outcome = self.attempt(console, arguments).await?;
        match outcome.code {
            0 => Ok(outcome.output),
            _ => Err(self.failure(arguments, &outcome)),
        }
    }

    /// Runs a command that must succeed and shows nothing of it.
    pub(crate) async fn run_quietly(&self, arguments: &[&str]) -> Result<String> {
        let outcome = self.execute(None, arguments).await?;
        match outcome.code {
            0 => Ok(outcome.output),
            _ => Err(self.failure(arguments, &outcome)),
        }
    }

    /// Plans, and says whether there are changes.
    pub(crate) async fn plan(&self, console: &Console, more: &[&str]) -> Result<(bool, String)> {
        let arguments = [&["plan"], more].concat();
        // The exit code is ours to read, not the person's.
        let outcome = self
            .attempt(console, &[&arguments[..], &["-detailed-exitcode"]].concat())
            .await?;
        match outcome.code {
            0 => Ok((false, outcome.output)),
            2 => Ok((true, outcome.output)),
            _ => Err(self.failure(&arguments, &outcome)),
        }
    }

    /// What a command says as JSON, shown to nobody.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.run_quietly(arguments).await?;
        serde_json::from_str(&output).context(format!("`terraform {}`", arguments.join(" ")))
    }

    fn failure(&self, arguments: &[&str], outcome: &Outcome) -> Failure {
        let lines: Vec<&str> = outcome.output.trim_end().lines().collect();
        let shown = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        let name = self.program.name;
        Failure(format!(
            "`{name} {}` ended with {}:\n\n{shown}",
            arguments.join(" "),
            outcome.code
        ))
    }

    async fn attempt(&self, console: &Console, arguments: &[&str]) -> Result<Outcome> {
        let shown: Vec<&str> = arguments
            .iter()
            .copied()
            .filter(|argument| !["-detailed-exitcode", "-auto-approve"].contains(argument))
            .collect();
        let shown = shown.join(" ");
        if !GUIDE
            .lines()
            .any(|line| line.strip_prefix("terraform ") == Some(shown.as_str()))
        {
            return Err(Failure(format!(
                "The guide does not tell people to run `terraform {shown}`; the demo must not either."
            )));
        }
        console.command(&format!("{} {shown}", self.program.name));
        self.execute(Some(console), arguments).await
    }

    async fn execute(&self, console: Option<&Console>, arguments: &[&str]) -> Result<Outcome> {
        self.runs.set(self.runs.get() + 1);
        let name = format!("{:02}-{}", self.runs.get(), arguments.first().unwrap_or(&"terraform"));
        let mut command = Command::new(&self.program.path);
        command.args(arguments);
        if ["init", "plan", "apply", "destroy"].contains(arguments.first().unwrap_or(&"")) {
            command.arg("-no-color");
        }
        command
            .current_dir(&self.configuration)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("TF_LOG_PROVIDER", "DEBUG")
            .env("TF_LOG_PATH", self.logs.join(format!("{name}.provider.log")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is meant for the demo, which ends the whole group.
            .process_group(0);
        let child = command
            .spawn()
            .context(format!("`{}` does not run", self.program.path.display()))?;
        let group = child.id();
        let mut running = Running { child, group };
        let standard = running.child.stdout.take().context("the command has no output")?;
        let mut errors = running
            .child
            .stderr
            .take()
            .context("the command has no standard error")?;
        let mut complaints = String::new();
        let (output, _) = tokio::join!(follow(console, standard), errors.read_to_string(&mut complaints));
        let status = running.child.wait().await.context("the command's end")?;
        running.group = None;
        let mut output = output?;
        // JSON must stay JSON; what failed is read by people.
        if console.is_some() || !status.success() {
            output.push_str(&complaints);
        }
        self.note(&name, &output)?;
        Ok(Outcome {
            code: status.code().unwrap_or(-1),
            output,
        })
    }

    fn note(&self, name: &str, output: &str) -> Result<()> {
        let path = self.logs.join(format!("{name}.output.txt"));
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(output.as_bytes()))
            .context("a log")
    }
}

/// Reads an output to its end and shows what tells of progress.
async fn follow(console: Option<&Console>, output: impl AsyncRead + Unpin) -> Result<String> {
    let mut lines = BufReader::new(output).lines();
    let mut all = String::new();
    while let Some(line) = lines.next_line().await.context("the command's output")? {
        if let Some(console) = console.filter(|_| PROGRESS.iter().any(|word| line.contains(word))) {
            // IDs are long, and there is more of them in the log.
            console.quote(line.split(" [").next().unwrap_or(&line).trim());
        }
        all.push_str(&line);
        all.push('\n');
    }
    Ok(all)
}

/// What changes in a plan, as Terraform shows it: the resources, and of those that are there already the changed lines.
pub(crate) fn changes(plan: &str) -> String {
    let marked = |line: &str| {
        let text = line.trim_start();
        let value = ["- ", "~ "].iter().any(|mark| text.starts_with(mark)) && !text.ends_with(['[', '{', '(']);
        text.starts_with("# entradb_") || value && !text.ends_with("(known after apply)")
    };
    let (_, actions) = plan
        .split_once("will perform the following actions:")
        .unwrap_or(("", plan));
    let mut shown: Vec<&str> = Vec::new();
    let mut list = 0;
    for line in actions.lines().take_while(|line| !line.starts_with("Plan: ")) {
        if line.ends_with(" = [") {
            list = shown.len();
        }
        // A list that only the apply can tell is printed as if all of it went away.
        if line.trim_start().starts_with("] -> (known after apply)") {
            shown.truncate(list);
        }
        if marked(line) {
            shown.push(line.strip_prefix("  ").unwrap_or(line));
        }
    }
    shown.join("\n")
}
