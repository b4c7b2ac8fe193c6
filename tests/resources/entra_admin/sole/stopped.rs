//! Ctrl-C while Azure is at it: what it has accepted is kept.

use std::time::Duration;

use crate::harness::azure;
use crate::harness::resource::Action;
use crate::resources::entra_admin::TYPE;
use crate::resources::entra_admin::sole::{KINDS, pair, stage};
use crate::terraform::workspace::until;

#[tokio::test]
async fn a_stop_after_the_write_was_accepted_keeps_the_administrator() {
    for kind in KINDS {
        let stage = stage(kind).await;
        let later = azure::provider(&stage.azure).await;
        let group = stage.azure.add_group("operators", &[]).await.expect("a group");
        stage.azure.faults().slow_operations(Duration::from_secs(3));
        let given = stage.of_object(&group, "Group", "operators");
        let written = || {
            let log = stage.azure.log();
            log.iter()
                .any(|asked| asked.method == "PUT" && asked.path.contains("administrators"))
        };
        let stop = async {
            until("the write is accepted", written).await;
            stage.plugin.stop().await;
        };
        let (mut admin, ()) = tokio::join!(stage.create(given.clone()), stop);
        stage.azure.faults().clear();
        until("it is seated", || stage.seat() == pair(&group, "operators")).await;
        admin.resource = later.resource(TYPE);
        admin.refresh().await;
        assert_ne!(admin.update(given).await, Action::Replace, "{kind}");
        admin.settled().await;
        admin.destroy().await;
    }
}

#[tokio::test]
async fn whom_a_stopped_change_has_seated_goes_at_the_end() {
    for kind in KINDS {
        let stage = stage(kind).await;
        let later = azure::provider(&stage.azure).await;
        let first = stage.azure.add_group("operators", &[]).await.expect("a group");
        let second = stage.azure.add_group("developers", &[]).await.expect("a group");
        let mut admin = stage.create(stage.of_object(&first, "Group", "operators")).await;
        stage.azure.faults().slow_operations(Duration::from_secs(3));
        stage.azure.clear_log();
        let planned = admin
            .plan(stage.of_object(&second, "Group", "developers"))
            .await
            .expect("a plan");
        let stop = async {
            until("the write is accepted", || !stage.azure.writes().is_empty()).await;
            stage.plugin.stop().await;
        };
        let (told, ()) = tokio::join!(admin.apply(planned), stop);
        assert_eq!(told.expect_err("it is stopped")[0].summary, "Stopped", "{kind}");
        stage.azure.faults().clear();
        until("the second one is seated", || {
            stage.seat() == pair(&second, "developers")
        })
        .await;
        admin.resource = later.resource(TYPE);
        admin.refresh().await;
        admin.destroy().await;
        assert_eq!(stage.seat(), None, "{kind}");
    }
}
