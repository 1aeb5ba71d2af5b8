//! A receiver that is asked to end.

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

/// Shorter than a handler takes that nobody waits for.
const IMPATIENCE: Duration = Duration::from_millis(300);

#[test]
fn leases_are_given_back_before_the_end() {
    nothing_is_lost_by_a_graceful_end(Engine::Sqlite, Variant::Leases, "30");
}

#[test]
fn transactions_are_ended_before_the_end() {
    // One at a time in both processes, so they have to be short ones.
    nothing_is_lost_by_a_graceful_end(Engine::Sqlite, Variant::Transactions, "3");
}

#[test]
fn leases_without_a_sender_are_waited_for() {
    what_nobody_waits_for_is_handled_to_its_end(Variant::Leases);
}

#[test]
fn transactions_without_a_sender_are_waited_for() {
    what_nobody_waits_for_is_handled_to_its_end(Variant::Transactions);
}

fn nothing_is_lost_by_a_graceful_end(engine: Engine, variant: Variant, delay: &str) {
    let Some(stage) = Stage::alone("an end under load", engine, variant) else { return };
    // A lease that was not given back would last longer than the sender tries.
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
            eventually("enough that is handled", || {
                let history = history.refresh();
                (history.settled() >= handled && history.is_running_in(first.id())).then_some(())
            });
            let process = first.id();
            first.terminate();
            assert!(first.wait().success(), "a graceful end is a success");
            assert!(!stage.history().is_running_in(process), "a handler was cut off");
            first = stage.start(&variables);
            sender.redirect(0, first.url());
        }
        sending.join().expect("the sender ends")
    });

    say(&format!("{engine:?} {variant:?}, ended twice: {report}"));
    assert!(report.undelivered().is_empty(), "{report}: {:?}", report.undelivered());
    // Whoever was let in got the answer, unless the machine was too slow for anybody to wait.
    let history = stage.history();
    let count = |outcome| report.outcomes().get(outcome).copied().unwrap_or(0);
    let answered = count("processed") + count("failed");
    let expected = history.count(Mark::Completed) + history.count(Mark::Failed);
    assert!(answered + count("(timed out)") >= expected, "{report}, {expected} answers");
    stage.check(MESSAGES);
}

fn what_nobody_waits_for_is_handled_to_its_end(variant: Variant) {
    let Some(stage) = Stage::new("an end without a sender", Engine::Sqlite, variant) else { return };
    let receiver = stage.start(&[("SHORTEST", "1500"), ("DELAY", "1500")]);
    let mut history = stage.history();
    eventually("the handler", || {
        let hung_up = attempt(receiver.url(), &stage.message(0), IMPATIENCE);
        assert!(hung_up.is_err(), "the handler takes longer than the sender waits: {hung_up:?}");
        (history.refresh().count(Mark::Started) == 1).then_some(())
    });
    receiver.terminate();
    assert!(receiver.wait().success(), "a graceful end is a success");
    let marks = history.refresh().marks(&stage.message(0).id);
    assert_eq!(marks[..2], [Mark::Started, Mark::Completed], "the handler ran to its end");

    let receiver = stage.start(&[]);
    let again = attempt(receiver.url(), &stage.message(0), Duration::from_secs(20));
    assert_eq!(again.expect("the receiver answers").outcome(), "duplicate");
    stage.check(1);
}
