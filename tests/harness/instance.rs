//! One instance in Terraform's state: imported, refreshed, settled, each answer held to Core's rules.

use entradb::protocol::json;
use entradb::protocol::value::{Object, Value};
use entradb::wire::proto::tfplugin5 as pb;

use crate::harness::core_rules;
use crate::harness::message::{Told, accept, receive, send, tell};
use crate::harness::resource::{Action, Before, Resource, identity_data};

/// One instance, as Terraform's state holds it.
pub struct Instance<'a> {
    /// Its type.
    pub resource: Resource<'a>,
    /// What was last applied.
    pub config: Value,
    /// Null when there is nothing.
    pub state: Value,
    /// What the provider keeps beside the state.
    pub private: Vec<u8>,
    /// What it is found by.
    pub identity: Option<Value>,
    /// Its creation failed half-way: the next plan replaces it.
    pub tainted: bool,
}

/// A creation that failed.
pub struct Failed<'a> {
    /// What was told.
    pub told: Vec<Told>,
    /// What Terraform keeps: tainted when there is something.
    pub left: Instance<'a>,
}

/// What a refresh found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// What the state says.
    Same,
    /// Something else: drift.
    Changed,
    /// Nothing.
    Gone,
}

impl<'a> Instance<'a> {
    pub(super) fn nothing(resource: Resource<'a>) -> Self {
        Self {
            resource,
            config: Value::Null,
            state: Value::Null,
            private: Vec::new(),
            identity: None,
            tainted: false,
        }
    }

    pub(super) async fn import(resource: Resource<'a>, id: &str, identity: Option<Value>) -> Result<Self, Vec<Told>> {
        let who = resource.name;
        let answer = resource
            .plugin
            .calls
            .import_resource_state(pb::import_resource_state::Request {
                type_name: who.to_owned(),
                id: id.to_owned(),
                client_capabilities: None,
                identity: identity.as_ref().map(identity_data),
            });
        let answer = answer.await;
        let told = tell(&answer.diagnostics, None);
        if told.iter().any(|one| one.error) {
            return Err(told);
        }
        let [imported] = &answer.imported_resources[..] else {
            panic!(
                "{who}: Core imports exactly one, not {}",
                answer.imported_resources.len()
            );
        };
        assert_eq!(imported.type_name, who);
        let mut instance = Self::nothing(resource);
        instance.state = receive(imported.state.as_ref(), &resource.r#type());
        assert!(!instance.state.is_null(), "{who}: an import without a state");
        accept(
            who,
            "what was imported",
            core_rules::conforms(&resource.schema.block, &instance.state),
        );
        accept(who, "what was imported", core_rules::wholly_known(&instance.state));
        instance.private.clone_from(&imported.private);
        match instance.try_refresh().await? {
            Found::Same | Found::Changed => Ok(instance),
            // Core's own words.
            Found::Gone => Err(vec![Told {
                error: true,
                summary: "Cannot import non-existent remote object".to_owned(),
                detail: "There is nothing of that identity.".to_owned(),
                path: entradb::protocol::path::Path::root(),
            }]),
        }
    }

    /// Whether Terraform's state holds something.
    pub fn exists(&self) -> bool {
        !self.state.is_null()
    }

    /// One attribute of the state.
    pub fn get(&self, name: &str) -> &Value {
        let state = self.state.as_object().expect("there is something");
        state.get(name).unwrap_or_else(|| panic!("no `{name}`"))
    }

    pub(super) fn before(&self) -> Before<'_> {
        Before {
            state: &self.state,
            private: &self.private,
            identity: self.identity.as_ref(),
            tainted: self.tainted,
        }
    }

    /// Reads, and panics when that fails.
    pub async fn refresh(&mut self) -> Found {
        match self.try_refresh().await {
            Ok(found) => found,
            Err(told) => panic!("{} cannot be read: {told:#?}", self.resource.name),
        }
    }

