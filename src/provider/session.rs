//! What one connection of Terraform's was configured with, and every call on it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::json;
use crate::protocol::model::Model;
use crate::protocol::typed::{Timeouts, Typed};
use crate::protocol::value::{Object, Value};
use crate::provider::Provider;
use crate::provider::clients::Clients;
use crate::provider::config::ProviderBlock;
use crate::provider::context::Context;
use crate::provider::exchange::{Applied, ApplyRequest, PlanRequest, Planned};
use crate::provider::function::FunctionError;
use crate::provider::import::Parts;
use crate::provider::resource::{AnyResource, Change, forget_unknown};

/// One connection. All calls may run at once.
pub struct Session {
    provider: Provider,
    clients: Mutex<Result<Arc<Clients>>>,
}

const READ: Duration = Duration::from_secs(5 * 60);
const WRITE: Duration = Duration::from_secs(30 * 60);

impl Session {
    pub(crate) fn new(provider: Provider) -> Self {
        let unconfigured = Diagnostic::bug("A call that needs the provider block came before the provider block.");
        Self {
            provider,
            clients: Mutex::new(Err(unconfigured)),
        }
    }

    /// The mistakes in what is known of a provider block.
    pub fn validate_provider(&self, config: &Value) -> Vec<Diagnostic> {
        let Some(config) = config.as_object() else {
            return Vec::new();
        };
        ProviderBlock::check(config)
    }

    /// Takes the provider block. Contacts nothing: a plan must work while nothing exists yet.
    pub async fn configure(&self, terraform_version: &str, config: &Value) -> Vec<Diagnostic> {
        tracing::debug!(terraform_version, "configure");
        let clients = Clients::configure(
            config.as_object().unwrap_or(&Object::new()),
            self.provider.stop_signal().clone(),
        );
        let mistakes = match &clients {
            // Unknown during plan: whoever needs it says so then.
            Err(_) if !config.is_wholly_known() => Vec::new(),
            Err(mistakes) => mistakes.clone(),
            Ok(_) => Vec::new(),
        };
        let clients = clients.map(Arc::new).map_err(|mistakes| {
            mistakes
                .into_iter()
                .next()
                .unwrap_or_else(|| Diagnostic::bug("The provider block was refused without a reason."))
        });
        *self.clients.lock().unwrap_or_else(PoisonError::into_inner) = clients;
        mistakes
    }

    fn context(&self, limit: Duration, private: Vec<u8>) -> Context {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Context::new(clients, limit, self.provider.stop_signal().clone(), private)
    }

    fn resource(&self, type_name: &str) -> Result<&dyn AnyResource> {
        self.provider
            .resource(type_name)
            .ok_or_else(|| unknown_type("resource", type_name))
    }

    /// The mistakes in what is known of a resource's configuration.
    pub fn validate_resource(&self, type_name: &str, config: &Value) -> Vec<Diagnostic> {
        match (self.resource(type_name), config.as_object()) {
            (Ok(resource), Some(config)) => resource.validate(config),
            (Ok(_), None) => Vec::new(),
            (Err(error), _) => vec![error],
        }
    }

    /// The mistakes in what is known of a data source's configuration.
    pub fn validate_data_source(&self, type_name: &str, config: &Value) -> Vec<Diagnostic> {
        match (self.provider.data_source(type_name), config.as_object()) {
            (Some(source), Some(config)) => source.validate(config),
            (Some(_), None) => Vec::new(),
            (None, _) => vec![unknown_type("data source", type_name)],
        }
    }

