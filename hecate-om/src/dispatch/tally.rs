//! What is counted of the calls of a capability: plain atomics on the hot path, read by whoever tells.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::capability::{CapabilityError, ErrorCode};
use crate::telemetry::histogram::Histogram;
use crate::telemetry::panics::Panic;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With a reply.
    Ok,
    /// With the service's own refusal.
    Refused,
    /// The request could not be read, was too large, did not come whole, or too many calls led to it.
    Invalid,
    /// The caller may not do this.
    Unauthorized,
    /// The caller, or all of the mesh, call too often.
    RateLimited,
    /// As many calls as may run at once were running.
    Overloaded,
    /// At its deadline.
    Timeout,
    /// Its caller left, and its handler ends with that.
    Cancelled,
    /// The service was not ready, or on its way out.
    Draining,
    /// The handler panicked.
    Panic,
    /// Something else broke inside.
    Internal,
}

impl Outcome {
    /// All of them, in the order of their declaration.
    pub(crate) const ALL: [Outcome; 11] = [
        Outcome::Ok,
        Outcome::Refused,
        Outcome::Invalid,
        Outcome::Unauthorized,
        Outcome::RateLimited,
        Outcome::Overloaded,
        Outcome::Timeout,
        Outcome::Cancelled,
        Outcome::Draining,
        Outcome::Panic,
        Outcome::Internal,
    ];

    /// As a label says it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Refused => "refused",
            Outcome::Invalid => "invalid",
            Outcome::Unauthorized => "unauthorized",
            Outcome::RateLimited => "rate_limited",
            Outcome::Overloaded => "overloaded",
            Outcome::Timeout => "timeout",
            Outcome::Cancelled => "cancelled",
            Outcome::Draining => "draining",
            Outcome::Panic => "panic",
            Outcome::Internal => "internal",
        }
    }

    /// The outcome of a call that ended with an error.
    pub(super) fn of(error: &CapabilityError) -> Self {
        match error.kind() {
            ErrorCode::InvalidRequest | ErrorCode::PayloadTooLarge | ErrorCode::TooManyHops => Outcome::Invalid,
            ErrorCode::Unauthorized => Outcome::Unauthorized,
            ErrorCode::RateLimited => Outcome::RateLimited,
            ErrorCode::Overloaded => Outcome::Overloaded,
            ErrorCode::Draining | ErrorCode::Unavailable => Outcome::Draining,
            ErrorCode::Timeout => Outcome::Timeout,
            ErrorCode::Internal if panic_in(error).is_some() => Outcome::Panic,
            ErrorCode::Internal => Outcome::Internal,
            // A handler may pass on what a call of its own came to.
            ErrorCode::Service(_)
            | ErrorCode::UnknownCapability
            | ErrorCode::UnsupportedVersion
            | ErrorCode::Undeclared => Outcome::Refused,
        }
    }
}

/// The handler's panic behind an error.
pub(super) fn panic_in(error: &CapabilityError) -> Option<&Panic> {
    std::error::Error::source(error).and_then(|source| source.downcast_ref())
}

/// 5 ms to 10 s.
const DURATIONS: [u64; 11] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// 64 B to 16 MiB.
const SIZES: [u64; 10] = [1 << 6, 1 << 8, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24];

/// The calls of one capability. Each that reached it counts once, whatever becomes of its caller.
pub(crate) struct Tally {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// How long each call took that was let in, in nanoseconds.
    pub(crate) durations: Histogram<{ DURATIONS.len() }>,
    /// How many bytes the requests had that came whole.
    pub(crate) requests: Histogram<{ SIZES.len() }>,
    /// How many bytes the replies had.
    pub(crate) replies: Histogram<{ SIZES.len() }>,
    pub(super) running: AtomicUsize,
    /// How many bytes the last reply had: the next may have as many.
    pub(super) last_reply: AtomicUsize,
}

impl Tally {
    pub(super) const fn new() -> Self {
        Self {
            outcomes: [const { AtomicU64::new(0) }; Outcome::ALL.len()],
            durations: Histogram::new(&DURATIONS),
            requests: Histogram::new(&SIZES),
            replies: Histogram::new(&SIZES),
            running: AtomicUsize::new(0),
            last_reply: AtomicUsize::new(0),
        }
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many calls ended so.
    pub(crate) fn calls(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// How many calls run now.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }
}
