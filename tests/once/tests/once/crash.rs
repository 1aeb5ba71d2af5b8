//! A receiver is killed while a handler is running, and then restarted.

use std::thread;
use std::time::Duration;

use clerk_webhook_tests::process::eventually;
use clerk_webhook_tests::sender::{End, Pace, Sender, attempt};
use clerk_webhook_tests_once::record::Mark;

use crate::stage::{Engine, Stage, Variant};

/// How long the sender waits for a response: long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_sqlite_lease_survives_a_crash() {
    runs_again_after_the_lease_of_the_crash_expired(Engine::Sqlite);
}

#[test]
fn a_postgres_lease_survives_a_crash() {
    runs_again_after_the_lease_of_the_crash_expired(Engine::Postgres);
}

#[test]
fn a_redis_lease_survives_a_crash() {
    runs_again_after_the_lease_of_the_crash_expired(Engine::Redis);
}

#[test]
fn a_crash_rolls_back_a_sqlite_transaction() {
    runs_again_immediately_after_the_rollback(Engine::Sqlite);
}

#[test]
fn a_crash_rolls_back_a_postgres_transaction() {
    runs_again_immediately_after_the_rollback(Engine::Postgres);
}

fn runs_again_after_the_lease_of_the_crash_expired(engine: Engine) {
    let Some(stage) = Stage::new("a crash under a lease", engine, Variant::Leases) else { return };
    // Long enough to restart the receiver on a busy machine, and for one attempt.
    let lease = ("LEASE", "4000");
    kill_during_a_handler(&stage, lease);

    let receiver = stage.start(&[lease]);
    let early = attempt(receiver.url(), &stage.message(0), PATIENCE).expect("the receiver did not answer");
    assert_eq!((early.status, early.outcome().as_str()), (409, "in_progress"));
    let retry_after = early.retry_after.expect("the response has no Retry-After");
    assert!((1..=4).contains(&retry_after), "{retry_after}");
    assert_eq!(stage.history().marks(&stage.message(0).id), [Mark::Started]);

    // The sender retries. Its first attempts arrive before the lease expires, and its last attempts after
    // that.
    let report = Sender::new([receiver.url()], Pace::default(), stage.seed).deliver(vec![stage.message(0)]);
    let [delivery] = &report.deliveries[..] else { panic!("the report does not have one delivery") };
    assert_eq!(delivery.end, End::Delivered, "{report}");
    let last = delivery.attempts.last().expect("no attempt").as_ref().expect("no response");
    assert_eq!((last.status, last.outcome().as_str()), (200, "processed"));

    let history = stage.history();
    let lines = history.lines(&stage.message(0).id);
    let attempts: Vec<_> = lines.iter().map(|line| (line.mark, line.attempt)).collect();
    assert_eq!(attempts, [(Mark::Started, 1), (Mark::Started, 2), (Mark::Completed, 2), (Mark::Settled, 0)]);
    stage.check(1);
}

fn runs_again_immediately_after_the_rollback(engine: Engine) {
    let Some(stage) = Stage::new("a crash in a transaction", engine, Variant::Transactions) else { return };
    kill_during_a_handler(&stage, ("LEASE", "60000"));

    let receiver = stage.start(&[]);
    let answer = attempt(receiver.url(), &stage.message(0), PATIENCE).expect("the receiver did not answer");
    assert_eq!((answer.status, answer.outcome().as_str()), (200, "processed"));
    let answer = attempt(receiver.url(), &stage.message(0), PATIENCE).expect("the receiver did not answer");
    assert_eq!((answer.status, answer.outcome().as_str()), (200, "duplicate"));
    let marks = stage.history().marks(&stage.message(0).id);
    assert_eq!(marks, [Mark::Started, Mark::Started, Mark::Completed, Mark::Settled]);
    stage.check(1);
}

/// Starts a receiver and kills it while it handles the first message.
fn kill_during_a_handler(stage: &Stage, lease: (&str, &str)) {
    let receiver = stage.start(&[("DELAY", "forever"), lease]);
    let (url, message) = (receiver.url().to_owned(), stage.message(0));
    let sending = thread::spawn(move || attempt(&url, &message, PATIENCE));
    let mut history = stage.history();
    eventually("the start of the handler", || history.refresh().is_running_in(receiver.id()).then_some(()));
    stage.kill(receiver);
    let lost = sending.join().expect("the sender's thread panicked");
    assert!(lost.is_err(), "an unfinished run was answered: {lost:?}");
}
