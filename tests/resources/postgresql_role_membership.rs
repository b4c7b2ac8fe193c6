//! The life of `entradb_postgresql_role_membership`: made, settled, changed, moved, drifted, imported, destroyed.

use entradb::protocol::value::{Object, Value};
use entradb_emulator::Emulator;

use crate::config;
use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::harness::resource::{Action, Resource};
use crate::resources::world::{by_hand, emulator, fact, next_command, provider, quoted, with};

pub fn memberships(plugin: &Plugin) -> Resource<'_> {
    plugin.resource("entradb_postgresql_role_membership")
}

pub fn membership(emulator: &Emulator, role: &str, member: &str, more: Object) -> Object {
    let given = config! { "server" => emulator.postgresql().id.as_str(), "role" => role, "member" => member };
    with(given, more)
}

/// Roles made by us, so that we may grant them on every version.
pub async fn roles(plugin: &Plugin, emulator: &Emulator, names: &[&str]) {
    for name in names {
        let given = config! { "server" => emulator.postgresql().id.as_str(), "name" => *name };
        drop(plugin.resource("entradb_postgresql_role").create(given).await);
    }
}

pub async fn drop_roles(emulator: &Emulator, names: &[&str]) {
    for name in names {
        by_hand(emulator, "postgres", &format!("drop role {}", quoted(name))).await;
    }
}

/// What PostgreSQL says of a membership, all its grantors together: `admin` and, from version 16 on, `inherit` and `set`.
pub async fn held(emulator: &Emulator, role: &str, member: &str) -> Option<String> {
    let options = if emulator.postgresql().major >= 16 {
        "concat_ws(' ', bool_or(admin_option), bool_or(inherit_option), bool_or(set_option))"
    } else {
        "bool_or(admin_option)::text || ' t t'"
    };
    let query = format!(
        "select replace(replace({options}, 'true', 't'), 'false', 'f') from pg_auth_members \
         where roleid = to_regrole($a${}$a$) and member = to_regrole($a${}$a$) having count(*) > 0",
        quoted(role),
        quoted(member)
    );
    fact(emulator, "postgres", &query).await
}

#[tokio::test]
async fn a_whole_life() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    let names = ["mb-owner", "mb \"app\".x|%", "mb-next", "mb-other"];
    roles(&plugin, emulator, &names).await;
    let [owner, app, next, other] = names;

    let given = membership(emulator, owner, app, config! {});
    let planned = memberships(&plugin).plan_create(given.clone()).await;
    assert_eq!(
        (planned.get("admin_option"), planned.get("set_option")),
        (&Value::Bool(false), &Value::Bool(true))
    );
    let mut made = memberships(&plugin).create(given.clone()).await;
    made.settled().await;
    assert_eq!(held(emulator, owner, app).await.as_deref(), Some("f t t"));

    // Options change in place, and so do role and member: the new one first.
    let oid = made.get("role_oid").clone();
    let admin = membership(emulator, owner, app, config! { "admin_option" => true });
    assert_eq!(made.update(admin).await, Action::Update);
    assert_eq!(
        (held(emulator, owner, app).await.as_deref(), made.get("role_oid")),
        (Some("t t t"), &oid)
    );
    made.settled().await;
    let before = emulator.statements().len();
    let moved = membership(emulator, owner, next, config! {});
    assert_eq!(made.update(moved).await, Action::Update);
    // Other tests write to the same server.
    let mut sent = emulator.statements().split_off(before);
    sent.retain(|one| one.text.contains("\"mb-next\""));
    let (granted, revoked) = (position(&sent, "GRANT \""), position(&sent, "REVOKE \""));
    assert!(granted < revoked, "{sent:?}");
    assert_eq!(
        (
            held(emulator, owner, app).await,
            held(emulator, owner, next).await.as_deref()
        ),
        (None, Some("f t t"))
    );
    made.settled().await;
    let moved = membership(emulator, other, next, config! {});
    assert_eq!(made.update(moved.clone()).await, Action::Update);
    assert_eq!(
        (
            held(emulator, owner, next).await,
            held(emulator, other, next).await.as_deref()
        ),
        (None, Some("f t t"))
    );
    made.settled().await;

    // The other spelling of the server is the same server.
    let respelled = with(
        moved.clone(),
        config! { "server" => emulator.postgresql().fqdn.to_uppercase().as_str() },
    );
    assert_eq!(made.update(respelled).await, Action::NoOp);
    let id = entradb::provider::import::id([emulator.postgresql().id.as_str(), other, next]);
    let mut imported = memberships(&plugin).import(&id).await;
    assert_eq!(imported.state, made.state);
    imported.settled_as(moved).await;
    let identity = config! { "server" => emulator.postgresql().fqdn.as_str(), "role" => other, "member" => next };
    let by_identity = memberships(&plugin).try_import_identity(identity).await;
    assert!(by_identity.is_ok_and(|one| one.get("member_oid") == made.get("member_oid")));

    made.destroy().await;
    assert_eq!(held(emulator, other, next).await, None);
    next_command(&plugin).await;
    assert_eq!(imported.refresh().await, Found::Gone);
    assert!(memberships(&plugin).try_import(&id).await.is_err());
    // Being gone already is success: the membership, or a role.
    let gone = memberships(&plugin).create(given).await;
    drop_roles(emulator, &names).await;
    gone.destroy().await;
}

