//! What a service announces, as it travels, and what of it is believed.

use thiserror::Error;

use super::bloom::Filter;
use super::memory::is_of;
use crate::client::Announced;
use crate::mesh::value::{Value, size};
use crate::node_id::NodeId;

const VERSION: i128 = 1;

/// How many procedures are listed by name, for people who look on: the filter has all.
const MAX_LISTED: usize = 1_000;
const MAX_LISTED_BYTES: usize = 64 * 1024;
/// A procedure of the wire has at most 512 bytes; names of services and orgs are far shorter.
const MAX_NAME: usize = 512;
/// A filter of 125,000 bytes, a list, and some room for what later versions add.
const MAX_BYTES: usize = 256 * 1024;

/// What a service announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    origin: Announced,
    procedures: Vec<String>,
}

/// Why what was published is no fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NotAFact {
    #[error("it is sealed")]
    Sealed,
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("it is of a version that nobody here reads")]
    Version,
    #[error("it speaks for another node than the one that published it")]
    Foreign,
    #[error("it has no `{0}`, or one that makes no sense")]
    Malformed(&'static str),
}

impl Fact {
    /// The procedures of a service under its org, `<org>/<name>_v<version>`.
    pub(crate) fn new(
        service: impl Into<String>,
        org: impl Into<String>,
        node: NodeId,
        procedures: Vec<String>,
    ) -> Self {
        Self { origin: Announced { node, org: org.into(), service: service.into() }, procedures }
    }

    /// `{v, service, org, node, count, capabilities, filter: {bits, hashes, data}}`
    pub(crate) fn to_value(&self) -> Value {
        let filter = Filter::of(&self.procedures);
        let mut room = MAX_LISTED_BYTES;
        let listed = self.procedures.iter().take(MAX_LISTED).take_while(|name| {
            let fits = room >= name.len();
            room = room.saturating_sub(name.len());
            fits
        });
        map([
            ("v", Value::Int(VERSION)),
            ("service", Value::text(&self.origin.service)),
            ("org", Value::text(&self.origin.org)),
            ("node", Value::Bytes(self.origin.node.as_bytes().to_vec())),
            ("count", Value::Int(self.procedures.len() as i128)),
            ("capabilities", Value::List(listed.map(Value::text).collect())),
            (
                "filter",
                map([
                    ("bits", Value::Int(filter.bits() as i128)),
                    ("hashes", Value::Int(filter.hashes().into())),
                    ("data", Value::Bytes(filter.data().to_vec())),
                ]),
            ),
        ])
    }
}

/// What a fact says, if `publisher`, whose signature it has, may say it.
pub(super) fn read(value: &Value, publisher: NodeId) -> Result<(Announced, Filter), NotAFact> {
    if size(value) > MAX_BYTES {
        return Err(NotAFact::TooLarge);
    }
    match value.get("v") {
        Some(Value::Int(VERSION)) => {}
        Some(Value::Int(_)) => return Err(NotAFact::Version),
        _ => return Err(NotAFact::Malformed("v")),
    }
    let Some(Value::Bytes(node)) = value.get("node") else {
        return Err(NotAFact::Malformed("node"));
    };
    if node != publisher.as_bytes() {
        return Err(NotAFact::Foreign);
    }
    let name = |field| match value.get(field) {
        Some(Value::Text(name)) if !name.is_empty() && name.len() <= MAX_NAME => Ok(name.clone()),
        _ => Err(NotAFact::Malformed(field)),
    };
    let origin = Announced { node: publisher, org: name("org")?, service: name("service")? };
    let filter = filter(value.get("filter")).ok_or(NotAFact::Malformed("filter"))?;
    let Some(Value::List(listed)) = value.get("capabilities") else {
        return Err(NotAFact::Malformed("capabilities"));
    };
    let is_its_own =
        |name: &Value| matches!(name, Value::Text(name) if is_of(name, &origin.org) && filter.may_hold(name));
    if listed.len() > MAX_LISTED || !listed.iter().all(is_its_own) {
        return Err(NotAFact::Malformed("capabilities"));
    }
    Ok((origin, filter))
}

fn filter(told: Option<&Value>) -> Option<Filter> {
    let told = told?;
    match (told.get("bits")?, told.get("hashes")?, told.get("data")?) {
        (Value::Int(bits), Value::Int(hashes), Value::Bytes(data)) => Filter::from_parts(*bits, *hashes, data),
        _ => None,
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::text(key), value)).collect())
}

#[cfg(test)]
mod tests {
    use macula_rust::{cbor, frame};

    use super::*;

    const NODE: NodeId = NodeId::from_bytes([7; 32]);

    fn fact(procedures: usize) -> Fact {
        let procedures = (0..procedures).map(|number| format!("shop/order.{number}_v1")).collect();
        Fact::new("hecate-shop", "shop", NODE, procedures)
    }

    fn carried(value: &Value) -> Value {
        frame::check_payload(value).unwrap();
        cbor::decode(&cbor::encode(value).unwrap()).unwrap()
    }

    #[test]
    fn a_fact_of_any_size_is_read_as_it_was_told() {
        for count in [0, 1, 1_000, 100_000, 150_000] {
            let fact = fact(count);
            let (origin, filter) = read(&carried(&fact.to_value()), NODE).unwrap();
            assert_eq!(origin, fact.origin);
            assert!(fact.procedures.iter().take(100_000).all(|name| filter.may_hold(name)));
        }
        let long = Fact::new("s", "o", NODE, (0..1_000).map(|n| format!("o/{n}{}", "x".repeat(500))).collect());
        read(&carried(&long.to_value()), NODE).unwrap();
    }

    #[test]
    fn who_speaks_for_another_node_is_not_believed() {
        assert_eq!(read(&fact(1).to_value(), NodeId::from_bytes([8; 32])), Err(NotAFact::Foreign));
    }

    #[test]
    fn what_is_no_fact_is_told_by_what_is_wrong() {
        let with = |field, value| read(&fact(2).to_value().with_field(field, value), NODE).unwrap_err();
        assert_eq!(with("v", Value::Int(2)), NotAFact::Version);
        assert_eq!(with("more", Value::Bytes(vec![0; MAX_BYTES])), NotAFact::TooLarge);
        for field in ["v", "node", "org", "service", "capabilities", "filter"] {
            assert_eq!(with(field, Value::Null), NotAFact::Malformed(field));
            let without = fact(2).to_value().without(&[field]);
            assert_eq!(read(&without, NODE), Err(NotAFact::Malformed(field)));
        }
        assert_eq!(with("org", Value::text("")), NotAFact::Malformed("org"));
        assert_eq!(with("service", Value::text("x".repeat(513))), NotAFact::Malformed("service"));
        for listed in ["other/order.0_v1", "shop/never.there_v1", "shop"] {
            let listed = Value::List(vec![Value::text(listed)]);
            assert_eq!(with("capabilities", listed), NotAFact::Malformed("capabilities"));
        }
        let full = map([("bits", Value::Int(64)), ("hashes", Value::Int(7)), ("data", Value::Bytes(vec![0xff; 8]))]);
        assert_eq!(with("filter", full), NotAFact::Malformed("filter"));
        assert_eq!(read(&Value::List(vec![]), NODE), Err(NotAFact::Malformed("v")));
    }
}
