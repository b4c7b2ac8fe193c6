//! What is borrowed and given back, without a server.

use super::*;

fn role(oid: u32, name: &str) -> (u32, Role) {
    (oid, Role::plain(oid, name))
}

fn member(role: u32, member: u32) -> Membership {
    Membership {
        role,
        member,
        grantor: 10,
        admin: false,
        inherit: None,
        set: None,
    }
}

fn filled(mut catalog: ServerCatalog, version: u32) -> ServerCatalog {
    let roles = [
        role(1, "terraform"),
        role(2, "held"),
        role(3, "a\"b"),
        role(4, "mine"),
        role(5, "azuresu"),
        role(10, "root"),
    ];
    (catalog.version, catalog.current_role) = (version, 1);
    catalog.roles = roles.into();
    catalog.memberships = vec![member(2, 1), member(1, 4)];
    catalog
}

fn catalog(version: u32) -> ServerCatalog {
    filled(ServerCatalog::default(), version)
}

fn text(statements: &[Statement]) -> Vec<String> {
    statements.iter().map(|one| one.render(Dialect::PostgreSql)).collect()
}

#[test]
fn only_what_is_missing_is_borrowed_and_given_back() {
    let loan = borrow(&catalog(15), [1, 2, 3]).unwrap();
    assert_eq!(text(&loan.begin), [r#"GRANT "a""b" TO CURRENT_USER"#]);
    assert_eq!(text(&loan.end), [r#"REVOKE "a""b" FROM CURRENT_USER"#]);
    let newer = borrow(&catalog(16), [3]).unwrap();
    assert_eq!(
        text(&newer.begin),
        [r#"GRANT "a""b" TO CURRENT_USER WITH INHERIT TRUE, SET TRUE"#]
    );
    assert_eq!(borrow(&catalog(15), [2]), Ok(Loan::default()));
}

#[test]
fn a_weaker_membership_of_ours_is_given_back_as_it_was() {
    let mut server = catalog(16);
    let weak = |grantor| Membership {
        grantor,
        inherit: Some(false),
        set: Some(true),
        ..member(3, 1)
    };
    let administered = |grantor| Membership {
        admin: true,
        ..weak(grantor)
    };
    let revoked = [r#"REVOKE "a""b" FROM CURRENT_USER"#];
    server.memberships = vec![administered(10)];
    assert_eq!(text(&borrow(&server, [3]).unwrap().end), revoked);
    // Ours stands beside what another one granted.
    server.memberships = vec![administered(10), weak(2)];
    assert_eq!(text(&borrow(&server, [3]).unwrap().end), revoked);
    server.memberships = vec![administered(10), weak(2), weak(1)];
    let loan = borrow(&server, [3]).unwrap();
    assert_eq!(
        text(&loan.end),
        [r#"GRANT "a""b" TO CURRENT_USER WITH INHERIT FALSE, SET TRUE"#]
    );
}

#[test]
fn our_grants_are_those_of_the_nearest_administrator() {
    let mut server = catalog(16);
    let with = |role, member, admin| Membership {
        admin,
        inherit: Some(true),
        set: Some(true),
        ..self::member(role, member)
    };
    server.memberships = vec![with(2, 1, false), with(3, 2, true)];
    assert_eq!(our_grantor(&server, 3), Grantor::Role(2));
    // Two that are equally near: the server has to be told which.
    server.memberships.extend([with(6, 1, false), with(3, 6, true)]);
    server.roles.extend([role(6, "other")]);
    assert_eq!(our_grantor(&server, 3), Grantor::Chosen(2));
    server.memberships.push(with(3, 1, true));
    assert_eq!(our_grantor(&server, 3), Grantor::Role(1));
    assert_eq!(our_grantor(&server, 5), Grantor::Whoever);
    server.memberships.retain(|held| held.role != 3);
    server.memberships.extend([2, 6].map(|group| Membership {
        inherit: Some(false),
        set: Some(false),
        ..with(3, group, true)
    }));
    let loan = borrow(&server, [3]).unwrap();
    assert_eq!(
        text(&[loan.begin, loan.end].concat()),
        [
            r#"GRANT "a""b" TO CURRENT_USER WITH INHERIT TRUE, SET TRUE GRANTED BY "held""#,
            r#"REVOKE "a""b" FROM CURRENT_USER GRANTED BY "held""#
        ]
    );
}

#[test]
fn who_does_not_inherit_is_told_so() {
    let mut server = catalog(15);
    if let Some(us) = server.roles.get_mut(&1) {
        us.inherit = false;
    }
    server.memberships = vec![member(3, 1)];
    assert_eq!(borrow(&server, [3]).unwrap_err().summary, "Role does not inherit");
}

#[test]
fn nobody_acts_for_the_platform_nor_in_a_circle() {
    assert_eq!(
        borrow(&catalog(15), [5]).unwrap_err().summary,
        "Belongs to the platform"
    );
    // Whoever may not take it away is told, with what to run.
    let told = borrow(&catalog(15), [4]).unwrap_err();
    assert_eq!(told.summary, "Circular membership");
    assert!(
        told.detail.contains(r#"`REVOKE "terraform" FROM "mine"`"#),
        "{}",
        told.detail
    );
    assert!(
        told.detail.contains(r#"`GRANT "terraform" TO "mine"`"#),
        "{}",
        told.detail
    );
}

#[test]
fn who_is_a_member_of_ours_is_none_meanwhile_where_we_may_decide_that() {
    let mut server = catalog(15);
    if let Some(us) = server.roles.get_mut(&1) {
        us.create_role = true;
    }
    // Through another role, and with the ADMIN option.
    server.memberships.push(Membership {
        admin: true,
        ..member(1, 6)
    });
    server.memberships.push(member(6, 4));
    server.roles.extend([role(6, "other")]);
    let loan = borrow(&server, [3, 4]).unwrap();
    assert_eq!(
        text(&[loan.begin, loan.end].concat()),
        [
            r#"REVOKE "terraform" FROM "mine""#,
            r#"REVOKE "terraform" FROM "other""#,
            r#"GRANT "a""b", "mine" TO CURRENT_USER"#,
            r#"REVOKE "a""b", "mine" FROM CURRENT_USER"#,
            r#"GRANT "terraform" TO "mine""#,
            r#"GRANT "terraform" TO "other" WITH ADMIN OPTION"#
        ]
    );
    // From version 16 on only a superuser could, since nobody has the ADMIN option on itself.
    server.version = 16;
    for held in &mut server.memberships {
        (held.inherit, held.set) = (Some(true), Some(false));
    }
    let told = borrow(&server, [4]).unwrap_err();
    for statement in [
        r#"`REVOKE "terraform" FROM "mine" GRANTED BY "root"`"#,
        r#"`GRANT "terraform" TO "other" WITH ADMIN TRUE, INHERIT TRUE, SET FALSE GRANTED BY "root"`"#,
    ] {
        assert!(told.detail.contains(statement), "{}", told.detail);
    }
}
