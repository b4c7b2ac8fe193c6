//! The guide to moving a running application, followed to the letter: each block of the page is run as it stands there, in
//! its order, while the application works. What a person would do between two blocks is done here.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

use crate::examples::{Fenced, fenced};
use crate::resources::world::log_in;
use crate::terraform::azure::by_hand;
use crate::terraform::following;
use crate::terraform::installing::platform;
use crate::terraform::stack::{ALL, DATABASE, Stack};
use crate::terraform::workspace::provider_folder;
use crate::tidy::root;

const PAGE: &str = "docs/guides/moving-a-running-application.md";
const IDENTITY: &str = "entradb_managed_identity.app";
const OLD_USER: &str = "openmetadata_user";
/// What the old user does all the while; each round logs in anew.
const WORK: &str = "insert into team (name) values ('x'); select count(*) from people";
/// And so it does this: privileges are granted and ownership moves beside it.
const MIGRATION: &str =
    "alter table person add column mark int; alter table person drop column mark; refresh materialized view teams";

/// What the new one may do, whoever owns the tables.
const WRITE: &str = "insert into team (name) values ('y'); select count(*) from people";

/// Somebody who reads the page and does what it says.
struct Reader {
    stack: Stack,
    page: String,
}

/// The old application, at work.
struct Application {
    over: Arc<AtomicBool>,
    working: JoinHandle<Result<usize, String>>,
}

impl Application {
    fn start(stack: &Stack) -> Application {
        let over = Arc::new(AtomicBool::new(false));
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(&stack.azure.postgresql().unix_socket_dir)
            .user(OLD_USER)
            .dbname(DATABASE);
        let until = over.clone();
        let working = tokio::spawn(async move {
            let mut rounds = 0;
            while !until.load(Ordering::Relaxed) {
                let failed = |error: tokio_postgres::Error| format!("{error:?}");
                let (session, connection) = config.connect(NoTls).await.map_err(failed)?;
                tokio::spawn(connection);
                session.batch_execute(WORK).await.map_err(failed)?;
                session.batch_execute(MIGRATION).await.map_err(failed)?;
                rounds += 1;
            }
            Ok(rounds)
        });
        Application { over, working }
    }

    /// It must have worked all the while, without a failure.
    async fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        let rounds = self.working.await.expect("no panic");
        let rounds = rounds.expect("the application never fails");
        assert!(rounds > 1, "it worked, and migrated: {rounds}");
    }
}

impl Reader {
    /// With the example's files, and a provider that `terraform init` finds.
    async fn begin() -> Reader {
        let mut stack = Stack::deployed().await;
        stack.workspace.remove("terraform.tfvars.json");
        let listed = stack.workspace.ok(&["providers"]).await.stdout;
        let address = listed.split("provider[").nth(1).and_then(|rest| rest.split(']').next());
        let package = format!("mirror/{}/0.1.0/{}", address.expect("an address"), platform());
        let program = format!("{package}/terraform-provider-entradb_v0.1.0");
        stack.workspace.write(&program, "");
        stack.workspace.remove(&program);
        let built = provider_folder().join("terraform-provider-entradb");
        symlink(built, stack.workspace.path(&program)).expect("a link");
        let mirror = stack.workspace.path("mirror").display().to_string();
        let installation =
            format!("provider_installation {{\n  filesystem_mirror {{\n    path = \"{mirror}\"\n  }}\n}}\n");
        stack.workspace.write("cli.tfrc", &installation);
        following::prepare(&mut stack.workspace);
        let page = std::fs::read_to_string(root().join(PAGE)).expect("the guide");
        Reader { stack, page }
    }

    /// The heading that a block stands under.
    fn heading(&self, block: &Fenced) -> &str {
        let above = self.page.lines().take(block.line);
        above
            .filter_map(|line| line.strip_prefix("## "))
            .last()
            .unwrap_or_default()
    }

    /// Does what a block says; answers what was said to that.
    async fn follow(&self, block: &Fenced) -> String {
        match block.language.as_str() {
            "text" => {
                let azure = &self.stack.azure;
                let mut text = block.text.clone();
                for id in [azure.postgresql().id.as_str(), azure.cluster_id()] {
                    let segments: Vec<&str> = id.rsplitn(3, '/').collect();
                    text = text.replace(&format!("/subscriptions/…/{}/{}", segments[1], segments[0]), id);
                }
                assert!(!text.contains('…'), "not filled in: {text}");
                self.stack.workspace.write("terraform.tfvars", &text);
                String::new()
            }
            "sh" => following::run(&self.stack.workspace, &block.text).await.stdout,
            "sql" => {
                let runner = self.stack.azure.runner();
                let token = self.stack.azure.database_token(&runner.object_id);
                let session = log_in(&self.stack.azure, &runner.display_name, &token, DATABASE).await;
                let session = session.expect("the administrator may log in");
                session.batch_execute(&block.text).await.expect("the administrator may");
                String::new()
            }
            other => panic!("{PAGE}:{}: nobody knows what to do with `{other}`", block.line),
        }
    }

