//! What was announced lately, by node.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bloom::Filter;
use super::fact::{self, NotAFact};
use crate::client::Announced;
use crate::mesh::value::Value;
use crate::node_id::NodeId;

/// Four facts may get lost before a node is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(120);

/// Nodes and bytes of filters that are remembered; who was heard longest ago goes first.
pub(crate) const MAX_ORIGINS: usize = 4_096;
pub(crate) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Whether a procedure is one of an org.
pub(super) fn is_of(procedure: &str, org: &str) -> bool {
    procedure.strip_prefix(org).is_some_and(|rest| rest.starts_with('/'))
}

/// How it went so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) published: u64,
    pub(crate) unpublished: u64,
    pub(crate) heard: u64,
    /// What was no fact, or another node's.
    pub(crate) dropped: u64,
    /// The bounds were reached.
    pub(crate) evicted: u64,
    /// How often facts may have been missed.
    pub(crate) missed: u64,
}

/// The facts of others.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    origins: HashMap<NodeId, Remembered>,
    bytes: usize,
    counts: Counts,
    /// Why the last one was dropped.
    last_dropped: Option<NotAFact>,
}

#[derive(Debug)]
struct Remembered {
    origin: Announced,
    filter: Filter,
    heard: Instant,
}

impl Memory {
    /// Remembers what `publisher` announced in place of what it did before; drops what is no fact.
    pub(crate) fn hear(&self, publisher: NodeId, payload: &Value, now: Instant) {
        match fact::read(payload, publisher) {
            Ok((origin, filter)) => self.known().remember(Remembered { origin, filter, heard: now }),
            Err(error) => self.dropped(error),
        }
    }

    /// Who may serve a procedure: an advertisement with that org must confirm it.
    pub(crate) fn who_could_serve(&self, procedure: &str, now: Instant) -> Vec<Announced> {
        let known = self.known();
        let fresh = known.origins.values().filter(|remembered| remembered.is_fresh(now));
        let could = fresh
            .filter(|remembered| is_of(procedure, &remembered.origin.org) && remembered.filter.may_hold(procedure));
        could.map(|remembered| remembered.origin.clone()).collect()
    }

    /// What a node said that it is.
    pub(crate) fn lookup(&self, node: NodeId, now: Instant) -> Option<Announced> {
        let known = self.known();
        let remembered = known.origins.get(&node).filter(|remembered| remembered.is_fresh(now));
        remembered.map(|remembered| remembered.origin.clone())
    }

    pub(crate) fn counts(&self) -> Counts {
        self.known().counts
    }

    /// Why the last thing that was no fact was none.
    pub(crate) fn last_dropped(&self) -> Option<NotAFact> {
        self.known().last_dropped
    }

    pub(super) fn dropped(&self, why: NotAFact) {
        let mut known = self.known();
        known.counts.dropped += 1;
        known.last_dropped = Some(why);
    }

    pub(super) fn missed(&self) {
        self.known().counts.missed += 1;
    }

    pub(super) fn published(&self, is_out: bool) {
        let counts = &mut self.known().counts;
        if is_out { counts.published += 1 } else { counts.unpublished += 1 }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // No code that can panic runs under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn remember(&mut self, new: Remembered) {
        self.counts.heard += 1;
        self.forget(new.origin.node);
        let needed = new.bytes();
        if self.origins.len() >= MAX_ORIGINS || self.bytes + needed > MAX_BYTES {
            self.make_room(needed, new.heard);
        }
        self.bytes += needed;
        self.origins.insert(new.origin.node, new);
    }

    fn make_room(&mut self, needed: usize, now: Instant) {
        let mut ages: Vec<_> = self.origins.iter().map(|(node, remembered)| (remembered.heard, *node)).collect();
        ages.sort_unstable();
        // An eighth more than is needed: a crowd does not pay for this with each fact.
        let (origins, bytes) = (MAX_ORIGINS / 8 * 7, (MAX_BYTES - needed) / 8 * 7);
        for (heard, node) in ages {
            let is_stale = now.saturating_duration_since(heard) >= FORGET_AFTER;
            if !is_stale && self.origins.len() <= origins && self.bytes <= bytes {
                break;
            }
            self.counts.evicted += u64::from(!is_stale);
            self.forget(node);
        }
    }

    fn forget(&mut self, node: NodeId) {
        if let Some(old) = self.origins.remove(&node) {
            self.bytes -= old.bytes();
        }
    }
}

