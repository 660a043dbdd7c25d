//! How often a value fell into which range: counted on the hot path, read when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of values by upper bound. A reader may catch a value half counted; none is ever lost.
pub(crate) struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    counts: [AtomicU64; N],
    above: AtomicU64,
    sum: AtomicU64,
}

/// What a [`Histogram`] held when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The sum of all values.
    pub(crate) sum: u64,
    /// How many values there were, those above the last bound among them.
    pub(crate) count: u64,
    /// How many values were at most so large, by bound.
    pub(crate) up_to: Vec<(u64, u64)>,
}

impl<const N: usize> Histogram<N> {
    /// `bounds` rise; a value that equals one is within it.
    pub(crate) const fn new(bounds: &'static [u64; N]) -> Self {
        let (above, sum) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { bounds, counts: [const { AtomicU64::new(0) }; N], above, sum }
    }

    /// Counts a value. Most are small: the first bound is looked at first.
    pub(crate) fn observe(&self, value: u64) {
        let within = self.bounds.iter().zip(&self.counts).find(|(bound, _)| value <= **bound);
        within.map_or(&self.above, |(_, count)| count).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut count = 0;
        let mut add = |counted: &AtomicU64| {
            count += counted.load(Ordering::Relaxed);
            count
        };
        let up_to = self.bounds.iter().zip(&self.counts).map(|(bound, counted)| (*bound, add(counted))).collect();
        let count = add(&self.above);
        Snapshot { sum: self.sum.load(Ordering::Relaxed), count, up_to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_within_its_bound_and_all_above() {
        let histogram = Histogram::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101, 1000] {
            histogram.observe(value);
        }
        assert_eq!(histogram.snapshot(), Snapshot { sum: 1222, count: 6, up_to: vec![(10, 2), (100, 4)] });
    }
}
