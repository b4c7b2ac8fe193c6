//! One creation, change or end of a membership: a transaction of two messages, which may run any number of times.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::import;
use crate::provider::postgresql::{Failure, POSTGRES, Postgresql};
use crate::resources::postgresql::found_role::number;
use crate::resources::postgresql::role_membership::PostgresqlRoleMembership;
use crate::resources::postgresql::role_membership::grants::Pair;
use crate::resources::postgresql::role_membership::sight::{self, Key, Sight, Wanted};
use crate::sql::error::Kind;
use crate::sql::pool::Pooled;
use crate::sql::postgres::server_catalog::{OPTIONS, ServerCatalog};
use crate::sql::row::Row;
use crate::sql::session::{Session, Transaction};
use crate::sql::statement::{Name, Statement};

/// One creation, change or end, as every attempt at it sees it.
pub(super) struct Work<'a> {
    /// As planned; to end it, as it is.
    pub(super) model: &'a PostgresqlRoleMembership,
    /// Where.
    pub(super) server: &'a Postgresql<'a>,
}

/// What came of it.
pub(super) struct Done {
    pub(super) state: PostgresqlRoleMembership,
    /// Whether it was there already, exactly so.
    pub(super) found: bool,
    /// Grants of the former pair that others made and we may not take back.
    pub(super) left: Vec<String>,
}