impl Remembered {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) < FORGET_AFTER
    }

    fn bytes(&self) -> usize {
        self.filter.data().len() + self.origin.org.len() + self.origin.service.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fact;
    use super::*;

    fn node(number: usize) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        NodeId::from_bytes(bytes)
    }

    fn fact(number: usize, org: &str, procedures: &[&str]) -> Value {
        let procedures = procedures.iter().map(|name| format!("{org}/{name}")).collect();
        Fact::new("hecate-any", org, node(number), procedures).to_value()
    }

    fn nodes(memory: &Memory, procedure: &str, now: Instant) -> Vec<NodeId> {
        let mut nodes: Vec<_> = memory.who_could_serve(procedure, now).iter().map(|origin| origin.node).collect();
        nodes.sort_unstable();
        nodes
    }

    #[test]
    fn who_could_serve_is_told_until_it_is_forgotten() {
        let memory = Memory::default();
        let start = Instant::now();
        memory.hear(node(1), &fact(1, "shop", &["order_v1", "ping_v1"]), start);
        memory.hear(node(2), &fact(2, "shop", &["order_v1"]), start + Duration::from_secs(60));
        assert_eq!(nodes(&memory, "shop/order_v1", start), [node(1), node(2)]);
        assert_eq!(nodes(&memory, "shop/ping_v1", start), [node(1)]);
        assert_eq!(nodes(&memory, "shop/order_v2", start), []);
        assert_eq!(nodes(&memory, "other/order_v1", start), []);
        let later = start + FORGET_AFTER;
        assert_eq!(nodes(&memory, "shop/order_v1", later), [node(2)]);
        assert_eq!(memory.lookup(node(1), later), None);
        assert_eq!(memory.lookup(node(2), later).unwrap().service, "hecate-any");
    }

    #[test]
    fn the_last_fact_of_a_node_counts() {
        let memory = Memory::default();
        let now = Instant::now();
        memory.hear(node(1), &fact(1, "shop", &["order_v1"]), now);
        memory.hear(node(1), &fact(1, "shop", &["ping_v1"]), now);
        assert_eq!(nodes(&memory, "shop/order_v1", now), []);
        assert_eq!(nodes(&memory, "shop/ping_v1", now), [node(1)]);
    }

    #[test]
    fn an_org_whose_name_begins_alike_is_another() {
        let memory = Memory::default();
        let now = Instant::now();
        memory.hear(node(1), &fact(1, "shop", &["order_v1"]), now);
        for procedure in ["shopping/order_v1", "shop", "sho/order_v1", "/order_v1", ""] {
            assert_eq!(nodes(&memory, procedure, now), [], "{procedure}");
        }
    }

    #[test]
    fn what_is_no_fact_leaves_the_last_one_and_is_counted() {
        let memory = Memory::default();
        let now = Instant::now();
        memory.hear(node(1), &fact(1, "shop", &["order_v1"]), now);
        memory.hear(node(1), &Value::Null, now);
        memory.hear(node(1), &fact(2, "shop", &[]), now);
        assert_eq!(nodes(&memory, "shop/order_v1", now), [node(1)]);
        assert_eq!((memory.counts().heard, memory.counts().dropped), (1, 2));
        assert_eq!(memory.last_dropped(), Some(NotAFact::Foreign));
    }

    #[test]
    fn a_crowd_of_nodes_is_bounded_and_the_oldest_go() {
        let memory = Memory::default();
        let start = Instant::now();
        let at = |number: usize| start + Duration::from_millis(number as u64);
        for number in 0..MAX_ORIGINS + 100 {
            memory.hear(node(number), &fact(number, "shop", &["order_v1"]), at(number));
        }
        let now = at(MAX_ORIGINS + 100);
        let known = nodes(&memory, "shop/order_v1", now).len();
        assert!((MAX_ORIGINS / 8 * 7..=MAX_ORIGINS).contains(&known), "{known}");
        assert!(memory.lookup(node(0), now).is_none());
        assert!(memory.lookup(node(MAX_ORIGINS + 99), now).is_some());
        assert_eq!(memory.counts().evicted as usize, MAX_ORIGINS + 100 - known);
    }

    #[test]
    fn the_bytes_of_all_filters_are_bounded() {
        let memory = Memory::default();
        let now = Instant::now();
        let large: Vec<String> = (0..100_000).map(|number| format!("shop/order.{number}_v1")).collect();
        let value = Fact::new("hecate-any", "shop", node(0), large).to_value();
        for number in 0..150 {
            let own = value.clone().with_field("node", Value::Bytes(node(number).as_bytes().to_vec()));
            memory.hear(node(number), &own, now + Duration::from_millis(number as u64));
        }
        let known = memory.known();
        assert!(known.bytes <= MAX_BYTES, "{}", known.bytes);
        assert_eq!(known.bytes, known.origins.values().map(Remembered::bytes).sum::<usize>());
        assert!(known.origins.len() > 100, "{}", known.origins.len());
    }
}
