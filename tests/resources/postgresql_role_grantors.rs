//! `entradb_postgresql_role_membership` beside what others granted: other grantors, stock PostgreSQL's ADMIN option, an ownership's loans.

use entradb::protocol::value::Value;
use entradb_emulator::Options;

use crate::config;
use crate::harness::instance::Found;
use crate::harness::resource::Action;
use crate::resources::postgresql_role_membership::{drop_roles, held, membership, memberships, roles};
use crate::resources::world::{ADMINISTRATOR, by_hand, emulator, fact, next_command, provider, role_by_hand, started};

/// From version 16 on each grantor has a grant of its own; before that there is one for all.
#[tokio::test]
async fn what_others_granted_is_seen_and_left_to_them() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let major = emulator.postgresql().major;
    roles(&plugin, emulator, &["mg-role"]).await;
    for name in ["mg-member", "mg-onward"] {
        role_by_hand(emulator, name, "login").await;
    }
    let given = membership(emulator, "mg-role", "mg-member", config! { "admin_option" => true });
    let mut made = memberships(&plugin).create(given.clone()).await;
    // The platform's superuser grants it too, and the member grants it on.
    by_hand(emulator, "postgres", "grant \"mg-role\" to \"mg-member\"").await;
    by_hand(
        emulator,
        "postgres",
        "set session authorization \"mg-member\"; grant \"mg-role\" to \"mg-onward\"; reset session authorization",
    )
    .await;
    next_command(&plugin).await;
    made.settled().await;
    if major >= 16 {
        let told = made.try_destroy().await.expect_err("what was passed on is in the way");
        assert!(told[0].detail.contains("mg-onward"), "{told:?}");
        by_hand(
            emulator,
            "postgres",
            "revoke \"mg-role\" from \"mg-onward\" granted by \"mg-member\"",
        )
        .await;
        let told = made.try_destroy().await.expect("ours is taken back");
        assert!(told[0].detail.contains("granted by azuresu"), "{told:?}");
        assert_eq!(held(emulator, "mg-role", "mg-member").await.as_deref(), Some("f t t"));
    } else {
        made.try_destroy().await.expect("there is one grant only");
        assert_eq!(held(emulator, "mg-role", "mg-member").await, None);
    }
    drop_roles(emulator, &["mg-onward", "mg-member", "mg-role"]).await;
}

/// A server where nobody manages what others made: from version 16 on it takes the ADMIN option to make members, and the refusal says so.
#[tokio::test]
async fn without_the_admin_option_the_refusal_says_what_is_missing() {
    let options = Options {
        postgresql_strict_roles: true,
        ..Options::default()
    };
    let emulator = started(options).await;
    let plugin = provider(&emulator).await;
    roles(&plugin, &emulator, &["ms-ours", "ms-member"]).await;
    by_hand(&emulator, "postgres", "create role \"ms-theirs\"").await;
    let ours = membership(&emulator, "ms-ours", "ms-member", config! {});
    let mut made = memberships(&plugin).create(ours).await;
    made.settled().await;
    let theirs = membership(&emulator, "ms-theirs", "ms-member", config! {});
    let outcome = memberships(&plugin).try_create(theirs).await;
    if emulator.postgresql().major < 16 {
        outcome.ok().expect("CREATEROLE is enough").destroy().await;
    } else {
        let Err(failed) = outcome else {
            panic!("somebody else made it")
        };
        assert_eq!(failed.told[0].path.to_string(), "role");
        assert!(failed.told[0].detail.contains("ADMIN option"), "{:?}", failed.told);
        // Whoever made it gives the option, and then it works.
        by_hand(
            &emulator,
            "postgres",
            "grant \"ms-theirs\" to terraform with admin true, inherit false, set false",
        )
        .await;
        let theirs = membership(&emulator, "ms-theirs", "ms-member", config! {});
        let mut theirs = memberships(&plugin).create(theirs).await;
        theirs.settled().await;
        theirs.destroy().await;
        let left = "select count(*)::text from pg_auth_members where roleid = '\"ms-theirs\"'::regrole";
        assert_eq!(
            fact(&emulator, "postgres", left).await.as_deref(),
            Some("1"),
            "what was there is there"
        );
    }
    made.destroy().await;
}

/// An ownership borrows and gives memberships; what this resource gave before that is not taken away with them.
#[tokio::test]
async fn what_an_ownership_borrows_leaves_a_membership_as_it_was() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    roles(&plugin, emulator, &["mi-owner"]).await;
    role_by_hand(emulator, "mi-old", "login").await;
    let schema = "create schema mi_schema authorization \"mi-old\"; create table mi_schema.t (); alter table mi_schema.t owner to \"mi-old\"";
    by_hand(emulator, "app", schema).await;
    // The previous owner and we ourselves are members already, by this resource.
    let modern = emulator.postgresql().major >= 16;
    let less = if modern {
        config! { "set_option" => false }
    } else {
        config! {}
    };
    let old = membership(emulator, "mi-owner", "mi-old", config! {});
    let us = membership(emulator, "mi-owner", ADMINISTRATOR, less);
    let mut old = memberships(&plugin).create(old).await;
    let mut us = memberships(&plugin).create(us).await;
    let before = (
        held(emulator, "mi-owner", "mi-old").await,
        held(emulator, "mi-owner", ADMINISTRATOR).await,
    );
    let given = config! {
        "server" => emulator.postgresql().id.as_str(), "database" => "app", "owner" => "mi-owner",
        "schemas" => ["mi_schema"], "previous_owners" => ["mi-old"], "on_destroy" => "restore",
    };
    let owned = plugin.resource("entradb_postgresql_ownership").create(given).await;
    owned.destroy().await;
    assert_eq!(
        (
            held(emulator, "mi-owner", "mi-old").await,
            held(emulator, "mi-owner", ADMINISTRATOR).await
        ),
        before
    );
    next_command(&plugin).await;
    old.settled().await;
    us.settled().await;
    us.destroy().await;
    old.destroy().await;
    by_hand(emulator, "app", "drop schema mi_schema cascade").await;
    drop_roles(emulator, &["mi-old", "mi-owner"]).await;
}

