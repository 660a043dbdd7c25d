//! Chance that can be had again.

/// Random numbers from a seed that is printed: `HECATE_TEST_SEED=<seed>` repeats a run.
pub struct Seed(u64);

impl Seed {
    /// The seed of the environment, or one of this moment.
    pub fn new() -> Self {
        let given = std::env::var("HECATE_TEST_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos()) ^ u64::from(std::process::id()) << 32
        });
        println!("HECATE_TEST_SEED={seed}");
        Self(seed)
    }

    /// Another one, for a thread of its own.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self(self.number())
    }

    /// Any number (SplitMix64).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end as u64).unwrap()
    }
}

impl Default for Seed {
    fn default() -> Self {
        Self::new()
    }
}
