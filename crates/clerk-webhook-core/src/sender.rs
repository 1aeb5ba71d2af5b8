//! The sender's limits and retry schedule. The sender is Svix on behalf of Clerk.
//!
//! The numbers are from Svix's documentation (docs.svix.com, "Retry schedule" and "Receiving webhooks"). Svix
//! does not document the jitter, the limits for `Retry-After` or the delay after a timeout. These were
//! measured with Svix's open-source server 1.100.

use std::time::Duration;

/// The time that the sender waits for a response: 15 s.
///
/// After this time, the sender closes the connection and treats the attempt as failed.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// The delays after failed attempts: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.
///
/// A `Retry-After` header in the response can make a delay up to twice as long.
pub const RETRY_DELAYS: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
];

/// The number of attempts to deliver a message: 8, in about 28 hours.
pub const ATTEMPTS: usize = RETRY_DELAYS.len() + 1;

/// The jitter in percent: a delay can be up to 20 % shorter or longer.
pub const RETRY_JITTER_PERCENT: u32 = 20;

/// The minimum delay after an attempt that timed out: 60 s.
pub const MIN_DELAY_AFTER_TIMEOUT: Duration = Duration::from_secs(60);

/// The maximum time between the first and the last attempt: about 66 hours.
///
/// It applies if `Retry-After` doubles every delay and the jitter makes every delay 20 % longer.
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
    fn eight_attempts_take_28_hours_and_at_most_66_hours() {
        assert_eq!(ATTEMPTS, 8);
        assert_eq!(RETRY_DELAYS.iter().sum::<Duration>(), Duration::from_secs(27 * 3600 + 35 * 60 + 5));
        assert_eq!(LONGEST_RETRY_PERIOD.as_secs() / 3600, 66);
    }
}