/// The new member is granted the role before the former one loses it. When that is refused, nothing of either is left half done, the state tells
/// the truth, and the next apply goes on.
#[tokio::test]
async fn a_change_that_fails_half_way_is_none_and_the_next_one_goes_on() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    roles(&plugin, emulator, &["mh-role", "mh-next", "mh-onward"]).await;
    role_by_hand(emulator, "mh-member", "login").await;
    let former = membership(emulator, "mh-role", "mh-member", config! { "admin_option" => true });
    let mut made = memberships(&plugin).create(former).await;
    let wanted = membership(emulator, "mh-role", "mh-next", config! { "admin_option" => true });
    let passes_on =
        "set session authorization \"mh-member\"; grant \"mh-role\" to \"mh-onward\"; reset session authorization";
    let takes_back = "revoke \"mh-role\" from \"mh-onward\" granted by \"mh-member\"";
    let mut trouble = vec![(
        "grant \"mh-next\" to \"mh-role\"",
        "revoke \"mh-next\" from \"mh-role\"",
        "mh-role is a member of mh-next already",
    )];
    if emulator.postgresql().major >= 16 {
        // Before that nothing hangs on who granted it.
        trouble.push((
            passes_on,
            takes_back,
            "mh-member made others members of mh-role: mh-onward",
        ));
    }
    for (fails, heals, why) in trouble {
        by_hand(emulator, "postgres", fails).await;
        next_command(&plugin).await;
        let told = made.try_update(wanted.clone()).await.expect_err(why);
        assert!(told[0].detail.contains(why), "{}", told[0].detail);
        assert_eq!(made.get("member"), &Value::from("mh-member"));
        assert_eq!(held(emulator, "mh-role", "mh-next").await, None, "nothing is half done");
        next_command(&plugin).await;
        assert_eq!(made.refresh().await, Found::Same);
        by_hand(emulator, "postgres", heals).await;
    }
    next_command(&plugin).await;
    assert_eq!(made.update(wanted).await, Action::Update);
    made.settled().await;
    assert_eq!(held(emulator, "mh-role", "mh-next").await.as_deref(), Some("t t t"));
    assert_eq!(held(emulator, "mh-role", "mh-member").await, None);
    made.destroy().await;
    drop_roles(emulator, &["mh-member", "mh-onward", "mh-next", "mh-role"]).await;
}

/// From version 16 on what the member passed on hangs on its ADMIN option, which must not be lost on the way to another option.
#[tokio::test]
async fn the_admin_option_that_was_passed_on_stays_while_another_option_is_given() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let modern = emulator.postgresql().major >= 16;
    roles(&plugin, emulator, &["ml-role"]).await;
    for name in ["ml-member", "ml-onward"] {
        role_by_hand(emulator, name, "login").await;
    }
    let less = if modern {
        config! { "admin_option" => true, "set_option" => false }
    } else {
        config! { "admin_option" => true }
    };
    let mut made = memberships(&plugin)
        .create(membership(emulator, "ml-role", "ml-member", less))
        .await;
    by_hand(
        emulator,
        "postgres",
        "set session authorization \"ml-member\"; grant \"ml-role\" to \"ml-onward\"; reset session authorization",
    )
    .await;
    next_command(&plugin).await;
    let wanted = membership(emulator, "ml-role", "ml-member", config! {});
    if modern {
        let told = made.try_update(wanted.clone()).await.expect_err("it was passed on");
        assert_eq!(told[0].summary, "Membership was passed on", "{told:#?}");
        assert!(told[0].detail.contains("ml-onward"), "{told:#?}");
        let before = held(emulator, "ml-role", "ml-member").await;
        assert_eq!(before.as_deref(), Some("t t f"), "nothing is half done");
        by_hand(
            emulator,
            "postgres",
            "revoke \"ml-role\" from \"ml-onward\" granted by \"ml-member\"",
        )
        .await;
        next_command(&plugin).await;
    }
    assert_eq!(made.update(wanted).await, Action::Update);
    made.settled().await;
    assert_eq!(held(emulator, "ml-role", "ml-member").await.as_deref(), Some("f t t"));
    made.destroy().await;
    drop_roles(emulator, &["ml-onward", "ml-member", "ml-role"]).await;
}
