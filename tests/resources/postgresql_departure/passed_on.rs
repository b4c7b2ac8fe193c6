//! What a role that goes gave to others: memberships stay, privileges are named, and nothing is half done.

use crate::config;
use crate::resources::postgresql_departure::{exists, made, role};
use crate::resources::world::{by_hand, emulator, fact, provider};

/// From version 16 on a membership hangs on who granted it. An application keeps it when another role goes.
#[tokio::test]
async fn memberships_that_the_role_granted_are_named_and_granted_again() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "mp_leaver", config! {}).await;
    let options = if emulator.postgresql().major >= 16 {
        "with inherit true, set false"
    } else {
        ""
    };
    let granted = format!(
        "create role mp_group; create role mp_app; create role mp_boss; create role mp_onward;
         grant mp_group to mp_leaver with admin option; set role mp_leaver; grant mp_group to mp_app {options};
         grant mp_group to mp_boss with admin option; set role mp_boss; grant mp_group to mp_onward; reset role"
    );
    by_hand(emulator, "postgres", &granted).await;
    if emulator.postgresql().major >= 16 {
        let told = leaving.try_destroy().await.expect_err("others would lose a membership");
        for who in ["mp_app", "mp_boss"] {
            let named = format!("membership of {who} in mp_group");
            assert!(told[0].detail.contains(&named), "{}", told[0].detail);
        }
        let drop = config! { "owned_objects" => "drop" };
        leaving.update(role(emulator, "mp_leaver", drop)).await;
        let told = leaving.try_destroy().await.expect_err("nobody else may grant it");
        assert!(
            told[0].detail.contains("membership of mp_app in mp_group"),
            "{}",
            told[0].detail
        );
        let manage = "grant mp_group to azure_pg_admin with admin true, inherit false, set false";
        by_hand(emulator, "postgres", manage).await;
    }
    let held = "select string_agg(concat_ws(' ', member::regrole, admin_option, to_jsonb(m) ->> 'inherit_option', to_jsonb(m) ->> 'set_option'), ', '
         order by member::regrole::text) from pg_auth_members m where roleid = 'mp_group'::regrole and member::regrole::text like 'mp\\_%' and member::regrole::text <> 'mp_leaver'";
    let before = fact(emulator, "postgres", held).await;
    assert!(
        before
            .as_ref()
            .is_some_and(|held| held.contains("mp_app") && held.contains("mp_onward")),
        "{before:?}"
    );
    leaving.destroy().await;
    assert!(!exists(emulator, "mp_leaver").await);
    assert_eq!(fact(emulator, "postgres", held).await, before);
    by_hand(emulator, "postgres", "drop role mp_onward, mp_boss, mp_app, mp_group").await;
}

#[tokio::test]
async fn nothing_goes_in_one_database_when_another_one_refuses() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "hd_leaver", config! { "owned_objects" => "drop" }).await;
    by_hand(emulator, "postgres", "create database hd_db").await;
    let table = "create table public.hd_table (); alter table public.hd_table owner to hd_leaver";
    by_hand(emulator, "app", table).await;
    by_hand(emulator, "hd_db", table).await;
    by_hand(
        emulator,
        "hd_db",
        "create schema theirs; create view theirs.hd_view as select * from public.hd_table",
    )
    .await;
    let told = leaving.try_destroy().await.expect_err("others would lose something");
    assert_eq!(told[0].summary, "Others depend on owned objects");
    assert!(
        told[0].detail.contains("database hd_db") && told[0].detail.contains("view theirs.hd_view"),
        "{}",
        told[0].detail
    );
    let left = "select relowner::regrole::text from pg_class where relname = 'hd_table'";
    assert_eq!(fact(emulator, "app", left).await.as_deref(), Some("hd_leaver"));
    by_hand(emulator, "hd_db", "drop schema theirs cascade").await;
    leaving.destroy().await;
    assert_eq!(fact(emulator, "app", left).await, None);
    by_hand(emulator, "postgres", "drop database hd_db with (force)").await;
}

/// Whoever owns what was granted is a member of ours through another role.
#[tokio::test]
async fn a_circle_through_another_role_is_opened_or_named() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let mut leaving = made(&plugin, emulator, "cb_leaver", config! {}).await;
    let circle = "create role cb_owner; create role cb_group; grant terraform to cb_group; grant cb_group to cb_owner;
        create schema cb_s authorization cb_owner; set role cb_owner; create table cb_s.t (); grant select on cb_s.t to cb_leaver; reset role";
    by_hand(emulator, "app", circle).await;
    if emulator.postgresql().major >= 16 {
        let told = leaving.try_destroy().await.expect_err("a circle");
        assert!(
            told[0].detail.contains("REVOKE \"terraform\" FROM \"cb_group\""),
            "{}",
            told[0].detail
        );
        by_hand(
            emulator,
            "app",
            "set role cb_owner; revoke select on cb_s.t from cb_leaver; reset role",
        )
        .await;
    }
    leaving.destroy().await;
    let held = "select 1 from pg_auth_members where roleid = 'terraform'::regrole and member = 'cb_group'::regrole";
    assert!(fact(emulator, "postgres", held).await.is_some());
    by_hand(
        emulator,
        "app",
        "drop schema cb_s cascade; drop role cb_owner, cb_group",
    )
    .await;
}
