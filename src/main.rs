//! The program: serves Terraform, or does what a person asked for. The only place that looks at the
//! arguments and the environment.

use std::process::ExitCode;

use entradb::provider::Provider;
use entradb::wire::handshake::Invitation;
use entradb::wire::{MINOR_VERSION, log, serve};

const HELP: &str = "\
Terraform provider for passwordless (Microsoft Entra) access to Azure databases.

Terraform and OpenTofu start this program themselves. To have them find it, name it in a configuration:

    terraform {
      required_providers {
        entradb = { source = \"entradb/entradb\" }
      }
    }

    provider \"entradb\" {}

and run `terraform init`. To try a build of your own, name its directory in the CLI configuration:

    provider_installation {
      dev_overrides {
        \"entradb/entradb\" = \"/the/directory/of/this/program\"
      }
      direct {}
    }

Terraform then needs no `terraform init` for this provider.

Options:
    -debug     serve until Ctrl-C, and print what to set in Terraform's environment (for debuggers)
    -version   print the version
    -help      print this

Environment: TF_LOG_PROVIDER or TF_LOG (TRACE, DEBUG, INFO, WARN, ERROR, OFF) say what is logged.
";

fn main() -> ExitCode {
    log::report_panics();
    // The drivers of the databases take the process's; fails only when there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut arguments = std::env::args().skip(1);
    let (first, more) = (arguments.next(), arguments.next());
    match (first.as_deref(), more) {
        (None, _) => plugin(),
        // Go programs take one dash, others two.
        (Some("-debug" | "--debug"), None) => debug(),
        (Some("-version" | "--version" | "-v"), None) => {
            println!(
                "terraform-provider-entradb {} (protocol {MINOR_VERSION})",
                env!("CARGO_PKG_VERSION")
            );
            ExitCode::SUCCESS
        }
        (Some("-help" | "--help" | "-h"), None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("The arguments are not known. See --help.");
            ExitCode::from(2)
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn provider() -> Provider {
    Provider::new(entradb::registry())
}

fn plugin() -> ExitCode {
    let invitation = match Invitation::read(variable) {
        Ok(invitation) => invitation,
        Err(refusal) => {
            eprintln!("{refusal}");
            return ExitCode::FAILURE;
        }
    };
    ended(serve::plugin(&invitation, log::level(variable), provider))
}

fn debug() -> ExitCode {
    ended(serve::debug(log::level(variable), provider))
}

fn ended(outcome: Result<(), serve::Error>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", entradb::protocol::diagnostic::chain(&error));
            ExitCode::FAILURE
        }
    }
}
