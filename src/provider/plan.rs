//! The planning rules: what becomes a default, what stays, what is known only after apply, what is made anew.
//!
//! Pure: the same question always has the same answer, since Terraform asks twice and compares.

use std::collections::BTreeSet;

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::path::Path;
use crate::protocol::schema::{Attribute, Presence, Schema};
use crate::protocol::value::{Object, Type, Value};

/// A change in the making. A resource may adjust it before the general rules have the last word.
pub struct Plan {
    prior: Option<Object>,
    config: Object,
    planned: Object,
    settled: BTreeSet<&'static str>,
    replace: BTreeSet<String>,
    in_place: BTreeSet<&'static str>,
    warnings: Vec<Diagnostic>,
}

/// What was decided.
#[derive(Debug)]
pub struct Decided {
    /// The state that apply will bring about.
    pub planned: Object,
    /// The attributes whose change makes a new object.
    pub replace: Vec<Path>,
    /// Remarks for the person who reads the plan.
    pub warnings: Vec<Diagnostic>,
}

static NULL: Value = Value::Null;

impl Plan {
    /// Begins with what Terraform proposes, defaults filled in.
    pub fn new(schema: &Schema, prior: Option<Object>, proposed: Object, config: Object) -> Self {
        let mut planned = proposed;
        for attribute in &schema.block.attributes {
            let given = config.get(&attribute.name).is_some_and(|value| !value.is_null());
            if attribute.write_only {
                planned.insert(attribute.name.clone(), Value::Null);
            } else if let Some(default) = attribute.default.as_ref().filter(|_| !given) {
                planned.insert(attribute.name.clone(), default.clone());
            } else if attribute.drift && prior.is_some() {
                planned.insert(attribute.name.clone(), nothing(&attribute.r#type));
            }
        }
        Self {
            prior,
            config,
            planned,
            settled: BTreeSet::new(),
            replace: BTreeSet::new(),
            in_place: BTreeSet::new(),
            warnings: Vec::new(),
        }
    }

    /// Whether there is no object yet.
    pub fn is_create(&self) -> bool {
        self.prior.is_none()
    }

    /// The value in the state; null where there is no object yet.
    pub fn prior(&self, name: &str) -> &Value {
        self.prior.as_ref().and_then(|prior| prior.get(name)).unwrap_or(&NULL)
    }

    /// The value in the configuration.
    pub fn config(&self, name: &str) -> &Value {
        self.config.get(name).unwrap_or(&NULL)
    }

    /// The value as planned so far.
    pub fn planned(&self, name: &str) -> &Value {
        self.planned.get(name).unwrap_or(&NULL)
    }

    /// Whether there is such an attribute.
    pub fn has(&self, name: &str) -> bool {
        self.planned.contains_key(name)
    }

    /// Whether the plan differs from the state here.
    pub fn changes(&self, name: &str) -> bool {
        self.planned(name) != self.prior(name)
    }

    /// Decides a value; the general rules leave it alone.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        debug_assert!(self.planned.contains_key(name), "no attribute `{name}`");
        self.planned.insert(name.to_owned(), value.into());
        self.settled.insert(name);
    }

    /// Whether a value was decided already.
    pub fn is_settled(&self, name: &str) -> bool {
        self.settled.contains(name)
    }

    /// Decides that a value stays as it is in the state.
    pub fn keep(&mut self, name: &'static str) {
        let prior = self.prior(name).clone();
        self.set(name, prior);
    }

    /// Decides that a value becomes known only after apply.
    pub fn unknown(&mut self, name: &'static str) {
        self.set(name, Value::unknown());
    }

    /// Decides that the difference in this attribute makes a new object.
    pub fn replace(&mut self, name: &'static str) {
        self.replace.insert(name.to_owned());
    }

    /// Decides that the difference in this attribute makes no new object, although it is marked to.
    pub fn change_in_place(&mut self, name: &'static str) {
        self.in_place.insert(name);
    }

    /// Tells the person who reads the plan.
    pub fn warn(&mut self, warning: Diagnostic) {
        self.warnings.push(warning);
    }

    /// Keeps the spelling of the state where the plan means the same. `settle` is the model's own.
    pub fn settle(&mut self, settle: impl FnOnce(Object, &Object) -> Object) {
        if let Some(prior) = &self.prior {
            self.planned = settle(std::mem::take(&mut self.planned), prior);
        }
    }

    /// The general rules: what is computed becomes unknown where something changes, what is marked makes a new object.
    pub fn decide(mut self, schema: &Schema) -> Decided {
        let changed = self.prior.as_ref() != Some(&self.planned);
        for attribute in schema.block.attributes.iter().filter(|_| changed) {
            if self.becomes_unknown(attribute) {
                self.planned.insert(attribute.name.clone(), Value::unknown());
            }
        }
        let marked = schema
            .block
            .attributes
            .iter()
            .filter(|attribute| attribute.replace && self.prior.is_some())
            .filter(|attribute| !self.in_place.contains(attribute.name.as_str()));
        let marked: Vec<String> = marked
            .map(|attribute| attribute.name.clone())
            .filter(|name| self.changes(name))
            .collect();
        self.replace.extend(marked);
        let replace = self.replace.iter().map(|name| Path::attribute(name)).collect();
        Decided {
            planned: self.planned,
            replace,
            warnings: self.warnings,
        }
    }

    fn becomes_unknown(&self, attribute: &Attribute) -> bool {
        let ours = match attribute.presence {
            Presence::Computed => true,
            Presence::OptionalComputed => self.config(&attribute.name).is_null() && attribute.default.is_none(),
            Presence::Required | Presence::Optional => false,
        };
        let kept = !self.is_create() && (attribute.drift || attribute.stable && !self.prior(&attribute.name).is_null());
        ours && !kept && !self.settled.contains(attribute.name.as_str())
    }
}

/// What a list of drift is planned to be: nothing.
fn nothing(r#type: &Type) -> Value {
    match r#type {
        Type::Number => Value::from(0),
        Type::Bool => Value::Bool(false),
        _ => Value::List(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;
    use crate::protocol::model::Model;
    use crate::protocol::typed::Computed;

    model! {
        /// A door.
        pub struct Door {
            #[replace]
            pub house: String,
            #[default("brown")]
            pub colour: String,
            #[stable]
            pub number: Computed<i64>,
            pub opened: Computed<i64>,
            #[optional]
            pub label: Computed<String>,
            #[drift]
            pub scratches: Computed<Vec<String>>,
        }
    }

    fn schema() -> Schema {
        Schema {
            version: 0,
            block: Door::block(),
        }
    }

    fn door(house: &str, colour: Value, scratches: Value) -> Object {
        Object::from([
            ("house".into(), house.into()),
            ("colour".into(), colour),
            ("number".into(), Value::from(7)),
            ("opened".into(), Value::from(3)),
            ("label".into(), Value::from("front")),
            ("scratches".into(), scratches),
        ])
    }

    fn config(house: &str, colour: Value) -> Object {
        let mut object = door(house, colour, Value::Null);
        for name in ["number", "opened", "label"] {
            object.insert(name.into(), Value::Null);
        }
        object
    }

    /// What Core proposes: computed values that the configuration leaves out keep their prior value.
    fn proposed(config: &Object, prior: &Object) -> Object {
        let mut proposed = config.clone();
        for name in ["number", "opened", "label", "scratches", "colour"] {
            if proposed[name].is_null() {
                proposed.insert(name.into(), prior[name].clone());
            }
        }
        proposed
    }

    fn update(config: Object, prior: Object) -> Decided {
        let proposed = proposed(&config, &prior);
        Plan::new(&schema(), Some(prior), proposed, config).decide(&schema())
    }

    fn none() -> Value {
        Value::List(Vec::new())
    }

    #[test]
    fn creating_leaves_what_is_computed_unknown() {
        let config = config("a", Value::Null);
        let decided = Plan::new(&schema(), None, config.clone(), config).decide(&schema());
        assert_eq!(decided.planned["colour"], Value::from("brown"));
        for name in ["number", "opened", "label", "scratches"] {
            assert!(decided.planned[name].is_unknown(), "{name}");
        }
        assert!(decided.replace.is_empty());
    }

    #[test]
    fn no_change_plans_exactly_the_state() {
        let prior = door("a", Value::from("brown"), none());
        assert_eq!(update(config("a", Value::Null), prior.clone()).planned, prior);
    }

    #[test]
    fn a_change_keeps_what_is_stable() {
        let decided = update(config("a", Value::from("red")), door("a", Value::from("brown"), none()));
        assert_eq!(decided.planned["number"], Value::from(7));
        assert_eq!(decided.planned["scratches"], none());
        assert!(decided.planned["opened"].is_unknown());
        assert!(decided.replace.is_empty());
    }

    #[test]
    fn drift_is_planned_away_and_makes_an_update() {
        let decided = update(
            config("a", Value::Null),
            door("a", Value::from("brown"), Value::from(["deep"])),
        );
        assert_eq!(decided.planned["scratches"], none());
        assert!(decided.planned["opened"].is_unknown());
    }

    #[test]
    fn a_marked_attribute_makes_a_new_object() {
        let decided = update(config("b", Value::Null), door("a", Value::from("brown"), none()));
        assert_eq!(decided.replace, [Path::attribute("house")]);
    }
}
