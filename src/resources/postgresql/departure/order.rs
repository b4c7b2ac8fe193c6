//! In which order to drop objects, one after the other: nothing goes before what hangs on it, and a foreign key goes with its table. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::sql::statement::Name;

/// A catalogue and a number in it.
pub(super) type Key = (u32, u32);

/// A foreign key between tables.
#[derive(Debug)]
pub(super) struct ForeignKey {
    /// Whose it is.
    pub(super) table: Key,
    /// Its name.
    pub(super) name: Name,
    /// The tables that cannot go while it is there.
    pub(super) refers_to: BTreeSet<Key>,
    /// How many locks it takes to drop it.
    pub(super) locks: u64,
}

/// What goes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next<'a> {
    /// An object, with everything that has no owner of its own.
    Object(Key),
    /// A foreign key alone; the table that it refers to follows.
    ForeignKey(&'a ForeignKey),
}

/// Those that nothing hangs on come first, then those that only they hung on. Circles, and what they hang on, are left out; but where only foreign
/// keys close a circle, the fewest that open it go before their tables. An edge says what hangs on what.
pub(super) fn in_order<'a>(all: &BTreeSet<Key>, edges: &BTreeSet<(Key, Key)>, keys: &'a [ForeignKey]) -> Vec<Next<'a>> {
    let (mut hanging, mut carries) = (HashMap::<Key, usize>::new(), HashMap::<Key, Vec<Key>>::new());
    for (one, other) in edges.iter().filter(|(one, other)| one != other) {
        *hanging.entry(*other).or_default() += 1;
        carries.entry(*one).or_default().push(*other);
    }
    // The places of the keys that refer to a table, and of those that it has.
    let (mut referring, mut own) = (
        HashMap::<Key, BTreeSet<usize>>::new(),
        HashMap::<Key, Vec<usize>>::new(),
    );
    for (place, key) in keys.iter().enumerate() {
        own.entry(key.table).or_default().push(place);
        for table in &key.refers_to {
            referring.entry(*table).or_default().insert(place);
        }
    }
    let count = |referring: &HashMap<Key, BTreeSet<usize>>, key: &Key| referring.get(key).map_or(0, BTreeSet::len);
    let free = all.iter().filter(|key| !hanging.contains_key(key));
    let mut free: BTreeSet<(usize, Key)> = free.map(|key| (count(&referring, key), *key)).collect();
    let mut order = Vec::new();
    while let Some((_, key)) = free.pop_first() {
        let cut = referring.remove(&key).unwrap_or_default();
        order.extend(cut.iter().map(|place| Next::ForeignKey(&keys[*place])));
        order.push(Next::Object(key));
        for place in own.remove(&key).into_iter().flatten().chain(cut) {
            for table in &keys[place].refers_to {
                let before = count(&referring, table);
                let left = referring.get_mut(table);
                if left.is_some_and(|left| left.remove(&place)) && free.remove(&(before, *table)) {
                    free.insert((before - 1, *table));
                }
            }
        }
        for other in carries.remove(&key).unwrap_or_default() {
            let left = hanging.entry(other).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 && all.contains(&other) {
                free.insert((count(&referring, &other), other));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the objects in their order, foreign keys by their names.
    fn order(all: &[u32], edges: &[(u32, u32)], keys: &[(&str, u32, &[u32])]) -> Vec<String> {
        let key = |number: &u32| (1259, *number);
        let all = all.iter().map(key).collect();
        let edges = edges.iter().map(|(one, other)| (key(one), key(other))).collect();
        let keys = keys.iter().map(|(name, table, refers_to)| ForeignKey {
            table: key(table),
            name: Name::new(*name).unwrap(),
            refers_to: refers_to.iter().map(key).collect(),
            locks: 1,
        });
        let keys: Vec<ForeignKey> = keys.collect();
        let order = in_order(&all, &edges, &keys).into_iter();
        let shown = order.map(|next| match next {
            Next::Object((_, number)) => number.to_string(),
            Next::ForeignKey(key) => key.name.to_string(),
        });
        shown.collect()
    }

    #[test]
    fn nothing_goes_before_what_hangs_on_it() {
        let edges = [(2, 1), (3, 2), (3, 1), (4, 4)];
        assert_eq!(order(&[1, 2, 3, 4], &edges, &[]), ["3", "2", "1", "4"]);
    }

    #[test]
    fn circles_and_what_they_hang_on_are_left_for_the_end() {
        assert_eq!(order(&[1, 2, 3, 4], &[(1, 2), (2, 1), (2, 3)], &[]), ["4"]);
        // What is dropped by no statement of its own is never out of the way.
        assert_eq!(order(&[1, 2], &[(9, 1)], &[]), ["2"]);
    }

    #[test]
    fn a_foreign_key_goes_with_its_table_and_alone_only_out_of_a_circle() {
        assert_eq!(
            order(&[1, 2, 3], &[], &[("a", 2, &[1]), ("b", 3, &[2])]),
            ["3", "2", "1"]
        );
        let circle: [(&str, u32, &[u32]); 3] = [("a", 1, &[2]), ("b", 2, &[1]), ("c", 3, &[1])];
        assert_eq!(order(&[1, 2, 3], &[], &circle), ["3", "b", "1", "2"]);
        // A partitioned table that refers to itself, and so to each of its partitions.
        assert_eq!(
            order(&[1, 2, 3], &[(2, 1), (3, 1)], &[("up", 1, &[2, 3])]),
            ["up", "2", "3", "1"]
        );
        // What refers can only go at last.
        assert_eq!(order(&[1, 2], &[(9, 2)], &[("a", 2, &[1])]), ["a", "1"]);
    }
}
