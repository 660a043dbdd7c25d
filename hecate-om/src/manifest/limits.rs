//! How much of a capability callers may take, as a manifest says it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// How much of a capability callers may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// The largest request, in bytes, or item of a stream of them; from 1 to 16777216. By default 1048576.
    #[schemars(range(min = rules::MESSAGE_BYTES.least, max = rules::MESSAGE_BYTES.most))]
    pub payload_bytes: u32,

    /// The largest reply, in bytes, or item of a stream of them; from 1 to 16777216, which is the default.
    #[schemars(range(min = rules::MESSAGE_BYTES.least, max = rules::MESSAGE_BYTES.most))]
    pub reply_bytes: u32,

    /// How many calls run at once, from 1 to 65536. By default 1024.
    #[schemars(range(min = rules::CONCURRENCY.least, max = rules::CONCURRENCY.most))]
    pub concurrency: u32,

    /// How often one caller of the mesh may call. By default 600 times in 10 seconds.
    pub per_caller: Rate,

    /// How often all of them together may; at least as often as one. By default 6000 times in 10 seconds.
    pub total: Rate,
}

/// So many calls in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// How many calls, from 1 to 1000000.
    #[schemars(range(min = rules::RATE_CALLS.least, max = rules::RATE_CALLS.most))]
    pub calls: u32,

    /// In how many milliseconds, from 1000 to 3600000.
    #[schemars(range(min = rules::RATE_PERIOD_MS.least, max = rules::RATE_PERIOD_MS.most))]
    pub period_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes: 1 << 20,
            reply_bytes: 16 << 20,
            concurrency: 1024,
            per_caller: Rate { calls: 600, period_ms: 10_000 },
            total: Rate { calls: 6000, period_ms: 10_000 },
        }
    }
}

impl Limits {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Rate {
    /// Whether it allows all that `other` does: as many calls at once, and as many over time.
    pub(super) fn covers(self, other: Self) -> bool {
        let over_time = |calls: Self, period: Self| u64::from(calls.calls) * u64::from(period.period_ms);
        self.calls >= other.calls && over_time(self, other) >= over_time(other, self)
    }
}

/// As a sentence says it: `600 calls in 10000 ms`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls in {} ms", self.calls, self.period_ms)
    }
}
