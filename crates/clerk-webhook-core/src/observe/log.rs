//! Rate-limited log lines for rejected deliveries.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::answer::Answer;
use crate::clock;
use crate::error_text::Chain;
use crate::receive::{ReceiveError, ReceiveErrorKind};
use crate::timestamp::Timestamp;

/// The limit for lines about rejected deliveries.
static REFUSED: Lines = Lines::new();

/// The limit for lines about a misconfigured application. It is separate, so that forged requests cannot
/// suppress these lines.
static MISCONFIGURED: Lines = Lines::new();

/// Allows at most one line per second.
struct Lines {
    /// The time of the last line, in seconds since the Unix epoch.
    last: AtomicI64,
    /// The number of lines that were suppressed since then.
    suppressed: AtomicU64,
}

/// Writes a line about a rejected delivery, unless a line has already been written in the current second.
pub(crate) fn refused(error: &ReceiveError) {
    let is_misconfigured = error.kind() == ReceiveErrorKind::Misconfigured;
    let lines = if is_misconfigured { &MISCONFIGURED } else { &REFUSED };
    // Without a clock, nothing limits the lines.
    let suppressed = clock::system().map_or(Some(0), |now| lines.next(Timestamp::from(now).as_secs()));
    let Some(suppressed) = suppressed else { return };
    let reason = Chain(error).to_string();
    let outcome = Answer::from(error).outcome().as_str();
    if is_misconfigured {
        tracing::error!(target: "clerk_webhook", outcome, reason, suppressed, "cannot receive deliveries");
    } else {
        tracing::warn!(target: "clerk_webhook", outcome, reason, suppressed, "rejected a delivery");
    }
}

impl Lines {
    const fn new() -> Self {
        Self { last: AtomicI64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Claims the one line that is allowed per second and returns the number of suppressed lines, or `None`
    /// if the line has already been claimed.
    fn next(&self, now: i64) -> Option<u64> {
        let last = self.last.load(Ordering::Relaxed);
        // If `now` is `last - 1`, another thread claimed the next second after this thread had read the
        // clock. If `now` is even earlier, the clock was set back, so a line is allowed.
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
    fn allows_one_line_per_second_even_if_the_clock_is_set_back() {
        let lines = Lines::new();
        let seconds = [100, 100, 101, 100, 101, 102, 102, 50, 50, 49, 51, 200];
        let written = seconds.into_iter().filter_map(|now| Some((now, lines.next(now)?)));
        let expected = [(100, 0), (101, 1), (102, 2), (50, 1), (51, 2), (200, 0)];
        assert_eq!(written.collect::<Vec<_>>(), expected);
    }
}
