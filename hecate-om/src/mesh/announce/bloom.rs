//! A Bloom filter of names: it says "no" for certain and "perhaps" wrongly for about one name in a hundred.
//!
//! Ten bits and seven hashes for each name. The hashes are those of every version and machine: FNV-1a of
//! the name, 64 bits, then `first + i * second` (Kirsch and Mitzenmacher), where `first` and `second` are
//! that hash stirred by the finalizer of SplitMix64, the second after an exclusive or with 2^64 / phi and
//! made odd. Whoever wants to can find names that collide; a hit is only ever a hint.
//!
//! Measured by the test below, over 200,000 names that are not in the filter: 0.87 % with 1,000 names
//! (1,250 bytes), 0.81 % with 100,000 names (125,000 bytes).

/// How many names a filter takes; with more it would say "perhaps" too often.
pub(super) const MAX_NAMES: usize = 100_000;

const BITS_PER_NAME: usize = 10;
const HASHES: u8 = 7;
/// What a peer may make do with.
const MIN_BITS: usize = 64;
/// What is made here: a filter of a few names that is just large enough says "perhaps" three times as often.
const LEAST_BITS: usize = 1024;
const MAX_BITS: usize = MAX_NAMES * BITS_PER_NAME;
/// What more hashes than this would cost, a peer does not decide.
const MAX_HASHES: u8 = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    hashes: u8,
    /// Bit `n` is bit `n % 8` of byte `n / 8`, the lowest first.
    data: Box<[u8]>,
}

impl Filter {
    /// A filter of these names, of which it takes [`MAX_NAMES`].
    pub(super) fn of(names: &[impl AsRef<str>]) -> Self {
        let names = &names[..names.len().min(MAX_NAMES)];
        Self::with_bits(names, (names.len() * BITS_PER_NAME).max(LEAST_BITS).next_multiple_of(8))
    }

    fn with_bits(names: &[impl AsRef<str>], bits: usize) -> Self {
        let mut filter = Self { hashes: HASHES, data: vec![0; bits / 8].into() };
        for name in names {
            for bit in places(name.as_ref(), filter.bits(), HASHES) {
                filter.data[bit / 8] |= 1 << (bit % 8);
            }
        }
        filter
    }

    /// A filter that a peer made; nothing when it could not have been made here, or when it says "perhaps"
    /// to nearly everything.
    pub(super) fn from_parts(bits: i128, hashes: i128, data: &[u8]) -> Option<Self> {
        let bits = usize::try_from(bits).ok().filter(|bits| (MIN_BITS..=MAX_BITS).contains(bits))?;
        let hashes = u8::try_from(hashes).ok().filter(|hashes| (1..=MAX_HASHES).contains(hashes))?;
        let set: usize = data.iter().map(|byte| byte.count_ones() as usize).sum();
        let is_sound = data.len() * 8 == bits && set <= bits / 4 * 3;
        is_sound.then(|| Self { hashes, data: data.into() })
    }

    /// Whether the name may be one of those; a name that is one of them always may.
    pub(super) fn may_hold(&self, name: &str) -> bool {
        places(name, self.bits(), self.hashes).all(|bit| self.data[bit / 8] & (1 << (bit % 8)) != 0)
    }

    pub(super) fn bits(&self) -> usize {
        self.data.len() * 8
    }

    pub(super) fn hashes(&self) -> u8 {
        self.hashes
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }
}

fn places(name: &str, bits: usize, hashes: u8) -> impl Iterator<Item = usize> {
    let hash = fnv(name.as_bytes());
    let (first, second) = (stirred(hash), stirred(hash ^ 0x9e37_79b9_7f4a_7c15) | 1);
    // The remainder is below `bits`, which is a `usize`.
    (0..u64::from(hashes)).map(move |i| (first.wrapping_add(i.wrapping_mul(second)) % bits as u64) as usize)
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn stirred(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("org-{}/service.verb_{number}_v1", number % 50)).collect()
    }

    #[test]
    fn every_name_is_found_and_about_one_other_in_a_hundred() {
        const OTHERS: usize = 200_000;
        for count in [10, 1_000, 100_000] {
            let names = names(count);
            let filter = Filter::of(&names);
            assert!(names.iter().all(|name| filter.may_hold(name)));
            let wrong =
                (0..OTHERS).filter(|number| filter.may_hold(&format!("org-{}/other.verb_{number}_v1", number % 50)));
            let percent = wrong.count() as f64 * 100.0 / OTHERS as f64;
            println!("{count} names, {} bytes: {percent:.2} % of other names are found", filter.data().len());
            assert!(percent < 1.1, "{count}: {percent} %");
        }
    }

    #[test]
    fn the_same_names_make_the_same_bits_everywhere() {
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8, "the published test vector of FNV-1a");
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        let filter = Filter::with_bits(&["hecate-echo/echo.say_v1", "hecate-echo/echo.info_v1"], 64);
        assert_eq!(filter.data(), EXPECTED);
    }

    /// What version 1 of the fact has for the two names above; computed apart from this code.
    const EXPECTED: [u8; 8] = [12, 34, 129, 64, 34, 17, 4, 16];

    #[test]
    fn a_filter_that_makes_no_sense_is_none() {
        let sound = [1; 8];
        assert!(Filter::from_parts(64, 7, &sound).is_some());
        let data = vec![0; 1 << 20];
        for (bits, hashes, data) in [
            (0, 7, &data[..0]),
            (-1, 7, &sound[..]),
            (64, 0, &sound[..]),
            (64, 17, &sound[..]),
            (72, 7, &sound[..]),
            (1 << 23, 7, &data[..]),
            (i128::MAX, 7, &sound[..]),
            (64, 7, &[0xff; 8][..]),
        ] {
            assert_eq!(Filter::from_parts(bits, hashes, data), None, "{bits} {hashes}");
        }
    }

    #[test]
    fn a_filter_of_nothing_holds_nothing_and_one_of_too_much_is_bounded() {
        assert!(!Filter::of(&[""; 0]).may_hold(""));
        let filter = Filter::of(&names(MAX_NAMES + 1_000));
        assert_eq!(filter.bits(), MAX_BITS);
        assert!(Filter::from_parts(filter.bits() as i128, filter.hashes().into(), filter.data()).is_some());
    }
}
