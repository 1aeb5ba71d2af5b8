//! The graceful shutdown of a receiver.

use std::thread;
use std::time::Duration;

use clerk_webhook_tests::process::eventually;
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::say;
use clerk_webhook_tests::sender::{Pace, Sender, attempt};
use clerk_webhook_tests_once::record::Mark;

use crate::stage::{Engine, Stage, Variant};

const MESSAGES: usize = 200;
const DELIVERIES: usize = 400;

/// How long the sender waits: less time than the handler runs.
const IMPATIENCE: Duration = Duration::from_millis(300);

#[test]
fn releases_leases_before_the_process_ends() {
    loses_nothing_in_a_graceful_shutdown(Engine::Sqlite, Variant::Leases, "30");
}

#[test]
fn ends_transactions_before_the_process_ends() {
    // Short runs, because both processes together have only one SQLite transaction at a time.
    loses_nothing_in_a_graceful_shutdown(Engine::Sqlite, Variant::Transactions, "3");
}

#[test]
fn waits_for_leases_whose_sender_disconnected() {
    finishes_a_handler_whose_sender_disconnected(Variant::Leases);
}

#[test]
fn waits_for_transactions_whose_sender_disconnected() {
    finishes_a_handler_whose_sender_disconnected(Variant::Transactions);
}

fn loses_nothing_in_a_graceful_shutdown(engine: Engine, variant: Variant, delay: &str) {
    let Some(stage) = Stage::alone("a shutdown under load", engine, variant) else { return };
    // A lease that was not released would outlast the sender's retries.
    let variables = [("DELAY", delay), ("FAIL_PERCENT", "10"), ("LEASE", "60000")];
    let mut first = stage.start(&variables);
    let second = stage.start(&variables);
    let sender = Sender::new([first.url(), second.url()], Pace::default(), stage.seed);

    let mut random = Random::new(stage.seed);
    let repeated = (MESSAGES..DELIVERIES).map(|_| random.index(MESSAGES));
    let messages = (0..MESSAGES).chain(repeated).map(|number| stage.message(number)).collect();
    let report = thread::scope(|scope| {
        let sending = scope.spawn(|| sender.deliver(messages));
        for handled in [MESSAGES / 5, MESSAGES / 2] {
            let mut history = stage.history();
            eventually("enough acknowledged runs", || {
                let history = history.refresh();
                (history.settled() >= handled && history.is_running_in(first.id())).then_some(())
            });
            let process = first.id();
            first.terminate();
            assert!(first.wait().success(), "the shutdown failed");
            assert!(
                !stage.history().is_running_in(process),
                "the process exited while a handler was running"
            );
            first = stage.start(&variables);
            sender.redirect(0, first.url());
        }
        sending.join().expect("the sender's thread panicked")
    });

    say(&format!("{engine:?} {variant:?}, shut down twice: {report}"));
    assert!(report.undelivered().is_empty(), "{report}: {:?}", report.undelivered());
    // Every finished run was answered, unless the sender timed out on a slow machine.
    let history = stage.history();
    let count = |outcome| report.outcomes().get(outcome).copied().unwrap_or(0);
    let answered = count("processed") + count("failed");
    let expected = history.count(Mark::Completed) + history.count(Mark::Failed);
    assert!(answered + count("(timed out)") >= expected, "{report}, {expected} answers");
    stage.check(MESSAGES);
}

fn finishes_a_handler_whose_sender_disconnected(variant: Variant) {
    let Some(stage) = Stage::new("a shutdown without a sender", Engine::Sqlite, variant) else { return };
    let receiver = stage.start(&[("SHORTEST", "1500"), ("DELAY", "1500")]);
    let mut history = stage.history();
    eventually("the start of the handler", || {
        // If the handler of an earlier attempt has started in the meantime, the receiver answers.
        if let Ok(answer) = attempt(receiver.url(), &stage.message(0), IMPATIENCE) {
            assert_eq!(answer.outcome(), "in_progress", "the sender did not time out");
        }
        (history.refresh().count(Mark::Started) == 1).then_some(())
    });
    receiver.terminate();
    assert!(receiver.wait().success(), "the shutdown failed");
    let marks = history.refresh().marks(&stage.message(0).id);
    assert_eq!(marks[..2], [Mark::Started, Mark::Completed], "the handler did not finish");

    let receiver = stage.start(&[]);
    let again = attempt(receiver.url(), &stage.message(0), Duration::from_secs(20));
    assert_eq!(again.expect("the receiver did not answer").outcome(), "duplicate");
    stage.check(1);
}
