//! Measures many principals on one server: for each N, N users, N memberships and N/5 access policies, planned and applied beside as many
//! `terraform_data` with the same values, which ask nobody. Prints a table: times, statements and connections of the server, the provider's memory.
//!
//! `cargo run --release --example bench` takes N = 100 and 1,000; other numbers are arguments: `… --example bench -- 5000`.

#[path = "measure/built.rs"]
mod built;
#[path = "measure/plugin.rs"]
mod plugin;
#[path = "measure/workspace.rs"]
mod workspace;

use std::process::ExitCode;
use std::time::Duration;

use entradb_emulator::{Emulator, Options};

use workspace::{Bench, Workspace, requirements};

/// What is measured when nothing is asked for.
const COUNTS: [usize; 2] = [100, 1000];

/// How many times a plan with nothing to do is made after the first time, which does not count.
const RUNS: usize = 3;

/// From so many users on it is made once: it takes minutes.
const MANY: usize = 2_000;

/// How many roles the memberships are spread over.
const GROUPS: usize = 10;

/// Often enough for a peak that the kernel keeps, seldom enough to cost nothing.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One line of the table.
struct Line {
    count: usize,
    what: &'static str,
    ours: Duration,
    floor: Duration,
    statements: usize,
    connections: usize,
    peak: u64,
    computed: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    match measure().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<()> {
    let asked: Vec<usize> = std::env::args()
        .skip(1)
        .map(|argument| {
            argument
                .parse()
                .map_err(|_| format!("`{argument}` is no number of users"))
        })
        .collect::<std::result::Result<_, _>>()?;
    let counts = if asked.is_empty() { COUNTS.to_vec() } else { asked };
    let provider = built::provider()?;
    for (index, count) in counts.into_iter().enumerate() {
        eprintln!("starting an emulated Azure for {count} users");
        let options = Options {
            postgresql_settings: vec![("log_connections".to_owned(), "on".to_owned())],
            ..Options::default()
        };
        let azure = Emulator::start(options).await?;
        let runner = azure.runner();
        azure.add_administrator(&runner.object_id, &runner.display_name).await?;
        let bench = Bench::new(&azure, &provider)?;
        if index == 0 {
            print_head(&format!(
                "{}, PostgreSQL {}",
                bench.version().await?,
                azure.postgresql().version
            ));
        }
        of(&azure, &bench, count).await?;
    }
    Ok(())
}

/// Each line is printed as soon as it is known: some take minutes.
async fn of(azure: &Emulator, bench: &Bench, count: usize) -> Result<()> {
    let people = people(azure, count).await?;
    let configuration = |of: Of| of.configuration(&azure.postgresql().fqdn, &people);
    let ours = backend(azure, "ours") + &requirements() + &configuration(Of::Entradb);
    let ours = bench.workspace("ours", &ours).await?;
    let floor = backend(azure, "floor") + &configuration(Of::Data);
    let floor = bench.workspace("floor", &floor).await?;
    for (what, arguments, runs) in [
        ("plan, all to create", &["plan"][..], 1),
        ("apply", &["apply", "-auto-approve"], 1),
        ("plan, nothing to do", &["plan"], if count < MANY { RUNS } else { 1 }),
    ] {
        eprintln!("{what}, {count} users");
        print(&line(azure, (&ours, &floor), (count, what), (arguments, runs)).await?);
    }
    Ok(())
}

/// Both in turns, so that the machine's mood hits both. What runs once has no run that does not count.
async fn line(
    azure: &Emulator,
    (ours, floor): (&Workspace<'_>, &Workspace<'_>),
    (count, what): (usize, &'static str),
    (arguments, runs): (&[&str], usize),
) -> Result<Line> {
    let warm = usize::from(runs > 1);
    let (mut times, mut floors, mut computed, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let (mut statements, mut connections) = (0, 0);
    for run in 0..runs + warm {
        let before = (azure.statements().len(), logged_connections(azure)?);
        let weighed = ours.weighed(arguments, BETWEEN_LOOKS).await?;
        statements = azure.statements().len() - before.0;
        connections = logged_connections(azure)? - before.1;
        peak = peak.max(weighed.peak);
        let least = floor.weighed(arguments, BETWEEN_LOOKS).await?.took;
        if run >= warm {
            times.push(weighed.took);
            computed.push(weighed.computed);
            floors.push(least);
        }
    }
    Ok(Line {
        count,
        what,
        ours: median(times),
        floor: median(floors),
        statements,
        connections,
        peak,
        computed: median(computed),
    })
}

/// Where the state is kept: not in a file, which Terraform writes anew as a whole after each resource, so that an apply costs the square of their
/// number. The platform's own sessions do not count.
fn backend(azure: &Emulator, name: &str) -> String {
    format!(
        "terraform {{\n  backend \"pg\" {{\n    conn_str    = \"postgres:///postgres?host={}&user=azuresu&sslmode=disable\"\n    \
         schema_name = \"{name}\"\n  }}\n}}\n\n",
        azure.postgresql().unix_socket_dir.display()
    )
}

/// What the server logged of whoever is not the platform.
fn logged_connections(azure: &Emulator) -> Result<usize> {
    let folder = azure
        .postgresql()
        .unix_socket_dir
        .parent()
        .ok_or("a socket without a folder")?;
    let log = std::fs::read(folder.join("server.log"))?;
    let log = String::from_utf8_lossy(&log);
    let ours = |line: &&str| line.contains("connection authorized: user=") && !line.contains("user=azuresu ");
    Ok(log.lines().filter(ours).count())
}

/// Whose resources a configuration consists of.
#[derive(Clone, Copy)]
enum Of {
    /// Ours.
    Entradb,
    /// As many `terraform_data` with the same values, in the same order: what Terraform itself takes.
    Data,
}

impl Of {
    fn address(self, kind: &str, name: &str) -> String {
        match self {
            Of::Entradb => format!("entradb_postgresql_{kind}.{name}"),
            Of::Data => format!("terraform_data.{name}"),
        }
    }

    fn resource(self, (kind, name): (&str, &str), meta: &str, arguments: &str) -> String {
        match self {
            Of::Entradb => format!("resource \"entradb_postgresql_{kind}\" \"{name}\" {{\n{meta}\n{arguments}\n}}\n\n"),
            Of::Data => {
                let arguments = arguments.replace("schema {", "schema = {");
                format!("resource \"terraform_data\" \"{name}\" {{\n{meta}\n  input = {{\n{arguments}\n  }}\n}}\n\n")
            }
        }
    }

    /// Names are strings, and one `terraform_data` stands between what needs the other: references between counted resources, or to one long list,
    /// cost Terraform the square of their number.
    fn configuration(self, server: &str, people: &[(String, String)]) -> String {
        let listed: String = people
            .iter()
            .map(|(name, object)| format!("    \"{name}\" = \"{object}\"\n"))
            .collect();
        let gate = format!(
            "resource \"terraform_data\" \"gate\" {{\n  depends_on = [{}, {}]\n}}\n\n",
            self.address("role", "group"),
            self.address("user", "person")
        );
        let after = |count: usize| format!("  count      = {count}\n  depends_on = [terraform_data.gate]\n");
        [
            format!("locals {{\n  server = \"{server}\"\n  people = {{\n{listed}  }}\n}}\n\n"),
            self.resource(
                ("role", "group"),
                &format!("  count = {GROUPS}\n"),
                "  server = local.server\n  name   = \"group-${count.index}\"",
            ),
            self.resource(("user", "person"), "  for_each = local.people\n", USER),
            gate,
            self.resource(
                ("role_membership", "member"),
                &after(people.len()),
                &format!("  role   = \"group-${{count.index % {GROUPS}}}\"\n{MEMBER}"),
            ),
            self.resource(("access", "access"), &after(people.len() / 5), ACCESS),
        ]
        .concat()
    }
}

const USER: &str = r#"  server         = local.server
  name           = each.key
  object_id      = each.value
  principal_type = "User""#;

const MEMBER: &str = r#"  server = local.server
  member = "person-${count.index}@example.invalid""#;

const ACCESS: &str = r#"  server              = local.server
  database            = "app"
  grantee             = "person-${count.index}@example.invalid"
  database_privileges = ["CONNECT"]
  schema {
    name  = "public"
    level = "read"
  }"#;

/// The names and object IDs of new people in the directory.
async fn people(azure: &Emulator, count: usize) -> Result<Vec<(String, String)>> {
    let mut people = Vec::new();
    for number in 0..count {
        let name = format!("person-{number}@example.invalid");
        let object = azure.add_user(&name, &format!("Person {number}")).await?;
        people.push((name, object));
    }
    Ok(people)
}

fn print_head(about: &str) {
    let processors = std::thread::available_parallelism().map_or(1, Into::into);
    println!(
        "N users, N memberships, N/5 access policies and {GROUPS} roles on one server, beside as many terraform_data with the same values.\n{about}, {processors} \
         processors, -parallelism=10. Plans with nothing to do: medians of {RUNS} after one that does not count, from {MANY} users on one.\n\
         Statements (entries of log_statement = all) and connections are the server's own count for one command; `computing` is the processor\n\
         time of the provider's processes.\n"
    );
    println!(
        "{:>5}  {:<20}  {:>8}  {:>8}  {:>5}  {:>10}  {:>11}  {:>9}  {:>11}",
        "N", "command", "entradb", "floor", "times", "statements", "connections", "computing", "peak memory"
    );
}

fn print(line: &Line) {
    let (ours, floor) = (line.ours.as_secs_f64(), line.floor.as_secs_f64());
    println!(
        "{:>5}  {:<20}  {ours:>6.2} s  {floor:>6.2} s  {:>5.2}  {:>10}  {:>11}  {:>7.2} s  {:>7.1} MiB",
        line.count,
        line.what,
        ours / floor,
        line.statements,
        line.connections,
        line.computed.as_secs_f64(),
        // Sizes here are far below what a float holds exactly.
        line.peak as f64 / 1_048_576.0
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
