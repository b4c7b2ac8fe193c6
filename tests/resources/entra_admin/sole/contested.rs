//! One seat, and somebody else who wants it at the same time: who sits there stays, and whoever did not get it is told.

use std::time::Duration;

use entradb_emulator::{Failure, Method};

use crate::config;
use crate::harness::azure;
use crate::resources::entra_admin::TYPE;
use crate::resources::entra_admin::sole::{KINDS, Stage, pair, stage};
use crate::resources::world::with;
use crate::terraform::workspace::until;

/// Two who want the same seat.
struct Rivals {
    stage: Stage,
    group: String,
    ann: String,
}

const ANN: &str = "ann@example.com";

async fn rivals(kind: &str) -> Rivals {
    let stage = stage(kind).await;
    let group = stage.azure.add_group("operators", &[]).await.expect("a group");
    let ann = stage.azure.add_user(ANN, "Ann").await.expect("a user");
    Rivals { stage, group, ann }
}

impl Rivals {
    /// Whether the server, or its replica, was asked to seat somebody, and answered so.
    fn answered(&self, statuses: &[u16]) -> bool {
        let log = self.stage.azure.log();
        let mut writes = log.iter().filter(|asked| asked.method == "PUT");
        writes.any(|asked| asked.path.contains("administrators") && statuses.contains(&asked.status))
    }

    fn command(&self, name: &str) -> String {
        format!("terraform import <address> '{}|{name}'", self.stage.server.id)
    }
}

#[tokio::test]
async fn of_two_processes_one_is_seated_and_the_other_is_refused() {
    for kind in KINDS {
        let rivals = rivals(kind).await;
        let stage = &rivals.stage;
        let other = azure::provider(&stage.azure).await;
        // Whoever comes first is not done when the second one looks.
        stage.azure.faults().slow_operations(Duration::from_millis(500));
        let elsewhere = other.resource(TYPE);
        let here = stage.plugin.resource(TYPE);
        let (one, two) = tokio::join!(
            here.try_create(stage.of_object(&rivals.group, "Group", "operators")),
            elsewhere.try_create(stage.of_object(&rivals.ann, "User", ANN)),
        );
        let (mut seated, refused) = match (one, two) {
            (Ok(seated), Err(refused)) | (Err(refused), Ok(seated)) => (seated, refused),
            (Ok(_), Ok(_)) => panic!("{kind}: both say that they have the only seat"),
            (Err(one), Err(two)) => panic!("{kind}: {:?} {:?}", one.told, two.told),
        };
        seated.settled().await;
        let name = seated.get("name").as_str().expect("a name").to_owned();
        let sid = seated.get("sid").as_str().expect("an ID").to_owned();
        assert_eq!(stage.seat(), pair(&sid, &name), "{kind}");
        assert!(!refused.left.exists(), "{kind}");
        let told = &refused.told[0];
        assert_eq!(told.summary, "Already exists in Azure", "{kind}");
        assert!(told.detail.contains(&rivals.command(&name)), "{kind}: {told:?}");
        seated.destroy().await;
    }
}

#[tokio::test]
async fn who_came_while_the_server_was_busy_keeps_the_seat() {
    for kind in KINDS {
        let rivals = rivals(kind).await;
        let stage = &rivals.stage;
        stage.azure.faults().busy(&stage.server.id, 1);
        let sit = async {
            until("the server is busy", || rivals.answered(&[400, 409])).await;
            stage.sit(ANN, &rivals.ann, "User");
        };
        let (told, ()) = tokio::join!(stage.refused(stage.of_object(&rivals.group, "Group", "operators")), sit);
        assert!(told.contains(&rivals.command(ANN)), "{kind}: {told}");
        assert_eq!(stage.seat(), pair(&rivals.ann, ANN), "{kind}");
    }
}

#[tokio::test]
async fn who_came_while_the_former_one_was_to_go_keeps_the_seat() {
    for kind in KINDS {
        let rivals = rivals(kind).await;
        let stage = &rivals.stage;
        let mut admin = stage.create(stage.of_object(&rivals.group, "Group", "operators")).await;
        stage.azure.faults().busy(&stage.server.id, 1);
        let sit = async {
            let refused = || {
                let log = stage.azure.log();
                log.iter()
                    .any(|asked| asked.method == "DELETE" && [400, 409].contains(&asked.status))
            };
            until("the server is busy", refused).await;
            stage.sit(ANN, &rivals.ann, "User");
        };
        let (told, ()) = tokio::join!(admin.try_destroy(), sit);
        let told = told.expect("she is left alone");
        assert_eq!(told[0].summary, "Administrator left in place", "{kind}");
        assert_eq!(stage.seat(), pair(&rivals.ann, ANN), "{kind}");
    }
}

#[tokio::test]
async fn who_came_right_after_the_write_is_seen() {
    for kind in KINDS {
        let rivals = rivals(kind).await;
        let stage = &rivals.stage;
        // Time for the other one between the write and the look at what came of it.
        let late = Failure::DelayAfterWrite(Duration::from_secs(1));
        let seat = format!("{}/administrators", stage.server.name);
        stage.azure.faults().fail_next(Method::PUT, &seat, 1, late);
        let sit = async {
            until("the group is seated", || {
                stage.seat() == pair(&rivals.group, "operators")
            })
            .await;
            stage.sit(ANN, &rivals.ann, "User");
        };
        let (told, ()) = tokio::join!(stage.refused(stage.of_object(&rivals.group, "Group", "operators")), sit);
        assert!(told.contains(&rivals.command(ANN)), "{kind}: {told}");
    }
}

#[tokio::test]
async fn who_came_after_the_plan_is_not_unseated_by_it() {
    for kind in KINDS {
        let rivals = rivals(kind).await;
        let stage = &rivals.stage;
        let mut admin = stage.create(stage.of_object(&rivals.group, "Group", "operators")).await;
        let renamed = stage.of_object(&rivals.group, "Group", "dba");
        let planned = admin.plan(renamed.clone()).await.expect("a plan");
        stage.sit(ANN, &rivals.ann, "User");
        let told = admin.apply(planned).await.expect_err("the plan knows nothing of Ann");
        assert!(told[0].detail.contains(&rivals.command(ANN)), "{kind}: {told:?}");
        assert_eq!(stage.seat(), pair(&rivals.ann, ANN), "{kind}");
        // Told so, she gives way.
        let replacing = with(renamed, config! { "replace_existing" => true });
        admin.update(replacing).await;
        admin.settled().await;
        assert_eq!(stage.seat(), pair(&rivals.group, "dba"), "{kind}");
        admin.destroy().await;
    }
}
