//! What an apply has to do: grants for who is the grantee now, revokes of what is no longer declared, in that order. Pure.

use std::collections::BTreeSet;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::resources::postgresql::access::PostgresqlAccess;
use crate::resources::postgresql::access::declaration::{ByTarget, Declaration};
use crate::resources::postgresql::access::difference::{self, Difference, Listing, Revokes, Taking};
use crate::resources::postgresql::access::locking::Relations;
use crate::resources::postgresql::access::scene::{Scene, Target};
use crate::resources::postgresql::access::statement;
use crate::resources::postgresql::access::word::Grantee;
use crate::sql::postgres::acl::PUBLIC;
use crate::sql::privilege::{Privilege, Privileges};
use crate::sql::statement::Statement;

/// What is declared now, and what was before.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// `None` to destroy.
    pub now: Option<&'a PostgresqlAccess>,
    /// `None` to create.
    pub before: Option<&'a PostgresqlAccess>,
    /// The number of the role that was the grantee before, where it is known.
    pub former: Option<u32>,
}

/// What there is to do.
#[derive(Debug, Default)]
pub struct Work {
    /// The number of who is the grantee now.
    pub grantee: Option<u32>,
    /// In this order, in one transaction, with the memberships that they need.
    pub statements: Vec<Statement>,
    /// As which owners they act.
    pub acted_for: BTreeSet<u32>,
    /// In the name of which other grantors.
    pub spoken_for: BTreeSet<u32>,
    /// What they change, as people call it.
    pub changes: BTreeSet<String>,
    /// What the grantee passed on to others of what is taken back, as people read it.
    pub passed_on: BTreeSet<String>,
    /// What is granted and not declared.
    pub unexpected: Listing,
    /// What cannot be granted.
    pub beyond: Listing,
    /// What cannot be taken back.
    pub left: Listing,
    /// What differs from the declaration and stays so, and why.
    pub out_of_reach: Listing,
}

impl Work {
    /// Compares what is declared with what there is. `room` is for how many locks the server has.
    ///
    /// # Errors
    /// When a role or a schema that is declared does not exist, or the server lacks a privilege.
    pub fn new(job: Job<'_>, scene: &Scene<'_>, room: u64) -> Result<Self> {
        let mut work = Self::default();
        let mut now = None;
        if let Some(model) = job.now {
            let (number, declaration) = resolve(model, scene)?;
            let difference = Difference::new(&declaration, scene, number);
            work.unexpected = difference.unexpected(scene);
            work.beyond = difference.beyond(scene);
            work.out_of_reach = difference.out_of_reach(scene);
            now = Some((number, declaration, difference));
        }
        let (mut grants, mut taking, mut kept) = (ByTarget::new(), Taking::default(), ByTarget::new());
        if let Some((number, declaration, difference)) = now.as_ref() {
            grants.clone_from(&difference.grants);
            kept = declaration.wanted(scene, *number);
            taking.left.clone_from(&difference.left);
            for (target, privileges) in difference.unexpected.iter().filter(|_| declaration.exclusive) {
                taking.revoke(scene, target, (*number, *privileges));
            }
        }
        let current = now.as_ref().map(|(number, ..)| *number);
        work.grantee = current;
        let mut others = Taking::default();
        if let Some(before) = job.before
            && let Some(number) = former_number(before, job.former, current, scene)
        {
            let former = former(before, number, current, scene);
            let same = current == Some(number);
            let kept = if same { kept } else { ByTarget::new() };
            let into = if same { &mut taking } else { &mut others };
            into.no_longer(scene, number, (&former, &kept));
        }
        work.left = Listing::new(difference::left(&taking.left, scene).chain(difference::left(&others.left, scene)));
        if let Some(model) = job.now {
            work.add(scene, &model.grantee, (&grants, &taking.revokes));
        }
        if let Some(model) = job.before {
            work.add(scene, &model.grantee, (&ByTarget::new(), &others.revokes));
        }
        let mut relations = Relations::default();
        relations.add(scene, (&grants, &taking.revokes));
        relations.add(scene, (&ByTarget::new(), &others.revokes));
        let mut statements = relations.lock(room);
        statements.append(&mut work.statements);
        work.statements = scene.acting.wrap(&work.acted_for, &work.spoken_for, statements)?;
        Ok(work)
    }

    fn add(&mut self, scene: &Scene<'_>, grantee: &Grantee, (grants, revokes): (&ByTarget, &Revokes)) {
        self.statements.extend(statement::grants(grants, scene, grantee));
        self.statements.extend(statement::revokes(revokes, scene, grantee));
        self.acted_for.extend(statement::acted_for(grants, revokes, scene));
        self.spoken_for.extend(statement::spoken_for(revokes, scene));
        let granted = grants
            .iter()
            .map(|(target, privileges)| format!("{}: {privileges} to {grantee}", scene.describe(target)));
        let revoked = revokes
            .iter()
            .map(|((target, _), privileges)| format!("{}: {privileges} from {grantee}", scene.describe(target)));
        self.changes.extend(granted.chain(revoked));
        self.passed_on.extend(difference::passed_on(revokes, scene, grantee));
    }
}

/// Who the former grantee is. A renamed role is who it was, and another role that has its name now is not.
fn former_number(
    before: &PostgresqlAccess,
    known: Option<u32>,
    current: Option<u32>,
    scene: &Scene<'_>,
) -> Option<u32> {
    if known.is_some() && known == current {
        return current;
    }
    let of_that_name = scene.number(&before.grantee)?;
    known.is_none_or(|known| known == of_that_name).then_some(of_that_name)
}

/// What was declared before, less what must stay with its grantee whatever comes.
fn former(before: &PostgresqlAccess, number: u32, current: Option<u32>, scene: &Scene<'_>) -> ByTarget {
    let mut former = before.declaration(scene.server.version).wanted(scene, number);
    if number == PUBLIC && current != Some(PUBLIC) {
        difference::keep_what_postgresql_gives(&mut former, scene);
    }
    if number == scene.server.current_role && current != Some(number) {
        // Whatever else is to be destroyed in the database needs the way in.
        let connect = Privileges::of(&[Privilege::Connect]);
        former
            .entry(Target::Database)
            .and_modify(|former| *former = former.without(connect));
    }
    former
}

/// The grantee's number and what is declared for it; whatever is named must exist.
fn resolve(model: &PostgresqlAccess, scene: &Scene<'_>) -> Result<(u32, Declaration)> {
    let number = scene.number(&model.grantee).ok_or_else(|| {
        let detail = format!(
            "There is no role {} on the server. Create it first, for example with `entradb_postgresql_user`, and refer to that resource's `name` here.",
            model.grantee
        );
        Diagnostic::error("Role not found", detail).at("grantee")
    })?;
    model.check_version(scene.server.version)?;
    let declaration = model.declaration(scene.server.version);
    let absent: Vec<&str> = declaration.absent(scene).map(|schema| schema.as_str()).collect();
    if !absent.is_empty() {
        let detail = format!(
            "The database {} has no schema {}. Create it first; if another resource creates it, name that one in `depends_on`.",
            model.database,
            absent.join(", ")
        );
        return Err(Diagnostic::error("Schema not found", detail).at("schema"));
    }
    let unknown: Vec<&str> = declaration
        .unknown_creators(scene)
        .into_iter()
        .map(|name| name.as_str())
        .collect();
    if !unknown.is_empty() {
        let detail = format!(
            "`future_objects_of` names {}, which is no role of the server.",
            unknown.join(", ")
        );
        return Err(Diagnostic::error("Role not found", detail).at("schema"));
    }
    Ok((number, declaration))
}
