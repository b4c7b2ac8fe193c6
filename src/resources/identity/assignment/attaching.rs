//! Attaching an identity, renewing it after it was made anew, and detaching it; others' identities stay as they are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::azure::Change;
use crate::azure::error::{Error, Kind};
use crate::azure::identity_target::{Assigned, Attached, Refusal, Target, Verb};
use crate::azure::managed_identity::Identity;
use crate::lock::Held;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::provider::context::Context;
use crate::resources::identity::assignment::{IdentityAssignment, no_system_assigned, supported};
use crate::retry::{Attempt, Backoff, Interrupted, until};

/// How long the IDs of a system-assigned identity may take to show.
const SHOWS: Duration = Duration::from_secs(5 * 60);

/// Why a change did not come to its end.
enum Trouble {
    Azure(Error),
    Told(Diagnostic),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Azure(error)
    }
}

impl From<Interrupted> for Trouble {
    fn from(interrupted: Interrupted) -> Self {
        Self::Azure(interrupted.into())
    }
}

impl Trouble {
    fn is_early_end(&self) -> bool {
        matches!(self, Self::Azure(error) if matches!(error.kind(), Kind::Stopped | Kind::TimedOut))
    }
}

/// What is seen while a change is made.
#[derive(Default)]
struct Seen {
    needed: AtomicBool,
    accepted: AtomicBool,
    kept: AtomicBool,
}

pub(super) async fn attach(new: IdentityAssignment, cx: &Context) -> Result<IdentityAssignment> {
    let target = supported(&new.target_id)?;
    let assigned = new.assigned()?;
    if assigned == Assigned::System && !target.system_assigned {
        return Err(no_system_assigned(target));
    }
    let known = user_assigned(&assigned, cx).await?;
    let _held = alone(&new, cx).await?;
    let seen = Seen::default();
    let attached = bring_about(&new, target, &assigned, &seen, cx).await;
    cx.clients()?.forget_target(&new.target_id);
    let resource = match attached {
        Ok(resource) => resource,
        Err(trouble) if seen.accepted.load(Ordering::Relaxed) => {
            return unfinished(new, &assigned, known.as_ref(), trouble, cx);
        }
        Err(trouble) => return Err(told(trouble, &new)),
    };
    if !seen.needed.load(Ordering::Relaxed) {
        let detail = format!(
            "The identity `{assigned}` of {} was there already; it is managed by Terraform from now on, and destroying it detaches it.",
            new.target_id
        );
        cx.warn("Found already", detail);
    } else if upgrades_by_hand(&resource) {
        let detail = "The upgrade policy of the scale set is `Manual`: its present instances get the identity when they are upgraded.";
        cx.warn("Instances are not upgraded yet", detail);
    }
    finish(new, &assigned, known, cx).await
}

/// The identity was made anew: what is attached is the former one, which no token is for any more.
pub(super) async fn renew(
    new: IdentityAssignment,
    prior: IdentityAssignment,
    cx: &Context,
) -> Result<IdentityAssignment> {
    let same = new
        .principal_id
        .get()
        .is_none_or(|id| Some(id) == prior.principal_id.get());
    if same {
        return Ok(IdentityAssignment {
            timeouts: new.timeouts,
            ..prior
        });
    }
    let target = supported(&new.target_id)?;
    let assigned = new.assigned()?;
    let known = user_assigned(&assigned, cx).await?;
    let _held = alone(&new, cx).await?;
    let seen = Seen::default();
    let former = |resource: &Value| is_former(resource, &assigned, known.as_ref());
    if let Assigned::User(id) = &assigned {
        tracing::info!(target = %new.target_id, %id, "detaching the former identity of that ID");
        let gone = |resource: &Value| {
            let body = target.detaching(resource, &assigned).filter(|_| former(resource));
            match body.is_some() && target.cannot_be_without(resource) {
                true => Err(Trouble::Told(not_renewed(&new, target))),
                false => Ok(body),
            }
        };
        let detached = change(&new, target, &Seen::default(), gone, cx).await;
        detached.map_err(|trouble| told(trouble, &new))?;
    }
    let attached = bring_about(&new, target, &assigned, &seen, cx).await;
    cx.clients()?.forget_target(&new.target_id);
    attached.map_err(|trouble| told(trouble, &new))?;
    finish(new, &assigned, known, cx).await
}