    async fn owned(&self) -> (i64, i64) {
        (
            self.stack.owned_by("openmetadata").await,
            self.stack.owned_by(OLD_USER).await,
        )
    }

    /// The application with its identity does this.
    async fn new_application_does(&self, work: &str) {
        let identity = self.stack.workspace.attributes(IDENTITY).await;
        let principal = identity["principal_id"].as_str().expect("an ID");
        let token = self.stack.azure.database_token(principal);
        let session = log_in(&self.stack.azure, "openmetadata", &token, DATABASE).await;
        let done = session.expect("it is let in").batch_execute(work).await;
        done.unwrap_or_else(|error| panic!("{work}: {error:?}"));
    }

    /// It writes, makes a table, and alters one that was the old user's.
    async fn new_application_migrates(&self, table: &str) {
        let work = format!("{WRITE}; create table {table} (); alter table team add column {table} int");
        self.new_application_does(&work).await;
    }

    /// What the page's table of drift tells of.
    async fn change_things_by_hand(&self) {
        let made =
            "set session authorization openmetadata_user; create table legacy_report (); reset session authorization;
                    revoke create on database openmetadata_db from openmetadata";
        self.stack.run_as_superuser(made).await;
        let identity = self.stack.workspace.attributes(IDENTITY).await;
        let id = identity["id"].as_str().expect("an ID");
        by_hand(&self.stack.azure, "DELETE", id, None).await;
        let made = by_hand(&self.stack.azure, "PUT", id, Some(json!({"location": "westeurope"}))).await;
        assert_eq!(made.0, 201, "{}", made.1);
    }

    async fn empty(&self, more: &[&str]) {
        let plan = self
            .stack
            .workspace
            .run(&[&["plan", "-detailed-exitcode"], more].concat())
            .await;
        plan.succeeded();
    }
}

#[tokio::test]
async fn every_block_of_the_guide_is_run_and_does_what_the_page_says() {
    let reader = Reader::begin().await;
    let mut application = Some(Application::start(&reader.stack));
    let mut place = (String::new(), 0);
    let mut places = Vec::new();
    for block in fenced(&reader.page) {
        let heading = reader.heading(&block);
        place = match place {
            (known, number) if known == heading => (known, number + 1),
            _ => (heading.to_owned(), 1),
        };
        places.push((place.0.clone(), place.1));
        match (heading, place.1) {
            ("4. Look again", 2) => reader.change_things_by_hand().await,
            // A person who takes the login away has stopped the old application.
            ("5. Take the old login away", 1) => application.take().expect("it runs").stop().await,
            _ => {}
        }
        let said = reader.follow(&block).await;
        match (heading, place.1) {
            ("Before", 1) => {}
            ("1. Make everything ready", 1) => assert_eq!(reader.owned().await, (0, ALL)),
            ("1. Make everything ready", 2) => {
                let listed: Vec<String> = serde_json::from_str(&said).expect("a list");
                assert!(
                    listed.iter().any(|object| object == "table public.person"),
                    "{listed:?}"
                );
            }
            ("2. Move the ownership", 1) => assert_eq!(reader.owned().await, (ALL, 0)),
            ("3. Switch the application over", 1) => {
                assert!(said.contains(&reader.stack.azure.postgresql().fqdn), "{said}");
                reader.new_application_migrates("made_by_openmetadata").await;
            }
            ("4. Look again", 1) => assert!(said.contains("No changes."), "{said}"),
            ("4. Look again", 2) => {
                for drift in [
                    "table public.legacy_report (owner openmetadata_user)",
                    "database openmetadata_db lacks CREATE",
                ] {
                    assert!(reader.page.contains(drift) && said.contains(drift), "{drift}: {said}");
                }
                reader.new_application_migrates("made_after_the_repair").await;
                reader.empty(&[]).await;
            }
            ("5. Take the old login away", 1) => reader.empty(&[]).await,
            ("The way back", 1) => application = Some(Application::start(&reader.stack)),
            ("The way back", 2) => assert_eq!(reader.owned().await, (0, ALL + 3)),
            ("The way back", 3) => {
                reader.empty(&["-var=move_ownership=false"]).await;
                reader.new_application_does(WRITE).await;
            }
            ("The way back", 4) => {
                assert_eq!(reader.stack.workspace.ok(&["state", "list"]).await.stdout, "");
                assert_eq!(reader.stack.owned_by(OLD_USER).await, ALL + 3);
            }
            other => panic!("{PAGE}:{}: nobody looks at what {other:?} does", block.line),
        }
    }
    application.expect("it was started again").stop().await;
    assert_eq!(places.len(), 12, "a block is gone: {places:?}");
}
