//! What differs between a declaration and what is held: what to grant, what to revoke, and what people read about it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::resources::postgresql::access::declaration::{ByTarget, Declaration};
use crate::resources::postgresql::access::scene::{Scene, Target};
use crate::sql::postgres::acl::PUBLIC;
use crate::sql::privilege::Privileges;

/// How much of a list is shown.
const SHOWN: usize = 200;

/// What differs for one grantee.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Declared and not granted.
    pub grants: ByTarget,
    /// Of that, what the grantee cannot do by any other way either.
    pub missing: ByTarget,
    /// The same, where we cannot grant it.
    pub beyond: ByTarget,
    /// Granted and not declared.
    pub unexpected: ByTarget,
}

/// What to revoke, by target and by who granted it.
pub type Revokes = BTreeMap<(Target, u32), Privileges>;

impl Difference {
    /// Compares. Of an owner nothing is missing, and nothing of what an owner has is unexpected.
    pub fn new(declaration: &Declaration, scene: &Scene<'_>, grantee: u32) -> Self {
        let wanted = declaration.wanted(scene, grantee);
        let mut difference = Self::default();
        difference.compare(declaration, &wanted, scene, grantee);
        difference.look_around(declaration, &wanted, scene, grantee);
        difference
    }

    fn compare(&mut self, declaration: &Declaration, wanted: &ByTarget, scene: &Scene<'_>, grantee: u32) {
        let roles = if grantee == PUBLIC {
            BTreeSet::new()
        } else {
            scene.server.inherited_by(grantee)
        };
        for (target, wanted) in wanted {
            if scene.owner(target) == grantee {
                continue;
            }
            // What is granted for all schemas is taken back where there shall be nothing else, so it does not count then.
            let granted = if declaration.exclusive {
                own(scene, target, grantee)
            } else {
                scene.granted(target, grantee)
            };
            let lacks = wanted.without(granted);
            if lacks.is_empty() {
                continue;
            }
            let missing = lacks.without(scene.effective(target, &roles));
            if !scene.is_ours_to_grant(target) {
                insert(&mut self.beyond, target, missing);
                continue;
            }
            insert(&mut self.grants, target, lacks);
            insert(&mut self.missing, target, missing);
        }
    }

    fn look_around(&mut self, declaration: &Declaration, wanted: &ByTarget, scene: &Scene<'_>, grantee: u32) {
        for target in declaration.scope(scene, grantee) {
            if scene.owner(&target) == grantee || !scene.is_ours_to_grant(&target) {
                continue;
            }
            let wanted = wanted.get(&target).copied().unwrap_or_default();
            let unexpected = own(scene, &target, grantee).without(wanted);
            insert(&mut self.unexpected, &target, unexpected);
        }
    }

    /// What is missing, as people read it: `table public.user_entity lacks INSERT`.
    pub fn missing(&self, declaration: &Declaration, scene: &Scene<'_>) -> Listing {
        let absent = declaration
            .absent(scene)
            .map(|schema| format!("schema {schema} does not exist"));
        Listing::new(lines(&self.missing, scene, "lacks", "lack").chain(absent))
    }

    /// What is unexpected, as people read it: `table public.user_entity has DELETE`.
    pub fn unexpected(&self, scene: &Scene<'_>) -> Listing {
        Listing::new(lines(&self.unexpected, scene, "has", "have"))
    }

    /// What cannot be granted, as people read it.
    pub fn beyond(&self, scene: &Scene<'_>) -> Listing {
        Listing::new(lines(&self.beyond, scene, "lacks", "lack"))
    }
}

fn insert(into: &mut ByTarget, target: &Target, privileges: Privileges) {
    if !privileges.is_empty() {
        into.insert(target.clone(), privileges);
    }
}

/// What was granted on exactly this, without what objects in all schemas get.
fn own(scene: &Scene<'_>, target: &Target, grantee: u32) -> Privileges {
    scene
        .grants(target, grantee)
        .iter()
        .fold(Privileges::NONE, |set, grant| set.union(grant.privileges))
}

fn lines<'s>(
    set: &'s ByTarget,
    scene: &'s Scene<'_>,
    one: &'s str,
    many: &'s str,
) -> impl Iterator<Item = String> + 's {
    set.iter().map(move |(target, privileges)| {
        let verb = if matches!(target, Target::Future { .. }) {
            many
        } else {
            one
        };
        format!("{} {verb} {privileges}", scene.describe(target))
    })
}

/// Of what was declared, what is to be taken back: what is no longer declared and is held by a grant, not as owner.
pub fn no_longer(into: &mut Revokes, scene: &Scene<'_>, grantee: u32, (former, kept): (&ByTarget, &ByTarget)) {
    for (target, declared) in former {
        let kept = kept.get(target).copied().unwrap_or_default();
        revoke(into, scene, target, (grantee, declared.without(kept)));
    }
}

/// Adds what the grantee holds of the privileges, by each grantor.
pub fn revoke(into: &mut Revokes, scene: &Scene<'_>, target: &Target, (grantee, privileges): (u32, Privileges)) {
    if scene.owner(target) == grantee || !scene.is_ours_to_grant(target) {
        return;
    }
    for grant in scene.grants(target, grantee) {
        let taken = grant.privileges.intersection(privileges);
        if !taken.is_empty() {
            let entry = into.entry((target.clone(), grant.grantor)).or_default();
            *entry = entry.union(taken);
        }
    }
}

/// What everybody holds from the start stays when a declaration goes: to take it away would surprise everybody.
pub fn keep_what_postgresql_gives(former: &mut ByTarget, scene: &Scene<'_>) {
    for (target, privileges) in former.iter_mut() {
        let given = match target {
            Target::Future { .. } => Privileges::NONE,
            _ => scene.class(target).initially_public(),
        };
        *privileges = privileges.without(given);
    }
}

/// A list for people: sorted, cut, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The first ones.
    pub shown: Vec<String>,
    /// How many there are.
    pub count: i64,
}

impl Listing {
    fn new(lines: impl Iterator<Item = String>) -> Self {
        let mut shown: Vec<String> = lines.collect();
        let count = i64::try_from(shown.len()).unwrap_or(i64::MAX);
        shown.sort();
        shown.truncate(SHOWN);
        Self { shown, count }
    }
}
