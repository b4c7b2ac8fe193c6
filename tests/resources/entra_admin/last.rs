//! On PostgreSQL, the last administrator stays while nobody could log in with a password instead.

use crate::harness::azure;
use crate::resources::entra_admin::{TYPE, emulated, of_object};

#[tokio::test]
async fn the_last_one_stays_while_passwords_are_off() {
    let azure = emulated().await;
    let plugin = azure::provider(&azure).await;
    let server = azure.postgresql().id.clone();
    let ann = azure.add_user("ann@example.com", "Ann").await.expect("a user");
    let group = azure.add_group("operators", &[]).await.expect("a group");
    let admins = plugin.resource(TYPE);
    let first = admins.create(of_object(&azure, &ann, "User", "ann@example.com")).await;
    let mut last = admins.create(of_object(&azure, &group, "Group", "operators")).await;
    azure.set_entra_only(&server, true);
    first.destroy().await;
    azure.clear_log();
    let told = last.try_destroy().await.expect_err("nobody could log in");
    assert_eq!(told[0].summary, "Passwords are switched off");
    assert!(told[0].detail.contains("`password_enabled = true`"), "{told:?}");
    assert!(azure.writes().is_empty(), "{:?}", azure.writes());
    assert!(last.exists());

    // What is gone already shuts nobody out.
    azure.remove_administrator(&server, &group);
    last.try_destroy().await.expect("it is gone");
    let last = admins.create(of_object(&azure, &group, "Group", "operators")).await;
    azure.set_entra_only(&server, false);
    last.destroy().await;
    assert!(azure.administrators(&server).is_empty());
}
