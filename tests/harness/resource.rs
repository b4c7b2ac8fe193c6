//! A resource type as Core handles it: validate and plan, each answer held to Core's rules.

use entradb::protocol::path::Path;
use entradb::protocol::value::{Object, Type, Value};
use entradb::wire::proto::tfplugin5 as pb;

use crate::harness::core_rules;
use crate::harness::instance::{Failed, Instance};
use crate::harness::message::{Told, accept, receive, send, tell};
use crate::harness::plugin::Plugin;
use crate::harness::schema::ResourceSchema;

/// A resource type of a running provider.
#[derive(Clone, Copy)]
pub struct Resource<'a> {
    /// The provider.
    pub plugin: &'a Plugin,
    /// The type name.
    pub name: &'a str,
    /// Its shape.
    pub schema: &'a ResourceSchema,
}

/// What a plan will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    NoOp,
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Destroy it and make it anew.
    Replace,
}

/// A plan that Core accepts.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What it will do.
    pub action: Action,
    /// What was written.
    pub config: Value,
    /// What will be.
    pub state: Value,
    /// The paths that force a replacement.
    pub replace: Vec<Path>,
    /// What the person is told besides.
    pub warnings: Vec<Told>,
    pub(super) private: Vec<u8>,
    pub(super) identity: Option<pb::ResourceIdentityData>,
}

/// What a plan begins with.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) state: &'a Value,
    pub(super) private: &'a [u8],
    pub(super) identity: Option<&'a Value>,
    pub(super) tainted: bool,
}

impl Before<'_> {
    /// There is nothing.
    pub(super) const NOTHING: Before<'static> = Before {
        state: &Value::Null,
        private: &[],
        identity: None,
        tainted: false,
    };
}

impl Planned {
    /// What is planned for one attribute.
    pub fn get(&self, name: &str) -> &Value {
        let state = self.state.as_object().expect("an object is planned");
        state.get(name).unwrap_or_else(|| panic!("no `{name}`"))
    }
}

impl<'a> Resource<'a> {
    /// The block as Terraform sends it.
    pub fn config(&self, given: Object) -> Value {
        self.schema.block.config(given)
    }

