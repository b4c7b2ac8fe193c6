//! Previous owners as members of the new one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::members;
use crate::resources::postgresql::ownership::record::{Member, Record};
use crate::resources::postgresql::ownership::tests::{OLD, OWNER, TERRAFORM, inventory, membership, objects};
use crate::sql::postgres::server_catalog::Membership;
use crate::sql::quote::Dialect;

#[test]
fn previous_owners_become_members_and_circles_are_refused() {
    let found = inventory(16, objects());
    let wanted = BTreeSet::from([OLD]);
    let missing = members::missing(&found.server, OWNER, &wanted).unwrap();
    assert_eq!(
        missing[0].1.render(Dialect::PostgreSql),
        r#"GRANT "owner" TO "old" WITH INHERIT TRUE, SET TRUE"#
    );
    let with = |held: Membership| {
        let mut server = (*found.server).clone();
        server.memberships.push(held);
        Inventory {
            server: Arc::new(server),
            ..found.clone()
        }
    };
    let circle = members::missing(&with(membership(OLD, OWNER)).server, OWNER, &wanted).unwrap_err();
    assert_eq!(circle.summary, "Circular membership");
    let weak = Membership {
        grantor: TERRAFORM,
        inherit: Some(false),
        set: Some(true),
        ..membership(OWNER, OLD)
    };
    let missing = members::missing(&with(weak).server, OWNER, &wanted).unwrap();
    assert_eq!(missing[0].0.before, Some((false, true)));
    assert_eq!(
        members::missing(&with(membership(OWNER, OLD)).server, OWNER, &wanted).unwrap(),
        []
    );
    let record = Record {
        members: vec![missing[0].0.clone()],
        ..Record::default()
    };
    let strong = Membership {
        inherit: Some(true),
        ..weak
    };
    let end = members::superfluous(&with(strong).server, &record, OWNER, &BTreeSet::new());
    assert_eq!(
        end[0].1.render(Dialect::PostgreSql),
        r#"GRANT "owner" TO "old" WITH INHERIT FALSE, SET TRUE"#
    );
    assert_eq!(members::superfluous(&found.server, &record, OWNER, &wanted), []);
    // What another one granted beside ours is not ours to end.
    let others = Membership { grantor: 10, ..strong };
    // Nor what can do more or less than what we granted: it was granted again since.
    let administers = Membership { admin: true, ..strong };
    let new = Record {
        members: vec![Member {
            before: None,
            ..missing[0].0.clone()
        }],
        ..Record::default()
    };
    for (held, record) in [(others, &record), (weak, &record), (administers, &new)] {
        assert_eq!(
            members::superfluous(&with(held).server, record, OWNER, &BTreeSet::new()),
            []
        );
    }
}
