//! What telemetry counts of itself: one set for the process, as there is one standard output.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Level;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lines that the limit of their place in the code kept back.
pub(crate) static SUPPRESSED: Count = Count::new();
/// Lines that nobody read in time.
pub(crate) static DROPPED: Count = Count::new();
/// Panics that nobody caught for a caller: those of tasks.
pub(crate) static TASK_PANICS: Count = Count::new();

static ERROR: Count = Count::new();
static WARN: Count = Count::new();
static INFO: Count = Count::new();
static DEBUG: Count = Count::new();
static TRACE: Count = Count::new();

/// Lines that went out, by level.
pub(crate) fn lines(level: Level) -> &'static Count {
    match level {
        Level::ERROR => &ERROR,
        Level::WARN => &WARN,
        Level::INFO => &INFO,
        Level::DEBUG => &DEBUG,
        Level::TRACE => &TRACE,
    }
}

/// The levels, worst first, as metrics name them.
pub(crate) const LEVELS: [(Level, &str); 5] = [
    (Level::ERROR, "error"),
    (Level::WARN, "warn"),
    (Level::INFO, "info"),
    (Level::DEBUG, "debug"),
    (Level::TRACE, "trace"),
];
