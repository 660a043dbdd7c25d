//! When the realm is asked again.

use std::time::Duration;

use crate::random;

/// How long after the first failures; a realm that comes up with the service is soon found.
const FIRST: [u64; 5] = [1, 2, 5, 10, 30];
/// How long after each later one, in seconds.
const THEN: u64 = 60;
/// How far a time is from the nominal one, in percent: services that failed together ask apart.
const JITTER: u32 = 20;

/// How often it was asked in vain.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: usize,
}

impl Backoff {
    /// How long to wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let seconds = FIRST.get(self.failures).copied().unwrap_or(THEN);
        self.failures = self.failures.saturating_add(1);
        random::about(Duration::from_secs(seconds), JITTER)
    }

    /// From the beginning again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_fast_and_none_is_later_than_a_minute_and_its_jitter() {
        let mut backoff = Backoff::default();
        for round in 0..3 {
            for seconds in [1, 2, 5, 10, 30, 60, 60, 60] {
                let (wait, nominal) = (backoff.next(), Duration::from_secs(seconds));
                assert!(
                    wait >= nominal.mul_f64(0.8) && wait <= nominal.mul_f64(1.2),
                    "{round}: {wait:?} for {nominal:?}"
                );
            }
            backoff.reset();
        }
    }

    #[test]
    fn two_that_fail_together_ask_apart() {
        let times: std::collections::BTreeSet<_> = (0..100).map(|_| Backoff::default().next()).collect();
        assert!(times.len() > 50, "{times:?}");
    }
}
