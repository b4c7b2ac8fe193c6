//! Each of Core's rules is seen to refuse what it is there to refuse, and to accept the rest.

use std::collections::BTreeMap;

use entradb::protocol::number::Number;
use entradb::protocol::path::{Path, Step};
use entradb::protocol::value::{Object, Refinements, Type, Value};

use crate::harness::core_rules::{
    Refused, compatible, conforms, nothing_write_only, plan_valid, proposed, replaced, wholly_known,
};
use crate::harness::schema::{Attribute, Block, NestedBlock, Nesting};

pub fn attribute(r#type: Type, presence: &str) -> Attribute {
    Attribute {
        r#type,
        required: presence == "required",
        optional: presence.starts_with("optional"),
        computed: presence.ends_with("computed"),
        write_only: false,
    }
}

fn nested(nesting: Nesting) -> NestedBlock {
    let block = Block {
        attributes: BTreeMap::from([
            ("colour".to_owned(), attribute(Type::String, "required")),
            ("size".to_owned(), attribute(Type::Number, "optional computed")),
        ]),
        ..Block::default()
    };
    NestedBlock {
        nesting,
        min_items: 0,
        max_items: 0,
        block,
    }
}

/// A kettle: one attribute of each presence, one block of each nesting.
pub fn kettle() -> Block {
    Block {
        attributes: BTreeMap::from([
            ("name".to_owned(), attribute(Type::String, "required")),
            ("labels".to_owned(), attribute(Type::map(Type::String), "optional")),
            ("fillings".to_owned(), attribute(Type::set(Type::String), "optional")),
            ("cups".to_owned(), attribute(Type::Number, "optional computed")),
            ("number".to_owned(), attribute(Type::Number, "computed")),
        ]),
        blocks: BTreeMap::from([
            ("base".to_owned(), nested(Nesting::Single)),
            ("handle".to_owned(), nested(Nesting::List)),
            ("lid".to_owned(), nested(Nesting::Set)),
        ]),
    }
}

fn object(members: &[(&str, Value)]) -> Value {
    let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Map(members.collect())
}

fn given(members: &[(&str, Value)]) -> Value {
    let mut given = Object::from([("name".to_owned(), Value::from("k"))]);
    given.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    kettle().config(given)
}

fn lid(colour: &str, size: Value) -> Value {
    object(&[("colour", Value::from(colour)), ("size", size)])
}

fn with(value: &Value, name: &str, changed: Value) -> Value {
    let mut members = value.as_object().cloned().expect("an object");
    members.insert(name.to_owned(), changed);
    Value::Map(members)
}

#[track_caller]
pub fn refuses(refused: &Refused, what: &str) {
    assert!(
        refused.iter().any(|found| found.contains(what)),
        "nothing says `{what}` in {refused:?}"
    );
}

#[test]
fn a_plan_follows_the_configuration() {
    let block = kettle();
    let config = given(&[("lid", Value::List(vec![lid("red", Value::Null)]))]);
    let planned = with(&config, "number", Value::unknown());
    let planned = with(&planned, "cups", Value::from(4));
    let planned = with(&planned, "lid", Value::List(vec![lid("red", Value::from(1))]));
    assert_eq!(plan_valid(&block, &Value::Null, &config, &planned), Refused::new());

    let other = with(&planned, "name", Value::from("x"));
    refuses(
        &plan_valid(&block, &Value::Null, &config, &other),
        "name: planned value",
    );
    let prior = with(&planned, "name", Value::from("K"));
    assert_eq!(
        plan_valid(&block, &prior, &config, &with(&planned, "name", Value::from("K"))),
        Refused::new()
    );
    refuses(&plan_valid(&block, &prior, &config, &other), "nor the prior");
    let extra = with(&planned, "labels", object(&[("a", Value::from("b"))]));
    refuses(&plan_valid(&block, &Value::Null, &config, &extra), "non-computed");
    let cups = with(&config, "cups", Value::from(3));
    refuses(
        &plan_valid(&block, &Value::Null, &cups, &planned),
        "cups: planned value",
    );
}

