//! Random decisions of a suite, which can be repeated with a seed.

use crate::store::claim::Owner;

/// A random number generator that is good enough for tests: SplitMix64.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Creates a generator. Different streams of one seed produce different sequences.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    /// Returns a number below the limit, which must not be 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Returns a random seed.
#[must_use]
pub fn seed() -> u64 {
    // A seed has only six digits, which are easier to copy than twenty.
    u64::try_from(Owner::random().as_u128() % 1_000_000).unwrap_or_default()
}
