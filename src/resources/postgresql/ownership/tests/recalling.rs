//! A record whose numbers are no longer true, because everything was restored from a dump.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::resources::postgresql::ownership::recall::by_names;
use crate::resources::postgresql::ownership::record::{Granted, Member, Record, Taken, Usage};
use crate::resources::postgresql::ownership::tests::{OLD, OWNER, inventory, objects};

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
