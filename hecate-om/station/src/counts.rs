//! What a station did and holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a station holds now, and what it did since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Nodes that are connected.
    pub connections: u64,
    /// Procedures that connected nodes advertise.
    pub procedures: u64,
    /// Subscriptions of connected nodes.
    pub subscriptions: u64,
    /// Calls that wait for their reply.
    pub pending_calls: u64,
    /// Streams that are relayed.
    pub streams: u64,
    /// Records of clients.
    pub records: u64,
    /// Orgs that are admitted.
    pub orgs: u64,
    /// Calls that were handed to their provider.
    pub relayed_calls: u64,
    /// Replies that were handed to their caller.
    pub relayed_replies: u64,
    /// Calls that the station answered itself: its records and its realm.
    pub answered: u64,
    /// Calls and streams that went nowhere, and whose caller was told so.
    pub relay_errors: u64,
    /// Streams that were handed to their provider.
    pub relayed_streams: u64,
    /// Publications that were taken.
    pub published: u64,
    /// Events that were queued for a subscriber.
    pub delivered: u64,
    /// What was refused or dropped, by name.
    pub refused: BTreeMap<&'static str, u64>,
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// What a station refuses or drops.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Refusal { $($(#[doc = $doc])* $variant,)* }

        impl Refusal {
            const NAMES: &[&str] = &[$($name,)*];

            pub(crate) const fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    };
}

refusals! {
    AnotherUser = "connection_of_another_user",
    TooManyConnections = "too_many_connections",
    /// A handshake that failed, was refused or took too long.
    Handshake = "handshake",
    MalformedFrame = "malformed_frame",
    UnknownFrame = "unknown_frame",
    /// A frame that names another node than the one that is connected.
    NotItsOwn = "not_its_own",
    InvalidSignature = "invalid_signature",
    TooManyProcedures = "too_many_procedures",
    TooManySubscriptions = "too_many_subscriptions",
    RegistrationRefused = "registration_refused",
    TooManyPendingCalls = "too_many_pending_calls",
    /// Who is to get it reads too slowly.
    QueueFull = "queue_full",
    UnmatchedReply = "unmatched_reply",
    TooManyStreams = "too_many_streams",
    TooManyRecords = "too_many_records",
    RecordRefused = "record_refused",
    TooManyOrgs = "too_many_orgs",
    NotAdmitted = "not_admitted",
    TokenRefused = "token_refused",
}

/// The counters behind [`Counts`] that only ever grow.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) relayed_calls: AtomicU64,
    pub(crate) relayed_replies: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) relay_errors: AtomicU64,
    pub(crate) relayed_streams: AtomicU64,
    pub(crate) streams: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) delivered: AtomicU64,
    refused: [AtomicU64; Refusal::NAMES.len()],
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            relayed_calls: AtomicU64::new(0),
            relayed_replies: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            relay_errors: AtomicU64::new(0),
            relayed_streams: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            published: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            refused: [const { AtomicU64::new(0) }; Refusal::NAMES.len()],
        }
    }

    pub(crate) fn refuse(&self, refusal: Refusal) {
        tracing::debug!(refusal = refusal.name(), "the station refused something");
        add(&self.refused[refusal as usize]);
    }

    /// What was refused at least once.
    pub(crate) fn refused(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.refused.iter().map(read);
        Refusal::NAMES.iter().copied().zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}

pub(crate) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
