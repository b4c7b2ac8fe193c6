//! The main job, shown and proved: an application that runs with a password moves to Microsoft Entra, with the real
//! `terraform`, a real PostgreSQL and an emulated Azure. It looks at the outcome with its own eyes, not with the provider's.
mod demo {
    pub(crate) mod aftermath;
    pub(crate) mod application;
    pub(crate) mod console;
    pub(crate) mod database;
    pub(crate) mod migration;
    pub(crate) mod old_application;
    pub(crate) mod proofs;
    pub(crate) mod stage;
    pub(crate) mod terraform;
    pub(crate) mod workspace;
}

use std::process::ExitCode;

use demo::console::{Console, Context, Failure, Result};
use demo::stage::Stage;
use tokio::signal::unix::{Signal, SignalKind, signal};

const HELP: &str = "\
Moves an OpenMetadata-like database from a password to Microsoft Entra and proves that it worked: with the real terraform
(or tofu), this provider, a real PostgreSQL server and an emulated Azure. Takes less than two minutes once it is built, and
leaves nothing behind.

Usage: cargo run --release --example demo [-- OPTIONS]

Options:
  --keep   stop before the destroy, leave everything up until Ctrl-C, and print how to look around
  --help   print this text

Ends with 0 only if every proof held.
";

/// What Ctrl-C, `kill` and a closed terminal send.
struct Signals([Signal; 3]);

impl Signals {
    fn listen() -> Result<Signals> {
        let listen = |kind| signal(kind).context("signals cannot be listened to");
        Ok(Signals([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn arrive(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut keep = false;
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "--keep" => keep = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            unknown => {
                eprintln!("demo: {unknown} is not known; --help lists what is");
                return ExitCode::from(2);
            }
        }
    }
    let mut console = Console::new();
    match perform(&mut console, keep).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure(text)) => {
            console.failed(&text);
            ExitCode::FAILURE
        }
    }
}

/// Whether every proof held.
async fn perform(console: &mut Console, keep: bool) -> Result<bool> {
    let mut signals = Signals::listen()?;
    let stage = tokio::select! {
        stage = Stage::set(console) => stage?,
        () = signals.arrive() => return Ok(interrupted(console)),
    };
    let outcome = tokio::select! {
        outcome = stage.perform(console, keep) => outcome,
        () = signals.arrive() => return Ok(interrupted(console)),
    };
    let held = outcome.is_ok();
    match outcome {
        Ok(()) => console.summary(),
        Err(Failure(text)) => {
            console.failed(&text);
            stage.point_at_logs(console, keep);
        }
    }
    if keep {
        stage.describe(console)?;
        signals.arrive().await;
    }
    Ok(held)
}

fn interrupted(console: &Console) -> bool {
    console.failed("Interrupted. Everything is being stopped and removed.");
    false
}
