//! Messages may have derives of their own, with attributes and under other names.

#![deny(warnings)]

use std::borrow::Cow;

use hecate_om::__private::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use hecate_om::__private::serde::{Deserialize as FromWire, Serialize as ToWire};
use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

/// Serde by another name, and a schema by hand.
#[derive(FromWire, ToWire)]
#[serde(crate = "hecate_om::__private::serde", rename_all = "camelCase")]
struct Greet {
    first_name: String,
}

impl JsonSchema for Greet {
    fn schema_name() -> Cow<'static, str> {
        "Greet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// A message with further attributes.
#[message]
#[derive(Clone, Debug, PartialEq, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Greeting {
    /// What is said.
    #[serde(default)]
    full_message: String,
    point: Point,
    id: Id,
    kind: Kind,
}

/// A message inside one may be something else than an object.
#[message]
#[derive(Clone, Debug, PartialEq, Default)]
struct Point(f64, f64);

#[message]
#[derive(Clone, Debug, PartialEq, Default)]
struct Id(String);

#[message]
#[derive(Clone, Debug, PartialEq, Default)]
enum Kind {
    #[default]
    Plain,
    Loud {
        level: u8,
    },
}

/// Greets people.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        Ok(Greeting { full_message: request.first_name, kind: Kind::Loud { level: 1 }, ..Greeting::default() })
    }
}

fn main() {
    assert_eq!(Greeting::default().clone(), Greeting::default());
    let _ = hecate_om::run::<Greeter>;
}
