//! What happens to a job after its handler has ended.

use std::time::Duration;

use clerk_webhook_core::Outcome;

use crate::worker::note::Note;
use crate::worker::settings::Settings;

const LEASE_LOST: &str =
    "the lease was lost while the handler was running: use `spawn_blocking` for blocking work";
const UNREACHABLE: &str = "the queue could not be reached before or after the handler ran";

/// A job's next state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The job has already been marked as done.
    Done,
    /// The job must be marked as done.
    Complete,
    /// The job becomes ready again immediately, and the attempt does not count.
    GiveBack,
    /// The job becomes ready again after the delay.
    Retry { after: Duration, error: String },
    /// The job becomes a dead letter.
    Bury { error: String },
}

/// Returns a job's next state.
pub(super) fn next(outcome: Outcome, note: &Note, attempt: u32, settings: &Settings) -> Next {
    let failed = note.take();
    let retry_or_bury = |error: String, delay: Option<Duration>| {
        if attempt >= settings.max_attempts {
            return Next::Bury { error };
        }
        Next::Retry { after: delay.unwrap_or_else(|| settings.backoff.after(attempt)), error }
    };
    match (outcome, failed) {
        // The deduplicator, or the transaction, has already completed the job.
        (Outcome::Processed | Outcome::Queued | Outcome::Duplicate, _) => Next::Done,
        (Outcome::Ignored, _) => Next::Complete,
        (Outcome::InProgress, _) => Next::GiveBack,
        (Outcome::Rejected | Outcome::Disabled, failed) => {
            Next::Bury { error: failed.map(|failed| failed.error).unwrap_or_default() }
        }
        (Outcome::HandlerTimeout, _) => {
            retry_or_bury("the handler did not finish within `handler_timeout`".to_owned(), None)
        }
        // The job's state is unknown. If it is done, or if another worker has taken it, the retry changes
        // nothing.
        (Outcome::LeaseLost, _) => retry_or_bury(LEASE_LOST.to_owned(), None),
        // The handler may have succeeded, so the worker does not make the job a dead letter.
        (Outcome::StoreUnavailable, _) => {
            Next::Retry { after: settings.backoff.after(attempt), error: UNREACHABLE.to_owned() }
        }
        (_, Some(failed)) => retry_or_bury(failed.error, failed.delay),
        // Neither a failure nor a panic: the shutdown has stopped the handler.
        (_, None) => Next::GiveBack,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use clerk_webhook_core::{Answer, Failure, Handled};

    use super::*;

    /// Runs a handler in the same way as the deduplicator, and returns its job's next state.
    fn after(result: Result<Handled, Failure>, attempt: u32) -> Next {
        let (note, answer) = (Note::default(), Answer::from(&result));
        let handling = pin!(note.clone().observe(async { result }));
        let Poll::Ready(_) = handling.poll(&mut Context::from_waker(Waker::noop())) else { panic!("waits") };
        next(answer.outcome(), &note, attempt, &Settings::default())
    }

    fn retry(next: Next) -> (Duration, String) {
        let Next::Retry { after, error } = next else { panic!("{next:?}") };
        (after, error)
    }

    #[test]
    fn retries_a_failure_until_the_last_attempt() {
        let (delay, error) = retry(after(Err(Failure::retry("mail is down")), 1));
        assert!(delay <= Duration::from_secs(5));
        assert_eq!(error, "mail is down");
        retry(after(Err(Failure::retry("mail is down")), 11));
        let bury = Next::Bury { error: "mail is down".to_owned() };
        assert_eq!(after(Err(Failure::retry("mail is down")), 12), bury);
        assert_eq!(after(Err(Failure::retry_after(Duration::from_secs(9), "mail is down")), 12), bury);
    }

    #[test]
    fn keeps_to_the_delay_of_the_handler() {
        let delay = Duration::from_secs(90_000);
        let next = after(Err(Failure::retry_after(delay, "mail is down")), 1);
        assert_eq!(retry(next), (delay, "mail is down".to_owned()));
    }

    #[test]
    fn buries_a_job_that_no_retry_can_repair() {
        for failure in [Failure::abort_message("gone"), Failure::disable_endpoint("gone")] {
            assert_eq!(after(Err(failure), 1), Next::Bury { error: "gone".to_owned() });
        }
    }

    #[test]
    fn completes_an_ignored_job_and_leaves_a_completed_one() {
        assert_eq!(after(Ok(Handled::Ignored), 1), Next::Complete);
        assert_eq!(after(Ok(Handled::Processed), 1), Next::Done);
        assert_eq!(after(Ok(Handled::Queued), 1), Next::Done);
    }

    #[test]
    fn tries_again_if_the_state_of_a_job_is_unknown() {
        let (note, settings) = (Note::default(), Settings::default());
        for attempt in [1, 12] {
            let (_, error) = retry(next(Outcome::StoreUnavailable, &note, attempt, &settings));
            assert_eq!(error, UNREACHABLE);
        }
        assert_eq!(retry(next(Outcome::LeaseLost, &note, 11, &settings)).1, LEASE_LOST);
        let bury = Next::Bury { error: LEASE_LOST.to_owned() };
        assert_eq!(next(Outcome::LeaseLost, &note, 12, &settings), bury);
        assert_eq!(next(Outcome::InProgress, &note, 12, &settings), Next::GiveBack);
    }

    #[test]
    fn distinguishes_a_panic_from_a_shutdown() {
        let note = Note::default();
        let mut handling = Box::pin(note.clone().observe(async { panic!("intended") }));
        let poll = std::panic::AssertUnwindSafe(|| {
            let _ = handling.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
        assert!(std::panic::catch_unwind(poll).is_err());
        let (_, error) = retry(next(Outcome::Failed, &note, 1, &Settings::default()));
        assert_eq!(error, "the handler panicked");
        assert_eq!(next(Outcome::Failed, &Note::default(), 1, &Settings::default()), Next::GiveBack);
    }
}