    /// Plans a creation, an update or a deletion.
    pub async fn plan(&self, request: PlanRequest) -> Planned {
        let PlanRequest {
            type_name,
            prior,
            proposed,
            config,
            private,
        } = request;
        let failed = |state: Value, error, private| Planned {
            state,
            replace: Vec::new(),
            private,
            diagnostics: vec![error],
        };
        let resource = match self.resource(&type_name) {
            Ok(resource) => resource,
            Err(error) => return failed(proposed, error, private),
        };
        let cx = self.context(READ, private.clone());
        let prior = into_object(prior);
        let Value::Map(proposed) = proposed else {
            if let Some(prior) = &prior {
                resource.plan_destroy(prior, &cx);
            }
            return Planned {
                state: Value::Null,
                replace: Vec::new(),
                private,
                diagnostics: cx.finish().warnings,
            };
        };
        let fallback = Value::Map(proposed.clone());
        let config = into_object(config).unwrap_or_default();
        match resource
            .plan(
                Change {
                    prior,
                    proposed,
                    config,
                },
                &cx,
            )
            .await
        {
            Ok(decided) => {
                let mut diagnostics = cx.finish().warnings;
                diagnostics.extend(decided.warnings);
                Planned {
                    state: Value::Map(decided.planned),
                    replace: decided.replace,
                    private,
                    diagnostics,
                }
            }
            Err(error) => failed(fallback, error, private),
        }
    }

    /// Creates, updates or deletes; answers with what exists, also when it failed.
    pub async fn apply(&self, request: ApplyRequest) -> Applied {
        let ApplyRequest {
            type_name,
            prior,
            planned,
            private,
            config: _,
        } = request;
        let (prior, planned) = (into_object(prior), into_object(planned));
        let resource = match self.resource(&type_name) {
            Ok(resource) => resource,
            Err(error) => {
                return Applied {
                    state: prior,
                    private,
                    diagnostics: vec![error],
                };
            }
        };
        let operation = match (&prior, &planned) {
            (None, _) => "create",
            (_, None) => "delete",
            _ => "update",
        };
        let limit = limit(planned.as_ref().or(prior.as_ref()), operation, WRITE);
        let cx = self.context(limit, private);
        let (outcome, known) = match (prior, planned) {
            (None, None) => (Ok(None), None),
            (None, Some(planned)) => (resource.create(planned, &cx).await.map(Some), None),
            (Some(prior), None) => (resource.delete(prior.clone(), &cx).await.map(|()| None), Some(prior)),
            (Some(prior), Some(planned)) => (
                resource.update(planned, prior.clone(), &cx).await.map(Some),
                Some(prior),
            ),
        };
        settle(outcome, known, cx)
    }

    /// Looks at a resource.
    pub async fn read(&self, type_name: &str, state: Value, private: Vec<u8>) -> Applied {
        let Some(state) = into_object(state) else {
            return Applied::default();
        };
        let resource = match self.resource(type_name) {
            Ok(resource) => resource,
            Err(error) => {
                return Applied {
                    state: Some(state),
                    private,
                    diagnostics: vec![error],
                };
            }
        };
        let cx = self.context(limit(Some(&state), "read", READ), private);
        let outcome = resource.read(state.clone(), &cx).await;
        settle(outcome, Some(state), cx)
    }

    /// Finds a resource by its import ID, or by its identity.
    pub async fn import(&self, type_name: &str, id: &str, identity: Option<Value>) -> Applied {
        let cx = self.context(READ, Vec::new());
        let found = async {
            let resource = self.resource(type_name)?;
            let parts = match identity.as_ref().and_then(Value::as_object) {
                Some(identity) => Parts::from_identity(resource.identity(), identity)?,
                None => Parts::from_id(resource.identity(), id)?,
            };
            resource.import(&parts, &cx).await
        };
        let outcome = found.await.map(Some).map_err(|error| vec![error]);
        settle(outcome, None, cx)
    }