pub(super) async fn detach(old: &IdentityAssignment, cx: &Context) -> Result<()> {
    let Some(assigned) = old.identity.get() else {
        return Ok(());
    };
    let target = supported(&old.target_id)?;
    let _held = alone(old, cx).await?;
    tracing::info!(target = %old.target_id, identity = %assigned, "detaching the identity");
    let seen = Seen::default();
    let without = |resource: &Value| {
        let body = target.detaching(resource, assigned);
        let kept = body.is_some() && target.cannot_be_without(resource);
        seen.kept.store(kept, Ordering::Relaxed);
        Ok(body.filter(|_| !kept))
    };
    let outcome = change(old, target, &seen, without, cx).await;
    cx.clients()?.forget_target(&old.target_id);
    match outcome {
        Err(Trouble::Azure(error)) if error.is_gone() => {}
        other => drop(other.map_err(|trouble| told(trouble, old))?),
    }
    if seen.kept.load(Ordering::Relaxed) {
        let detail = format!(
            "The cluster {} cannot be without an identity, so it keeps `{assigned}`; Terraform manages that no longer. It goes with the cluster.",
            old.target_id
        );
        cx.warn("Identity left in place", detail);
    }
    Ok(())
}

/// A resource takes one change at a time, also of its administrators; other processes are waited out by the change itself.
async fn alone(of: &IdentityAssignment, cx: &Context) -> Result<Held> {
    cx.turn(format!("server {}", of.target_id).to_ascii_lowercase()).await
}

/// The user-assigned identity, which must exist before anything begins.
async fn user_assigned(assigned: &Assigned, cx: &Context) -> Result<Option<Identity>> {
    let Assigned::User(id) = assigned else { return Ok(None) };
    let found = cx.clients()?.identity(id, cx.patience()).await?;
    match found.as_ref() {
        Some(found) => Ok(Some(found.clone())),
        None => {
            let detail = format!("Azure knows no identity {id}.");
            Err(Diagnostic::error("Identity not found", detail).at("identity_id"))
        }
    }
}

async fn bring_about(
    new: &IdentityAssignment,
    target: &'static Target,
    assigned: &Assigned,
    seen: &Seen,
    cx: &Context,
) -> Result<Value, Trouble> {
    tracing::info!(target = %new.target_id, identity = %assigned, "attaching the identity");
    let with = |resource: &Value| {
        target.attaching(resource, assigned).map_err(|Refusal(reason)| {
            Trouble::Told(Diagnostic::error("Identity cannot be attached", reason).at("target_id"))
        })
    };
    change(new, target, seen, with, cx).await
}

async fn change(
    of: &IdentityAssignment,
    target: &'static Target,
    seen: &Seen,
    decide: impl Fn(&Value) -> Result<Option<Value>, Trouble> + Sync,
    cx: &Context,
) -> Result<Value, Trouble> {
    let change = Change {
        id: &of.target_id,
        api_version: target.api_version,
        whole: target.verb == Verb::Put,
        versioned: target.versioned,
    };
    let azure = cx.clients().map_err(Trouble::Told)?.azure();
    let noting = |resource: &Value| {
        let body = decide(resource)?;
        seen.needed.fetch_or(body.is_some(), Ordering::Relaxed);
        Ok(body)
    };
    let accepted = || seen.accepted.store(true, Ordering::Relaxed);
    azure.modify(change, cx.patience(), noting, accepted).await
}

/// Whether a resource has the identity that had this ID before.
fn is_former(resource: &Value, assigned: &Assigned, known: Option<&Identity>) -> bool {
    let (Assigned::User(id), Some(known)) = (assigned, known) else {
        return false;
    };
    let found = Attached::of(resource);
    let attached = found.user(id).and_then(|user| user.principal_id.as_deref());
    attached.is_some_and(|attached| !attached.eq_ignore_ascii_case(&known.properties.principal_id))
}