impl Work<'_> {
    /// Makes the member one.
    pub(super) async fn make(&self) -> Result<Done> {
        tracing::info!(role = %self.model.role, member = %self.model.member, "granting the membership");
        let make = |session| self.attempt_to_make(session);
        let made = self.server.write(POSTGRES, "granting the membership", make).await;
        self.explained(made).await
    }

    /// Changes options, role or member in place: the new one first, then the former one.
    pub(super) async fn change(&self, prior: &PostgresqlRoleMembership) -> Result<Done> {
        tracing::info!(role = %self.model.role, member = %self.model.member, "changing the membership");
        let change = |session| self.attempt_to_change(session, prior);
        let changed = self.server.write(POSTGRES, "changing the membership", change).await;
        self.explained(changed).await
    }

    /// Ends the membership of these roles; gives the grants of others that are left.
    pub(super) async fn end(&self, role: u32, member: u32) -> Result<Vec<String>> {
        tracing::info!(role = %self.model.role, member = %self.model.member, "ending the membership");
        let end = |session| self.attempt_to_end(session, role, member);
        let ended = self.server.write(POSTGRES, "ending the membership", end).await;
        self.explained(ended).await
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            role: Key::Name(&self.model.role),
            member: Key::Name(&self.model.member),
        }
    }

    async fn attempt_to_make(&self, mut session: Pooled) -> Result<Done, Failure> {
        let version = session.version();
        self.check_version(version)?;
        let wanted = [self.wanted()];
        let (transaction, sights) = begin(&mut session, &wanted).await?;
        let pair = self.found(sights.into_iter().next())?;
        let statements = match pair.options() {
            Some(options) if options == self.model.options() => {
                transaction.rollback().await?;
                return Ok(self.done(&pair, true, Vec::new()));
            }
            Some(_) => return Err(self.differs(&pair).into()),
            None => pair.change(version, self.model.options())?,
        };
        let sights = commit(transaction, &statements, &wanted).await?;
        Ok(self.done(&self.verified(sights)?, false, Vec::new()))
    }

    async fn attempt_to_change(&self, mut session: Pooled, prior: &PostgresqlRoleMembership) -> Result<Done, Failure> {
        let version = session.version();
        self.check_version(version)?;
        let key = |oid: &Option<u32>, name| oid.map_or(Key::Name(name), Key::Number);
        let numbers = (number(prior.role_oid.get()), number(prior.member_oid.get()));
        let former = Wanted {
            role: key(&numbers.0, &prior.role),
            member: key(&numbers.1, &prior.member),
        };
        let wanted = [self.wanted()];
        let (transaction, sights) = begin(&mut session, &[wanted[0], former]).await?;
        let mut sights = sights.into_iter();
        let pair = self.found(sights.next())?;
        let mut statements = pair.change(version, self.model.options())?;
        let mut left = Vec::new();
        // A former role that is gone took its memberships along; one that was renamed is the same pair.
        let former = sights.next().and_then(Sight::both);
        let former = former.filter(|former| (former.role, former.member) != (pair.role, pair.member));
        if let Some(former) = &former {
            let (end, others) = former.end(version);
            left = told(former, &others);
            statements.extend(end);
        }
        // Of the new pair nothing is taken back that the former one passed on.
        let taken_from = former
            .as_ref()
            .filter(|former| !former.passed_on.is_empty())
            .unwrap_or(&pair);
        let sights = commit(transaction, &statements, &wanted)
            .await
            .map_err(|error| passed_on(error, taken_from))?;
        Ok(self.done(&self.verified(sights)?, false, left))
    }

    async fn attempt_to_end(&self, mut session: Pooled, role: u32, member: u32) -> Result<Vec<String>, Failure> {
        let version = session.version();
        let wanted = [Wanted {
            role: Key::Number(role),
            member: Key::Number(member),
        }];
        let (transaction, sights) = begin(&mut session, &wanted).await?;
        let Some(pair) = sights.into_iter().next().and_then(Sight::both) else {
            return Ok(Vec::new());
        };
        let (statements, others) = pair.end(version);
        if !statements.is_empty() {
            let sights = commit(transaction, &statements, &wanted)
                .await
                .map_err(|error| passed_on(error, &pair))?;
            let after = sights.into_iter().next().and_then(Sight::both);
            if after.is_some_and(|after| after.grants.iter().any(|grant| grant.ours && after.options().is_some())) {
                return Err(self.unheard().into());
            }
        }
        Ok(told(&pair, &others))
    }

    /// Both roles must be there.
    fn found(&self, sight: Option<Sight>) -> Result<Pair> {
        let missing = |name: &Name, attribute| {
            let detail = format!(
                "There is no role {name} on the server. Create it first, for example with `entradb_postgresql_role` or `entradb_postgresql_user`, and \
                 refer to that resource's `name` here."
            );
            Err(Diagnostic::error("Role not found", detail).at(attribute))
        };
        match sight {
            Some(Sight::Both(pair)) => Ok(pair),
            Some(Sight::NoMember) => missing(&self.model.member, "member"),
            Some(Sight::NoRole) | None => missing(&self.model.role, "role"),
        }
    }

    /// The pair after the statements, which must give what was asked for.
    fn verified(&self, sights: Vec<Sight>) -> Result<Pair> {
        let pair = self.found(sights.into_iter().next())?;
        if pair.options() == Some(self.model.options()) {
            Ok(pair)
        } else {
            Err(self.unheard())
        }
    }

    fn unheard(&self) -> Diagnostic {
        let detail = format!(
            "The server took the statements, and yet the membership of {} in {} is not as it was asked for. Most likely another role granted it \
             too. Plan again to see what there is.",
            self.model.member, self.model.role
        );
        Diagnostic::error("Membership not changed", detail)
    }

    fn done(&self, pair: &Pair, found: bool, left: Vec<String>) -> Done {
        let (role, member) = ((pair.role, &pair.role_name), (pair.member, &pair.member_name));
        let options = pair.options().unwrap_or(self.model.options());
        Done {
            state: self.model.as_found(role, member, options, self.server),
            found,
            left,
        }
    }

    fn check_version(&self, version: u32) -> Result<()> {
        let switched_off = [
            ("inherit_option", self.model.inherit_option),
            ("set_option", self.model.set_option),
        ];
        let Some((name, _)) = switched_off.iter().find(|(_, on)| version < OPTIONS && !on) else {
            return Ok(());
        };
        let detail = format!(
            "The server has version {version}, and `{name} = false` needs {OPTIONS}: before that, every member may `SET ROLE`, and whether it \
             inherits is said by the member itself (`inherit` of `entradb_postgresql_role`). Leave `{name}` out."
        );
        Err(Diagnostic::error("Not supported by the server's version", detail).at(name))
    }

    fn differs(&self, pair: &Pair) -> Diagnostic {
        let model = self.model;
        let id = import::id([
            model.server.to_string().as_str(),
            model.role.as_str(),
            model.member.as_str(),
        ]);
        let found = pair.options().map(|options| options.describe()).unwrap_or_default();
        let grantors: Vec<&str> = pair.grants.iter().map(|grant| grant.grantor_name.as_str()).collect();
        let detail = format!(
            "{} is a member of {} already, with {found}, granted by {}. To manage it all the same, import it, and the plan will show what \
             changes:\n\n  terraform import <address> '{id}'",
            model.member,
            model.role,
            grantors.join(", ")
        );
        Diagnostic::error("Already exists in the database", detail).at("member")
    }

    /// Says of a refusal what the server's words leave out.
    async fn explained<T>(&self, outcome: Result<T, Failure>) -> Result<T> {
        let failure = match outcome {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        let (role, member) = (&self.model.role, &self.model.member);
        match failure.kind() {
            Some(Kind::CircularMembership) => {
                let catalog = self.server.catalog().await.ok();
                let path = catalog
                    .and_then(|catalog| path(&catalog, role, member))
                    .unwrap_or_default();
                let detail = format!(
                    "{member} cannot become a member of {role}, because {role} is a member of {member} already{path}, and PostgreSQL allows no circles. Take \
                     that membership away first; or give both roles what they share through a third role that both are members of."
                );
                Err(Diagnostic::error("Circular membership", detail).at("member"))
            }
            Some(Kind::PermissionDenied) => {
                let mut told = Diagnostic::from(failure);
                told.detail.push_str(&format!(
                    "\n\nFrom version 16 on, members of {role} are made by roles that have the ADMIN option on it. Whoever made {role} can give it: \
                     `GRANT … TO … WITH ADMIN OPTION`."
                ));
                Err(told.at("role"))
            }
            _ => Err(failure.into()),
        }
    }
}

