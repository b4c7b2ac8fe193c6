//! What creation makes of what is there.

use super::*;

const OURS: &str = "11111111-1111-1111-1111-111111111111";
const OTHER: &str = "22222222-2222-2222-2222-222222222222";
const TENANT: &str = "33333333-3333-3333-3333-333333333333";

fn guid(text: &str) -> Guid {
    text.parse().expect("a GUID")
}

fn admin(adopt_existing: bool) -> EntraAdmin {
    let id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg";
    EntraAdmin {
        server_id: id.parse().expect("an ID"),
        identity_id: None,
        object_id: Computed::known(guid(OURS)),
        principal_type: Computed::known(PrincipalType::ServicePrincipal),
        name: Computed::known("app".to_owned()),
        tenant_id: Computed::known(guid(TENANT)),
        adopt_existing,
        adopted: Computed::UNKNOWN,
        host: Computed::UNKNOWN,
        timeouts: Timeouts::default(),
    }
}

fn wanted() -> Wanted {
    let principal = Principal {
        object_id: guid(OURS),
        principal_type: PrincipalType::ServicePrincipal,
        client_id: None,
        tenant_id: None,
        name: None,
        confirmed: false,
    };
    Wanted {
        principal,
        name: "app".to_owned(),
        tenant_id: guid(TENANT),
    }
}

fn present(object_id: &str, name: &str, principal_type: Option<PrincipalType>) -> Present {
    Present {
        object_id: guid(object_id),
        principal_type,
        name: name.to_owned(),
        tenant_id: None,
    }
}

#[test]
fn creation_begins_by_what_is_there() {
    let (service, user) = (Some(PrincipalType::ServicePrincipal), Some(PrincipalType::User));
    let table: &[(bool, Present, Option<Start>)] = &[
        (false, present(OTHER, "other", service), Some(Start::Set)),
        (false, present(OURS, "app", service), Some(Start::Leave)),
        (true, present(OURS, "app", None), Some(Start::Leave)),
        (false, present(OURS, "app", user), None),
        (true, present(OURS, "app", user), Some(Start::Adjust)),
        (true, present(OURS, "other", service), None),
        (true, present(OTHER, "app", service), None),
    ];
    for (adopt_existing, one, start) in table {
        let found = admin(*adopt_existing).start(std::slice::from_ref(one), &wanted());
        assert_eq!(found.ok(), *start, "{adopt_existing} {one:?}");
    }
}

#[test]
fn a_refusal_gives_the_import_command() {
    let found = [present(OTHER, "a|b", None), present(OURS, "a|b", None)];
    let refused = admin(false).start(&found[1..], &wanted()).expect_err("another name");
    let id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg|a%7Cb";
    assert!(
        refused.detail.contains(&format!("terraform import <address> '{id}'")),
        "{}",
        refused.detail
    );
}