    /// The type of the whole block.
    pub fn r#type(&self) -> Type {
        self.schema.block.r#type()
    }

    /// The mistakes in a configuration.
    pub async fn validate(&self, config: &Value) -> Vec<Told> {
        let validated = self
            .plugin
            .calls
            .validate_resource_type_config(pb::validate_resource_type_config::Request {
                type_name: self.name.to_owned(),
                config: Some(send(config)),
                client_capabilities: Some(pb::ClientCapabilities {
                    write_only_attributes_allowed: true,
                    ..pb::ClientCapabilities::default()
                }),
            });
        let validated = validated.await;
        tell(&validated.diagnostics, Some(&self.r#type()))
    }

    /// Plans to create, and panics when that fails.
    pub async fn plan_create(&self, given: Object) -> Planned {
        let planned = self.try_plan_create(given).await;
        planned.unwrap_or_else(|told| panic!("{} cannot be planned: {told:#?}", self.name))
    }

    /// Plans to create. Unknown values may stand in the configuration.
    ///
    /// # Errors
    /// What was told, when an error was among it.
    pub async fn try_plan_create(&self, given: Object) -> Result<Planned, Vec<Told>> {
        self.plan(Before::NOTHING, self.config(given)).await
    }

    /// What is not there yet, to apply a plan to.
    pub fn absent(&self) -> Instance<'a> {
        Instance::nothing(*self)
    }

    /// Creates, and panics when that fails.
    pub async fn create(&self, given: Object) -> Instance<'a> {
        let created = self.try_create(given).await;
        created.unwrap_or_else(|failed| panic!("{} cannot be created: {:#?}", self.name, failed.told))
    }

    /// Creates: validate, plan, plan again in the apply walk, apply.
    ///
    /// # Errors
    /// What was told, and what is left.
    pub async fn try_create(&self, given: Object) -> Result<Instance<'a>, Failed<'a>> {
        let mut instance = Instance::nothing(*self);
        let outcome = match instance.plan(given).await {
            Ok(planned) => instance.apply(planned).await,
            Err(told) => Err(told),
        };
        match outcome {
            Ok(_) => Ok(instance),
            Err(told) => Err(Failed { told, left: instance }),
        }
    }

    /// Creates what was planned while some of the configuration was unknown, now that it is known.
    ///
    /// # Errors
    /// What was told, and what is left.
    pub async fn create_planned(&self, planned: Planned, known: Object) -> Result<Instance<'a>, Failed<'a>> {
        let mut instance = Instance::nothing(*self);
        match instance.apply_known(planned, known).await {
            Ok(_) => Ok(instance),
            Err(told) => Err(Failed { told, left: instance }),
        }
    }

    /// Imports by ID, and panics when that fails.
    pub async fn import(&self, id: &str) -> Instance<'a> {
        let imported = self.try_import(id).await;
        imported.unwrap_or_else(|told| panic!("{} `{id}` cannot be imported: {told:#?}", self.name))
    }

    /// Imports by ID, and reads what was found.
    ///
    /// # Errors
    /// What was told, when an error was among it.
    pub async fn try_import(&self, id: &str) -> Result<Instance<'a>, Vec<Told>> {
        Instance::import(*self, id, None).await
    }

    /// Imports by identity, and reads what was found.
    ///
    /// # Errors
    /// What was told, when an error was among it.
    pub async fn try_import_identity(&self, identity: Object) -> Result<Instance<'a>, Vec<Told>> {
        Instance::import(*self, "", Some(Value::Map(identity))).await
    }

    /// Plans as Core does: a replacement is planned twice, the second time from nothing.
    pub(super) async fn plan(&self, before: Before<'_>, config: Value) -> Result<Planned, Vec<Told>> {
        if before.tainted {
            // As if there were nothing, also nothing private.
            let planned = self.plan_once(Before::NOTHING, config).await?;
            return Ok(Planned {
                action: Action::Replace,
                ..planned
            });
        }
        let planned = self.plan_once(before, config.clone()).await?;
        if before.state.is_null() {
            return Ok(planned);
        }
        let counted = core_rules::replaced(&self.r#type(), before.state, &planned.state, &planned.replace);
        let counted = counted.unwrap_or_else(|refused| panic!("{}: {refused:?}", self.name));
        if counted.is_empty() {
            return Ok(planned);
        }
        let replace = counted.into_iter().cloned().collect();
        let anew = Before {
            private: &planned.private,
            ..Before::NOTHING
        };
        let again = self.plan_once(anew, config).await?;
        // Core shows what the first plan warned of, and of the second only errors.
        Ok(Planned {
            action: Action::Replace,
            replace,
            warnings: planned.warnings,
            ..again
        })
    }

    /// One call: validated before, held to Core's rules after, and asked twice since planning is pure.
    pub(super) async fn plan_once(&self, before: Before<'_>, config: Value) -> Result<Planned, Vec<Told>> {
        let told = self.validate(&config).await;
        if told.iter().any(|one| one.error) {
            return Err(told);
        }
        let block = &self.schema.block;
        let request = pb::plan_resource_change::Request {
            type_name: self.name.to_owned(),
            prior_state: Some(send(before.state)),
            proposed_new_state: Some(send(&core_rules::proposed(block, before.state, &config))),
            config: Some(send(&config)),
            prior_private: before.private.to_vec(),
            provider_meta: None,
            client_capabilities: None,
            prior_identity: before.identity.map(identity_data),
        };
        let answer = self.plugin.calls.plan_resource_change(request.clone()).await;
        let warnings = tell(&answer.diagnostics, Some(&self.r#type()));
        if warnings.iter().any(|one| one.error) {
            return Err(warnings);
        }
        let again = self.plugin.calls.plan_resource_change(request).await;
        assert_eq!(answer, again, "{}: the same question has two answers", self.name);
        assert!(
            !answer.legacy_type_system,
            "{}: Core's rules hold for everyone",
            self.name
        );
        assert!(answer.deferred.is_none(), "{}: nobody asked to defer", self.name);
        assert_eq!(
            answer.planned_private, before.private,
            "{}: plan loses what is private",
            self.name
        );
        let state = receive(answer.planned_state.as_ref(), &self.r#type());
        accept(self.name, "the plan", core_rules::conforms(block, &state));
        accept(
            self.name,
            "the plan",
            core_rules::plan_valid(block, before.state, &config, &state),
        );
        let action = match before.state {
            Value::Null => Action::Create,
            prior if *prior == state => Action::NoOp,
            _ => Action::Update,
        };
        let paths = answer.requires_replace.iter().map(|path| {
            let told = pb::Diagnostic {
                severity: pb::diagnostic::Severity::Warning.into(),
                summary: "Replaces".to_owned(),
                detail: "Replaces.".to_owned(),
                attribute: Some(path.clone()),
            };
            tell(&[told], None).remove(0).path
        });
        Ok(Planned {
            action,
            config,
            state,
            replace: paths.collect(),
            warnings,
            private: answer.planned_private,
            identity: answer.planned_identity,
        })
    }

    /// What a thing is found by: there, known, and what the state says.
    pub(super) fn identity(&self, data: Option<&pb::ResourceIdentityData>, state: &Value) -> Value {
        let types = &self.schema.identity;
        let r#type = Type::object(types.iter().map(|(name, r#type)| (name.clone(), r#type.clone())));
        let identity = receive(data.and_then(|data| data.identity_data.as_ref()), &r#type);
        let Value::Map(attributes) = &identity else {
            panic!("{}: the identity is missing", self.name);
        };
        for (name, value) in attributes {
            assert!(
                !value.is_null() && value.is_wholly_known(),
                "{}: `{name}` is missing in the identity",
                self.name
            );
            let stored = state.as_object().and_then(|state| state.get(name));
            assert_eq!(
                stored,
                Some(value),
                "{}: the identity's `{name}` is not the state's",
                self.name
            );
        }
        identity
    }
}

/// Writes an identity as Core does.
pub(super) fn identity_data(identity: &Value) -> pb::ResourceIdentityData {
    pb::ResourceIdentityData {
        identity_data: Some(send(identity)),
    }
}
