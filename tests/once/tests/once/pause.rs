//! A receiver is paused for longer than its lease while a handler is running, and then resumed.

use std::fs::File;
use std::thread;
use std::time::Duration;

use clerk_webhook_tests::process::eventually;
use clerk_webhook_tests::sender::attempt;
use clerk_webhook_tests_once::record::Mark;

use crate::stage::{Engine, Stage, Variant};

/// How long the sender waits for a response: long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough for a renewal on a busy machine.
const LEASE: (&str, &str) = ("LEASE", "2000");

#[test]
fn a_paused_handler_does_not_continue_after_its_sqlite_lease_expired() {
    a_paused_handler_does_not_continue(Engine::Sqlite);
}

#[test]
fn a_paused_handler_does_not_continue_after_its_postgres_lease_expired() {
    a_paused_handler_does_not_continue(Engine::Postgres);
}

#[test]
fn a_paused_handler_does_not_continue_after_its_redis_lease_expired() {
    a_paused_handler_does_not_continue(Engine::Redis);
}

fn a_paused_handler_does_not_continue(engine: Engine) {
    let Some(stage) = Stage::new("a pause under a lease", engine, Variant::Leases) else { return };
    let gate = stage.folder().join("gate");
    let paused = stage.start(&[LEASE, ("GATE", gate.to_str().expect("the path is UTF-8"))]);
    let other = stage.start(&[LEASE]);
    let (url, message) = (paused.url().to_owned(), stage.message(0));
    let sending = thread::spawn(move || attempt(&url, &message, PATIENCE));
    let mut history = stage.history();
    eventually("the start of the handler", || history.refresh().is_running_in(paused.id()).then_some(()));

    paused.pause();
    let answer = eventually("the end of the lease", || {
        let answer = attempt(other.url(), &stage.message(0), PATIENCE).expect("the receiver did not answer");
        (answer.outcome() != "in_progress").then_some(answer)
    });
    assert_eq!((answer.status, answer.outcome().as_str()), (200, "processed"));

    // From here on, the handler would finish at its next poll.
    File::create(gate).expect("could not create the gate");
    paused.resume();
    let lost = sending.join().expect("the sender's thread panicked").expect("the receiver did not answer");
    assert_eq!((lost.status, lost.outcome().as_str()), (409, "lease_lost"));

    let history = stage.history();
    let attempts: Vec<_> =
        history.lines(&stage.message(0).id).iter().map(|line| (line.mark, line.attempt)).collect();
    let other = [(Mark::Started, 2), (Mark::Completed, 2), (Mark::Settled, 0)];
    assert_eq!(attempts, [&[(Mark::Started, 1)], &other[..], &[(Mark::Dropped, 1)]].concat());
}
