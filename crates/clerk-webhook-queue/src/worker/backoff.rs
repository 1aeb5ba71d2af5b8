//! The delay before the next attempt.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// Exponential backoff with full jitter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) min: Duration,
    pub(super) max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: Duration::from_secs(5), max: Duration::from_secs(60 * 60) }
    }
}

impl Backoff {
    /// Returns a random delay after the given attempt. The first attempt has the number 1.
    pub(super) fn after(&self, attempt: u32) -> Duration {
        let nanos = (self.limit(attempt).as_nanos() * u128::from(random())) >> u32::BITS;
        let (seconds, rest) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
        Duration::new(u64::try_from(seconds).unwrap_or(u64::MAX), u32::try_from(rest).unwrap_or_default())
    }

    /// Returns the longest delay after the given attempt: `min` after the first attempt, then twice as long
    /// after each further attempt, up to `max`.
    fn limit(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.min.saturating_mul(factor).min(self.max)
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Returns 32 random bits. Each `RandomState` has different keys, so the hashes are random.
fn random() -> u32 {
    (RandomState::new().build_hasher().finish() >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_the_limit_until_the_maximum() {
        let backoff = Backoff::default();
        let limits = [1, 2, 3, 10, 11, 12, 40, u32::MAX].map(|attempt| backoff.limit(attempt).as_secs());
        assert_eq!(limits, [5, 10, 20, 2560, 3600, 3600, 3600, 3600]);
        let none = Backoff { min: Duration::ZERO, max: Duration::ZERO };
        assert_eq!(none.after(3), Duration::ZERO);
        let longest = Backoff { min: Duration::MAX, max: Duration::MAX };
        assert!(longest.after(3) < Duration::MAX);
    }

    #[test]
    fn spreads_the_delays_over_the_whole_range() {
        let backoff = Backoff { min: Duration::from_secs(100), max: Duration::from_secs(100) };
        let delays: Vec<_> = (0..1000).map(|_| backoff.after(1).as_secs()).collect();
        for tenth in 0..10 {
            let count = delays.iter().filter(|delay| **delay / 10 == tenth).count();
            assert!((40..250).contains(&count), "{count} of 1000 delays are in tenth {tenth}");
        }
        let short = Backoff { min: Duration::from_millis(800), max: Duration::from_millis(800) };
        assert!((0..100).any(|_| short.after(1) > Duration::from_millis(400)), "short delays are zero");
    }
}
