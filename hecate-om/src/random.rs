//! Numbers that nobody guesses by accident: good for telling instances apart and for keeping things
//! out of step, and for nothing secret.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Another one each time, in each process.
pub(crate) fn number() -> u64 {
    // Its keys come from the system.
    RandomState::new().build_hasher().finish()
}

/// A time that is at most `percent` of a hundred longer or shorter.
pub(crate) fn about(time: Duration, percent: u32) -> Duration {
    let span = u64::from(percent.min(100)) * 20;
    // In thousandths: from -10 to +10 of each hundred when `percent` is 10.
    let part = number() % (span + 1);
    let thousandths = 1000 + part - span / 2;
    time.mul_f64(thousandths as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stay_near_and_differ() {
        let times: Vec<_> = (0..200).map(|_| about(Duration::from_secs(10), 10)).collect();
        let near = Duration::from_secs(9)..=Duration::from_secs(11);
        assert!(times.iter().all(|time| near.contains(time)), "{times:?}");
        assert!(times.iter().any(|time| *time < Duration::from_secs(10)), "{times:?}");
        assert!(times.iter().any(|time| *time > Duration::from_secs(10)), "{times:?}");
        assert_eq!(about(Duration::from_secs(10), 0), Duration::from_secs(10));
    }
}
