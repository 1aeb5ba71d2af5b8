//! Why deliveries were refused, for the receiver's own log.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::answer::Answer;
use crate::error::{ReceiveError, ReceiveErrorKind};
use crate::timestamp::Timestamp;

/// The second in which the last line was written.
static LAST_LINE: AtomicI64 = AtomicI64::new(0);

/// How many refusals have had no line of their own since then.
static WITHOUT_LINE: AtomicU64 = AtomicU64::new(0);

impl ReceiveError {
    /// Writes a warning with the reason, or an error where the application was not set up, at most one line in a
    /// second: an endpoint is public, and anybody could fill the log.
    ///
    /// The target is `clerk_webhook`; the fields are `outcome`, `reason`, and `suppressed`, the number of
    /// refusals since the last line that had none of their own.
    pub fn log(&self) {
        if !may_write(&LAST_LINE, Timestamp::now().as_secs()) {
            WITHOUT_LINE.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let suppressed = WITHOUT_LINE.swap(0, Ordering::Relaxed);
        let mut reason = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            // Writing to a string does not fail.
            let _ = write!(reason, ": {cause}");
            source = cause.source();
        }
        let outcome = Answer::from(self).outcome().as_str();
        if self.kind() == ReceiveErrorKind::Misconfigured {
            tracing::error!(target: "clerk_webhook", outcome, reason, suppressed, "cannot receive deliveries");
        } else {
            tracing::warn!(target: "clerk_webhook", outcome, reason, suppressed, "refused a delivery");
        }
    }
}

/// Takes the one line of this second, if nobody has it yet.
fn may_write(last_line: &AtomicI64, now: i64) -> bool {
    let last = last_line.load(Ordering::Relaxed);
    // Whoever still sees the second before has been overtaken; a clock that was set back is further behind.
    let is_taken = now == last || now == last.saturating_sub(1);
    !is_taken && last_line.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_line_whatever_the_clock_does() {
        let last_line = AtomicI64::new(0);
        let lines = [100, 100, 101, 100, 101, 102, 102, 50, 50, 49, 51, 200];
        let written: Vec<_> = lines.into_iter().filter(|now| may_write(&last_line, *now)).collect();
        assert_eq!(written, [100, 101, 102, 50, 51, 200]);
    }
}
