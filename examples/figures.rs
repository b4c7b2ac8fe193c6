//! Measures what a person feels: how long the provider takes to start, what it weighs, how long a plan takes beside the
//! same plan of resources that ask nobody. Prints each figure with the command that gives it.

#[path = "measure/built.rs"]
mod built;
#[path = "measure/plugin.rs"]
mod plugin;
#[path = "figures/start.rs"]
mod start;
#[path = "measure/workspace.rs"]
mod workspace;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use entradb_emulator::{Emulator, Options};

use workspace::{Bench, requirements};

/// How many times each thing is done after the first time, which does not count.
const RUNS: usize = 7;

/// How many resources the plans have.
const COUNTS: [usize; 2] = [1, 200];

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One line of the table.
struct Figure {
    what: String,
    value: String,
    command: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match measure().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<()> {
    let provider = built::provider()?;
    let mut figures = starts(&provider).await?;
    eprintln!("starting the emulated Azure");
    let azure = Emulator::start(Options::default()).await?;
    let runner = azure.runner();
    azure.add_administrator(&runner.object_id, &runner.display_name).await?;
    let bench = Bench::new(&azure, &provider)?;
    for count in COUNTS {
        figures.extend(plans(&azure, &bench, count).await?);
    }
    print(&figures, &azure, &bench).await
}

/// What is known of the program alone.
async fn starts(provider: &Path) -> Result<Vec<Figure>> {
    eprintln!("starting the provider {} times", RUNS * 3);
    let mut times = Vec::new();
    let mut resident = 0;
    for run in 0..=RUNS * 3 {
        let started = start::start(provider).await?;
        if run > 0 {
            times.push(started.to_handshake);
        }
        resident = resident.max(started.resident);
    }
    let size = std::fs::metadata(provider)?.len();
    let start = "TF_PLUGIN_MAGIC_COOKIE=… PLUGIN_PROTOCOL_VERSIONS=5 PLUGIN_CLIENT_CERT=… terraform-provider-entradb";
    Ok(vec![
        Figure {
            what: "exec to handshake line, with mutual TLS".to_owned(),
            value: milliseconds(median(times)),
            command: format!("{start} | head -n 1"),
        },
        Figure {
            what: "resident memory at the handshake".to_owned(),
            value: mebibytes(resident),
            command: "grep VmRSS /proc/PID/status, right after that line".to_owned(),
        },
        Figure {
            what: "size of the binary".to_owned(),
            value: mebibytes(size),
            command: "stat -c %s target/release/terraform-provider-entradb".to_owned(),
        },
    ])
}

/// The same plans of users and of `terraform_data`, in turns, so that the machine's mood hits both.
async fn plans(azure: &Emulator, bench: &Bench, count: usize) -> Result<Vec<Figure>> {
    eprintln!("planning {count} of each kind, before and after the apply");
    let of_users = bench
        .workspace(&format!("users-{count}"), &of_users(azure, count).await?)
        .await?;
    let of_data = bench.workspace(&format!("data-{count}"), &of_data(count)).await?;
    let mut figures = Vec::new();
    for (stage, command) in [
        ("all to create", "terraform plan"),
        ("nothing to do", "terraform plan, after terraform apply"),
    ] {
        if stage == "nothing to do" {
            let took = [
                of_users.run(&["apply", "-auto-approve"]).await?,
                of_data.run(&["apply", "-auto-approve"]).await?,
            ];
            figures.push(beside("apply", count, took, "terraform apply -auto-approve, once"));
        }
        let mut times = [Vec::new(), Vec::new()];
        for run in 0..=RUNS {
            let took = [of_users.run(&["plan"]).await?, of_data.run(&["plan"]).await?];
            for (all, one) in times.iter_mut().zip(took) {
                all.extend((run > 0).then_some(one));
            }
        }
        figures.push(beside(&format!("plan, {stage}"), count, times.map(median), command));
    }
    let before = azure.statements().len();
    let weighed = of_users.weighed(&["plan"], Duration::from_millis(2)).await?;
    figures.push(Figure {
        what: format!("statements of the plan, {}", users(count)),
        value: (azure.statements().len() - before).to_string(),
        command: "log_statement = 'all' on the server, over terraform plan".to_owned(),
    });
    figures.push(Figure {
        what: format!("largest resident memory in the plan, {}", users(count)),
        value: mebibytes(weighed.peak),
        command: "grep VmHWM /proc/PID/status, of each provider while terraform plan runs".to_owned(),
    });
    let (computed, took) = (weighed.computed.as_secs_f64(), weighed.took.as_secs_f64());
    figures.push(Figure {
        what: format!("processor time of the providers in that plan, {}", users(count)),
        value: format!("{computed:.2} s of {took:.2} s"),
        command: "fields 14 and 15 of /proc/PID/stat, of each provider while terraform plan runs".to_owned(),
    });
    of_users.run(&["destroy", "-auto-approve"]).await?;
    Ok(figures)
}

/// Each user has a person of its own in the directory. Names are literal: references between counted resources cost
/// Terraform the square of their number.
async fn of_users(azure: &Emulator, count: usize) -> Result<String> {
    let mut objects = Vec::new();
    for number in 0..count {
        let name = format!("person-{count}-{number}@example.invalid");
        let object = azure.add_user(&name, &format!("Person {number}")).await?;
        objects.push(format!("    \"{name}\" = \"{object}\"\n"));
    }
    Ok(format!(
        r#"{}
locals {{
  people = {{
{}  }}
}}

resource "entradb_postgresql_user" "person" {{
  for_each = local.people

  server         = "{}"
  name           = each.key
  object_id      = each.value
  principal_type = "User"
}}
"#,
        requirements(),
        objects.concat(),
        azure.postgresql().fqdn
    ))
}

fn of_data(count: usize) -> String {
    let people: String = (0..count)
        .map(|number| format!("    \"person-{number}\" = \"{number}\"\n"))
        .collect();
    format!(
        "locals {{\n  people = {{\n{people}  }}\n}}\n\nresource \"terraform_data\" \"person\" {{\n  for_each = local.people\n\n  \
         input = {{\n    name  = each.key\n    value = each.value\n  }}\n}}\n"
    )
}

fn users(count: usize) -> String {
    if count == 1 {
        "1 user".to_owned()
    } else {
        format!("{count} users")
    }
}

fn beside(what: &str, count: usize, [of_users, of_data]: [Duration; 2], command: &str) -> Figure {
    Figure {
        what: format!("{what}, {} (as many terraform_data)", users(count)),
        value: format!("{:.2} s ({:.2} s)", of_users.as_secs_f64(), of_data.as_secs_f64()),
        command: command.to_owned(),
    }
}

async fn print(figures: &[Figure], azure: &Emulator, bench: &Bench) -> Result<()> {
    let width = |text: fn(&Figure) -> &str| {
        figures
            .iter()
            .map(|one| text(one).chars().count())
            .max()
            .unwrap_or_default()
    };
    let (what, value) = (width(|one| &one.what), width(|one| &one.value));
    println!(
        "Medians of {RUNS} runs after one that does not count (starts: of {}).",
        RUNS * 3
    );
    println!(
        "{}, PostgreSQL {}, {} processors.\n",
        bench.version().await?,
        azure.postgresql().version,
        processors()
    );
    for figure in figures {
        println!("{:what$}  {:>value$}  {}", figure.what, figure.value, figure.command);
    }
    Ok(())
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn mebibytes(bytes: u64) -> String {
    // Sizes here are far below what a float holds exactly.
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
