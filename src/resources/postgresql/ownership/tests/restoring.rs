//! What goes back, what is handed on, and what changes for those who had it before.

use std::collections::BTreeMap;

use expect_test::expect;

use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::argument::PreviousOwnerAccess;
use crate::resources::postgresql::ownership::goal::{Goal, Handover, Restoration};
use crate::resources::postgresql::ownership::record::{Granted, Record, Taken, place};
use crate::resources::postgresql::ownership::scope::Scope;
use crate::resources::postgresql::ownership::tests::{
    OLD, OWNER, everything, handover, inventory, name, names, object, objects, transactions,
};
use crate::sql::postgres::object::{Object, ObjectKind};
use crate::sql::quote::Dialect;

/// The objects after everything of `old` was moved, and the record of that.
fn moved() -> (Inventory, Record) {
    let (owners, owner) = (names(&["old"]), name("owner"));
    let goal = handover(
        Scope {
            previous_owners: Some(&owners),
            ..everything()
        },
        &owner,
    );
    let before = inventory(15, objects());
    let mut record = Record {
        owner: OWNER,
        own: BTreeMap::from([((1259, 105), "table s.hers".into())]),
        ..Record::default()
    };
    for next in goal.moves(&before, &record).unwrap() {
        record.taken.extend(next.remember);
    }
    let hand = |object: Object| Object {
        owner: if object.owner == OLD && !object.extension {
            OWNER
        } else {
            object.owner
        },
        ..object
    };
    let mut after: Vec<Object> = objects().into_iter().map(hand).collect();
    after.push(object(ObjectKind::View, 109, "new", OWNER));
    (inventory(15, after), record)
}

#[test]
fn everything_goes_back_with_what_the_owner_had_before() {
    let (inventory, record) = moved();
    let (owner, old) = (name("owner"), name("old"));
    let goal = Restoration {
        scope: everything(),
        owner: &owner,
        next: None,
        restore_to: Some(&old),
        said: false,
    };
    let moves = goal.moves(&inventory, &record).unwrap();
    expect![[r#"
        GRANT "owner", "old" TO CURRENT_USER
        GRANT CREATE ON DATABASE "app" TO "old"
        GRANT CREATE ON SCHEMA "s" TO "old"
        ALTER VIEW "s"."new" OWNER TO "old"
        ALTER VIEW "s"."v" OWNER TO "old"
        ALTER PUBLICATION "news" OWNER TO "old"
        ALTER TABLE "s"."t" OWNER TO "old"
        GRANT INSERT ON TABLE "s"."t" TO "owner"
        GRANT SELECT ON TABLE "s"."t" TO "owner" WITH GRANT OPTION
        GRANT UPDATE ("secret") ON TABLE "s"."t" TO "owner"
        GRANT USAGE ON SEQUENCE "s"."t_id_seq" TO "owner"
        REVOKE CREATE ON SCHEMA "s" FROM "old"
        REVOKE CREATE ON DATABASE "app" FROM "old"
        REVOKE "owner", "old" FROM CURRENT_USER
        -
        GRANT "owner", "old" TO CURRENT_USER
        GRANT CREATE ON DATABASE "app" TO "old"
        ALTER SCHEMA "s" OWNER TO "old"
        REVOKE CREATE ON DATABASE "app" FROM "old"
        REVOKE "owner", "old" FROM CURRENT_USER
        -
    "#]]
    .assert_eq(&transactions(&moves, &inventory));
}

#[test]
fn who_gets_what_has_no_record_is_said_or_plain_or_nobody() {
    let (inventory, record) = moved();
    let (owner, old) = (name("owner"), name("old"));
    let restored = |restore_to, said| {
        let goal = Restoration {
            scope: everything(),
            owner: &owner,
            next: None,
            restore_to,
            said,
        };
        let moves = goal.moves(&inventory, &record).unwrap();
        let unrecorded = moves
            .iter()
            .filter(|next| !record.taken.contains_key(&place(next.object)));
        unrecorded.map(|next| next.object.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(restored(Some(&old), false), ["new"]);
    assert_eq!(restored(Some(&old), true), ["new", "hers"]);
    assert_eq!(restored(None, false), [""; 0]);
    let goal = Restoration {
        scope: everything(),
        owner: &owner,
        next: None,
        restore_to: None,
        said: false,
    };
    let stranded: Vec<String> = goal
        .stranded(&inventory, &record)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(stranded.contains(&"view s.new".to_owned()), "{stranded:?}");
}

#[test]
fn an_owner_that_changes_hands_on_what_it_was_given() {
    let (inventory, record) = moved();
    let (owner, third) = (name("owner"), name("third"));
    let owners = names(&["old"]);
    let scope = Scope {
        previous_owners: Some(&owners),
        ..everything()
    };
    let goal = Handover {
        former: [owner.clone()].into(),
        ..handover(scope, &third)
    };
    let moves = goal.moves(&inventory, &record).unwrap();
    let objects: Vec<String> = moves.iter().map(|next| next.object.to_string()).collect();
    assert_eq!(
        objects,
        ["schema s", "table s.t", "publication news", "view s.v", "view s.new"],
        "what it had from the start stays"
    );
    let table = &moves[1].remember[0].1;
    assert_eq!(
        (table.from, &table.granted),
        (OLD, &Granted::default()),
        "it still came from the old owner"
    );
    let again = moves[1].after[0].render(Dialect::PostgreSql);
    assert_eq!(
        again, r#"GRANT INSERT ON TABLE "s"."t" TO "owner""#,
        "the former owner has what it had before"
    );
}

#[test]
fn access_that_is_declared_otherwise_is_a_change_of_privileges_only() {
    let (inventory, mut record) = moved();
    let (owners, owner) = (names(&["old"]), name("owner"));
    let scope = Scope {
        previous_owners: Some(&owners),
        ..everything()
    };
    let goal = Handover {
        access: PreviousOwnerAccess::Privileges,
        ..handover(scope, &owner)
    };
    let moves = goal.moves(&inventory, &record).unwrap();
    assert!(moves.iter().all(|next| !next.moves()));
    let left = |record: &Record| record.taken.values().filter(|taken: &&Taken| taken.left).count();
    record.taken.extend(moves.into_iter().flat_map(|next| next.remember));
    assert_eq!(left(&record), 4, "the publication has no privileges");
    assert!(
        goal.moves(&inventory, &record).unwrap().is_empty(),
        "and then nothing is left to do"
    );
}
