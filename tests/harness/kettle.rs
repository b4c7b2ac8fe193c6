//! A small provider of kettles: the harness and the framework are tried on it, without Azure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use entradb::model;
use entradb::protocol::diagnostic::{Diagnostic, Result};
use entradb::protocol::typed::{Blocks, Computed, Timeouts};
use entradb::protocol::value::{Object, Value};
use entradb::provider::context::Context;
use entradb::provider::import::Parts;
use entradb::provider::plan::Plan;
use entradb::provider::resource::{DataSource, Resource, data_source, resource};
use entradb::provider::{Provider, Registry};

use crate::harness::instance::Found;
use crate::harness::plugin::Plugin;
use crate::harness::resource::Action;
use crate::{block, config};

model! {
    /// A kettle.
    pub struct Kettle {
        /// Where it stands.
        #[replace]
        pub kitchen: String,
        /// What it is called.
        #[replace]
        pub name: String,
        /// How many cups it takes.
        #[default(4)]
        #[between(1, 12)]
        pub cups: i64,
        /// What it may be filled with.
        pub fillings: Option<BTreeSet<String>>,
        /// Its serial number.
        #[stable]
        pub number: Computed<i64>,
        /// What is to be put right.
        #[drift]
        pub dents: Computed<Vec<String>>,
        /// Its lids.
        pub lid: Blocks<Lid>,
        pub timeouts: Timeouts,
    }
}

model! {
    /// A lid.
    pub struct Lid {
        /// Its colour.
        pub colour: String,
    }
}

model! {
    /// What stands in a kitchen.
    pub struct Kitchen {
        /// Which one.
        pub kitchen: String,
        /// The name of the kettle.
        pub kettle: Computed<String>,
    }
}

impl DataSource for Kitchen {
    const NAME: &'static str = "kitchen_kitchen";

    async fn read(self, _: &Context) -> Result<Self> {
        let kettle = kettles().get(&self.kitchen).map(|kettle| kettle.name.clone());
        let nothing = || Diagnostic::error("Empty kitchen", "There is no kettle in it.").at("kitchen");
        Ok(Self {
            kettle: kettle.ok_or_else(nothing)?.into(),
            ..self
        })
    }
}

/// All kettles there are, by where they stand.
static KETTLES: Mutex<BTreeMap<String, Kettle>> = Mutex::new(BTreeMap::new());

fn kettles() -> MutexGuard<'static, BTreeMap<String, Kettle>> {
    KETTLES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kettle {
    fn put(mut self) -> Self {
        self.number = 7.into();
        self.dents = Vec::new().into();
        kettles().insert(self.kitchen.clone(), self.clone());
        self
    }
}

impl Resource for Kettle {
    const NAME: &'static str = "kitchen_kettle";
    const IDENTITY: &'static [&'static str] = &["kitchen"];

    async fn plan(plan: &mut Plan, _: &Context) -> Result<()> {
        if plan.config("cups") == &Value::from(12) {
            plan.warn(Diagnostic::warning("Large kettle", "It takes long to boil.").at("cups"));
        }
        Ok(())
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        cx.keep_record(&"made");
        let mut made = self.put();
        match made.name.as_str() {
            "breaks" => {
                cx.checkpoint(&made);
                Err(Diagnostic::error(
                    "Broken kettle",
                    "It broke on the way to the kitchen.",
                ))
            }
            "lies" => {
                made.cups += 1;
                Ok(made)
            }
            _ => Ok(made),
        }
    }

    async fn read(self, _: &Context) -> Result<Option<Self>> {
        Ok(kettles().get(&self.kitchen).cloned())
    }

    async fn update(self, _: Self, _: &Context) -> Result<Self> {
        Ok(self.put())
    }

    async fn delete(self, _: &Context) -> Result<()> {
        kettles().remove(&self.kitchen);
        Ok(())
    }

    async fn import(parts: &Parts, _: &Context) -> Result<Self> {
        Ok(Self {
            kitchen: parts.text("kitchen")?.to_owned(),
            name: String::new(),
            cups: 0,
            fillings: None,
            number: Computed::UNKNOWN,
            dents: Computed::UNKNOWN,
            lid: Blocks(Vec::new()),
            timeouts: Timeouts::default(),
        })
    }
}

async fn kitchen() -> Plugin {
    let plugin = Plugin::serve(|| {
        Provider::new(Registry {
            resources: vec![resource::<Kettle>()],
            data_sources: vec![data_source::<Kitchen>()],
            ..Registry::default()
        })
    });
    let plugin = plugin.await;
    plugin.configure(config! {}).await;
    plugin
}

fn written(kitchen: &str, more: Object) -> Object {
    let mut written = config! {
        "kitchen" => kitchen,
        "name" => "k",
        "fillings" => ["water", "tea"],
        "lid" => vec![block! { "colour" => "red" }],
    };
    written.extend(more);
    written
}

