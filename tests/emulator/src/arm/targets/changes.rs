//! How a change of a target begins and ends: what is refused while another is under way, which status and addresses
//! are answered, and when the change is seen. It does not know what a request may ask for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arm::body::{self, Fields};
use crate::arm::linked;
use crate::arm::operations::{self, Begun, End};
use crate::arm::targets::assignment::{self, Change, Manner};
use crate::arm::targets::kinds::Style;
use crate::arm::targets::{Target, with_tag};
use crate::arm::{Call, Outcome};
use crate::journal::hold;
use crate::world::World;

pub(crate) async fn patch(call: &Call<'_>, target: Target) -> Outcome {
    if let Some(image) = target.image() {
        linked::authorize(
            call,
            "Microsoft.Compute/galleries/images/versions/read",
            &target.id,
            image,
        )?;
    }
    check_tag(call, &target)?;
    let value = body::parse(call.ask)?;
    let fields = Fields::of(&value, "", target.kind.patch)?;
    if let Some(location) = fields.optional_text("location")?
        && !location.eq_ignore_ascii_case(&target.location)
    {
        let message = "The location of a resource cannot be changed.";
        return Err(Answer::arm_error(400, "LocationCannotBeUpdated", message));
    }
    let mut after = target.clone();
    if let Some(tags) = fields.tags()? {
        after.tags = tags;
    }
    let change = match fields.has("identity") {
        true => Some(assignment::read(call, &target, &fields, Manner::Merge)?),
        false => None,
    };
    begin(call, after, change).await
}

/// 412 unless the entity tag that the client knows is the present one.
pub(crate) fn check_tag(call: &Call<'_>, target: &Target) -> Result<(), Answer> {
    let wanted = call.ask.header("if-match");
    if !target.has_tag() || wanted.is_empty() || wanted == "*" || wanted == target.tag() {
        return Ok(());
    }
    let message = format!(
        "The condition '{wanted}' in the If-Match header is not satisfied: the entity tag of '{}' is '{}'.",
        target.id,
        target.tag()
    );
    Err(Answer::arm_error(412, "PreconditionFailed", message))
}

/// 409 in the form of the kind.
pub(crate) fn busy(target: &Target) -> Answer {
    let name = target.name();
    match target.kind.style {
        Style::Compute => Answer::arm_error(
            409,
            "Conflict",
            "The request failed due to conflict with a concurrent request. To resolve it, please refer to \
             https://aka.ms/activitylog to get more details on the conflicting requests.",
        ),
        Style::Web => {
            let message = format!(
                "Cannot modify this site because another operation is in progress. Details: OperationName: Update, SiteName: \
                 {name}, EntityType: 3"
            );
            // App Service's own form, without `error` around it.
            let body = json!({"Code": "Conflict", "Message": message, "Target": null,
                "Details": [{"Message": message}, {"Code": "Conflict"}], "Innererror": null});
            Answer::json(409, body)
        }
        Style::App => {
            let what = if target.kind.name == "Microsoft.App/jobs" {
                "job"
            } else {
                "container app"
            };
            Answer::arm_error(
                409,
                "ContainerAppOperationInProgress",
                format!("Cannot modify a {what} '{name}' because there is an existing operation in progress."),
            )
        }
        Style::Cluster => Answer::arm_error(
            409,
            "OperationNotAllowed",
            format!(
                "Operation is not allowed: Another operation (Updating) is in progress on '{name}', please wait for it to \
                 finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details"
            ),
        ),
    }
}

/// Marks a target as changing for as long as this lives.
struct Hold {
    world: Arc<World>,
    key: String,
}

impl Hold {
    fn take(call: &Call<'_>, target: &Target) -> Result<Hold, Answer> {
        let mut state = hold(&call.world.state);
        match state.targets.get_mut(&target.key()) {
            Some(current) if !current.updating => current.updating = true,
            _ => return Err(busy(target)),
        }
        Ok(Hold {
            world: call.world.clone(),
            key: target.key(),
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(target) = hold(&self.world.state).targets.get_mut(&self.key) {
            target.updating = false;
        }
    }
}

/// Lets the change take effect.
async fn apply(held: &Hold, mut after: Target, change: Option<Change>) -> Result<(), operations::Failed> {
    let world = &held.world;
    let failed = |error: crate::Error| ("InternalServerError".to_owned(), error.to_string());
    if let Some(change) = change {
        after.identities = change.identities;
        if let Some(made) = change.made {
            world.add_principal(made).await.map_err(failed)?;
        }
        if let Some(ended) = change.ended {
            world.remove_principal(&ended).await.map_err(failed)?;
        }
    }
    after.updating = true;
    hold(&world.state).targets.insert(held.key.clone(), after);
    Ok(())
}

/// Begins a change whose request was read.
pub(crate) async fn begin(call: &Call<'_>, mut after: Target, change: Option<Change>) -> Outcome {
    let held = Hold::take(call, &after)?;
    after.version += 1;
    let tenant = call.world.tenant().to_owned();
    let mut seen = after.clone().in_version(&call.api_version);
    let mut fresh = Vec::new();
    if let Some(change) = &change {
        seen.identities.clone_from(&change.identities);
        fresh.clone_from(&change.fresh);
    }
    if after.kind.style == Style::Web && call.world.faults.pace() == (0, Duration::ZERO) {
        if let Some((code, message)) = call.world.faults.next_operation(&call.ask.path) {
            return Err(Answer::arm_error(400, &code, message));
        }
        apply(&held, after, change)
            .await
            .map_err(|(code, message)| Answer::arm_error(500, &code, message))?;
        return Ok(Answer::json(200, seen.json(&tenant, &[])));
    }
    let result = seen.json(&tenant, &[]);
    seen.updating = true;
    let work = async move {
        let outcome = apply(&held, after, change).await;
        drop(held);
        outcome.map(|()| Some(result)) as End
    };
    let begun = operations::begin(call, seen.kind.place(), &seen.location, work);
    let body = seen.json(&tenant, &fresh);
    Ok(answer(call, &seen, begun, body))
}

fn answer(call: &Call<'_>, target: &Target, begun: Begun, body: Value) -> Answer {
    let answer = match target.kind.style {
        Style::Compute | Style::Cluster => {
            with_tag(Answer::json(200, body), target).header("azure-asyncoperation", begun.poll)
        }
        Style::App => Answer::empty(202).header("location", begun.result),
        Style::Web => Answer::json(202, body).header("location", begun.result),
    };
    answer.retry_after(Some(call.world.options.retry_after))
}
