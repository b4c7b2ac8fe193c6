//! What a resource and a data source are, and the one form in which the provider calls them all.

use std::future::Future;
use std::marker::PhantomData;

use futures_util::future::BoxFuture;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::model::Model;
use crate::protocol::schema::{Block, Schema};
use crate::protocol::value::{Object, Value};
use crate::provider::context::Context;
use crate::provider::import::Parts;
use crate::provider::plan::{Decided, Plan};

/// A thing Terraform manages. Its model is the type itself.
pub trait Resource: Model {
    /// The type name in a configuration.
    const NAME: &'static str;
    /// The attributes by which it is found: the parts of the import ID, and the resource identity.
    const IDENTITY: &'static [&'static str];
    /// Raised when stored state must be upgraded.
    const VERSION: i64 = 0;

    /// What the marks and rules of the model cannot say. Only what is known may be judged.
    fn validate(_config: &Object) -> Vec<Diagnostic> {
        Vec::new()
    }
    /// Adjusts a plan to create or update. May ask nothing that could change between plan and apply.
    fn plan(_plan: &mut Plan, _cx: &Context) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// Warns whoever plans to destroy it. May ask nobody.
    fn plan_destroy(_prior: &Object, _cx: &Context) {}
    /// Brings it about. Finding it there already, exactly so, is success with a warning.
    fn create(self, cx: &Context) -> impl Future<Output = Result<Self>> + Send;
    /// Looks at it. `None`: it is gone.
    fn read(self, cx: &Context) -> impl Future<Output = Result<Option<Self>>> + Send;
    /// Changes it. Attributes marked `replace` never differ here.
    fn update(self, prior: Self, cx: &Context) -> impl Future<Output = Result<Self>> + Send;
    /// Takes it away. Being gone already is success.
    fn delete(self, cx: &Context) -> impl Future<Output = Result<()>> + Send;
    /// What Read needs to find it; Read fills in the rest.
    fn import(parts: &Parts, cx: &Context) -> impl Future<Output = Result<Self>> + Send;
    /// Brings stored state of an older version to the current one.
    fn upgrade(version: i64, _state: serde_json::Value) -> Result<serde_json::Value> {
        Err(Diagnostic::bug(format!(
            "State of {} has version {version}, which never existed.",
            Self::NAME
        )))
    }
}

/// A thing Terraform only looks at.
pub trait DataSource: Model {
    /// The type name in a configuration.
    const NAME: &'static str;

    /// What the marks and rules of the model cannot say. Only what is known may be judged.
    fn validate(_config: &Object) -> Vec<Diagnostic> {
        Vec::new()
    }
    /// Looks at it.
    fn read(self, cx: &Context) -> impl Future<Output = Result<Self>> + Send;
}

/// The line that adds a resource to the provider.
pub fn resource<R: Resource>() -> Box<dyn AnyResource> {
    Box::new(Erased::<R>::new(R::VERSION, R::block()))
}

/// The line that adds a data source to the provider.
pub fn data_source<D: DataSource>() -> Box<dyn AnyDataSource> {
    Box::new(Erased::<D>::new(0, D::block()))
}

/// A resource of any type.
pub trait AnyResource: Send + Sync {
    /// The type name in a configuration.
    fn name(&self) -> &'static str;
    /// Its shape.
    fn schema(&self) -> &Schema;
    /// The attributes by which it is found.
    fn identity(&self) -> &'static [&'static str];
    /// The mistakes in what is known of a configuration so far.
    fn validate(&self, config: &Object) -> Vec<Diagnostic>;
    /// Plans a creation (no prior state) or an update.
    fn plan<'a>(&'a self, plan: Change, cx: &'a Context) -> BoxFuture<'a, Result<Decided>>;
    /// Warns of what destroying it means.
    fn plan_destroy(&self, prior: &Object, cx: &Context);
    /// Creates.
    fn create<'a>(&'a self, planned: Object, cx: &'a Context) -> BoxFuture<'a, Result<Object, Vec<Diagnostic>>>;
    /// Looks.
    fn read<'a>(&'a self, state: Object, cx: &'a Context) -> BoxFuture<'a, Result<Option<Object>, Vec<Diagnostic>>>;
    /// Changes.
    fn update<'a>(
        &'a self,
        planned: Object,
        prior: Object,
        cx: &'a Context,
    ) -> BoxFuture<'a, Result<Object, Vec<Diagnostic>>>;
    /// Takes away.
    fn delete<'a>(&'a self, prior: Object, cx: &'a Context) -> BoxFuture<'a, Result<(), Vec<Diagnostic>>>;
    /// What Read needs.
    fn import<'a>(&'a self, parts: &'a Parts, cx: &'a Context) -> BoxFuture<'a, Result<Object>>;
    /// Brings state of an older version to the current one.
    fn upgrade(&self, version: i64, state: serde_json::Value) -> Result<serde_json::Value>;
}

