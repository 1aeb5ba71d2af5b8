//! Numbers that look random and can be had again.

/// A xorshift generator: repeatable, and no dependency for what needs no quality.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Creates a generator; the same seed makes the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Never zero, where the generator would stay; the constant spreads the bits of small seeds.
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).max(1))
    }

    /// Returns the seed in `SEED`, to see a failure again, or else a new one.
    ///
    /// # Panics
    ///
    /// Panics where `SEED` is not a number.
    #[must_use]
    pub fn seed() -> u64 {
        use std::hash::{BuildHasher as _, RandomState};
        match std::env::var("SEED") {
            Ok(seed) => seed.parse().expect("SEED is a number"),
            // Short enough to be typed.
            Err(_) => RandomState::new().hash_one(0) % 1_000_000,
        }
    }

    /// Returns 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The upper half: the lowest bits are the poorest.
        (self.bits() >> 32) % bound
    }

    /// Returns an index of something so long.
    ///
    /// # Panics
    ///
    /// Panics where it is empty.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("it is below a length")
    }

    /// Puts items into another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}
