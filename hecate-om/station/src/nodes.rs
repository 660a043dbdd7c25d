//! Who is connected, what they advertise and what they are subscribed to.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Limits;
use crate::connection::Connection;
use crate::counts::Refusal;
use crate::wire::{Id, Name};

/// Who is connected, what they advertise and what they are subscribed to.
///
/// One lock for all of it: a connection that ends takes what it registered with it, and nobody sees the half of
/// that.
pub(crate) struct Nodes {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nodes: HashMap<Id, Node>,
    subscribers: HashMap<Name, Vec<Arc<Connection>>>,
    subscriptions: usize,
}

struct Node {
    connection: Arc<Connection>,
    /// With the version of the advertisement.
    procedures: HashMap<Name, [u8; 16]>,
    topics: HashSet<Name>,
}

impl Nodes {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a connection its node's, and gives the one that was.
    pub(crate) fn join(&self, connection: Arc<Connection>) -> Option<Arc<Connection>> {
        let mut state = self.state();
        let before = state.remove(connection.node());
        let node = *connection.node();
        state.nodes.insert(node, Node { connection, procedures: HashMap::new(), topics: HashSet::new() });
        before
    }

    /// Forgets a connection and what it registered. Whether it still was its node's.
    pub(crate) fn leave(&self, connection: &Arc<Connection>) -> bool {
        let mut state = self.state();
        let current = state.node(connection).is_some();
        if current {
            state.remove(connection.node());
        }
        current
    }

    pub(crate) fn is_current(&self, connection: &Arc<Connection>) -> bool {
        self.state().node(connection).is_some()
    }

    pub(crate) fn connection(&self, node: &Id) -> Option<Arc<Connection>> {
        self.state().nodes.get(node).map(|node| node.connection.clone())
    }

    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.state().nodes.values().map(|node| node.connection.clone()).collect()
    }

    /// Routes calls of a procedure to the connection.
    pub(crate) fn advertise(&self, by: &Arc<Connection>, name: Name, version: [u8; 16]) -> Result<(), Refusal> {
        let mut state = self.state();
        let Some(node) = state.node(by) else { return Ok(()) };
        if node.procedures.len() >= self.limits.procedures && !node.procedures.contains_key(&name) {
            return Err(Refusal::TooManyProcedures);
        }
        node.procedures.insert(name, version);
        Ok(())
    }

    /// Stops routing, unless a later advertisement came in meanwhile.
    pub(crate) fn unadvertise(&self, by: &Arc<Connection>, name: &Name, version: [u8; 16]) {
        let mut state = self.state();
        let Some(node) = state.node(by) else { return };
        if node.procedures.get(name).is_some_and(|current| *current <= version) {
            node.procedures.remove(name);
        }
    }

    /// The connection of a node, if the node advertises the procedure.
    pub(crate) fn provider(&self, node: &Id, name: &Name) -> Option<Arc<Connection>> {
        let state = self.state();
        let node = state.nodes.get(node)?;
        node.procedures.contains_key(name).then(|| node.connection.clone())
    }

    pub(crate) fn subscribe(&self, by: &Arc<Connection>, name: Name) -> Result<(), Refusal> {
        let mut state = self.state();
        let full = state.subscriptions >= self.limits.subscriptions;
        let Some(node) = state.node(by) else { return Ok(()) };
        if node.topics.contains(&name) {
            return Ok(());
        }
        if full || node.topics.len() >= self.limits.topics {
            return Err(Refusal::TooManySubscriptions);
        }
        node.topics.insert(name.clone());
        state.subscribers.entry(name).or_default().push(by.clone());
        state.subscriptions += 1;
        Ok(())
    }

    pub(crate) fn unsubscribe(&self, by: &Arc<Connection>, name: &Name) {
        let mut state = self.state();
        if state.node(by).is_some_and(|node| node.topics.remove(name)) {
            state.unsubscribe(by, name);
        }
    }

    pub(crate) fn subscribers(&self, name: &Name) -> Vec<Arc<Connection>> {
        self.state().subscribers.get(name).cloned().unwrap_or_default()
    }

    /// How many connections, procedures and subscriptions there are.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let state = self.state();
        let procedures = state.nodes.values().map(|node| node.procedures.len()).sum();
        [state.nodes.len(), procedures, state.subscriptions]
    }
}

impl State {
    /// The node of a connection, as long as that is its current one.
    fn node(&mut self, connection: &Arc<Connection>) -> Option<&mut Node> {
        let node = self.nodes.get_mut(connection.node())?;
        Arc::ptr_eq(&node.connection, connection).then_some(node)
    }

    fn remove(&mut self, node: &Id) -> Option<Arc<Connection>> {
        let node = self.nodes.remove(node)?;
        for topic in &node.topics {
            self.unsubscribe(&node.connection, topic);
        }
        Some(node.connection)
    }

    fn unsubscribe(&mut self, by: &Arc<Connection>, name: &Name) {
        let Some(subscribers) = self.subscribers.get_mut(name) else { return };
        subscribers.retain(|subscriber| !Arc::ptr_eq(subscriber, by));
        if subscribers.is_empty() {
            self.subscribers.remove(name);
        }
        self.subscriptions -= 1;
    }
}
