//! How long `entradb_postgresql_ownership` takes beside PostgreSQL's own `REASSIGN OWNED`, which wants a server whose lock table holds
//! everything at once: `cargo run --release --example reassign [tables]`. Terraform has to be on the path.

#[path = "measure/built.rs"]
mod built;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use entradb_emulator::{Emulator, Options};

/// How often each is done, by turns.
const RUNS: usize = 3;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let tables = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000);
    match measure(tables).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let because = error.source().map_or_else(String::new, |source| format!(": {source}"));
            eprintln!("reassign: {error}{because}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(tables: usize) -> Result<()> {
    let provider = built::provider()?;
    let provider = provider.parent().ok_or("the provider is in no folder")?;
    let options = Options {
        postgresql_settings: vec![("max_locks_per_transaction".to_owned(), "4096".to_owned())],
        ..Options::default()
    };
    let azure = Emulator::start(options).await?;
    let runner = azure.runner();
    azure.add_administrator(&runner.object_id, &runner.display_name).await?;
    let folder = tempfile::Builder::new().prefix("entradb-reassign-").tempdir()?;
    let (mut whole, mut moved) = (Vec::new(), Vec::new());
    for run in 0..=RUNS {
        eprintln!("run {run} of {RUNS}: {tables} tables twice");
        let one = reassigned(&azure, &format!("whole{run}"), tables).await?;
        let other = applied(&azure, provider, folder.path(), &format!("moved{run}"), tables).await?;
        if run > 0 {
            whole.push(one);
            moved.push(other);
        }
    }
    let (whole, moved) = (median(whole), median(moved));
    println!(
        "{tables} tables with a serial primary key, medians of {RUNS} runs after one that does not count; PostgreSQL {}.",
        azure.postgresql().version
    );
    println!(
        "REASSIGN OWNED, in one transaction:         {:.2} s",
        whole.as_secs_f64()
    );
    println!(
        "entradb_postgresql_ownership, its creation: {:.2} s",
        moved.as_secs_f64()
    );
    println!(
        "times:                                      {:.2}",
        moved.as_secs_f64() / whole.as_secs_f64()
    );
    Ok(())
}

/// A database with tables of a role of its own, which the administrator manages, and another role for them.
async fn filled(azure: &Emulator, database: &str, tables: usize) -> Result<()> {
    let everywhere = azure.superuser("postgres").await;
    everywhere
        .batch_execute(&format!("create database {database} owner pgadmin"))
        .await?;
    for role in ["old", "new"] {
        let role = format!("{database}_{role}");
        everywhere.batch_execute(&format!("create role {role}")).await?;
        if azure.postgresql().major >= 16 {
            let managed = format!("grant {role} to azure_pg_admin with admin true, inherit false, set false");
            everywhere.batch_execute(&managed).await?;
        }
    }
    let inside = azure.superuser(database).await;
    let statements = format!(
        "grant create on schema public to {database}_old; set role {database}_old;
         do $$ begin for i in 1..{tables} loop execute format('create table t%s (id serial primary key, note text)', i); end loop; end $$"
    );
    inside.batch_execute(&statements).await?;
    // By themselves: neither may share a transaction.
    for statement in ["reset role", "vacuum analyze", "checkpoint"] {
        inside.batch_execute(statement).await?;
    }
    Ok(())
}

async fn left(azure: &Emulator, database: &str) -> Result<i64> {
    let query = format!("select count(*) from pg_class where relowner = '{database}_old'::regrole");
    Ok(azure.superuser(database).await.query_one(&query, &[]).await?.get(0))
}

async fn reassigned(azure: &Emulator, database: &str, tables: usize) -> Result<Duration> {
    filled(azure, database, tables).await?;
    let session = azure.superuser(database).await;
    let begun = Instant::now();
    session
        .batch_execute(&format!("reassign owned by {database}_old to {database}_new"))
        .await?;
    let took = begun.elapsed();
    match left(azure, database).await? {
        0 => Ok(took),
        left => Err(format!("{left} relations are left in {database}").into()),
    }
}

async fn applied(azure: &Emulator, provider: &Path, folder: &Path, database: &str, tables: usize) -> Result<Duration> {
    filled(azure, database, tables).await?;
    let folder = folder.join(database);
    std::fs::create_dir(&folder)?;
    let overrides = format!(
        "provider_installation {{\n  dev_overrides {{\n    \"entradb/entradb\" = \"{}\"\n  }}\n  direct {{}}\n}}\n",
        provider.display()
    );
    std::fs::write(folder.join("cli.tfrc"), overrides)?;
    let configuration = format!(
        "terraform {{\n  required_providers {{\n    entradb = {{\n      source = \"entradb/entradb\"\n    }}\n  }}\n}}\n\n\
         resource \"entradb_postgresql_ownership\" \"all\" {{\n  server          = \"{}\"\n  database        = \"{database}\"\n  \
         owner           = \"{database}_new\"\n  previous_owners = [\"{database}_old\"]\n}}\n",
        azure.postgresql().fqdn
    );
    std::fs::write(folder.join("main.tf"), configuration)?;
    let mut terraform = tokio::process::Command::new("terraform");
    terraform
        .args(["apply", "-auto-approve", "-json"])
        .current_dir(&folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &folder)
        .env("TF_CLI_CONFIG_FILE", folder.join("cli.tfrc"))
        .env("CHECKPOINT_DISABLE", "1")
        .envs(azure.environment());
    let output = terraform
        .output()
        .await
        .map_err(|error| format!("`terraform` cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || left(azure, database).await? != 0 {
        return Err(format!("`terraform apply` did not move everything:\n{said}").into());
    }
    let begun = moment(&said, "apply_start").ok_or("the apply has no beginning")?;
    let ended = moment(&said, "apply_complete").ok_or("the apply has no end")?;
    Ok(Duration::from_secs_f64((ended - begun).rem_euclid(86_400.0)))
}

/// When something happened, in seconds of the day, by Terraform's own account.
fn moment(said: &str, kind: &str) -> Option<f64> {
    let events = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let event = events.into_iter().find(|event| event["type"] == kind)?;
    // 2025-01-31T12:34:56.789012Z
    let time = event["@timestamp"].as_str()?.split_once('T')?.1;
    let mut parts = time.get(..15)?.split(':').map(|part| part.parse::<f64>().ok());
    Some(parts.next()?? * 3600.0 + parts.next()?? * 60.0 + parts.next()??)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
