//! What stands between a caller and a handler: whether it may call, and how often.
//!
//! `warrant` is what a call comes with, `access` looks whether that is enough, `rate` counts. Apart from
//! `dispatch`, which asks them in the order of its stages.

pub(crate) mod access;
#[cfg(any(feature = "macula", test))]
pub(crate) mod rate;
pub(crate) mod warrant;

#[cfg(any(feature = "macula", test))]
use std::fmt;
#[cfg(any(feature = "macula", test))]
use std::time::Duration;

/// How often a capability answers callers of the mesh; those of this box are not counted.
#[cfg(any(feature = "macula", test))]
pub(crate) const LIMITS: Limits = Limits {
    per_caller: Rate { calls: 600, period: Duration::from_secs(10) },
    total: Rate { calls: 6000, period: Duration::from_secs(10) },
};

/// How often a capability may be called.
#[cfg(any(feature = "macula", test))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// By one caller.
    pub(crate) per_caller: Rate,
    /// By all of them together.
    pub(crate) total: Rate,
}

/// So many calls at once, and as many again in each period.
#[cfg(any(feature = "macula", test))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) calls: u32,
    pub(crate) period: Duration,
}

/// As a sentence says it: `600 calls in 10s`.
#[cfg(any(feature = "macula", test))]
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls in {:?}", self.calls, self.period)
    }
}
