//! Several at once, in two processes: nobody's identity is lost.

use entradb_emulator::{Emulator, Options};
use futures_util::future::join_all;

use crate::harness::azure;
use crate::harness::instance::Instance;
use crate::harness::plugin::Plugin;
use crate::resources::identity_assignment::{TYPE, attached, identity, system, user};

async fn attach_all<'a>(plugin: &'a Plugin, target: &str, ids: &[String]) -> Vec<Instance<'a>> {
    let attached = ids.iter().map(|id| async move {
        let assignments = plugin.resource(TYPE);
        assignments.create(user(target, id)).await
    });
    join_all(attached).await
}

/// Three identities from each of two processes and the resource's own, attached at once and detached at once.
async fn converges(azure: &Emulator, target: &str, name: &str) {
    let (one, other) = (azure::provider(azure).await, azure::provider(azure).await);
    let (beside, _) = identity(&one, &format!("{name}-beside")).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(identity(&one, &format!("{name}-{number}")).await.0);
    }
    azure.attach_identity(target, &beside);
    let assignments = other.resource(TYPE);
    let (mut first, mut second, mut own) = tokio::join!(
        attach_all(&one, target, &ids[..3]),
        attach_all(&other, target, &ids[3..]),
        assignments.create(system(target)),
    );
    let (kinds, names) = attached(azure, target);
    assert_eq!(kinds, "SystemAssigned,UserAssigned");
    assert_eq!(names.len(), 7, "{names:?}");
    for instance in first.iter_mut().chain(&mut second).chain([&mut own]) {
        instance.settled().await;
    }
    tokio::join!(
        join_all(first.into_iter().map(Instance::destroy)),
        join_all(second.into_iter().map(Instance::destroy)),
        own.destroy(),
    );
    assert_eq!(
        attached(azure, target),
        ("UserAssigned".to_owned(), vec![format!("{name}-beside")])
    );
    azure.detach_identity(target, &beside);
}

#[tokio::test]
async fn two_processes_attach_at_once_and_nothing_is_lost() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let targets = azure.targets();
    // With entity tags, without them and at once, and without them as an operation.
    tokio::join!(
        converges(&azure, &targets.virtual_machine, "at-once-vm"),
        converges(&azure, &targets.web_app_slot, "at-once-slot"),
        converges(&azure, &targets.container_app, "at-once-app"),
    );
}
