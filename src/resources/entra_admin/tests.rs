//! What creation makes of what is there, and which ID each kind of server gets.

use super::*;
use crate::resources::entra_admin::seated::{Present, Seated};

const OURS: &str = "11111111-1111-1111-1111-111111111111";
const CLIENT: &str = "44444444-4444-4444-4444-444444444444";
const OTHER: &str = "22222222-2222-2222-2222-222222222222";
const TENANT: &str = "33333333-3333-3333-3333-333333333333";

const SERVICE: PrincipalType = PrincipalType::ServicePrincipal;

fn guid(text: &str) -> Guid {
    text.parse().expect("a GUID")
}

fn admin(adopt_existing: bool, replace_existing: bool) -> EntraAdmin {
    let id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg";
    EntraAdmin {
        server_id: id.parse().expect("an ID"),
        identity_id: None,
        object_id: Computed::known(guid(OURS)),
        principal_type: Computed::known(SERVICE),
        client_id: Computed::known(Some(guid(CLIENT))),
        name: Computed::known("app".to_owned()),
        tenant_id: Computed::known(guid(TENANT)),
        server_identity_id: None,
        attach_server_identity: false,
        adopt_existing,
        replace_existing,
        adopted: Computed::UNKNOWN,
        sid: Computed::UNKNOWN,
        host: Computed::UNKNOWN,
        pending: Computed::UNKNOWN,
        timeouts: Timeouts::default(),
    }
}

fn principal(principal_type: PrincipalType, client_id: Option<&str>) -> Principal {
    Principal {
        object_id: guid(OURS),
        principal_type,
        client_id: client_id.map(guid),
        tenant_id: None,
        name: None,
        confirmed: false,
    }
}

fn wanted(principal_type: PrincipalType) -> Wanted {
    Wanted {
        principal: principal(principal_type, Some(CLIENT)),
        sid: guid(OURS),
        name: "app".to_owned(),
        tenant_id: guid(TENANT),
        server_identity_id: None,
        attach: false,
        gives_way: GivesWay::when(false),
    }
}

fn present(sid: &str, name: &str, principal_type: Option<PrincipalType>) -> Present {
    Present {
        sid: guid(sid),
        principal_type,
        name: name.to_owned(),
        tenant_id: None,
        server_identity_id: None,
    }
}

fn seated(one: Present) -> Seated {
    Seated {
        own: vec![one],
        replicas: Vec::new(),
    }
}

fn start(kind: ServerKind, flags: (bool, bool), one: &Present, principal_type: PrincipalType) -> Option<Start> {
    let found = admin(flags.0, flags.1).start(kind, &seated(one.clone()), &wanted(principal_type));
    found.ok()
}

#[test]
fn creation_begins_by_what_is_there() {
    let (service, user) = (Some(SERVICE), Some(PrincipalType::User));
    let leave = || Some(Start::Leave(guid(OURS)));
    let other = present(OTHER, "app", service);
    let renamed = present(OURS, "other", service);
    let table: &[(bool, bool, Present, Option<Start>)] = &[
        (false, false, present(OTHER, "other", service), Some(Start::Set)),
        (false, false, present(OURS, "app", service), leave()),
        (true, false, present(OURS, "app", None), leave()),
        (false, false, present(OURS, "app", user), None),
        (true, false, present(OURS, "app", user), Some(Start::Adjust)),
        (true, false, renamed.clone(), None),
        (true, false, other.clone(), None),
        (false, true, renamed.clone(), Some(Start::Replace(renamed))),
        (false, true, other.clone(), Some(Start::Replace(other))),
    ];
    for (adopt, replace, one, expected) in table {
        let found = start(ServerKind::Postgresql, (*adopt, *replace), one, SERVICE);
        assert_eq!(found, *expected, "{adopt} {replace} {one:?}");
    }
}

