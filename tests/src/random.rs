//! Repeatable pseudorandom numbers.

/// A xorshift generator. The tests need repeatable numbers, not good ones, so this avoids a dependency.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Creates a generator. The same seed produces the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // The state must not be zero, because the generator would return only zeros. The constant spreads the
        // bits of small seeds.
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).max(1))
    }

    /// Returns the seed in the `SEED` variable, which repeats a failure, or else a new seed.
    ///
    /// # Panics
    ///
    /// Panics if `SEED` is not a number.
    #[must_use]
    pub fn seed() -> u64 {
        use std::hash::{BuildHasher as _, RandomState};
        match std::env::var("SEED") {
            Ok(seed) => seed.parse().expect("SEED is a number"),
            // Short enough to type.
            Err(_) => RandomState::new().hash_one(0) % 1_000_000,
        }
    }

    /// Returns the next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a number less than the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The low bits of xorshift are the least random.
        (self.bits() >> 32) % bound
    }

    /// Returns an index into a slice of this length.
    ///
    /// # Panics
    ///
    /// Panics if the length is 0.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("the index fits in usize")
    }

    /// Shuffles items.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}
