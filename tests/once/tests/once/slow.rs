//! Handlers that run longer than their lease, and longer than the sender waits.

use clerk_webhook_tests::say;
use clerk_webhook_tests::sender::{Pace, Sender};
use clerk_webhook_tests_once::record::Mark;

use crate::stage::{Engine, Stage, Variant};

const MESSAGES: usize = 3;
const DELIVERIES_PER_MESSAGE: usize = 4;

#[test]
fn a_slow_handler_keeps_its_sqlite_lease() {
    a_slow_handler_runs_once(Engine::Sqlite, Variant::Leases);
}

#[test]
fn a_slow_handler_keeps_its_postgres_lease() {
    a_slow_handler_runs_once(Engine::Postgres, Variant::Leases);
}

#[test]
fn a_slow_handler_keeps_its_redis_lease() {
    a_slow_handler_runs_once(Engine::Redis, Variant::Leases);
}

#[test]
fn a_slow_handler_keeps_its_postgres_transaction() {
    a_slow_handler_runs_once(Engine::Postgres, Variant::Transactions);
}

fn a_slow_handler_runs_once(engine: Engine, variant: Variant) {
    let Some(stage) = Stage::new("a slow handler", engine, variant) else { return };
    // A run lasts longer than two leases. A lease lasts longer than the pauses of a busy machine.
    let variables = [("SHORTEST", "4500"), ("DELAY", "4500"), ("LEASE", "2000")];
    let receivers = [stage.start(&variables), stage.start(&variables)];
    let sender = Sender::new(receivers.iter().map(|receiver| receiver.url()), Pace::default(), stage.seed);

    let deliveries = DELIVERIES_PER_MESSAGE * MESSAGES;
    let messages = (0..deliveries).map(|number| stage.message(number % MESSAGES)).collect();
    let report = sender.deliver(messages);

    say(&format!("{engine:?} {variant:?}, slow: {report}"));
    assert!(report.undelivered().is_empty(), "{report}: {:?}", report.undelivered());
    // Every sender times out before its run finishes, so no answer is `processed`.
    for outcome in report.outcomes().into_keys().filter(|outcome| !outcome.starts_with('(')) {
        assert!(["duplicate", "in_progress"].contains(&outcome.as_str()), "{report}");
    }
    for number in 0..MESSAGES {
        assert_eq!(stage.history().marks(&stage.message(number).id), [Mark::Started, Mark::Completed]);
    }
    stage.check(MESSAGES);
}