#[test]
fn the_only_seat_is_taken_by_the_same_one_or_by_nobody_unless_told_so() {
    let stranger = present(OTHER, "other", None);
    let renamed = present(CLIENT, "other", None);
    let table: &[(bool, bool, Present, Option<Start>)] = &[
        (false, false, present(OURS, "app", None), Some(Start::Leave(guid(OURS)))),
        // Either ID of an application is its own.
        (
            false,
            false,
            present(CLIENT, "app", None),
            Some(Start::Leave(guid(CLIENT))),
        ),
        (false, false, renamed.clone(), None),
        (true, false, renamed, Some(Start::Adjust)),
        (true, false, stranger.clone(), None),
        (false, true, stranger.clone(), Some(Start::Replace(stranger))),
    ];
    for kind in [ServerKind::Mysql, ServerKind::Mssql, ServerKind::ManagedInstance] {
        for (adopt, replace, one, expected) in table {
            let found = start(kind, (*adopt, *replace), one, SERVICE);
            assert_eq!(found, *expected, "{kind:?} {adopt} {replace} {one:?}");
        }
    }
}

#[test]
fn the_names_of_users_have_no_case_and_those_of_others_do() {
    let one = present(OURS, "APP", None);
    let found = |kind| start(ServerKind::Mssql, (false, false), &one, kind);
    assert_eq!(found(PrincipalType::User), Some(Start::Leave(guid(OURS))));
    assert_eq!(found(PrincipalType::Group), None);
}

#[test]
fn each_kind_of_server_knows_a_principal_by_its_own_id() {
    let application = principal(SERVICE, Some(CLIENT));
    let without = principal(SERVICE, None);
    let group = principal(PrincipalType::Group, Some(CLIENT));
    assert_eq!(postgresql::sid(&application), guid(OURS));
    assert_eq!(mysql::sid(&application).ok(), Some(guid(CLIENT)));
    assert_eq!(mysql::sid(&group).ok(), Some(guid(OURS)));
    let refused = mysql::sid(&without).expect_err("no client ID");
    assert_eq!(refused.path.to_string(), "client_id");
    assert_eq!(mssql::sid(&application), guid(CLIENT));
    assert_eq!(mssql::sid(&without), guid(OURS));
    assert_eq!(mssql::sid(&group), guid(OURS));
}

#[test]
fn a_refusal_gives_the_import_command() {
    let found = present(OURS, "a|b", None);
    let refused = admin(false, false).start(ServerKind::Postgresql, &seated(found), &wanted(SERVICE));
    let refused = refused.expect_err("another name");
    let id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg|a%7Cb";
    assert!(
        refused.detail.contains(&format!("terraform import <address> '{id}'")),
        "{}",
        refused.detail
    );
}

#[test]
fn names_are_held_to_what_each_server_takes() {
    let long = |count: usize| "x".repeat(count);
    let table: &[(ServerKind, String, bool)] = &[
        (ServerKind::Postgresql, long(63), true),
        (ServerKind::Postgresql, long(64), false),
        (ServerKind::Mysql, long(32), true),
        (ServerKind::Mysql, long(33), false),
        (ServerKind::Mssql, long(128), true),
        (ServerKind::Mssql, long(129), false),
        (ServerKind::ManagedInstance, "a\nb".to_owned(), false),
        (ServerKind::ManagedInstance, String::new(), false),
    ];
    for (kind, name, fits) in table {
        assert_eq!(validation::name(*kind, name).is_ok(), *fits, "{kind:?} {name}");
    }
}

#[test]
fn only_mysql_takes_a_server_identity_and_it_needs_one() {
    let table = [
        (ServerKind::Mysql, true, true, None),
        (ServerKind::Mysql, true, false, None),
        (ServerKind::Mysql, false, true, Some("server_identity_id")),
        (ServerKind::Mysql, false, false, Some("server_identity_id")),
        (ServerKind::Mssql, false, false, None),
        (ServerKind::Mssql, true, false, Some("server_identity_id")),
        (ServerKind::Postgresql, false, true, Some("attach_server_identity")),
    ];
    for (kind, given, attach, wrong) in table {
        let told = validation::server_identity(kind, given, attach).err();
        let at = told.map(|told| told.path.to_string());
        assert_eq!(at.as_deref(), wrong, "{kind:?} {given} {attach}");
    }
}
