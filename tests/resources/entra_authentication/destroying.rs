//! What the plan to destroy says: whether the server restarts.

use crate::config;
use crate::harness::azure;
use crate::harness::instance::Instance;
use crate::resources::entra_authentication::{TYPE, emulated, forced, given};
use crate::resources::world::with;

async fn restarts(switched: &Instance<'_>) -> bool {
    let told = switched.plan_destroy().await.expect("a plan");
    assert!(told.iter().all(|one| one.summary == "The server restarts"), "{told:?}");
    !told.is_empty()
}

#[tokio::test]
async fn the_plan_says_that_the_server_restarts_when_entra_goes_off_again() {
    let azure = emulated(false).await;
    let plugin = azure::provider(&azure).await;
    let server = azure.postgresql().id.clone();
    let mut switched = plugin.resource(TYPE).create(given(&server, true)).await;
    assert!(restarts(&switched).await, "it was off before");
    let elsewhere = given(&format!("{server}-2"), true);
    let planned = switched.plan(elsewhere).await.expect("a plan to replace it");
    let told: Vec<&str> = planned.warnings.iter().map(|told| told.detail.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("If Microsoft Entra is not enabled"), "{told:?}");
    assert!(told[1].starts_with("Destroying this resource"), "{told:?}");

    // Off already: nothing is left to switch.
    let off = with(given(&server, true), config! { "entra_enabled" => false });
    switched.update(off).await;
    assert!(!restarts(&switched).await, "it is off now");
    switched.destroy().await;
}

#[tokio::test]
async fn the_plan_is_silent_where_no_server_restarts() {
    let azure = emulated(true).await;
    let plugin = azure::provider(&azure).await;
    let server = azure.postgresql().id.clone();
    let switched = plugin.resource(TYPE).create(forced(given(&server, false))).await;
    assert!(!restarts(&switched).await, "Entra was on before");
    switched.destroy().await;
    let imported = plugin.resource(TYPE).import(&server).await;
    assert!(!restarts(&imported).await, "nothing is known, so nothing is switched");
    let sql = plugin.resource(TYPE).create(given(&azure.sql_server().id, true)).await;
    assert!(!restarts(&sql).await, "Azure SQL has no such switch");
}