/// Begins with the locks and a look.
async fn begin<'a>(session: &'a mut Session, pairs: &[Wanted<'_>]) -> Result<(Transaction<'a>, Vec<Sight>), Failure> {
    let question = [sight::question(pairs)];
    let (transaction, answers) = session.begin_and_ask(&[sight::locks(pairs)], &question).await?;
    Ok((transaction, seen(&answers)?))
}

/// Writes, looks again and makes it lasting.
async fn commit(
    transaction: Transaction<'_>,
    statements: &[Statement],
    pairs: &[Wanted<'_>],
) -> Result<Vec<Sight>, Failure> {
    let answers = transaction
        .commit_and_ask(statements, &[sight::question(pairs)])
        .await?;
    seen(&answers)
}

fn seen(answers: &[Vec<Row>]) -> Result<Vec<Sight>, Failure> {
    Ok(sight::read(answers.first().map_or(&[], Vec::as_slice))?)
}

fn told(pair: &Pair, others: &[&Name]) -> Vec<String> {
    let told = |other: &&Name| format!("{} in {}, granted by {other}", pair.member_name, pair.role_name);
    others.iter().map(told).collect()
}

/// Who granted a role on, by the ADMIN option of this membership, is in the way of taking it back.
fn passed_on(failure: Failure, pair: &Pair) -> Failure {
    if failure.kind() != Some(Kind::DependentObjects) || pair.passed_on.is_empty() {
        return failure;
    }
    let detail = format!(
        "With the ADMIN option of its membership, {} made others members of {}: {}. From version 16 on these would go with it. Take them away first, \
         or let another role grant them.",
        pair.member_name,
        pair.role_name,
        pair.passed_on.join(", ")
    );
    Diagnostic::error("Membership was passed on", detail)
        .at("member")
        .into()
}

/// Through whom one role is a member of another, when it is not at first hand.
fn path(catalog: &ServerCatalog, from: &Name, to: &Name) -> Option<String> {
    let (from, to) = (catalog.role(from.as_str())?.oid, catalog.role(to.as_str())?.oid);
    let mut reached_from = BTreeMap::from([(from, from)]);
    let mut open = VecDeque::from([from]);
    while let Some(member) = open.pop_front() {
        for one in catalog.memberships.iter().filter(|one| one.member == member) {
            if let Entry::Vacant(place) = reached_from.entry(one.role) {
                place.insert(member);
                open.push_back(one.role);
            }
        }
    }
    let mut names = Vec::new();
    let mut at = *reached_from.get(&to)?;
    while at != from {
        names.push(catalog.role_name(at)?.as_str());
        at = *reached_from.get(&at)?;
    }
    names.reverse();
    (!names.is_empty()).then(|| format!(" (through {})", names.join(", then ")))
}