    /// Reads, from the state as it is stored: in JSON.
    ///
    /// # Errors
    /// What was told, when an error was among it.
    pub async fn try_refresh(&mut self) -> Result<Found, Vec<Told>> {
        let who = self.resource.name;
        self.upgrade().await;
        let answer = self.resource.plugin.calls.read_resource(pb::read_resource::Request {
            type_name: who.to_owned(),
            current_state: Some(send(&self.state)),
            private: self.private.clone(),
            provider_meta: None,
            client_capabilities: None,
            current_identity: self.identity.as_ref().map(identity_data),
        });
        let answer = answer.await;
        let told = tell(&answer.diagnostics, Some(&self.resource.r#type()));
        if told.iter().any(|one| one.error) {
            return Err(told);
        }
        let state = receive(answer.new_state.as_ref(), &self.resource.r#type());
        if state.is_null() {
            *self = Self {
                config: self.config.clone(),
                ..Self::nothing(self.resource)
            };
            return Ok(Found::Gone);
        }
        let block = &self.resource.schema.block;
        accept(who, "what was read", core_rules::conforms(block, &state));
        accept(who, "what was read", core_rules::wholly_known(&state));
        accept(who, "what was read", core_rules::nothing_write_only(block, &state));
        assert!(
            self.private.is_empty() || !answer.private.is_empty(),
            "{who}: read loses what is private"
        );
        let found = if state == self.state {
            Found::Same
        } else {
            Found::Changed
        };
        self.identity = Some(self.resource.identity(answer.new_identity.as_ref(), &state));
        self.private = answer.private;
        self.state = state;
        Ok(found)
    }

    /// State is stored in JSON, and is upgraded in every walk, also when it is current: it comes back as it was.
    async fn upgrade(&self) {
        let who = self.resource.name;
        let raw = pb::RawState {
            json: json::encode(&self.state).to_string().into(),
            ..pb::RawState::default()
        };
        let answer = self
            .resource
            .plugin
            .calls
            .upgrade_resource_state(pb::upgrade_resource_state::Request {
                type_name: who.to_owned(),
                version: self.resource.schema.version,
                raw_state: Some(raw),
            });
        let answer = answer.await;
        assert!(answer.diagnostics.is_empty(), "{who}: {:?}", answer.diagnostics);
        let upgraded = receive(answer.upgraded_state.as_ref(), &self.resource.r#type());
        assert_eq!(upgraded, self.state, "{who}: stored state comes back changed");
    }

    /// Holds the promise that a second plan is empty: before a refresh, in the refresh, and after it.
    pub async fn settled(&mut self) {
        let Value::Map(config) = self.config.clone() else {
            panic!("{}: nothing was applied yet", self.resource.name);
        };
        self.settled_as(config).await;
    }

    /// The same, for a configuration that was not applied: after an import.
    pub async fn settled_as(&mut self, given: Object) {
        let who = self.resource.name;
        self.config = self.resource.config(given.clone());
        let stored = self.state.clone();
        for when in ["before a refresh", "after a refresh"] {
            let planned = self.plan(given.clone()).await;
            let planned = planned.unwrap_or_else(|told| panic!("{who}: {told:#?}"));
            let changes = differences(&self.state, &planned.state);
            assert_eq!(
                planned.action,
                Action::NoOp,
                "{who}: {when}, a second plan changes {changes:#?}"
            );
            let found = self.refresh().await;
            let changes = differences(&stored, &self.state);
            assert_eq!(found, Found::Same, "{who}: a refresh finds other {changes:#?}");
        }
    }

    /// The configuration that the provider writes for what is there, as `terraform query` and import ask for it.
    pub async fn generated_config(&self) -> Object {
        let answer = self
            .resource
            .plugin
            .calls
            .generate_resource_config(pb::generate_resource_config::Request {
                type_name: self.resource.name.to_owned(),
                state: Some(send(&self.state)),
            });
        let answer = answer.await;
        assert!(answer.diagnostics.is_empty(), "{:?}", answer.diagnostics);
        let config = receive(answer.config.as_ref(), &self.resource.r#type());
        config.as_object().cloned().expect("a configuration")
    }
}

/// The attributes in which two states differ, for messages.
fn differences(before: &Value, after: &Value) -> Vec<String> {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return vec![format!("{before:?} to {after:?}")];
    };
    let changed = before.iter().filter(|(name, value)| after.get(*name) != Some(value));
    changed
        .map(|(name, value)| format!("{name}: {value:?} to {:?}", after.get(name)))
        .collect()
}