    /// Reads stored state. What an older version wrote is brought to the current one, and an attribute that came since has its default.
    ///
    /// # Errors
    /// When there never was such a version, or the state has another form.
    pub fn upgrade(&self, type_name: &str, version: i64, stored: &[u8]) -> Result<Object> {
        let resource = self.resource(type_name)?;
        let schema = resource.schema();
        let unreadable = |error: &dyn std::fmt::Display| {
            let detail = format!("The stored state of this {type_name} cannot be read: {error}.");
            Diagnostic::error("Stored state cannot be read", detail)
        };
        let value = if version == schema.version {
            json::decode(stored, &schema.r#type())
        } else {
            let older = serde_json::from_slice(stored).map_err(|error| unreadable(&error))?;
            let upgraded = resource.upgrade(version, older)?.to_string();
            json::decode(upgraded.as_bytes(), &schema.r#type())
        };
        let value = value.map_err(|error| unreadable(&error))?;
        let mut state = into_object(value).ok_or_else(|| unreadable(&"it is no object"))?;
        schema.block.fill_in(&mut state);
        Ok(state)
    }

    /// Looks at what a data source is about.
    pub async fn read_data_source(&self, type_name: &str, config: Value) -> Applied {
        let Some(config) = into_object(config) else {
            return Applied::default();
        };
        let Some(source) = self.provider.data_source(type_name) else {
            return Applied {
                diagnostics: vec![unknown_type("data source", type_name)],
                ..Applied::default()
            };
        };
        let cx = self.context(limit(Some(&config), "read", READ), Vec::new());
        let outcome = source.read(config, &cx).await.map(Some);
        settle(outcome, None, cx)
    }

    /// Computes a function.
    ///
    /// # Errors
    /// When an argument means nothing.
    pub fn call_function(&self, name: &str, arguments: Vec<Value>) -> Result<Value, FunctionError> {
        match self.provider.function(name) {
            Some(function) => function.call(arguments),
            None => Err(FunctionError {
                text: format!("The provider has no function `{name}`."),
                argument: None,
            }),
        }
    }

    /// The attributes by which a resource is found, out of its state; none while one of them is not known.
    pub fn identity(&self, type_name: &str, state: &Object) -> Option<Value> {
        let names = self.provider.resource(type_name)?.identity();
        let part = |name: &&str| {
            state
                .get(*name)
                .filter(|value| !value.is_null() && value.is_wholly_known())
                .map(|value| ((*name).to_owned(), value.clone()))
        };
        names.iter().map(part).collect::<Option<Object>>().map(Value::Map)
    }

    /// Ends the waiting of every call in flight.
    pub fn stop(&self) {
        self.provider.stop_signal().stop();
    }
}

/// What exists after a call: the outcome, else the last checkpoint, else what was there before.
fn settle(outcome: Result<Option<Object>, Vec<Diagnostic>>, known: Option<Object>, cx: Context) -> Applied {
    let left = cx.finish();
    let mut diagnostics = left.warnings;
    let mut state = match outcome {
        Ok(state) => {
            let open = state.iter().flatten().find(|(_, value)| !value.is_wholly_known());
            diagnostics
                .extend(open.map(|(name, _)| Diagnostic::bug(format!("`{name}` is still unknown after apply."))));
            state
        }
        Err(errors) => {
            diagnostics.extend(errors);
            left.checkpoint.or(known)
        }
    };
    state
        .iter_mut()
        .flat_map(|state| state.values_mut())
        .for_each(forget_unknown);
    Applied {
        state,
        private: left.private,
        diagnostics,
    }
}

fn limit(state: Option<&Object>, operation: &str, default: Duration) -> Duration {
    let timeouts = state.and_then(|state| state.get("timeouts")).cloned();
    let timeouts = Timeouts::from_value(timeouts.unwrap_or(Value::Null));
    timeouts
        .ok()
        .and_then(|timeouts| timeouts.of(operation))
        .unwrap_or(default)
}

fn into_object(value: Value) -> Option<Object> {
    match value {
        Value::Map(object) => Some(object),
        _ => None,
    }
}

fn unknown_type(kind: &str, name: &str) -> Diagnostic {
    Diagnostic::error(
        "Unknown type",
        format!("The provider has no {kind} `{name}`. A newer version may have it."),
    )
}
