//! What runs with the privileges of its owner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use expect_test::expect;

use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::moving::{Move, sort};
use crate::resources::postgresql::ownership::record::Record;
use crate::resources::postgresql::ownership::rights::hold_back;
use crate::resources::postgresql::ownership::scope::Scope;
use crate::resources::postgresql::ownership::tests::{
    OLD, OWNER, THIRD, acl, everything, inventory, membership, name, names, object,
};
use crate::sql::postgres::database_catalog::{Column, Used};
use crate::sql::postgres::object::{Object, ObjectKind};

/// Tables 201 (somebody else's) and 202 (the old owner's), a view over each, and what stands on those.
fn scene(entries: &[&str], uses: &[(u32, &[u32])]) -> Inventory {
    let others = Object {
        acl: acl(entries),
        ..object(ObjectKind::Table, 201, "others", THIRD)
    };
    let objects = vec![
        others,
        object(ObjectKind::Table, 202, "own", OLD),
        object(ObjectKind::View, 203, "over_others", OLD),
        object(ObjectKind::MaterializedView, 204, "stored", OLD),
        object(ObjectKind::View, 205, "a_outer", OLD),
    ];
    let found = inventory(15, objects);
    let mut catalog = (*found.catalog).clone();
    let used = |relations: &[u32]| -> Vec<Used> {
        let each = relations.iter().map(|relation| Used {
            relation: *relation,
            columns: BTreeSet::new(),
        });
        each.collect()
    };
    catalog.used = uses.iter().map(|(view, relations)| (*view, used(relations))).collect();
    catalog.columns = Vec::new();
    Inventory {
        catalog: Arc::new(catalog),
        ..found
    }
}

fn stays(inventory: &Inventory) -> Vec<String> {
    let owners = names(&["old"]);
    let scope = Scope {
        previous_owners: Some(&owners),
        ..everything()
    };
    scope.select(inventory, OWNER, &Record::default()).failing
}

const STACK: &[(u32, &[u32])] = &[(203, &[201]), (204, &[202, 201]), (205, &[203, 202])];

#[test]
fn what_the_present_owner_may_use_the_next_one_has_to_be_allowed_too() {
    expect![[r#"
        view s.over_others (owner old): it runs with its owner's privileges, and owner has no SELECT, INSERT on table s.others: grant it, with entradb_postgresql_access for example
        materialized view s.stored (owner old): it runs with its owner's privileges, and owner has no SELECT on table s.others: grant it, with entradb_postgresql_access for example
        view s.a_outer (owner old): it runs with its owner's privileges, and owner has no SELECT, INSERT, UPDATE, DELETE on view s.over_others: grant it, with entradb_postgresql_access for example"#]]
    .assert_eq(&stays(&scene(&["31=arx/32"], STACK)).join("\n"));
    for enough in [
        &["31=ar/32", "30=ar/32"][..],
        &["31=r/32", "0=r/32"],
        // What the present owner may not either, is no loss.
        &["32=arwd/32"],
    ] {
        assert_eq!(stays(&scene(enough, STACK)), [""; 0], "{enough:?}");
    }
    let mut inherits = scene(&["31=r/32", "21=r/32"], STACK);
    assert_eq!(stays(&inherits).len(), 3);
    Arc::make_mut(&mut inherits.server)
        .memberships
        .push(membership(21, OWNER));
    assert_eq!(stays(&inherits), [""; 0]);
}

#[test]
fn a_privilege_on_the_columns_that_are_used_is_enough() {
    let mut found = scene(&["31=r/32"], &[(203, &[201])]);
    let used = Used {
        relation: 201,
        columns: names(&["id", "note"]),
    };
    let catalog = Arc::make_mut(&mut found.catalog);
    catalog.used = BTreeMap::from([(203, vec![used])]);
    let column = |text: &str| Column {
        table: 201,
        name: name(text),
        acl: acl(&["30=r/32"]).unwrap(),
    };
    catalog.columns = vec![column("id")];
    assert_eq!(stays(&found).len(), 1);
    Arc::make_mut(&mut found.catalog).columns.push(column("note"));
    assert_eq!(stays(&found), [""; 0]);
}

#[test]
fn inner_views_move_before_outer_ones_and_wait_for_each_other() {
    // Names and kinds would have it the other way round; two rules that use each other's tables are no endless loop.
    let found = scene(
        &[],
        &[
            (203, &[204]),
            (204, &[202]),
            (205, &[203]),
            (202, &[201]),
            (201, &[202]),
        ],
    );
    let still = |object| Move {
        object,
        to: OWNER,
        after: Vec::new(),
        remember: Vec::new(),
        followers: 0,
    };
    let mut moves: Vec<Move<'_>> = found.catalog.objects.iter().map(still).collect();
    let order = |moves: &[Move<'_>]| -> Vec<u32> { moves.iter().map(|next| next.object.oid).collect() };
    sort(&mut moves, &found, false);
    assert_eq!(order(&moves)[2..], [204, 203, 205]);
    let view = moves[2].object;
    let mut later = moves[3..].to_vec();
    hold_back(&mut later, view, &found);
    assert_eq!(order(&later), [0_u32; 0], "what stands on it waits");
    sort(&mut moves, &found, true);
    assert_eq!(order(&moves)[..3], [205, 203, 204]);
    let mut later = moves[1..].to_vec();
    hold_back(&mut later, moves[0].object, &found);
    assert_eq!(order(&later), [0_u32; 0], "on the way back, what it stands on waits");
}
