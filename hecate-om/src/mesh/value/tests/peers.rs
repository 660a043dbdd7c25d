//! What other peers send is read by the types of the message, and told with its path where it cannot be.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Asked {
    yes: bool,
    count: u32,
    share: f64,
    name: String,
    data: Vec<u8>,
    letter: Option<char>,
    titles: Vec<Title>,
    pair: (u8, u8),
    numbered: BTreeMap<u8, u8>,
    kind: Kind,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Title {
    born: i64,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
enum Kind {
    #[default]
    Plain,
    Wide(u8),
    Sized {
        width: u8,
    },
}

fn read(field: &str, value: Value) -> Result<Asked, String> {
    decode(map([(field, value)])).map_err(|error| error.to_string())
}

#[test]
fn a_boolean_is_0_or_1_and_nothing_else() {
    assert!(read("yes", int(1)).unwrap().yes);
    assert!(!read("yes", int(0)).unwrap().yes);
    for other in [int(2), int(-1), Value::Float(1.0), Value::text("true"), Value::Null] {
        let error = read("yes", other).unwrap_err();
        assert!(error.starts_with("`yes`: ") && error.contains("0 or 1"), "{error}");
    }
}

#[test]
fn numbers_are_read_by_what_they_are_meant_to_be() {
    assert_eq!(read("share", int(1)).unwrap().share, 1.0);
    assert_eq!(read("share", Value::Float(0.5)).unwrap().share, 0.5);
    for other in [Value::Float(1.0), int(-1), int(i64::from(u32::MAX) + 1), Value::text("1")] {
        let error = read("count", other).unwrap_err();
        assert!(error.starts_with("`count`: invalid"), "{error}");
    }
}

#[test]
fn text_is_text_and_bytes_are_bytes_or_a_list() {
    assert_eq!(read("name", Value::text("x")).unwrap().name, "x");
    assert!(read("name", Value::Bytes(b"x".to_vec())).is_err());
    assert_eq!(read("data", Value::Bytes(vec![0, 255])).unwrap().data, [0, 255]);
    assert_eq!(read("data", Value::List(vec![int(0), int(255)])).unwrap().data, [0, 255]);
    assert!(read("data", Value::text("x")).is_err());
    assert_eq!(read("letter", Value::text("水")).unwrap().letter, Some('水'));
    assert_eq!(read("letter", Value::Null).unwrap().letter, None);
    assert!(read("letter", Value::text("two")).is_err());
}

#[test]
fn what_cannot_be_read_is_told_with_its_path() {
    let born = |value| map([("born", value)]);
    let told = [
        (
            "titles",
            Value::List(vec![born(int(1)), born(Value::Null)]),
            "`titles[1].born`: invalid type: null, expected i64",
        ),
        ("titles", Value::List(vec![born(int(1)), map([])]), "`titles[1]`: missing field `born`"),
        ("pair", Value::List(vec![int(1)]), "`pair`: invalid length 1, expected a tuple of size 2"),
        ("pair", Value::List(vec![int(1); 3]), "`pair`: invalid length 3, expected a list of 2"),
        ("numbered", map([("7", int(300))]), "`numbered.7`: invalid value: integer `300`, expected u8"),
        ("kind", Value::text("Odd"), "`kind`: unknown variant `Odd`, expected one of `Plain`, `Wide`, `Sized`"),
        ("kind", map([("Wide", Value::text("x"))]), "`kind.Wide`: invalid type: string \"x\", expected u8"),
        (
            "kind",
            map([("Sized", map([("width", int(-1))]))]),
            "`kind.Sized.width`: invalid value: integer `-1`, expected u8",
        ),
        ("kind", map([("Wide", int(1)), ("Sized", int(1))]), "`kind`: invalid value: map, expected a map of one"),
        ("kind", map([]), "`kind`: invalid value: map, expected a map of one"),
    ];
    for (field, value, expected) in told {
        let error = read(field, value).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(read("kind", map([("Plain", Value::Null)])).unwrap().kind, Kind::Plain);
    assert_eq!(read("kind", map([("Sized", Value::List(vec![int(3)]))])).unwrap().kind, Kind::Sized { width: 3 });
}

#[test]
fn fields_that_nobody_knows_pass_unless_the_type_says_otherwise() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {}

    let deep = Value::List(vec![map([("x", Value::Bytes(vec![1]))])]);
    read("unknown", deep.clone()).unwrap();
    assert!(unreadable::<Strict>(map([("unknown", deep)])).contains("unknown field `unknown`"));
}

#[test]
fn integer_keys_are_read_as_text_and_must_not_meet_their_like() {
    let keyed = |keys: Vec<Value>| Value::Map(keys.into_iter().map(|key| (key, int(1))).collect());
    let numbers = keyed(vec![Value::Int(7), Value::text("8")]);
    assert_eq!(decode::<BTreeMap<String, u8>>(numbers.clone()).unwrap().len(), 2);
    assert_eq!(decode::<BTreeMap<u8, u8>>(numbers).unwrap()[&7], 1);
    let error = decode::<BTreeMap<String, u8>>(keyed(vec![Value::Int(7), Value::text("7")])).unwrap_err();
    assert_eq!(told(error).1, Reason::DuplicateKey("7".to_owned()));
    let error = decode::<BTreeMap<String, u8>>(keyed(vec![Value::Null])).unwrap_err();
    assert_eq!(told(error).1, Reason::Key("`null`"));
}

#[test]
fn a_request_is_refused_with_its_path_and_a_reply_keeps_its_reason_inside() {
    let wrong = || decode::<Asked>(map([("titles", Value::List(vec![int(1)]))])).unwrap_err();
    let request = wrong().of_request();
    assert_eq!(request.code(), "invalid_request");
    assert_eq!(request.details().unwrap(), &serde_json::json!({"path": "titles[0]"}));
    assert!(request.message().starts_with("the request is not what this capability takes: `titles[0]`: "), "{request}");
    let reply = wrong().of_reply();
    assert_eq!(reply.code(), "internal");
    assert!(!reply.message().contains("titles"), "{reply}");
    assert!(std::error::Error::source(&reply).unwrap().to_string().contains("titles[0]"));
}

#[test]
fn what_a_peer_makes_long_is_told_short() {
    let long = "x".repeat(1_000_000);
    let error = read("count", Value::text(&long)).unwrap_err();
    assert!(error.len() < 2_000);
    assert!(read(&long, Value::Null).is_ok());
    let error = decode::<BTreeMap<String, u8>>(map([(&long, Value::Null)])).unwrap_err();
    assert!(error.to_string().len() < 2_000);
}
