//! Why a message cannot be carried, and where in it.

use std::fmt;

use serde::{de, ser};
use serde_json::json;
use thiserror::Error;

use super::{MAX_BYTES, MAX_DEPTH, MAX_ITEMS, Value};
use crate::capability::{CapabilityError, ErrorCode};

/// What is shown of a key, and of what serde says: both can be as long as a peer likes.
const MAX_KEY: usize = 128;
const MAX_SAID: usize = 1024;

/// Why a message cannot be carried or read, and where in it.
#[derive(Debug, Error)]
#[error("{}{}", .0.place(), .0.reason)]
pub(crate) struct ValueError(Box<Fault>);

#[derive(Debug)]
struct Fault {
    /// The way from the wrong value to the message.
    steps: Vec<Step>,
    reason: Reason,
}

#[derive(Debug)]
enum Step {
    Field(String),
    Index(usize),
}

/// Why.
#[derive(Debug, Clone, PartialEq, Error)]
pub(crate) enum Reason {
    #[error("found {0}, but a message is an object")]
    NotAnObject(&'static str),
    #[error("the field `{0}` is reserved, the mesh takes it away before the message arrives")]
    Reserved(&'static str),
    #[error("{0} is outside of -2^63 to 2^63-1, the integers of the mesh")]
    IntegerOutOfRange(String),
    #[error("{0} is no finite number")]
    NotFinite(f64),
    #[error("a key is text; found {0}")]
    Key(&'static str),
    #[error("the key `{0}` is there twice")]
    DuplicateKey(String),
    #[error("lists and maps are nested in more than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("the message has more than {MAX_ITEMS} values and keys")]
    TooManyItems,
    #[error("the message has {0} bytes, and at most {MAX_BYTES} can be carried")]
    TooLarge(usize),
    #[error("{0}")]
    Mismatch(String),
}

impl ValueError {
    /// The same, told from one step further out.
    pub(crate) fn in_field(mut self, name: &str) -> Self {
        self.0.steps.push(Step::Field(cut(name, MAX_KEY).to_owned()));
        self
    }

    /// The same, told from one step further out.
    pub(super) fn at_index(mut self, index: usize) -> Self {
        self.0.steps.push(Step::Index(index));
        self
    }

    /// Where: `titles[3].born`; empty for the message itself.
    pub(crate) fn path(&self) -> String {
        self.0.path()
    }

    /// Why.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// What the caller of a capability gets for its request.
    pub(crate) fn of_request(self) -> CapabilityError {
        let message = format!("the request is not what this capability takes: {self}");
        CapabilityError::new(ErrorCode::InvalidRequest, message).with_details(json!({"path": self.path()}))
    }

    /// What the caller gets for a reply that cannot be carried.
    pub(crate) fn of_reply(self) -> CapabilityError {
        CapabilityError::internal(self)
    }
}

impl Fault {
    fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => path.extend([".", name]),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }

    fn place(&self) -> String {
        if self.steps.is_empty() { String::new() } else { format!("`{}`: ", self.path()) }
    }
}

impl From<Reason> for ValueError {
    fn from(reason: Reason) -> Self {
        Self(Box::new(Fault { steps: Vec::new(), reason }))
    }
}

impl ser::Error for ValueError {
    fn custom<T: fmt::Display>(said: T) -> Self {
        Reason::Mismatch(cut(&said.to_string(), MAX_SAID).to_owned()).into()
    }
}

impl de::Error for ValueError {
    fn custom<T: fmt::Display>(said: T) -> Self {
        <Self as ser::Error>::custom(said)
    }
}

/// As much of a text as fits, whole characters only.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Int(_) => "an integer",
        Value::Bytes(_) => "bytes",
        Value::Text(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Null => "`null`",
        Value::Float(_) => "a number",
    }
}
