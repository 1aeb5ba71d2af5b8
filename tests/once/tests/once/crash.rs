//! A receiver that is killed while a handler runs, and started again.

use std::thread;
use std::time::Duration;

use clerk_webhook_tests::process::eventually;
use clerk_webhook_tests::sender::{End, Pace, Sender, attempt};
use clerk_webhook_tests_once::record::Mark;

use crate::stage::{Engine, Stage, Variant};

/// As patient as a sender is whose receiver does nothing wrong.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_sqlite_lease_outlives_a_crash() {
    what_was_leased_is_put_off_and_then_runs_again(Engine::Sqlite);
}

#[test]
fn a_postgres_lease_outlives_a_crash() {
    what_was_leased_is_put_off_and_then_runs_again(Engine::Postgres);
}

#[test]
fn a_redis_lease_outlives_a_crash() {
    what_was_leased_is_put_off_and_then_runs_again(Engine::Redis);
}

#[test]
fn a_sqlite_transaction_is_undone_by_a_crash() {
    what_was_not_committed_runs_again_at_once(Engine::Sqlite);
}

#[test]
fn a_postgres_transaction_is_undone_by_a_crash() {
    what_was_not_committed_runs_again_at_once(Engine::Postgres);
}

fn what_was_leased_is_put_off_and_then_runs_again(engine: Engine) {
    let Some(stage) = Stage::new("a crash under a lease", engine, Variant::Leases) else { return };
    // Long enough for a start of the receiver on a busy machine, and one attempt.
    let lease = ("LEASE", "4000");
    kill_in_mid_handler(&stage, lease);

    let receiver = stage.start(&[lease]);
    let put_off = attempt(receiver.url(), &stage.message(0), PATIENCE).expect("the receiver answers");
    assert_eq!((put_off.status, put_off.outcome().as_str()), (409, "in_progress"));
    let retry_after = put_off.retry_after.expect("it says when the lease ends");
    assert!((1..=4).contains(&retry_after), "{retry_after}");
    assert_eq!(stage.history().marks(&stage.message(0).id), [Mark::Started]);

    // Whoever keeps to that succeeds: the last attempts come after the lease, the first ones do not.
    let report = Sender::new([receiver.url()], Pace::default(), stage.seed).deliver(vec![stage.message(0)]);
    let [delivery] = &report.deliveries[..] else { panic!("there is one delivery") };
    assert_eq!(delivery.end, End::Delivered, "{report}");
    let last = delivery.attempts.last().expect("it was tried").as_ref().expect("it was answered");
    assert_eq!((last.status, last.outcome().as_str()), (200, "processed"));

    let history = stage.history();
    let lines = history.lines(&stage.message(0).id);
    let told: Vec<_> = lines.iter().map(|line| (line.mark, line.attempt)).collect();
    assert_eq!(told, [(Mark::Started, 1), (Mark::Started, 2), (Mark::Completed, 2), (Mark::Settled, 0)]);
    stage.check(1);
}

fn what_was_not_committed_runs_again_at_once(engine: Engine) {
    let Some(stage) = Stage::new("a crash in a transaction", engine, Variant::Transactions) else { return };
    kill_in_mid_handler(&stage, ("LEASE", "60000"));

    let receiver = stage.start(&[]);
    let answer = attempt(receiver.url(), &stage.message(0), PATIENCE).expect("the receiver answers");
    assert_eq!((answer.status, answer.outcome().as_str()), (200, "processed"));
    let answer = attempt(receiver.url(), &stage.message(0), PATIENCE).expect("the receiver answers");
    assert_eq!((answer.status, answer.outcome().as_str()), (200, "duplicate"));
    let marks = stage.history().marks(&stage.message(0).id);
    assert_eq!(marks, [Mark::Started, Mark::Started, Mark::Completed, Mark::Settled]);
    stage.check(1);
}

/// Leaves behind what a receiver leaves that is killed while a handler of the first message runs.
fn kill_in_mid_handler(stage: &Stage, lease: (&str, &str)) {
    let receiver = stage.start(&[("DELAY", "forever"), lease]);
    let (url, message) = (receiver.url().to_owned(), stage.message(0));
    let sending = thread::spawn(move || attempt(&url, &message, PATIENCE));
    let mut history = stage.history();
    eventually("the handler", || history.refresh().is_running_in(receiver.id()).then_some(()));
    stage.kill(receiver);
    let lost = sending.join().expect("the attempt ends");
    assert!(lost.is_err(), "what has not run to its end was answered: {lost:?}");
}
