//! What was written down before it was done.

use std::sync::Arc;

use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::goal::Goal;
use crate::resources::postgresql::ownership::note::Intent;
use crate::resources::postgresql::ownership::record::Record;
use crate::resources::postgresql::ownership::scope::Scope;
use crate::resources::postgresql::ownership::tests::{
    OLD, OWNER, everything, handover, inventory, name, names, objects,
};

#[test]
fn a_look_tells_what_was_done_of_what_was_intended() {
    let (owners, owner) = (names(&["old"]), name("owner"));
    let scope = Scope {
        previous_owners: Some(&owners),
        ..everything()
    };
    let before = inventory(15, objects());
    let moves = handover(scope, &owner).moves(&before, &Record::default()).unwrap();
    let intended = Intent::of(&moves);
    assert_eq!(intended.len(), moves.len());

    let mut catalog = (*before.catalog).clone();
    let moved = catalog
        .objects
        .iter_mut()
        .filter(|object| [101, 102].contains(&object.oid));
    moved.for_each(|object| object.owner = OWNER);
    let after = Inventory {
        catalog: Arc::new(catalog),
        ..before.clone()
    };
    let mut record = Record::default();
    Intent::settle(intended, &mut record, &after);
    let taken: Vec<_> = record
        .taken
        .values()
        .map(|taken| (taken.name.as_str(), taken.from))
        .collect();
    assert_eq!(taken, [("table s.t", OLD), ("sequence s.t_id_seq", OLD)]);
    assert_eq!(record.taken.values().next().unwrap().granted.object, "r*a");
}
