//! MessagePack as Terraform sends it.

use crate::protocol::msgpack::*;
use crate::protocol::number::Number;
use crate::protocol::value::{Object, Refinements, Type, Value};

#[track_caller]
fn check(r#type: &Type, bytes: &[u8], value: &Value) {
    assert_eq!(decode(bytes, r#type).as_ref(), Ok(value));
    assert_eq!(decode(&encode(value), r#type).as_ref(), Ok(value), "there and back");
}

#[test]
fn numbers_arrive_in_every_form_that_terraform_uses() {
    let number = |text: &str| Value::Number(text.parse().expect("a number"));
    check(&Type::Number, &[0x07], &number("7"));
    check(&Type::Number, &[0xa3, b'0', b'.', b'1'], &number("0.1"));
    check(&Type::Number, &[0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0], &number("0.5"));
    check(
        &Type::Number,
        &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255],
        &number("18446744073709551615"),
    );
    assert!(
        decode(&[0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], &Type::Number).is_err(),
        "infinity"
    );
}

#[test]
fn unknowns_keep_their_refinements() {
    check(&Type::String, &[0xd4, 0, 0], &Value::unknown());
    let refined = Refinements {
        nullness: Some(false),
        prefix: Some("x-".into()),
        ..Refinements::default()
    };
    check(
        &Type::String,
        &[0xc7, 7, 12, 0x82, 1, 0xc2, 2, 0xa2, b'x', b'-'],
        &Value::Unknown(refined),
    );
    let counted = Refinements {
        nullness: Some(false),
        minimum: Some((Number::from(0_i64), true)),
        ..Refinements::default()
    };
    check(
        &Type::Number,
        &[0xc7, 7, 12, 0x82, 1, 0xc2, 3, 0x92, 0, 0xc3],
        &Value::Unknown(counted),
    );
}

#[test]
fn objects_must_have_exactly_their_attributes() {
    let r#type = Type::object([("a".to_owned(), Type::Bool), ("b".to_owned(), Type::String)]);
    check(
        &r#type,
        &[0x82, 0xa1, b'a', 0xc3, 0xa1, b'b', 0xc0],
        &Value::Map(Object::from([
            ("a".into(), Value::Bool(true)),
            ("b".into(), Value::Null),
        ])),
    );
    assert!(decode(&[0x81, 0xa1, b'a', 0xc3], &r#type).is_err());
    assert!(decode(&[0x82, 0xa1, b'a', 0xc3, 0xa1, b'c', 0xc0], &r#type).is_err());
}

#[test]
fn sets_are_sorted_and_dynamic_values_carry_their_type() {
    check(&Type::set(Type::Number), &[0x93, 3, 1, 3], &Value::from(vec![1_i64, 3]));
    let bytes = [&[0x92, 0xc4, 8][..], b"\"string\"", &[0xa1, b'x']].concat();
    check(
        &Type::Dynamic,
        &bytes,
        &Value::Dynamic(Box::new((Type::String, Value::from("x")))),
    );
    check(
        &Type::Tuple(vec![Type::Bool, Type::map(Type::Number)]),
        &[0x92, 0xc3, 0x80],
        &Value::List(vec![Value::Bool(true), Value::Map(Object::new())]),
    );
}

#[test]
fn broken_bytes_are_an_error_and_no_panic() {
    let r#type = Type::list(Type::String);
    for bytes in [
        &[][..],
        &[0xdd, 255, 255, 255, 255],
        &[0x91],
        &[0x91, 0xd9, 200, 1],
        &[0xc0, 0xc0],
        &[0xc7, 200, 12],
    ] {
        assert!(decode(bytes, &r#type).is_err(), "{bytes:?}");
    }
}
