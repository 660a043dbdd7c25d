//! How much a capability takes: declared at compile time, as numbers.

use std::fmt;
use std::time::Duration;

/// The largest request or reply that may be declared, in bytes: what one frame of the mesh holds.
pub(crate) const MOST_BYTES: usize = 16 * 1024 * 1024;
/// The shortest and the longest period of a rate.
pub(crate) const SHORTEST_PERIOD: Duration = Duration::from_secs(1);
pub(crate) const LONGEST_PERIOD: Duration = Duration::from_secs(3600);

/// How much a capability takes and gives. A call that would be more is refused before its handler sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest request, in bytes as it travels; of a stream, the largest item.
    pub payload: usize,
    /// The largest reply, in bytes as it travels; of a stream, the largest item.
    pub reply: usize,
    /// How many calls run at once; a stream is one for as long as it lasts.
    pub concurrency: usize,
    /// How often one caller of the mesh may call; callers of this box are not counted.
    pub per_caller: Rate,
    /// How often all callers of the mesh together may call.
    pub total: Rate,
}

/// So many calls at once, and as many again in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// How many calls.
    pub calls: u32,
    /// In how long a time.
    pub period: Duration,
}

impl Limits {
    /// What holds where a capability declares nothing else.
    pub const DEFAULT: Self = Self::new(1024 * 1024, MOST_BYTES, 1024, (600, 10_000), (6000, 10_000));

    /// Sizes in bytes; rates as calls in so many milliseconds.
    #[doc(hidden)]
    pub const fn new(
        payload: usize,
        reply: usize,
        concurrency: usize,
        (own, own_ms): (u32, u64),
        (all, all_ms): (u32, u64),
    ) -> Self {
        let per_caller = Rate { calls: own, period: Duration::from_millis(own_ms) };
        let total = Rate { calls: all, period: Duration::from_millis(all_ms) };
        Self { payload, reply, concurrency, per_caller, total }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// As a sentence says it: `600 calls in 10s`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls in {:?}", self.calls, self.period)
    }
}
