//! The time as the wire tells it, and what tells things apart.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, by this box's clock.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The same as the SDK takes it.
pub(crate) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// Bytes that nobody guesses by accident, for names of things and for nothing secret.
pub(crate) fn number() -> [u8; 8] {
    // Its keys come from the system.
    RandomState::new().build_hasher().finish().to_be_bytes()
}

/// A UUID v7 of `now`. Versions of records are ordered by it; nothing about them is secret.
pub(crate) fn uuid_v7(now: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number());
    id[8..].copy_from_slice(&number());
    id[..6].copy_from_slice(&now.to_be_bytes()[2..]);
    id[6] = (id[6] & 0x0f) | 0x70;
    id[8] = (id[8] & 0x3f) | 0x80;
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_uuids_in_the_order_of_their_time() {
        let now = now_ms();
        let [first, second, later] = [uuid_v7(now), uuid_v7(now), uuid_v7(now + 1)];
        assert_ne!(first, second);
        assert!(first < later && second < later);
        assert_eq!((first[6] >> 4, first[8] >> 6), (7, 2));
    }
}
