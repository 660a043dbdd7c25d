//! Messages of every shape cross the SDK's codec unchanged, and mean what they mean in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chance::Seed;
use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Everything {
    pub(super) yes: bool,
    pub(super) signed: i64,
    pub(super) unsigned: u64,
    pub(super) byte: u8,
    pub(super) wide: i128,
    pub(super) letter: char,
    pub(super) text: String,
    #[serde(with = "bytes")]
    pub(super) raw: Vec<u8>,
    pub(super) listed: Vec<u8>,
    pub(super) unit: (),
    pub(super) perhaps: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) twice: Option<Option<bool>>,
    pub(super) pair: (i64, bool),
    pub(super) inners: Vec<Inner>,
    pub(super) shapes: Vec<Shape>,
    pub(super) by_name: BTreeMap<String, Inner>,
    pub(super) by_number: BTreeMap<i64, bool>,
    pub(super) by_letter: BTreeMap<char, bool>,
    pub(super) by_flag: BTreeMap<bool, ()>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Inner {
    pub(super) born: Option<i64>,
    pub(super) share: f64,
    pub(super) small: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Shape {
    Nothing,
    Flag(bool),
    Pair(i64, String),
    Fields { open: Option<bool>, shapes: Vec<Shape> },
    Nested(Box<Shape>),
}

/// A field that is bytes, and not a list of numbers.
mod bytes {
    use std::fmt;

    use serde::de::{Deserializer, SeqAccess, Visitor};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_owned())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = items.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }
}

/// `Some(None)` and `None` are one in both encodings.
fn flat(mut message: Everything) -> Everything {
    message.twice = message.twice.filter(Option::is_some);
    message
}

#[test]
fn every_message_comes_back_as_it_was() {
    let mut seed = Seed::new();
    for _ in 0..1_000 {
        let message = flat(seed.message(false));
        let back = there_and_back(&message);
        assert_eq!(back, message);
        // What `==` does not see: -0.0.
        assert_eq!(format!("{back:?}"), format!("{message:?}"));
    }
}

#[test]
fn a_message_means_the_same_in_json_and_on_the_mesh() {
    let mut seed = Seed::new();
    for _ in 0..1_000 {
        let message = flat(seed.message(true));
        assert_eq!(there_and_back(&message), through_json(&message));
    }
}

#[test]
fn the_size_is_that_of_the_real_encoding() {
    let mut seed = Seed::new();
    for _ in 0..3_000 {
        let value = seed.value(5);
        assert_eq!(size(&value), cbor::encode(&value).unwrap().len(), "{value:?}");
    }
    for length in [0, 23, 24, 255, 256, 65_535, 65_536] {
        for value in [Value::Text("x".repeat(length)), Value::Bytes(vec![0; length]), Value::List(vec![int(0); length])]
        {
            assert_eq!(size(&value), cbor::encode(&value).unwrap().len(), "{length}");
        }
    }
}

#[test]
fn any_value_is_read_or_refused_in_peace() {
    let mut seed = Seed::new();
    let mut read = 0;
    for _ in 0..3_000 {
        let value = Value::Map(vec![
            (Value::text("shapes"), seed.value(5)),
            (Value::text("by_number"), seed.value(2)),
            (Value::text("rest"), seed.value(6)),
        ]);
        let _ = decode::<Everything>(value.clone());
        let _ = decode::<BTreeMap<String, Shape>>(value.clone());
        read += usize::from(decode::<BTreeMap<String, serde_json::Value>>(value).is_ok());
    }
    assert!(read > 0, "no value at all was read");
}

#[test]
fn enums_have_the_forms_that_json_has() {
    #[derive(Serialize)]
    struct All(BTreeMap<&'static str, Shape>);

    let shapes = All(BTreeMap::from([
        ("fields", Shape::Fields { open: Some(true), shapes: vec![Shape::Nothing] }),
        ("newtype", Shape::Flag(true)),
        ("tuple", Shape::Pair(-1, "x".to_owned())),
        ("unit", Shape::Nothing),
    ]));
    let fields = map([("open", int(1)), ("shapes", Value::List(vec![Value::text("Nothing")]))]);
    assert_eq!(
        encode(&shapes).unwrap(),
        map([
            ("fields", map([("Fields", fields)])),
            ("newtype", map([("Flag", int(1))])),
            ("tuple", map([("Pair", Value::List(vec![int(-1), Value::text("x")]))])),
            ("unit", Value::text("Nothing")),
        ])
    );
    // A variant that holds something can be a message itself.
    assert_eq!(there_and_back(&Shape::Flag(true)), Shape::Flag(true));
    assert_eq!(refused(&Shape::Nothing), (String::new(), Reason::NotAnObject("text")));
}

#[test]
fn unit_is_an_empty_map_as_it_is_an_empty_object() {
    assert_eq!(encode(&()).unwrap(), map([]));
    there_and_back(&());
    decode::<()>(map([("more", int(1))])).unwrap();
    assert_eq!(unreadable::<()>(Value::Null), "found `null`, but a message is an object");
    assert_eq!(unreadable::<Inner>(Value::List(Vec::new())), "found a list, but a message is an object");

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Below {
        unit: (),
    }
    assert_eq!(encode(&Below { unit: () }).unwrap(), map([("unit", Value::Null)]));
    assert!(unreadable::<Below>(map([("unit", map([]))])).starts_with("`unit`: "));
}

#[test]
fn what_is_no_object_is_no_message() {
    for refused in
        [refused(&true), refused(&1), refused(&0.5), refused(&"text"), refused(&vec![1]), refused(&None::<()>)]
    {
        assert!(matches!(&refused, (path, Reason::NotAnObject(_)) if path.is_empty()), "{refused:?}");
    }
    assert_eq!(encode(&Some(BTreeMap::from([("a", 1)]))).unwrap(), map([("a", int(1))]));
}

#[test]
fn json_of_any_kind_comes_back_with_numbers_for_booleans() {
    let sent = serde_json::json!({"a": [true, null, {"b": -0.5, "c": "x"}], "d": i64::MIN, "e": 1.0});
    let object = sent.as_object().unwrap();
    let back: serde_json::Value = decode(carried(object)).unwrap();
    assert_eq!(back, serde_json::json!({"a": [1, null, {"b": -0.5, "c": "x"}], "d": i64::MIN, "e": 1.0}));
}