#[test]
fn blocks_are_planned_as_they_are_written() {
    let block = kettle();
    let red = || lid("red", Value::Null);
    let config = given(&[("lid", Value::List(vec![red()])), ("handle", Value::List(vec![red()]))]);
    let plan = |name: &str, value: Value| plan_valid(&block, &Value::Null, &config, &with(&config, name, value));
    refuses(&plan("lid", Value::Null), "null");
    refuses(&plan("lid", Value::unknown()), "known blocks are planned as unknown");
    refuses(&plan("lid", Value::List(vec![lid("blue", Value::Null)])), "vanished");
    refuses(&plan("lid", Value::List(vec![red(), lid("blue", Value::Null)])), "grew");
    refuses(&plan("lid", Value::List(vec![Value::unknown()])), "in a set");
    refuses(&plan("handle", Value::List(vec![])), "0 blocks are planned, 1");
    refuses(
        &plan("handle", Value::List(vec![lid("blue", Value::Null)])),
        "handle[0].colour",
    );
    refuses(&plan("base", red()), "does not have");
    let based = given(&[("base", red())]);
    refuses(&plan_valid(&block, &Value::Null, &based, &given(&[])), "is not planned");
    let open = with(&config, "lid", Value::unknown());
    assert_eq!(plan_valid(&block, &Value::Null, &open, &open), Refused::new());
    refuses(&plan_valid(&block, &Value::Null, &open, &config), "planned as known");
}

#[test]
fn write_only_values_are_neither_planned_nor_stored() {
    let mut block = kettle();
    block.attributes.get_mut("labels").expect("an attribute").write_only = true;
    let config = given(&[("labels", object(&[("a", Value::from("b"))]))]);
    refuses(&plan_valid(&block, &Value::Null, &config, &config), "write-only");
    refuses(&nothing_write_only(&block, &config), "write-only");
    let planned = with(&config, "labels", Value::Null);
    assert_eq!(plan_valid(&block, &Value::Null, &config, &planned), Refused::new());
    assert_eq!(nothing_write_only(&block, &planned), Refused::new());
}

#[test]
fn what_comes_about_is_what_was_planned() {
    let block = kettle();
    let planned = given(&[
        ("number", Value::unknown()),
        ("cups", Value::from(4)),
        ("fillings", Value::from(["tea", "water"])),
        ("labels", object(&[("a", Value::unknown())])),
        ("handle", Value::List(vec![lid("red", Value::unknown())])),
        ("lid", Value::List(vec![lid("red", Value::unknown())])),
    ]);
    let actual = with(&planned, "number", Value::from(7));
    let actual = with(&actual, "labels", object(&[("a", Value::from("b"))]));
    let actual = with(&actual, "handle", Value::List(vec![lid("red", Value::from(1))]));
    let actual = with(&actual, "lid", Value::List(vec![lid("red", Value::from(1))]));
    assert_eq!(compatible(&block, &planned, &actual), Refused::new());

    let becomes = |name: &str, value: Value| compatible(&block, &planned, &with(&actual, name, value));
    refuses(&becomes("cups", Value::from(5)), "cups: was");
    refuses(&becomes("cups", Value::unknown()), "is now unknown");
    refuses(&becomes("cups", Value::Null), "cups: was");
    refuses(&becomes("base", lid("red", Value::Null)), "base: was Null");
    refuses(&becomes("fillings", Value::from(["tea"])), "vanished");
    refuses(&becomes("fillings", Value::from(["oil", "tea"])), "vanished");
    refuses(&becomes("fillings", Value::from(["oil", "tea", "water"])), "grew");
    refuses(&becomes("labels", object(&[])), "labels.a: vanished");
    refuses(
        &becomes("labels", object(&[("a", Value::from("b")), ("c", Value::from("d"))])),
        "labels.c: appeared",
    );
    refuses(
        &becomes("handle", Value::List(vec![])),
        "1 elements were planned, there are 0",
    );
    refuses(
        &becomes("handle", Value::List(vec![lid("blue", Value::Null)])),
        "handle[0].colour",
    );
    refuses(&becomes("lid", Value::List(vec![lid("blue", Value::Null)])), "vanished");
    refuses(&compatible(&block, &planned, &Value::Null), "absent");
    refuses(&compatible(&block, &Value::Null, &actual), "appears");
}