/// With the IDs; those of a system-assigned identity show some moments after it was switched on.
async fn finish(
    new: IdentityAssignment,
    assigned: &Assigned,
    known: Option<Identity>,
    cx: &Context,
) -> Result<IdentityAssignment> {
    if known.is_some() {
        return Ok(new.with(assigned, known.as_ref()));
    }
    cx.checkpoint(&new.clone().with(assigned, None));
    let patience = cx.patience().at_most(SHOWS).with_backoff(Backoff::PROPAGATION);
    let what = format!("the IDs of the system-assigned identity of {}", new.target_id);
    let azure = cx.clients()?.azure();
    let shown = until(&patience, what, || async {
        match azure.identity(&new.target_id, cx.patience()).await? {
            Some(found) => Ok(Attempt::Done(found)),
            None => Ok(Attempt::again("it is switched on, and is not found yet")),
        }
    });
    match shown.await {
        Ok(found) => Ok(new.with(assigned, Some(&found))),
        Err(error) => unfinished(new, assigned, None, Trouble::Azure(error), cx),
    }
}

/// Azure has taken the write, and something ended the wait for its end: what is attached is kept, and no creation that must be begun anew.
fn unfinished(
    new: IdentityAssignment,
    assigned: &Assigned,
    known: Option<&Identity>,
    trouble: Trouble,
    cx: &Context,
) -> Result<IdentityAssignment> {
    let stopped = cx.patience().stop.is_stopped();
    let ended = trouble.is_early_end();
    let told = told(trouble, &new);
    let state = new.with(assigned, known);
    // After a stop nobody goes on with the IDs; after a timeout others would, so they must be there.
    if ended && (stopped || known.is_some()) {
        cx.warn_not_waited_for("the assignment", &told);
        return Ok(state);
    }
    cx.checkpoint(&state);
    Err(told)
}

/// What cannot be without the former identity cannot be given the new one by taking that away.
fn not_renewed(of: &IdentityAssignment, target: &Target) -> Diagnostic {
    let detail = format!(
        "The {} {} still has the former identity of that ID, which was re-created since, and it cannot be without one for a moment. Give it another identity \
         where the {} itself is managed, then the one of this resource, and apply again.",
        target.called, of.target_id, target.called
    );
    Diagnostic::error("Identity cannot be renewed", detail).at("identity_id")
}

fn upgrades_by_hand(resource: &Value) -> bool {
    let mode = resource["properties"]["upgradePolicy"]["mode"].as_str();
    mode.is_some_and(|mode| mode.eq_ignore_ascii_case("Manual"))
}

/// In the words of who reads it.
fn told(trouble: Trouble, of: &IdentityAssignment) -> Diagnostic {
    let error = match trouble {
        Trouble::Told(diagnostic) => return diagnostic,
        Trouble::Azure(error) => error,
    };
    if error.is_gone() {
        let detail = format!(
            "Azure knows no resource {}.\n\nIts own words: {}",
            of.target_id,
            error.message()
        );
        return Diagnostic::error("Target not found", detail).at("target_id");
    }
    if error.kind() == Kind::PrincipalNotFound {
        let identity = of.identity_id.as_ref().map_or_else(String::new, |id| format!(" {id}"));
        let detail = format!(
            "Resource Manager confirms the identity{identity}, but {} does not know it, after five minutes of waiting. Apply again.\n\nAzure's own words: {error}",
            of.target_id
        );
        return Diagnostic::error("Principal not known to the resource", detail).at("identity_id");
    }
    if error.code() == Some("LinkedAuthorizationFailed") && !error.wants_another_tenant() {
        let detail = format!(
            "The signed-in principal may change the resource, but not assign the identity. Give it the role `Managed Identity Operator` on the \
             identity; a role that was just assigned takes a few minutes to show.\n\nAzure's own words: {error}"
        );
        return Diagnostic::error("Not permitted to assign the identity", detail).at("identity_id");
    }
    error.into()
}
