//! When the next comparison begins.

use std::time::Duration;

use clerk_webhook_core::Timestamp;

/// The earliest comparison after the start of the process, so that a restart does not cause one.
const AFTER_START: Duration = Duration::from_secs(10 * 60);

/// Returns the interval, changed by up to 10 % in either direction, so that several processes do not begin at the
/// same time. `random` is any number.
pub(super) fn varied(every: Duration, random: u16) -> Duration {
    every.mul_f64(0.9 + 0.2 * f64::from(random) / f64::from(u16::MAX))
}

/// Returns when the next comparison begins: an interval after the last sweep of any process, but not soon after
/// the start of this one. Without an earlier sweep, it is an interval after the start.
pub(super) fn next(
    started_at: Timestamp,
    last_sweep_at: Option<Timestamp>,
    every: Duration,
    interval: Duration,
) -> Timestamp {
    let Some(last) = last_sweep_at else { return after(started_at, interval) };
    after(last, interval).max(after(started_at, every.min(AFTER_START)))
}

/// Returns the time that is this long after another time.
pub(super) fn after(time: Timestamp, delay: Duration) -> Timestamp {
    let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_add(delay))
}

/// Returns the time from `now` to another time; zero if it has passed.
pub(super) fn until(now: Timestamp, time: Timestamp) -> Duration {
    let millis = time.as_millis().saturating_sub(now.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn varies_the_interval_by_ten_percent() {
        assert_eq!(varied(DAY, 0), DAY.mul_f64(0.9));
        assert!(varied(DAY, u16::MAX / 2).abs_diff(DAY) < Duration::from_secs(5));
        assert!(varied(DAY, u16::MAX).abs_diff(DAY.mul_f64(1.1)) < Duration::from_millis(1));
    }

    #[test]
    fn restarts_neither_cause_nor_prevent_a_comparison() {
        let (start, day) = (1_000_000, 86_400);
        for (last, expected) in [
            // No sweep has run: an interval after the start.
            (None, start + day),
            // The last sweep was an hour ago: 23 hours remain, no matter how often the process starts.
            (Some(start - 3_600), start - 3_600 + day),
            // The sweep is overdue, but a start does not cause it at once.
            (Some(start - 10 * day), start + 600),
        ] {
            assert_eq!(next(at(start), last.map(at), DAY, DAY), at(expected), "{last:?}");
        }
        let short = Duration::from_secs(5);
        assert_eq!(next(at(start), Some(at(start - day)), short, short), at(start + 5));
    }

    #[test]
    fn a_time_that_has_passed_is_due() {
        assert_eq!(until(at(10), at(7)), Duration::ZERO);
        assert_eq!(until(at(7), at(10)), Duration::from_secs(3));
    }
}
