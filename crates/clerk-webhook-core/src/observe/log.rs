//! Lines in the receiver's own log.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::answer::Answer;
use crate::error_text::Chain;
use crate::receive::{ReceiveError, ReceiveErrorKind};
use crate::timestamp::Timestamp;

/// What was written lately about deliveries that were refused.
static REFUSED: Lines = Lines::new();

/// What was written lately about an application that cannot receive; strangers cannot take its lines away.
static MISCONFIGURED: Lines = Lines::new();

/// At most one line in a second.
struct Lines {
    /// The second in which the last one was written.
    last: AtomicI64,
    /// How many cases have had no line of their own since then.
    suppressed: AtomicU64,
}

/// Writes a line about a delivery that was refused, unless there was one in this second.
pub(crate) fn refused(error: &ReceiveError) {
    let is_misconfigured = error.kind() == ReceiveErrorKind::Misconfigured;
    let lines = if is_misconfigured { &MISCONFIGURED } else { &REFUSED };
    let Some(suppressed) = lines.next(Timestamp::now().as_secs()) else { return };
    let reason = Chain(error).to_string();
    let outcome = Answer::from(error).outcome().as_str();
    if is_misconfigured {
        tracing::error!(target: "clerk_webhook", outcome, reason, suppressed, "cannot receive deliveries");
    } else {
        tracing::warn!(target: "clerk_webhook", outcome, reason, suppressed, "refused a delivery");
    }
}

impl Lines {
    const fn new() -> Self {
        Self { last: AtomicI64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Takes the one line of this second and returns how many have had none, or nothing if somebody has it.
    fn next(&self, now: i64) -> Option<u64> {
        let last = self.last.load(Ordering::Relaxed);
        // Whoever still sees the second before has been overtaken; a clock that was set back is further behind.
        let is_taken = now == last || now == last.saturating_sub(1);
        if is_taken || self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.suppressed.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_line_whatever_the_clock_does() {
        let lines = Lines::new();
        let seconds = [100, 100, 101, 100, 101, 102, 102, 50, 50, 49, 51, 200];
        let written = seconds.into_iter().filter_map(|now| Some((now, lines.next(now)?)));
        let expected = [(100, 0), (101, 1), (102, 2), (50, 1), (51, 2), (200, 0)];
        assert_eq!(written.collect::<Vec<_>>(), expected);
    }
}