#[tokio::test]
async fn a_whole_life() {
    let plugin = kitchen().await;
    let kettles = plugin.resource("kitchen_kettle");
    let mut kettle = kettles.create(written("life", config! {})).await;
    assert_eq!(kettle.get("cups"), &Value::from(4));
    kettle.settled().await;
    assert_eq!(kettle.update(written("life", config! {})).await, Action::NoOp);
    assert_eq!(
        kettle.update(written("life", config! { "cups" => 5 })).await,
        Action::Update
    );
    assert_eq!(
        kettle
            .update(written("life", config! { "cups" => 5, "name" => "m" }))
            .await,
        Action::Replace
    );
    kettle.settled().await;
    kettle.destroy().await;
    assert!(!self::kettles().contains_key("life"));
}

#[tokio::test]
async fn drift_is_seen_and_put_right() {
    let plugin = kitchen().await;
    let mut kettle = plugin
        .resource("kitchen_kettle")
        .create(written("drift", config! {}))
        .await;
    let mut dented = kettles()["drift"].clone();
    dented.dents = vec!["deep".to_owned()].into();
    kettles().insert("drift".to_owned(), dented);
    assert_eq!(kettle.refresh().await, Found::Changed);
    assert_eq!(kettle.update(written("drift", config! {})).await, Action::Update);
    kettle.settled().await;
    kettles().remove("drift");
    assert_eq!(kettle.refresh().await, Found::Gone);
    assert_eq!(kettle.update(written("drift", config! {})).await, Action::Create);
}

#[tokio::test]
async fn what_is_unknown_in_the_plan_is_known_in_apply() {
    let plugin = kitchen().await;
    let kettles = plugin.resource("kitchen_kettle");
    let planned = kettles
        .plan_create(written("later", config! { "cups" => Value::unknown() }))
        .await;
    assert!(planned.get("number").is_unknown());
    let made = kettles
        .create_planned(planned, written("later", config! { "cups" => 9 }))
        .await;
    let Ok(made) = made else { panic!("it is made") };
    assert_eq!(made.get("cups"), &Value::from(9));
}

#[tokio::test]
async fn a_creation_that_fails_half_way_is_kept_and_replaced() {
    let plugin = kitchen().await;
    let kettles = plugin.resource("kitchen_kettle");
    let failed = kettles
        .try_create(written("broken", config! { "name" => "breaks" }))
        .await;
    let Err(failed) = failed else { panic!("it breaks") };
    assert_eq!(failed.told[0].summary, "Broken kettle");
    let mut left = failed.left;
    assert!(left.exists() && left.tainted);
    assert_eq!(left.update(written("broken", config! {})).await, Action::Replace);
    left.settled().await;
}

#[tokio::test]
async fn imports_by_id_and_by_identity_settle() {
    let plugin = kitchen().await;
    let kettles = plugin.resource("kitchen_kettle");
    let made = kettles.create(written("found", config! {})).await;
    let mut imported = kettles.import("found").await;
    assert_eq!(imported.state, made.state);
    let generated = imported.generated_config().await;
    imported.settled_as(generated).await;
    imported.settled_as(written("found", config! {})).await;
    let other = kettles.try_import_identity(config! { "kitchen" => "found" }).await;
    let Ok(other) = other else { panic!("it is found") };
    assert_eq!(other.state, made.state);
    let nowhere = kettles.try_import("nowhere").await;
    assert!(nowhere.is_err_and(|told| told[0].summary.contains("non-existent")));
}

#[tokio::test]
async fn a_mistake_is_told_where_it_is() {
    let plugin = kitchen().await;
    let kettles = plugin.resource("kitchen_kettle");
    let told = kettles
        .try_plan_create(written("wrong", config! { "cups" => 13 }))
        .await;
    assert_eq!(told.expect_err("too many")[0].path.to_string(), "cups");
}

#[tokio::test]
async fn a_plan_may_warn() {
    let plugin = kitchen().await;
    let kettles = plugin.resource("kitchen_kettle");
    let planned = kettles.plan_create(written("large", config! { "cups" => 12 })).await;
    assert_eq!(planned.warnings[0].summary, "Large kettle");
}

#[tokio::test]
async fn a_data_source_is_read() {
    let plugin = kitchen().await;
    plugin
        .resource("kitchen_kettle")
        .create(written("seen", config! {}))
        .await;
    let read = plugin
        .read_data_source("kitchen_kitchen", config! { "kitchen" => "seen" })
        .await;
    assert_eq!(read["kettle"], Value::from("k"));
    let told = plugin
        .try_read_data_source("kitchen_kitchen", config! { "kitchen" => "empty" })
        .await;
    assert_eq!(told.expect_err("nothing is there")[0].path.to_string(), "kitchen");
}

#[tokio::test]
#[should_panic(expected = "Core refuses the state after apply")]
async fn a_provider_that_lies_is_found_out() {
    let plugin = kitchen().await;
    plugin
        .resource("kitchen_kettle")
        .create(written("lies", config! { "name" => "lies" }))
        .await;
}

#[tokio::test]
#[should_panic(expected = "a refresh finds other")]
async fn a_kettle_that_does_not_settle_is_found_out() {
    let plugin = kitchen().await;
    let mut kettle = plugin
        .resource("kitchen_kettle")
        .create(written("restless", config! {}))
        .await;
    let mut other = kettles()["restless"].clone();
    other.name = "z".to_owned();
    kettles().insert("restless".to_owned(), other);
    kettle.settled().await;
}
