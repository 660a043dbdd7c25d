//! Messages of every shape that both encodings carry.

use std::collections::BTreeMap;
use std::fmt::Debug;

use macula_rust::{cbor, frame};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::capability::json;
use crate::mesh::value::{self, Reason};

/// A message with something of everything.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Everything {
    text: String,
    letter: char,
    flag: bool,
    small: u8,
    signed: i64,
    unsigned: u64,
    share: f64,
    narrow: f32,
    unit: (),
    perhaps: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    twice: Option<Option<bool>>,
    pair: (i64, bool),
    #[serde(rename = "listed-items")]
    listed: Vec<Inner>,
    bytes: Vec<u8>,
    shapes: Vec<Shape>,
    kinds: Vec<Kind>,
    choices: Vec<Choice>,
    by_name: BTreeMap<String, Inner>,
    by_number: BTreeMap<i64, bool>,
    by_letter: BTreeMap<char, u8>,
    by_shape: BTreeMap<Color, bool>,
    anything: serde_json::Value,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inner {
    born: Option<i32>,
    #[serde(default)]
    share: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Shape {
    Nothing,
    Flag(bool),
    Pair(i64, String),
    Fields { open: Option<bool>, shapes: Vec<Shape> },
    Nested(Box<Shape>),
}

/// Its kind stands among its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    Empty,
    Named { name: String },
    Sized { width: u32, share: f32 },
}

/// It is what it looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Choice {
    Number(i64),
    Text(String),
    Several(Vec<Choice>),
    Inner(Inner),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
enum Color {
    Red,
    Green,
}

/// One whose further fields are whatever a peer likes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Open {
    #[serde(default)]
    name: Option<String>,
    #[serde(flatten)]
    inner: Inner2,
    #[serde(flatten)]
    rest: BTreeMap<String, Choice>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Inner2 {
    #[serde(default)]
    count: i64,
}

/// What was read is read again from what is written of it, by both encodings, and is the same.
///
/// What one of them has no form for is told, and is no message of it: that is the case of numbers that are
/// not finite, and on the mesh of large ones, of deep ones and of reserved names.
pub(crate) fn survives<T>(message: &T)
where
    T: Debug + Serialize + DeserializeOwned + PartialEq + 'static,
{
    let written = json::encode(message, json::UNKNOWN_SIZE).unwrap();
    let shown = String::from_utf8_lossy(&written);
    match json::decode::<T>(&written) {
        Ok(again) => assert_eq!(*message, again, "through JSON, {shown}"),
        // JSON writes them as null.
        Err(error) => assert!(has_no_number(message), "{error}, {shown}"),
    }
    match value::encode(message) {
        Ok(value) => {
            frame::check_payload(&value).unwrap();
            let bytes = cbor::encode(&value).unwrap();
            assert_eq!(bytes.len(), value::size(&value), "{value:?}");
            let carried = cbor::decode(&bytes).unwrap();
            let again = value::decode::<T>(carried).unwrap_or_else(|error| panic!("{error}, {shown}"));
            assert_eq!(*message, again, "through the mesh, {shown}");
        }
        Err(error) => {
            let is_known = matches!(
                error.reason(),
                Reason::IntegerOutOfRange(_)
                    | Reason::NotFinite(_)
                    | Reason::Reserved(_)
                    | Reason::TooDeep
                    | Reason::TooManyItems
                    | Reason::TooLarge(_)
            );
            assert!(is_known, "{error}, {shown}");
        }
    }
}

/// Whether there is a number in it that is none.
fn has_no_number(message: &impl Debug) -> bool {
    let shown = format!("{message:?}");
    ["inf", "NaN"].iter().any(|none| shown.contains(none))
}
