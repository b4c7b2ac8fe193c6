//! What changes an instance: plan, apply, destroy, each answer held to Core's rules.

use entradb::protocol::value::{Object, Value};
use entradb::wire::proto::tfplugin5 as pb;

use crate::harness::core_rules;
use crate::harness::instance::Instance;
use crate::harness::message::{Told, accept, receive, send, tell};
use crate::harness::resource::{Action, Planned, identity_data};

/// What one call of apply begins with.
struct Change<'a> {
    config: &'a Value,
    planned: Planned,
    creates: bool,
}

impl Instance<'_> {
    /// Plans a change to what is written now.
    ///
    /// # Errors
    /// What was told, when an error was among it.
    pub async fn plan(&self, given: Object) -> Result<Planned, Vec<Told>> {
        self.resource.plan(self.before(), self.resource.config(given)).await
    }

    /// Plans and applies, and panics when that fails. Gives what was done.
    pub async fn update(&mut self, given: Object) -> Action {
        match self.try_update(given).await {
            Ok(action) => action,
            Err(told) => panic!("{} cannot be updated: {told:#?}", self.resource.name),
        }
    }

    /// Plans and applies.
    ///
    /// # Errors
    /// What was told, when an error was among it; the instance is then what Terraform keeps.
    pub async fn try_update(&mut self, given: Object) -> Result<Action, Vec<Told>> {
        let planned = self.plan(given).await?;
        let action = planned.action;
        self.apply(planned).await?;
        Ok(action)
    }

    /// Applies a plan, which is planned once more before, as Core does. Gives the warnings.
    ///
    /// # Errors
    /// What was told, when an error was among it; the instance is then what Terraform keeps.
    pub async fn apply(&mut self, planned: Planned) -> Result<Vec<Told>, Vec<Told>> {
        let config = planned.config.clone();
        self.apply_as(planned, config).await
    }

    /// The same, when some of the configuration became known since the plan.
    ///
    /// # Errors
    /// What was told, when an error was among it; the instance is then what Terraform keeps.
    pub async fn apply_known(&mut self, planned: Planned, known: Object) -> Result<Vec<Told>, Vec<Told>> {
        let config = self.resource.config(known);
        self.apply_as(planned, config).await
    }

    async fn apply_as(&mut self, planned: Planned, config: Value) -> Result<Vec<Told>, Vec<Told>> {
        self.config = config.clone();
        let mut warnings = Vec::new();
        if planned.action == Action::NoOp {
            return Ok(warnings);
        }
        if planned.action == Action::Replace {
            warnings.extend(self.delete(planned.private.clone()).await?);
        }
        let creates = self.state.is_null();
        let again = self.resource.plan_once(self.before(), config.clone()).await?;
        let block = &self.resource.schema.block;
        let changed = core_rules::compatible(block, &planned.state, &again.state);
        accept(self.resource.name, "the final plan", changed);
        if again.action == Action::NoOp {
            return Ok(warnings);
        }
        let replaced = core_rules::replaced(&self.resource.r#type(), &self.state, &again.state, &again.replace);
        assert!(
            creates || replaced.is_ok_and(|paths| paths.is_empty()),
            "{}: an update became a replacement",
            self.resource.name
        );
        let change = Change {
            config: &config,
            planned: again,
            creates,
        };
        warnings.extend(self.change(change).await?);
        Ok(warnings)
    }

    async fn change(&mut self, change: Change<'_>) -> Result<Vec<Told>, Vec<Told>> {
        let who = self.resource.name;
        let planned = change.planned.state;
        let kept = change.planned.private.clone();
        let answer = self.call_apply(pb::apply_resource_change::Request {
            type_name: who.to_owned(),
            prior_state: Some(send(&self.state)),
            planned_state: Some(send(&planned)),
            config: Some(send(change.config)),
            planned_private: change.planned.private,
            provider_meta: None,
            planned_identity: change.planned.identity,
        });
        let answer = answer.await;
        let told = tell(&answer.diagnostics, Some(&self.resource.r#type()));
        let failed = told.iter().any(|one| one.error);
        let state = receive(answer.new_state.as_ref(), &self.resource.r#type());
        let block = &self.resource.schema.block;
        accept(who, "the state after apply", core_rules::conforms(block, &state));
        accept(who, "the state after apply", core_rules::wholly_known(&state));
        accept(
            who,
            "the state after apply",
            core_rules::nothing_write_only(block, &state),
        );
        assert!(
            kept.is_empty() || !answer.private.is_empty(),
            "{who}: apply loses what is private"
        );
        self.private = answer.private;
        if failed {
            if !state.is_null() {
                self.state = state;
                self.tainted = change.creates;
            }
            return Err(told);
        }
        accept(
            who,
            "the state after apply",
            core_rules::compatible(block, &planned, &state),
        );
        self.identity = Some(self.resource.identity(answer.new_identity.as_ref(), &state));
        self.state = state;
        self.tainted = false;
        Ok(told)
    }

    async fn call_apply(&self, request: pb::apply_resource_change::Request) -> pb::apply_resource_change::Response {
        let answer = self.resource.plugin.calls.apply_resource_change(request).await;
        assert!(
            !answer.legacy_type_system,
            "{}: Core's rules hold for everyone",
            self.resource.name
        );
        answer
    }

    /// Destroys, and panics when that fails.
    pub async fn destroy(mut self) {
        if let Err(told) = self.try_destroy().await {
            panic!("{} cannot be destroyed: {told:#?}", self.resource.name);
        }
    }

    /// Destroys: plan, and apply. Gives the warnings.
    ///
    /// # Errors
    /// What was told, when an error was among it; the instance is then what Terraform keeps.
    pub async fn try_destroy(&mut self) -> Result<Vec<Told>, Vec<Told>> {
        let mut told = self.plan_destroy().await?;
        told.extend(self.delete(self.private.clone()).await?);
        Ok(told)
    }

    /// Plans to destroy. Gives the warnings.
    ///
    /// # Errors
    /// What was told, when an error was among it.
    pub async fn plan_destroy(&self) -> Result<Vec<Told>, Vec<Told>> {
        let who = self.resource.name;
        let planned = self
            .resource
            .plugin
            .calls
            .plan_resource_change(pb::plan_resource_change::Request {
                type_name: who.to_owned(),
                prior_state: Some(send(&self.state)),
                proposed_new_state: Some(send(&Value::Null)),
                config: Some(send(&Value::Null)),
                prior_private: self.private.clone(),
                provider_meta: None,
                client_capabilities: None,
                prior_identity: self.identity.as_ref().map(identity_data),
            });
        let planned = planned.await;
        let told = tell(&planned.diagnostics, Some(&self.resource.r#type()));
        if told.iter().any(|one| one.error) {
            return Err(told);
        }
        let state = receive(planned.planned_state.as_ref(), &self.resource.r#type());
        assert!(state.is_null(), "{who}: a destroy that leaves something is planned");
        assert_eq!(
            planned.planned_private, self.private,
            "{who}: plan loses what is private"
        );
        Ok(told)
    }

    async fn delete(&mut self, private: Vec<u8>) -> Result<Vec<Told>, Vec<Told>> {
        let who = self.resource.name;
        let answer = self.call_apply(pb::apply_resource_change::Request {
            type_name: who.to_owned(),
            prior_state: Some(send(&self.state)),
            planned_state: Some(send(&Value::Null)),
            config: Some(send(&Value::Null)),
            planned_private: private,
            provider_meta: None,
            planned_identity: self.identity.as_ref().map(identity_data),
        });
        let answer = answer.await;
        let told = tell(&answer.diagnostics, Some(&self.resource.r#type()));
        let state = receive(answer.new_state.as_ref(), &self.resource.r#type());
        let failed = told.iter().any(|one| one.error);
        if failed {
            assert!(!state.is_null(), "{who}: a failed destroy forgets what is still there");
            self.private = answer.private;
            self.state = state;
            return Err(told);
        }
        assert!(state.is_null(), "{who}: something is left of what was destroyed");
        *self = Self {
            config: self.config.clone(),
            ..Self::nothing(self.resource)
        };
        Ok(told)
    }
}