/// Where the first statement that contains a word stands; in one message, by its place in it.
fn position(statements: &[entradb_emulator::Statement], word: &str) -> (usize, usize) {
    let found = statements
        .iter()
        .enumerate()
        .find_map(|(index, one)| Some((index, one.text.find(word)?)));
    found.unwrap_or_else(|| panic!("no {word} in {statements:?}"))
}

#[tokio::test]
async fn a_renamed_role_is_the_same_member() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    roles(&plugin, emulator, &["mr-role", "mr-member"]).await;
    let given = membership(emulator, "mr-role", "mr-member", config! {});
    let mut made = memberships(&plugin).create(given).await;
    let oids = (made.get("role_oid").clone(), made.get("member_oid").clone());
    // In one apply, another resource renames the member and this one follows.
    by_hand(
        emulator,
        "postgres",
        "alter role \"mr-member\" rename to \"mr-renamed\"",
    )
    .await;
    let renamed = membership(emulator, "mr-role", "mr-renamed", config! {});
    assert_eq!(made.update(renamed.clone()).await, Action::Update);
    assert_eq!((made.get("role_oid"), made.get("member_oid")), (&oids.0, &oids.1));
    assert_eq!(held(emulator, "mr-role", "mr-renamed").await.as_deref(), Some("f t t"));
    made.settled().await;
    // Renamed by somebody, it is seen under its new name, and nothing is taken from it.
    by_hand(emulator, "postgres", "alter role \"mr-role\" rename to \"mr-else\"").await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Changed);
    assert_eq!(made.get("role"), &Value::from("mr-else"));
    by_hand(emulator, "postgres", "alter role \"mr-else\" rename to \"mr-role\"").await;
    assert_eq!(made.update(renamed).await, Action::Update);
    made.settled().await;
    made.destroy().await;
    drop_roles(emulator, &["mr-role", "mr-renamed"]).await;
}

#[tokio::test]
async fn every_drift_is_seen_and_put_right() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    roles(&plugin, emulator, &["md-role", "md-member"]).await;
    let given = membership(emulator, "md-role", "md-member", config! {});
    let mut made = memberships(&plugin).create(given.clone()).await;
    let modern = emulator.postgresql().major >= 16;
    // The platform's superuser has to name whose grant it changes.
    let by = if modern {
        grantor(emulator, "md-role", "md-member").await
    } else {
        String::new()
    };
    let mut drifts = vec![(
        "admin_option",
        format!("grant \"md-role\" to \"md-member\" with admin option {by}"),
    )];
    if modern {
        drifts.push((
            "inherit_option",
            format!("revoke inherit option for \"md-role\" from \"md-member\" {by}"),
        ));
        drifts.push((
            "set_option",
            format!("grant \"md-role\" to \"md-member\" with set false {by}"),
        ));
    }
    for (attribute, statement) in drifts {
        by_hand(emulator, "postgres", &statement).await;
        next_command(&plugin).await;
        let before = made.get(attribute).clone();
        assert_eq!(made.refresh().await, Found::Changed, "{statement}");
        assert_ne!(made.get(attribute), &before, "{statement}");
        assert_eq!(made.update(given.clone()).await, Action::Update, "{statement}");
        assert_eq!(
            held(emulator, "md-role", "md-member").await.as_deref(),
            Some("f t t"),
            "{statement}"
        );
        made.settled().await;
    }
    by_hand(
        emulator,
        "postgres",
        &format!("revoke \"md-role\" from \"md-member\" {by}"),
    )
    .await;
    next_command(&plugin).await;
    assert_eq!(made.refresh().await, Found::Gone);
    let made = memberships(&plugin).create(given).await;
    made.destroy().await;
    drop_roles(emulator, &["md-role", "md-member"]).await;
}

async fn grantor(emulator: &Emulator, role: &str, member: &str) -> String {
    let query = format!(
        "select 'granted by ' || grantor::regrole from pg_auth_members where roleid = '{0}'::regrole and member = '{1}'::regrole",
        quoted(role),
        quoted(member)
    );
    fact(emulator, "postgres", &query).await.expect("a grant")
}

#[tokio::test]
async fn options_are_refused_before_version_16_and_given_from_it_on() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    roles(&plugin, emulator, &["mo-role", "mo-member"]).await;
    for (name, more, expected) in [
        ("inherit_option", config! { "inherit_option" => false }, "f f t"),
        ("set_option", config! { "set_option" => false }, "f t f"),
        (
            "set_option",
            config! { "set_option" => false, "inherit_option" => false, "admin_option" => true },
            "t f f",
        ),
    ] {
        let given = membership(emulator, "mo-role", "mo-member", more);
        if emulator.postgresql().major < 16 {
            let Err(failed) = memberships(&plugin).try_create(given).await else {
                panic!("{name} is refused")
            };
            assert!(failed.told[0].detail.contains("needs 16"), "{:?}", failed.told);
            assert!(!failed.left.exists());
            continue;
        }
        let mut made = memberships(&plugin).create(given).await;
        assert_eq!(held(emulator, "mo-role", "mo-member").await.as_deref(), Some(expected));
        made.settled().await;
        made.destroy().await;
        assert_eq!(held(emulator, "mo-role", "mo-member").await, None);
    }
    drop_roles(emulator, &["mo-role", "mo-member"]).await;
}

