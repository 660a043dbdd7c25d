//! What all parts of a station share.

use std::sync::{Arc, Mutex, PoisonError};

use macula_rust::profile::Profile;
use tokio::sync::Semaphore;

use crate::connection::Connection;
use crate::counts::{Counters, read};
use crate::issued::{Issued, Subject};
use crate::leaf::Leaves;
use crate::nodes::Nodes;
use crate::pending::Pending;
use crate::realm::Realm;
use crate::records::Records;
use crate::wire::Id;
use crate::{Counts, Faults, Keys, Limits, clock};

/// What all parts of a station share.
pub(crate) struct Core {
    pub(crate) keys: Keys,
    pub(crate) profile: Profile,
    pub(crate) node_id: Id,
    pub(crate) puzzle_difficulty: u32,
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) faults: Faults,
    pub(crate) nodes: Arc<Nodes>,
    /// Held while a node comes or goes, so that what it has is not taken from its next connection.
    pub(crate) membership: Mutex<()>,
    pub(crate) pending: Pending,
    pub(crate) records: Records,
    pub(crate) issued: Issued,
    pub(crate) realm: Realm,
    pub(crate) leaves: Leaves,
    pub(crate) held_replies: Arc<Semaphore>,
}

impl Core {
    /// Forgets what nobody waits for any more.
    pub(crate) fn sweep(&self) {
        self.pending.sweep();
        self.records.sweep(clock::now_ms());
    }

    /// Makes a connection its node's, and gives the one that was. What that one advertised is forgotten: the node
    /// advertises anew what it still serves.
    pub(crate) fn join(&self, connection: Arc<Connection>) -> Option<Arc<Connection>> {
        let _one = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
        let node = *connection.node();
        let before = self.nodes.join(connection);
        if let Some(before) = &before {
            self.pending.forget(before);
            self.records.forget_advertisements(&node);
        }
        self.issued.add(Subject::Delegation { node });
        before
    }

    /// Forgets a connection that has ended. Its node's advertisements go with it at once: callers are to see that
    /// nobody serves, not to wait for who is gone, and a node that comes back advertises anew anyway.
    pub(crate) fn leave(&self, connection: &Arc<Connection>) {
        let _one = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
        self.pending.forget(connection);
        if self.nodes.leave(connection) {
            let node = *connection.node();
            self.records.forget_advertisements(&node);
            self.issued.remove(&Subject::Delegation { node });
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let [connections, procedures, subscriptions] = self.nodes.counts().map(number);
        let counters = &self.counters;
        Counts {
            connections,
            procedures,
            subscriptions,
            pending_calls: number(self.pending.waiting()),
            streams: read(&counters.streams),
            records: number(self.records.len()),
            orgs: number(self.realm.orgs().borrow().len()),
            relayed_calls: read(&counters.relayed_calls),
            relayed_replies: read(&counters.relayed_replies),
            answered: read(&counters.answered),
            relay_errors: read(&counters.relay_errors),
            relayed_streams: read(&counters.relayed_streams),
            published: read(&counters.published),
            delivered: read(&counters.delivered),
            refused: counters.refused(),
        }
    }
}
