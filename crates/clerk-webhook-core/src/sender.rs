//! Facts about the sender: how Svix, which Clerk uses, delivers and retries.
//!
//! Tools, stores and documentation take these numbers from here. Their source is Svix's documentation (docs.svix.com, "Retry
//! schedule" and "Receiving webhooks"); jitter, the limits of `Retry-After` and the delay after a timeout are not documented
//! and were measured with Svix's open-source server 1.100.

use std::time::Duration;

/// How long the sender waits for the response before it closes the connection and counts the attempt as failed: 15 s.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the sender waits after each failed attempt: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.
///
/// A `Retry-After` header makes a delay up to twice as long.
pub const RETRY_DELAYS: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
];

/// How often the sender attempts to deliver a message: 8 times in about 28 hours.
pub const ATTEMPTS: usize = RETRY_DELAYS.len() + 1;

/// How much a delay varies either way, in percent.
pub const RETRY_JITTER_PERCENT: u32 = 20;

/// The shortest delay after an attempt that got no response in time: 60 s.
pub const MIN_DELAY_AFTER_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest time between the first and the last attempt: about 66 hours, if `Retry-After` doubles every delay and the
/// jitter lengthens each.
pub const LONGEST_RETRY_PERIOD: Duration = {
    let (mut seconds, mut index) = (0, 0);
    while index < RETRY_DELAYS.len() {
        seconds += RETRY_DELAYS[index].as_secs();
        index += 1;
    }
    Duration::from_secs(2 * seconds * (100 + RETRY_JITTER_PERCENT as u64) / 100)
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_attempts_take_about_28_hours_and_at_most_about_66() {
        assert_eq!(ATTEMPTS, 8);
        assert_eq!(RETRY_DELAYS.iter().sum::<Duration>(), Duration::from_secs(27 * 3600 + 35 * 60 + 5));
        assert_eq!(LONGEST_RETRY_PERIOD.as_secs() / 3600, 66);
    }
}
