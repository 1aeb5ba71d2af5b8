//! What happens to a job after its handler has ended.

use std::time::Duration;

use clerk_webhook_core::Outcome;

use crate::worker::note::Note;
use crate::worker::settings::Settings;

const LEASE_LOST: &str = "the lease expired while the handler was running. Check that the queue was reachable and that \
    the machine was not suspended, and use `spawn_blocking` for blocking work";
const UNREACHABLE: &str = "the queue could not be reached after the handler had started";
const TRANSACTION_IN_USE: &str = "the handler returned while a task still used its transaction";

/// How long the worker waits before it gives back a job whose handler could not start, because the queue could
/// not be reached.
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(1);

/// A job's next state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The worker changes nothing: the job is done, or it may be running under a newer lease.
    Unchanged,
    /// The job must be marked as done.
    Complete,
    /// The job is too old, and must be marked as done.
    Expire,
    /// The job becomes ready again after the worker has waited for `pause`, or immediately during a shutdown.
    /// The attempt does not count.
    GiveBack { pause: Duration },
    /// The job becomes ready again after the delay.
    Retry { after: Duration, error: String },
    /// The job becomes a dead letter.
    Bury { error: String },
}

/// Returns a job's next state. `stopping` says whether the worker is being shut down.
pub(super) fn next(outcome: Outcome, note: &Note, attempt: u32, settings: &Settings, stopping: bool) -> Next {
    let noted = note.take();
    let retry_or_bury = |error: String, delay: Option<Duration>| {
        if attempt >= settings.max_attempts {
            return Next::Bury { error };
        }
        Next::Retry { after: delay.unwrap_or_else(|| settings.backoff.after(attempt)), error }
    };
    match (outcome, noted.failed) {
        // The deduplicator, or the transaction, has already completed the job.
        (Outcome::Processed | Outcome::Queued | Outcome::Duplicate, _) => Next::Unchanged,
        (Outcome::Ignored, _) => Next::Complete,
        // The job may be running under a newer lease.
        (Outcome::InProgress, _) => Next::Unchanged,
        (Outcome::Rejected | Outcome::Disabled, failed) => {
            Next::Bury { error: failed.map(|failed| failed.error).unwrap_or_default() }
        }
        (Outcome::HandlerTimeout, _) => {
            retry_or_bury("the handler did not finish within `handler_timeout`".to_owned(), None)
        }
        // The job's state is unknown. If it is done, or if another worker has taken it, the retry changes
        // nothing.
        (Outcome::LeaseLost, _) => retry_or_bury(LEASE_LOST.to_owned(), None),
        // The handler's effects are not part of a transaction, so only the completion is missing.
        (Outcome::StoreUnavailable, _) if noted.unrecorded => Next::Complete,
        (Outcome::StoreUnavailable, _) if !noted.started => Next::GiveBack { pause: UNREACHABLE_PAUSE },
        // The handler may have succeeded, but its attempt counts: otherwise it would run without end. If the
        // job is done, the retry or the dead letter changes nothing.
        (Outcome::StoreUnavailable, _) => retry_or_bury(UNREACHABLE.to_owned(), None),
        (_, Some(failed)) => retry_or_bury(failed.error, failed.delay),
        // Neither a failure nor a panic: the shutdown has stopped the handler, or has prevented its start.
        (_, None) if stopping && !noted.finished => Next::GiveBack { pause: Duration::ZERO },
        (_, None) => retry_or_bury(TRANSACTION_IN_USE.to_owned(), None),
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
        next(answer.outcome(), &note, attempt, &Settings::default(), false)
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
        assert_eq!(after(Ok(Handled::Processed), 1), Next::Unchanged);
        assert_eq!(after(Ok(Handled::Queued), 1), Next::Unchanged);
    }

    /// Returns the note of a handler that has started and waits.
    fn started() -> Note {
        let note = Note::default();
        let handling = pin!(note.clone().observe(std::future::pending()));
        assert!(handling.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        note
    }

    #[test]
    fn tries_again_if_the_state_of_a_job_is_unknown() {
        let settings = Settings::default();
        for (outcome, error) in [(Outcome::StoreUnavailable, UNREACHABLE), (Outcome::LeaseLost, LEASE_LOST)] {
            assert_eq!(retry(next(outcome, &started(), 11, &settings, false)).1, error);
            let bury = Next::Bury { error: error.to_owned() };
            assert_eq!(next(outcome, &started(), 12, &settings, false), bury);
        }
    }

    #[test]
    fn completes_the_job_of_a_handler_that_succeeded_before_the_queue_became_unreachable() {
        for (result, completes) in [(Ok(Handled::Processed), true), (Err("failed".into()), false)] {
            let note = Note::default();
            let handling = pin!(note.clone().observe(async { result }));
            assert!(handling.poll(&mut Context::from_waker(Waker::noop())).is_ready());
            note.unreachable();
            let next = next(Outcome::StoreUnavailable, &note, 12, &Settings::default(), false);
            assert_eq!(next == Next::Complete, completes, "{next:?}");
        }
    }

    #[test]
    fn does_not_count_an_attempt_whose_handler_could_not_start() {
        let next = next(Outcome::StoreUnavailable, &Note::default(), 12, &Settings::default(), false);
        assert_eq!(next, Next::GiveBack { pause: Duration::from_secs(1) });
    }

    #[test]
    fn leaves_a_job_that_may_be_running_under_a_newer_lease() {
        let next = next(Outcome::InProgress, &Note::default(), 12, &Settings::default(), true);
        assert_eq!(next, Next::Unchanged);
    }

    #[test]
    fn distinguishes_a_panic_from_a_shutdown() {
        let (note, settings) = (Note::default(), Settings::default());
        let mut handling = Box::pin(note.clone().observe(async { panic!("intended") }));
        let poll = std::panic::AssertUnwindSafe(|| {
            let _ = handling.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
        assert!(std::panic::catch_unwind(poll).is_err());
        let (_, error) = retry(next(Outcome::Failed, &note, 1, &settings, true));
        assert_eq!(error, "the handler panicked");
        for note in [Note::default(), started()] {
            let give_back = Next::GiveBack { pause: Duration::ZERO };
            assert_eq!(next(Outcome::Failed, &note, 12, &settings, true), give_back);
        }
    }

    #[test]
    fn counts_an_attempt_that_left_its_transaction_to_a_task() {
        let settings = Settings::default();
        for stopping in [false, true] {
            let note = Note::default();
            let handling = pin!(note.clone().observe(async { Ok(Handled::Processed) }));
            assert!(handling.poll(&mut Context::from_waker(Waker::noop())).is_ready());
            let bury = Next::Bury { error: TRANSACTION_IN_USE.to_owned() };
            assert_eq!(next(Outcome::Failed, &note, 12, &settings, stopping), bury);
        }
        assert_eq!(retry(next(Outcome::Failed, &started(), 11, &settings, false)).1, TRANSACTION_IN_USE);
    }
}
