//! What stands in `contract.lock.json`: the same text for the same contracts, in an order that reads well in a review.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::capability::Kind;

/// The name of the file, beside the Cargo.toml of the package.
pub const FILE: &str = "contract.lock.json";
/// What a lock says that it is.
pub const SCHEMA: &str = "hecate.contract.lock/1";
/// The largest lock that is read: some thousand capabilities.
pub const MAX_BYTES: usize = 4 << 20;

/// What says nothing about which values a schema allows: a lock that held it would differ with each comment.
const SAID_TO_PEOPLE: [&str; 5] = ["$comment", "$schema", "description", "examples", "title"];

/// The contracts of the services of a package.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContractLock {
    schema: &'static str,
    /// By the names of the services.
    pub services: BTreeMap<String, LockedService>,
}

/// The contract of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LockedService {
    /// By name and version.
    #[serde(serialize_with = "as_list")]
    pub capabilities: BTreeMap<(String, u16), LockedCapability>,
}

/// What one version of a capability takes, gives and refuses with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LockedCapability {
    /// `echo.say`.
    pub name: String,
    /// 1 to 65535.
    pub version: u16,
    /// Of what streams, `request` and `reply` are the items.
    #[serde(serialize_with = "as_text")]
    pub kind: Kind,
    /// Why callers should leave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// The codes that it refuses with, in order.
    pub refusals: Vec<String>,
    /// What is read.
    pub request: Value,
    /// What is written.
    pub reply: Value,
}

impl Default for ContractLock {
    fn default() -> Self {
        Self { schema: SCHEMA, services: BTreeMap::new() }
    }
}

impl ContractLock {
    /// The text of the file, the same for the same contracts.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Text, numbers and JSON values, with text for keys: this always has a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl LockedCapability {
    /// With what is written for people left out of its schemas, and all that has no order in one.
    pub(super) fn tidied(mut self) -> Self {
        self.request = tidy_schema(&self.request);
        self.reply = tidy_schema(&self.reply);
        self.refusals.sort();
        self.refusals.dedup();
        self
    }
}

/// `echo.say@1`
impl fmt::Display for LockedCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

fn tidy_schema(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    let mut tidied: Vec<(&String, Value)> = keywords
        .iter()
        .filter(|(keyword, _)| !SAID_TO_PEOPLE.contains(&keyword.as_str()))
        .map(|(keyword, value)| (keyword, tidy_keyword(keyword, value)))
        .collect();
    // In order by itself, unless a crate of the same program asks serde_json to keep another one.
    tidied.sort_by_key(|(keyword, _)| *keyword);
    Value::Object(tidied.into_iter().map(|(keyword, value)| (keyword.clone(), value)).collect())
}

/// What a keyword holds: schemas, or data, which stays as it is.
fn tidy_keyword(keyword: &str, value: &Value) -> Value {
    match (keyword, value) {
        ("$defs" | "dependentSchemas" | "patternProperties" | "properties", Value::Object(schemas)) => {
            let mut named: Vec<_> = schemas.iter().map(|(name, schema)| (name.clone(), tidy_schema(schema))).collect();
            named.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(named.into_iter().collect::<Map<_, _>>())
        }
        ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => {
            Value::Array(schemas.iter().map(tidy_schema).collect())
        }
        ("enum" | "required" | "type", Value::Array(values)) => {
            let mut values = values.clone();
            values.sort_by_key(ToString::to_string);
            Value::Array(values)
        }
        ("const" | "default" | "enum", data) => data.clone(),
        (_, schema) => tidy_schema(schema),
    }
}

fn as_text<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

fn as_list<S: Serializer>(
    capabilities: &BTreeMap<(String, u16), LockedCapability>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(capabilities.values())
}
