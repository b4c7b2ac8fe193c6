//! Records that are no longer true: because everything was restored from a dump, or because nothing is left of what they say.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::abandoned::is_spent;
use crate::resources::postgresql::ownership::recall::by_names;
use crate::resources::postgresql::ownership::record::{Granted, Member, Record, Taken, Usage};
use crate::resources::postgresql::ownership::tests::{OLD, OWNER, THIRD, acl, inventory, membership, objects};

#[test]
fn names_tell_what_is_what_after_a_restore() {
    let taken = |name: &str| Taken {
        name: name.into(),
        from: 9031,
        granted: Granted::default(),
        left: false,
    };
    let record = Record {
        host: "pg.example".into(),
        database: "app".into(),
        database_oid: 9005,
        owner: 9030,
        former_owners: [9032, 9999].into(),
        roles: [(9030, "owner"), (9031, "old"), (9032, "third")]
            .map(|(oid, name)| (oid, name.to_owned()))
            .into(),
        members: vec![Member {
            role: 9030,
            member: 9031,
            before: None,
        }],
        usage: [(9100, "schema s"), (9101, "schema gone")]
            .map(|(schema, name)| Usage {
                schema,
                role: 9030,
                name: name.to_owned(),
            })
            .into(),
        own: [((1259, 9105), "table s.hers"), ((1259, 9106), "table s.gone")]
            .map(|(place, name)| (place, name.to_owned()))
            .into(),
        taken: BTreeMap::from([
            ((1259, 9101), taken("table s.t")),
            ((1259, 9102), taken("table s.gone")),
        ]),
        refused: Vec::new(),
        writes: 2,
        note: Some(9200),
        holder: Some(Uuid::from_u128(7)),
    };
    let found = by_names(record, &inventory(15, objects()));
    assert_eq!((found.database_oid, found.owner), (5, OWNER));
    assert_eq!(found.own.into_keys().collect::<Vec<_>>(), [(1259, 105)]);
    let usage: Vec<_> = found.usage.iter().map(|usage| (usage.schema, usage.role)).collect();
    assert_eq!(usage, [(100, OWNER)]);
    let same = (found.writes, found.note, found.holder);
    assert_eq!(same, (2, Some(9200), Some(Uuid::from_u128(7))), "still the same note");
    let taken: Vec<_> = found
        .taken
        .into_iter()
        .map(|(place, taken)| (place, taken.from))
        .collect();
    assert_eq!(taken, [((1259, 101), OLD)]);
    assert_eq!((found.members[0].role, found.members[0].member), (OWNER, OLD));
}

#[test]
fn a_record_is_spent_once_nothing_is_left_of_what_was_moved_and_granted() {
    let taken = Taken {
        name: "table s.hers".into(),
        from: OLD,
        granted: Granted::default(),
        left: false,
    };
    let moved = |owner, from: &[u32]| Record {
        owner,
        former_owners: from.iter().copied().collect(),
        taken: BTreeMap::from([((1259, 105), taken.clone())]),
        ..Record::default()
    };
    let found = inventory(15, objects());
    assert!(!is_spent(&moved(OWNER, &[]), &found));
    assert!(
        !is_spent(&moved(THIRD, &[OWNER]), &found),
        "a former owner has it still"
    );
    assert!(is_spent(&moved(THIRD, &[]), &found), "it has moved on");

    let member = Record {
        owner: OWNER,
        members: vec![Member {
            role: OWNER,
            member: OLD,
            before: None,
        }],
        ..Record::default()
    };
    assert!(is_spent(&member, &found), "it was never granted");
    let mut server = (*found.server).clone();
    server.memberships.push(membership(OWNER, OLD));
    let granted = Inventory {
        server: Arc::new(server),
        ..found.clone()
    };
    assert!(!is_spent(&member, &granted));

    let let_in = Record {
        owner: OWNER,
        usage: vec![Usage {
            schema: 100,
            role: OWNER,
            name: "schema s".into(),
        }],
        ..Record::default()
    };
    assert!(is_spent(&let_in, &found));
    let mut open = objects();
    open[0].acl = acl(&["31=UC/31", "30=U/31"]);
    assert!(!is_spent(&let_in, &inventory(15, open)));
}