#[test]
fn what_the_plan_says_of_the_unknown_comes_true() {
    let block = kettle();
    let promise = |known: Refinements, actual: Value| {
        let planned = given(&[("number", Value::Unknown(known.clone()))]);
        let named = given(&[("name", Value::Unknown(known))]);
        match actual {
            Value::String(_) => compatible(&block, &named, &given(&[("name", actual)])),
            actual => compatible(&block, &planned, &given(&[("number", actual)])),
        }
    };
    let not_null = Refinements {
        nullness: Some(false),
        ..Refinements::default()
    };
    refuses(&promise(not_null, Value::Null), "against");
    let prefixed = Refinements {
        prefix: Some("zz-".to_owned()),
        ..Refinements::default()
    };
    refuses(&promise(prefixed.clone(), Value::from("a")), "against");
    assert_eq!(promise(prefixed, Value::from("zz-1")), Refused::new());
    let positive = Refinements {
        minimum: Some((Number::from(0_i64), false)),
        maximum: Some((Number::from(9_i64), true)),
        ..Refinements::default()
    };
    refuses(&promise(positive.clone(), Value::from(0)), "against");
    refuses(&promise(positive.clone(), Value::from(10)), "against");
    assert_eq!(promise(positive, Value::from(9)), Refused::new());
}

#[test]
fn what_is_stored_is_known_and_of_its_type() {
    let block = kettle();
    let state = given(&[("fillings", Value::from(["tea"]))]);
    assert_eq!(conforms(&block, &state), Refused::new());
    assert_eq!(wholly_known(&state), Refused::new());
    refuses(
        &wholly_known(&with(&state, "number", Value::unknown())),
        "number: still unknown",
    );
    refuses(
        &conforms(&block, &with(&state, "name", Value::from(1))),
        "string is required",
    );
    refuses(
        &conforms(&block, &with(&state, "fillings", Value::from(["a", "a"]))),
        "twice",
    );
    refuses(
        &conforms(&block, &with(&state, "lid", Value::Null)),
        "repeated blocks are null",
    );
    refuses(&conforms(&block, &with(&state, "spout", Value::Null)), "unsupported");
    let mut short = state.as_object().cloned().expect("an object");
    short.remove("cups");
    refuses(&conforms(&block, &Value::Map(short)), "cups: missing");
    refuses(&conforms(&block, &Value::Bool(true)), "in the place of an object");
}

#[test]
fn only_a_difference_replaces_and_only_what_exists() {
    let r#type = kettle().r#type();
    let prior = given(&[("cups", Value::from(1))]);
    let planned = with(&prior, "name", Value::from("x"));
    let paths = [Path::attribute("name"), Path::attribute("cups")];
    assert_eq!(replaced(&r#type, &prior, &planned, &paths), Ok(vec![&paths[0]]));
    let nowhere = [Path::attribute("spout")];
    assert!(replaced(&r#type, &prior, &planned, &nowhere).is_err());
    let empty = [Path::attribute("a").under(Step::Attribute("labels".into()))];
    assert!(replaced(&r#type, &prior, &planned, &empty).is_err());
    assert!(replaced(&r#type, &prior, &planned, &[Path::root()]).is_err());
}

#[test]
fn what_is_proposed_keeps_what_the_provider_found_out() {
    let block = kettle();
    let prior = given(&[
        ("cups", Value::from(4)),
        ("number", Value::from(7)),
        ("labels", object(&[])),
        (
            "lid",
            Value::List(vec![lid("blue", Value::from(2)), lid("red", Value::from(1))]),
        ),
        ("handle", Value::List(vec![lid("red", Value::from(3))])),
    ]);
    let config = given(&[
        (
            "lid",
            Value::List(vec![lid("green", Value::Null), lid("red", Value::Null)]),
        ),
        (
            "handle",
            Value::List(vec![lid("blue", Value::Null), lid("red", Value::Null)]),
        ),
    ]);
    let proposed = proposed(&block, &prior, &config);
    let expected = given(&[
        ("cups", Value::from(4)),
        ("number", Value::from(7)),
        (
            "lid",
            Value::List(vec![lid("green", Value::Null), lid("red", Value::from(1))]),
        ),
        (
            "handle",
            Value::List(vec![lid("blue", Value::from(3)), lid("red", Value::Null)]),
        ),
    ]);
    assert_eq!(proposed, expected);
    assert_eq!(super::proposed(&block, &Value::Null, &config), config);
    assert_eq!(super::proposed(&block, &prior, &Value::Null), Value::Null);
}
