//! How long the workers took to run what they were given. Written by the beats, one at a time; read by
//! whoever likes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The bounds of the histogram, in microseconds; what is above the last is counted after it.
const BOUNDS_US: [u64; 9] = [1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000];
/// The largest of each ten seconds of the last minute is kept.
const SPAN: Duration = Duration::from_secs(10);
const SPANS: usize = 6;

pub(super) struct Lag {
    begun: Instant,
    last_us: AtomicU64,
    sum_us: AtomicU64,
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    /// The number of the span above, the largest lag in it below, 32 bits each.
    largest: [AtomicU64; SPANS],
}

/// How long the workers took to run what they were given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LagSnapshot {
    /// The last time.
    pub(crate) last: Duration,
    /// The longest within a minute, to ten seconds.
    pub(crate) longest: Duration,
    /// All of them.
    pub(crate) sum: Duration,
    /// How many took at most so many seconds and longer than the bound before; infinity comes last.
    pub(crate) counts: Vec<(f64, u64)>,
}

impl Lag {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            last_us: AtomicU64::new(0),
            sum_us: AtomicU64::new(0),
            counts: Default::default(),
            largest: Default::default(),
        }
    }

    pub(super) fn note(&self, lag: Duration) {
        self.note_at(self.begun.elapsed(), lag);
    }

    fn note_at(&self, since_begun: Duration, lag: Duration) {
        let us = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.last_us.store(us, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        let bucket = BOUNDS_US.iter().take_while(|bound| us > **bound).count();
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let span = span(since_begun);
        let kept = &self.largest[(span % SPANS as u64) as usize];
        let (of, largest) = unpack(kept.load(Ordering::Relaxed));
        let largest = if of == span { largest.max(us) } else { us };
        kept.store(pack(span, largest), Ordering::Relaxed);
    }

    pub(super) fn last(&self) -> Duration {
        Duration::from_micros(self.last_us.load(Ordering::Relaxed))
    }

    pub(super) fn snapshot(&self) -> LagSnapshot {
        self.snapshot_at(self.begun.elapsed())
    }

    fn snapshot_at(&self, since_begun: Duration) -> LagSnapshot {
        let now = span(since_begun);
        let kept = self.largest.iter().map(|kept| unpack(kept.load(Ordering::Relaxed)));
        let longest = kept.filter(|(of, _)| now.saturating_sub(*of) < SPANS as u64).map(|(_, largest)| largest).max();
        let bounds = BOUNDS_US.iter().map(|us| Duration::from_micros(*us).as_secs_f64()).chain([f64::INFINITY]);
        LagSnapshot {
            last: self.last(),
            longest: Duration::from_micros(longest.unwrap_or(0)),
            sum: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)),
            counts: bounds.zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed))).collect(),
        }
    }
}

/// Counted from one: a place that was never written is of none.
fn span(since_begun: Duration) -> u64 {
    1 + since_begun.as_secs() / SPAN.as_secs()
}

fn pack(span: u64, largest: u64) -> u64 {
    span << 32 | largest.min(u64::from(u32::MAX))
}

fn unpack(packed: u64) -> (u64, u64) {
    (packed >> 32, packed & u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_are_counted_by_their_length_and_the_longest_is_kept_for_a_minute() {
        let lag = Lag::new();
        let at = Duration::from_secs;
        assert_eq!(lag.snapshot_at(at(0)).longest, Duration::ZERO);
        lag.note_at(at(1), Duration::from_millis(700));
        lag.note_at(at(2), Duration::from_micros(1_000));
        lag.note_at(at(3), Duration::from_micros(1_001));
        lag.note_at(at(15), Duration::from_secs(11));
        let seen = lag.snapshot_at(at(59));
        assert_eq!((seen.last, seen.longest), (Duration::from_secs(11), Duration::from_secs(11)));
        assert_eq!(seen.sum, Duration::from_micros(11_702_001));
        let counted: Vec<_> = seen.counts.iter().filter(|(_, count)| *count > 0).copied().collect();
        assert_eq!(counted, [(0.001, 1), (0.005, 1), (1.0, 1), (f64::INFINITY, 1)]);
        assert_eq!(lag.snapshot_at(at(69)).longest, Duration::from_secs(11));
        assert_eq!(lag.snapshot_at(at(70)).longest, Duration::ZERO, "a minute later");
        // The place of the first ten seconds is taken again.
        lag.note_at(at(61), Duration::from_millis(2));
        assert_eq!(lag.snapshot_at(at(80)).longest, Duration::from_millis(2));
    }

    #[test]
    fn a_lag_longer_than_an_hour_is_still_one() {
        let lag = Lag::new();
        lag.note_at(Duration::ZERO, Duration::from_secs(7200));
        assert_eq!(lag.snapshot_at(Duration::ZERO).longest, Duration::from_micros(u64::from(u32::MAX)));
        assert_eq!(lag.last(), Duration::from_secs(7200));
    }
}
