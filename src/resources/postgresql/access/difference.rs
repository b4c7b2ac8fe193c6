//! What differs between a declaration and what is held: what to grant, what to revoke, and what people read about it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::resources::postgresql::access::declaration::{ByTarget, Declaration};
use crate::resources::postgresql::access::scene::{Scene, Target};
use crate::resources::postgresql::access::word::Grantee;
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
    /// The same, where there shall be nothing else and we cannot take it back.
    pub left: Revokes,
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
                add(&mut self.beyond, target.clone(), missing);
                continue;
            }
            add(&mut self.grants, target.clone(), lacks);
            add(&mut self.missing, target.clone(), missing);
        }
    }

    fn look_around(&mut self, declaration: &Declaration, wanted: &ByTarget, scene: &Scene<'_>, grantee: u32) {
        for target in declaration.scope(scene, grantee) {
            if scene.owner(&target) == grantee || !(scene.is_ours_to_grant(&target) || declaration.exclusive) {
                continue;
            }
            let wanted = wanted.get(&target).copied().unwrap_or_default();
            for grant in scene.grants(&target, grantee) {
                let more = grant.privileges.without(wanted);
                if declaration.exclusive && !scene.is_ours_to_take(&target, grant.grantor) {
                    add(&mut self.left, (target.clone(), grant.grantor), more);
                } else {
                    add(&mut self.unexpected, target.clone(), more);
                }
            }
        }
    }

    /// What is missing, as people read it: `table public.user_entity lacks INSERT`.
    pub fn missing(&self, declaration: &Declaration, scene: &Scene<'_>) -> Listing {
        let absent = declaration
            .absent(scene)
            .map(|schema| format!("schema {schema} does not exist"));
        Listing::new(lines(&self.missing, scene, LACKS).chain(absent))
    }

    /// What is unexpected, as people read it: `table public.user_entity has DELETE`.
    pub fn unexpected(&self, scene: &Scene<'_>) -> Listing {
        Listing::new(lines(&self.unexpected, scene, HAS))
    }

    /// What differs and stays so, and why, as people read it.
    pub fn out_of_reach(&self, scene: &Scene<'_>) -> Listing {
        let lacking = self.beyond.iter().map(|(target, privileges)| {
            let (described, owner) = (scene.describe(target), scene.called(scene.owner(target)));
            format!(
                "{described} {} {privileges}: it belongs to {owner}",
                verb(target, LACKS)
            )
        });
        Listing::new(lacking.chain(left(&self.left, scene)))
    }

    /// What cannot be granted, as people read it.
    pub fn beyond(&self, scene: &Scene<'_>) -> Listing {
        Listing::new(lines(&self.beyond, scene, LACKS))
    }
}

/// What was granted on exactly this, without what objects in all schemas get.
fn own(scene: &Scene<'_>, target: &Target, grantee: u32) -> Privileges {
    scene
        .grants(target, grantee)
        .iter()
        .fold(Privileges::NONE, |set, grant| set.union(grant.privileges))
}

/// Of one, and of several.
type Verb = [&'static str; 2];

const HAS: Verb = ["has", "have"];
const LACKS: Verb = ["lacks", "lack"];

fn verb(target: &Target, verb: Verb) -> &'static str {
    verb[usize::from(matches!(target, Target::Future { .. }))]
}

fn lines<'s>(set: &'s ByTarget, scene: &'s Scene<'_>, does: Verb) -> impl Iterator<Item = String> + 's {
    set.iter()
        .map(move |(target, privileges)| format!("{} {} {privileges}", scene.describe(target), verb(target, does)))
}

/// What was granted by others than we can act for: `table public.a has DELETE: granted by etl`.
pub fn left<'s>(set: &'s Revokes, scene: &'s Scene<'_>) -> impl Iterator<Item = String> + 's {
    set.iter().map(move |((target, grantor), privileges)| {
        let (described, grantor) = (scene.describe(target), scene.called(*grantor));
        format!("{described} {} {privileges}: granted by {grantor}", verb(target, HAS))
    })
}

/// What the grantee passed on of it to others: `SELECT on table public.a to reporting`.
pub fn passed_on(revokes: &Revokes, scene: &Scene<'_>, grantee: &Grantee) -> Vec<String> {
    let Some(number) = scene.number(grantee) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for ((target, _), privileges) in revokes {
        let others = scene
            .granted_by(target, number)
            .into_iter()
            .filter(|grant| grant.grantee != number);
        for grant in others {
            let passed = grant.privileges.intersection(*privileges);
            if !passed.is_empty() {
                let other = match grant.grantee {
                    PUBLIC => "PUBLIC".to_owned(),
                    other => scene.called(other),
                };
                lines.push(format!("{passed} on {} to {other}", scene.describe(target)));
            }
        }
    }
    lines
}

/// Adds privileges to what is there already.
fn add<K: Ord>(into: &mut BTreeMap<K, Privileges>, key: K, privileges: Privileges) {
    if !privileges.is_empty() {
        let entry = into.entry(key).or_default();
        *entry = entry.union(privileges);
    }
}

/// What is to be taken back.
#[derive(Debug, Default)]
pub struct Taking {
    /// What we can.
    pub revokes: Revokes,
    /// What others granted for whom we cannot act.
    pub left: Revokes,
}

impl Taking {
    /// Of what was declared, what is no longer declared and is held by a grant, not as owner.
    pub fn no_longer(&mut self, scene: &Scene<'_>, grantee: u32, (former, kept): (&ByTarget, &ByTarget)) {
        for (target, declared) in former {
            let kept = kept.get(target).copied().unwrap_or_default();
            self.revoke(scene, target, (grantee, declared.without(kept)));
        }
    }

    /// Adds what the grantee holds of the privileges, by each grantor.
    pub fn revoke(&mut self, scene: &Scene<'_>, target: &Target, (grantee, privileges): (u32, Privileges)) {
        if scene.owner(target) == grantee {
            return;
        }
        for grant in scene.grants(target, grantee) {
            let ours = scene.is_ours_to_take(target, grant.grantor);
            let into = if ours { &mut self.revokes } else { &mut self.left };
            add(
                into,
                (target.clone(), grant.grantor),
                grant.privileges.intersection(privileges),
            );
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
    /// Of these lines.
    pub fn new(lines: impl Iterator<Item = String>) -> Self {
        let mut shown: Vec<String> = lines.collect();
        let count = i64::try_from(shown.len()).unwrap_or(i64::MAX);
        shown.sort();
        shown.truncate(SHOWN);
        Self { shown, count }
    }
}