/// What Terraform proposes.
#[derive(Clone, Debug)]
pub struct Change {
    /// The state; none to create.
    pub prior: Option<Object>,
    /// Core's merge of configuration and state.
    pub proposed: Object,
    /// What the user wrote.
    pub config: Object,
}

/// A data source of any type.
pub trait AnyDataSource: Send + Sync {
    /// The type name in a configuration.
    fn name(&self) -> &'static str;
    /// Its shape.
    fn schema(&self) -> &Schema;
    /// The mistakes in what is known of a configuration so far.
    fn validate(&self, config: &Object) -> Vec<Diagnostic>;
    /// Looks.
    fn read<'a>(&'a self, config: Object, cx: &'a Context) -> BoxFuture<'a, Result<Object, Vec<Diagnostic>>>;
}

struct Erased<T> {
    /// Built once: it is asked for in every plan.
    schema: Schema,
    model: PhantomData<fn() -> T>,
}

impl<T> Erased<T> {
    fn new(version: i64, block: Block) -> Self {
        Self {
            schema: Schema { version, block },
            model: PhantomData,
        }
    }
}

impl<R: Resource> AnyResource for Erased<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn identity(&self) -> &'static [&'static str] {
        R::IDENTITY
    }

    fn validate(&self, config: &Object) -> Vec<Diagnostic> {
        let mut mistakes = R::check(config);
        mistakes.extend(R::validate(config));
        mistakes
    }

    fn plan<'a>(&'a self, change: Change, cx: &'a Context) -> BoxFuture<'a, Result<Decided>> {
        Box::pin(async move {
            let mut plan = Plan::new(&self.schema, change.prior, change.proposed, change.config);
            plan.settle(R::settle);
            R::plan(&mut plan, cx).await?;
            Ok(plan.decide(&self.schema))
        })
    }

    fn plan_destroy(&self, prior: &Object, cx: &Context) {
        R::plan_destroy(prior, cx);
    }

    fn create<'a>(&'a self, planned: Object, cx: &'a Context) -> BoxFuture<'a, Result<Object, Vec<Diagnostic>>> {
        Box::pin(async move {
            let made = R::from_object(planned.clone())?
                .create(cx)
                .await
                .map_err(|error| vec![error])?;
            Ok(R::settle(made.into_object(), &planned))
        })
    }

    fn read<'a>(&'a self, state: Object, cx: &'a Context) -> BoxFuture<'a, Result<Option<Object>, Vec<Diagnostic>>> {
        Box::pin(async move {
            let found = R::from_object(state.clone())?
                .read(cx)
                .await
                .map_err(|error| vec![error])?;
            Ok(found.map(|found| R::settle(found.into_object(), &state)))
        })
    }

    fn update<'a>(
        &'a self,
        planned: Object,
        prior: Object,
        cx: &'a Context,
    ) -> BoxFuture<'a, Result<Object, Vec<Diagnostic>>> {
        Box::pin(async move {
            let prior = R::from_object(prior)?;
            let made = R::from_object(planned.clone())?
                .update(prior, cx)
                .await
                .map_err(|error| vec![error])?;
            Ok(R::settle(made.into_object(), &planned))
        })
    }

    fn delete<'a>(&'a self, prior: Object, cx: &'a Context) -> BoxFuture<'a, Result<(), Vec<Diagnostic>>> {
        Box::pin(async move { R::from_object(prior)?.delete(cx).await.map_err(|error| vec![error]) })
    }

    fn import<'a>(&'a self, parts: &'a Parts, cx: &'a Context) -> BoxFuture<'a, Result<Object>> {
        Box::pin(async move {
            let mut state = R::import(parts, cx).await?.into_object();
            state.values_mut().for_each(forget_unknown);
            Ok(state)
        })
    }

    fn upgrade(&self, version: i64, state: serde_json::Value) -> Result<serde_json::Value> {
        R::upgrade(version, state)
    }
}

impl<D: DataSource> AnyDataSource for Erased<D> {
    fn name(&self) -> &'static str {
        D::NAME
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, config: &Object) -> Vec<Diagnostic> {
        let mut mistakes = D::check(config);
        mistakes.extend(D::validate(config));
        mistakes
    }

    fn read<'a>(&'a self, mut config: Object, cx: &'a Context) -> BoxFuture<'a, Result<Object, Vec<Diagnostic>>> {
        Box::pin(async move {
            self.schema.block.fill_in(&mut config);
            let found = D::from_object(config.clone())?
                .read(cx)
                .await
                .map_err(|error| vec![error])?;
            Ok(D::settle(found.into_object(), &config))
        })
    }
}

/// What is not known yet is nothing in a state.
pub(crate) fn forget_unknown(value: &mut Value) {
    match value {
        Value::Unknown(_) => *value = Value::Null,
        Value::List(elements) => elements.iter_mut().for_each(forget_unknown),
        Value::Map(attributes) => attributes.values_mut().for_each(forget_unknown),
        Value::Dynamic(inner) => forget_unknown(&mut inner.1),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
