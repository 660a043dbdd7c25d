//! Knobs that make a station misbehave, for tests of what its clients do then.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use crate::nodes::Nodes;
use crate::wire::Id;

/// Knobs that make a station misbehave, for tests of its clients.
///
/// Each is a level and holds until it is taken back: nothing here depends on time. A station whose knobs nobody
/// touches pays a look at one flag for them.
pub struct Faults {
    nodes: Arc<Nodes>,
    touched: AtomicBool,
    frozen: Level,
    replies_held: Level,
    knobs: Mutex<Knobs>,
}

#[derive(Default)]
struct Knobs {
    registrations: Vec<RefusedRegistrations>,
    forged: HashMap<Id, Vec<Bytes>>,
    held_orgs: HashSet<String>,
}

/// Registrations that a station is to refuse, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRegistrations {
    /// Which.
    pub of: Registrations,
    /// What is answered.
    pub answer: RegistrationAnswer,
    /// How many; all of them if `None`.
    pub times: Option<u32>,
}

/// Which registrations are meant: advertisements and subscriptions, and what withdraws them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registrations {
    /// All.
    All,
    /// Those of procedures under this org.
    Org(String),
    /// Those of this procedure or topic.
    Named(String),
}

/// How a station answers a registration that it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationAnswer {
    /// With a reason, one of those that the wire names: `too_many_providers`, `advertiser_quota`,
    /// `name_too_long`, `record_refused`, `not_authorized`, `too_many_realms` or `refused`.
    Reason(&'static str),
    /// Not at all.
    Silence,
}

impl Faults {
    pub(crate) fn new(nodes: Arc<Nodes>) -> Self {
        Self {
            nodes,
            touched: AtomicBool::new(false),
            frozen: Level::new(),
            replies_held: Level::new(),
            knobs: Mutex::default(),
        }
    }

    /// Ends a node's connection as a restart would, without a goodbye. Whether it was connected.
    pub fn drop_node(&self, node: [u8; 32]) -> bool {
        let connection = self.nodes.connection(&node);
        if let Some(connection) = &connection {
            connection.end("dropped by a test");
        }
        connection.is_some()
    }

    /// Whether a node is connected.
    pub fn is_connected(&self, node: [u8; 32]) -> bool {
        self.nodes.connection(&node).is_some()
    }

    /// Stops reading and answering, and takes no connection, until [`thaw`](Self::thaw). What is connected stays
    /// so, as QUIC sees it.
    pub fn freeze(&self) {
        self.frozen.raise();
    }

    /// Goes on where [`freeze`](Self::freeze) stopped.
    pub fn thaw(&self) {
        self.frozen.lower();
    }

    /// Keeps the replies to relayed calls back until [`release_replies`](Self::release_replies).
    pub fn hold_replies(&self) {
        self.replies_held.raise();
    }

    /// Hands over what [`hold_replies`](Self::hold_replies) kept back.
    pub fn release_replies(&self) {
        self.replies_held.lower();
    }

    /// Refuses registrations; what was accepted before stays.
    pub fn refuse_registrations(&self, refused: RefusedRegistrations) {
        self.knobs().registrations.push(refused);
    }

    /// Takes back every [`refuse_registrations`](Self::refuse_registrations).
    pub fn accept_registrations(&self) {
        self.knobs().registrations.clear();
    }

    /// Puts bytes into the answers for a storage key, as a lying station would: whatever they are, unverified,
    /// before what is there.
    pub fn forge_record(&self, key: [u8; 32], wire: Vec<u8>) {
        self.knobs().forged.entry(key).or_default().push(wire.into());
    }

    /// Takes back every [`forge_record`](Self::forge_record).
    pub fn forget_forged_records(&self) {
        self.knobs().forged.clear();
    }

    /// Answers `not_admitted` to who claims the org, and hides its records, until
    /// [`allow_admission`](Self::allow_admission).
    pub fn hold_admission(&self, org: impl Into<String>) {
        self.knobs().held_orgs.insert(org.into());
    }

    /// Admits the org again.
    pub fn allow_admission(&self, org: &str) {
        self.knobs().held_orgs.remove(org);
    }

    /// Returns once the station is not frozen.
    pub(crate) async fn thawed(&self) {
        self.frozen.lowered().await;
    }

    pub(crate) fn holds_replies(&self) -> bool {
        self.replies_held.is_raised()
    }

    pub(crate) async fn replies_released(&self) {
        self.replies_held.lowered().await;
    }

    /// How a registration is answered that would be accepted, if not so.
    pub(crate) fn registration(&self, name: &str) -> Option<RegistrationAnswer> {
        if !self.touched.load(Ordering::Acquire) {
            return None;
        }
        let mut knobs = self.knobs();
        let matches = |refused: &RefusedRegistrations| match &refused.of {
            Registrations::All => true,
            Registrations::Org(org) => name.split_once('/').is_some_and(|(of, _)| of == org),
            Registrations::Named(named) => name == named,
        };
        let at = knobs.registrations.iter().position(matches)?;
        let refused = &mut knobs.registrations[at];
        let answer = refused.answer;
        match &mut refused.times {
            Some(0 | 1) => drop(knobs.registrations.remove(at)),
            Some(times) => *times -= 1,
            None => {}
        }
        Some(answer)
    }

    pub(crate) fn forged(&self, key: &Id) -> Vec<Bytes> {
        match self.touched.load(Ordering::Acquire) {
            true => self.knobs().forged.get(key).cloned().unwrap_or_default(),
            false => Vec::new(),
        }
    }

    pub(crate) fn holds_org(&self, org: &str) -> bool {
        self.touched.load(Ordering::Acquire) && self.knobs().held_orgs.contains(org)
    }

    fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.touched.store(true, Ordering::Release);
        self.knobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Faults")
            .field("frozen", &self.frozen.is_raised())
            .field("replies_held", &self.replies_held.is_raised())
            .finish_non_exhaustive()
    }
}

/// Something that holds others up while it is raised.
struct Level(watch::Sender<bool>);

impl Level {
    fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    fn raise(&self) {
        self.0.send_replace(true);
    }

    fn lower(&self) {
        self.0.send_replace(false);
    }

    fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    async fn lowered(&self) {
        if self.is_raised() {
            // Its sender lives as long as this.
            let _ = self.0.subscribe().wait_for(|raised| !raised).await;
        }
    }
}
