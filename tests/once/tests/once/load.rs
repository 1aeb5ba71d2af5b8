//! Many deliveries to two receivers with one database. One of the receivers is killed repeatedly.

use std::thread;

use clerk_webhook_tests::process::eventually;
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::say;
use clerk_webhook_tests::sender::{Pace, Sender};

use crate::stage::{Engine, Stage, Variant};

const MESSAGES: usize = 300;
const DELIVERIES: usize = 1_000;

/// The numbers of acknowledged runs at which a receiver is killed.
const KILLED_AT: [usize; 2] = [MESSAGES / 5, MESSAGES / 2];

#[test]
fn sqlite_transactions_handle_every_message_once() {
    // Short runs, because both processes together have only one SQLite transaction at a time.
    every_message_is_handled_once(Engine::Sqlite, Variant::Transactions, "3");
}

#[test]
fn postgres_transactions_handle_every_message_once() {
    every_message_is_handled_once(Engine::Postgres, Variant::Transactions, "30");
}

#[test]
fn sqlite_leases_handle_every_message_once() {
    every_message_is_handled_once(Engine::Sqlite, Variant::Leases, "30");
}

#[test]
fn postgres_leases_handle_every_message_once() {
    every_message_is_handled_once(Engine::Postgres, Variant::Leases, "30");
}

#[test]
fn redis_leases_handle_every_message_once() {
    every_message_is_handled_once(Engine::Redis, Variant::Leases, "30");
}

fn every_message_is_handled_once(engine: Engine, variant: Variant, delay: &str) {
    let Some(stage) = Stage::alone("a load with killed receivers", engine, variant) else { return };
    // The lease lasts longer than the pauses of a busy machine, and expires before the sender's last retry.
    let variables = [("DELAY", delay), ("FAIL_PERCENT", "15"), ("LEASE", "3000")];
    let mut first = stage.start(&variables);
    let second = stage.start(&variables);
    let sender = Sender::new([first.url(), second.url()], Pace::default(), stage.seed);

    let mut random = Random::new(stage.seed);
    let repeated = (MESSAGES..DELIVERIES).map(|_| random.index(MESSAGES));
    let messages = (0..MESSAGES).chain(repeated).map(|number| stage.message(number)).collect();
    let report = thread::scope(|scope| {
        let sending = scope.spawn(|| sender.deliver(messages));
        for handled in KILLED_AT {
            let mut history = stage.history();
            // The record shows a running handler in the receiver, so the kill probably interrupts it.
            eventually("enough acknowledged runs", || {
                let history = history.refresh();
                (history.settled() >= handled && history.is_running_in(first.id())).then_some(())
            });
            stage.kill(first);
            first = stage.start(&variables);
            sender.redirect(0, first.url());
        }
        sending.join().expect("the sender's thread panicked")
    });

    say(&format!("{engine:?} {variant:?}: {report}"));
    assert!(report.undelivered().is_empty(), "{report}: {:?}", report.undelivered());
    stage.check(MESSAGES);
}
