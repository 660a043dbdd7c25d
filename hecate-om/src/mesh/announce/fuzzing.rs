//! What any node of the realm may publish: tried with whatever bytes there are.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a broken promise is told")]

use macula_rust::cbor::{self, Value};
use tokio::time::Instant;

use super::fact::{self, Fact};
use super::memory::Memory;
use crate::node_id::NodeId;

/// Hears a fact from the node that it speaks for: what is believed is remembered as it was told, and a fact
/// that is told again is believed.
pub(crate) fn announcement(input: &[u8]) {
    let Ok(payload) = cbor::decode(input) else { return };
    let publisher = match payload.get("node") {
        Some(Value::Bytes(node)) => node.as_slice().try_into().map_or(NODE, NodeId::from_bytes),
        _ => NODE,
    };
    let memory = Memory::default();
    let now = Instant::now();
    memory.hear(publisher, &payload, now);
    let listed: Vec<String> = match payload.get("capabilities") {
        Some(Value::List(listed)) => listed
            .iter()
            .filter_map(|name| if let Value::Text(name) = name { Some(name.clone()) } else { None })
            .collect(),
        _ => Vec::new(),
    };
    let counts = memory.counts();
    let Some(known) = memory.lookup(publisher, now) else {
        assert_eq!((counts.heard, counts.dropped), (0, 1));
        assert!(!memory.last_dropped().unwrap().to_string().is_empty());
        assert!(listed.iter().all(|name| memory.who_could_serve(name, now).is_empty()));
        return;
    };
    assert_eq!((counts.heard, counts.dropped, known.node), (1, 0, publisher));
    for name in &listed {
        assert_eq!(memory.who_could_serve(name, now), std::slice::from_ref(&known), "{name}");
    }
    memory.who_could_serve("", now);
    memory.who_could_serve(&format!("{}/", known.org), now);
    let told = Fact::new(&*known.service, &*known.org, publisher, listed).to_value();
    let told = cbor::decode(&cbor::encode(&told).unwrap()).unwrap();
    assert_eq!(fact::read(&told, publisher).unwrap().0, known);
}

const NODE: NodeId = NodeId::from_bytes([7; 32]);