#[tokio::test]
async fn what_is_there_is_adopted_only_when_it_is_the_same() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    roles(&plugin, emulator, &["ma-role", "ma-member"]).await;
    let given = membership(emulator, "ma-role", "ma-member", config! {});
    let first = memberships(&plugin).create(given.clone()).await;
    let second = memberships(&plugin).create(given.clone()).await;
    assert_eq!(first.state, second.state);
    let other = membership(emulator, "ma-role", "ma-member", config! { "admin_option" => true });
    let Err(failed) = memberships(&plugin).try_create(other).await else {
        panic!("it is there with other options")
    };
    let told = &failed.told[0];
    assert!(
        told.detail.contains("terraform import") && told.detail.contains("|ma-role|ma-member"),
        "{told:?}"
    );
    assert_eq!(held(emulator, "ma-role", "ma-member").await.as_deref(), Some("f t t"));
    second.destroy().await;
    first.destroy().await;
    drop_roles(emulator, &["ma-role", "ma-member"]).await;
}

#[tokio::test]
async fn a_circle_is_explained() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    roles(&plugin, emulator, &["mc-1", "mc-2", "mc-3"]).await;
    let one = memberships(&plugin)
        .create(membership(emulator, "mc-1", "mc-2", config! {}))
        .await;
    let two = memberships(&plugin)
        .create(membership(emulator, "mc-2", "mc-3", config! {}))
        .await;
    let Err(failed) = memberships(&plugin)
        .try_create(membership(emulator, "mc-3", "mc-1", config! {}))
        .await
    else {
        panic!("a circle")
    };
    let told = &failed.told[0];
    assert_eq!(
        (told.summary.as_str(), told.path.to_string().as_str()),
        ("Circular membership", "member")
    );
    assert!(
        told.detail.contains("mc-3 is a member of mc-1 already (through mc-2)"),
        "{}",
        told.detail
    );
    let same = memberships(&plugin)
        .try_plan_create(membership(emulator, "mc-1", "mc-1", config! {}))
        .await;
    assert!(same.is_err_and(|told| told[0].detail.contains("itself")));
    let platform = memberships(&plugin)
        .try_plan_create(membership(emulator, "azure_pg_admin", "mc-1", config! {}))
        .await;
    assert!(platform.is_err_and(|told| told[0].detail.contains("`administrator`")));
    two.destroy().await;
    one.destroy().await;
    drop_roles(emulator, &["mc-1", "mc-2", "mc-3"]).await;
}

#[tokio::test]
async fn a_role_that_is_missing_is_named() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    roles(&plugin, emulator, &["mm-role"]).await;
    for (role, member, place) in [("mm-role", "mm-nobody", "member"), ("mm-nothing", "mm-role", "role")] {
        let Err(failed) = memberships(&plugin)
            .try_create(membership(emulator, role, member, config! {}))
            .await
        else {
            panic!("{place} is missing")
        };
        assert_eq!(failed.told[0].path.to_string(), place);
        assert!(!failed.left.exists());
    }
    drop_roles(emulator, &["mm-role"]).await;
}

#[tokio::test]
async fn a_creation_that_fails_half_way_leaves_nothing_and_is_taken_up_again() {
    let emulator = emulator().await;
    let plugin = provider(emulator).await;
    roles(&plugin, emulator, &["mf-role", "mf-member"]).await;
    let given = membership(emulator, "mf-role", "mf-member", config! {});
    // Somebody holds the lock on the role, for longer than one attempt waits: the next one gets it.
    let other = emulator.superuser("postgres").await;
    let lock = "select pg_advisory_lock(1260, oid::int) from pg_roles where rolname = 'mf-role'";
    other.simple_query(lock).await.expect("a lock");
    let resource = memberships(&plugin);
    let creating = resource.create(given);
    let release = async {
        while held_up(emulator).await == 0 {
            tokio::task::yield_now().await;
        }
        other
            .simple_query("select pg_advisory_unlock_all()")
            .await
            .expect("no lock");
    };
    let (made, ()) = tokio::join!(creating, release);
    assert_eq!(held(emulator, "mf-role", "mf-member").await.as_deref(), Some("f t t"));
    made.destroy().await;
    drop_roles(emulator, &["mf-role", "mf-member"]).await;
}

/// How many sessions wait for a lock of ours.
async fn held_up(emulator: &Emulator) -> u32 {
    let query = "select count(*) from pg_locks where locktype = 'advisory' and not granted and classid = 1260";
    let count = fact(emulator, "postgres", query).await;
    count.and_then(|count| count.parse().ok()).unwrap_or_default()
}
