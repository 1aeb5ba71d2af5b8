//! A database that is down or does not answer for a while.

use std::thread;
use std::time::Duration;

use clerk_webhook_tests::process::eventually;
use clerk_webhook_tests::say;
use clerk_webhook_tests::sender::{Pace, Sender, attempt};
use clerk_webhook_tests_once::record::Mark;

use crate::server::{Absence, Proxy, Redis, Server};
use crate::stage::{Engine, Stage, Variant};

const MESSAGES: usize = 200;

/// How many deliveries must be answered with `store_unavailable` before the database is back.
const REJECTED: usize = 20;

/// How long the sender waits for a response: much longer than the store timeout.
const PATIENCE: Duration = Duration::from_secs(5);
const VARIABLES: [(&str, &str); 3] = [("STORE_TIMEOUT", "500"), ("LEASE", "3000"), ("DELAY", "20")];

#[test]
fn loses_no_postgres_lease_while_the_server_is_down() {
    with_proxy(Variant::Leases, Absence::Gone);
}

#[test]
fn loses_no_postgres_lease_while_the_server_does_not_answer() {
    with_proxy(Variant::Leases, Absence::Mute);
}

#[test]
fn loses_no_postgres_transaction_while_the_server_is_down() {
    with_proxy(Variant::Transactions, Absence::Gone);
}

#[test]
fn loses_no_postgres_transaction_while_the_server_does_not_answer() {
    with_proxy(Variant::Transactions, Absence::Mute);
}

#[test]
fn loses_no_redis_lease_while_the_server_is_down() {
    with_redis(Absence::Gone);
}

#[test]
fn loses_no_redis_lease_while_the_server_does_not_answer() {
    with_redis(Absence::Mute);
}

fn with_proxy(variant: Variant, absence: Absence) {
    let Some(stage) = Stage::alone("an unavailable database", Engine::Postgres, variant) else { return };
    let proxy = Proxy::to(&stage.address());
    loses_nothing_while_the_database_is_unavailable(&stage, proxy, absence);
}

fn with_redis(absence: Absence) {
    let Some(stage) = Stage::alone("an unavailable database", Engine::Redis, Variant::Leases) else { return };
    let Some(redis) = Redis::start(stage.folder()) else { return };
    loses_nothing_while_the_database_is_unavailable(&stage, redis, absence);
}

fn loses_nothing_while_the_database_is_unavailable(stage: &Stage, mut server: impl Server, absence: Absence) {
    let receiver = stage.start_on(&server.address(), &VARIABLES);
    let url = receiver.url();
    let before = attempt(url, &stage.message(0), PATIENCE).expect("the receiver did not answer");
    assert_eq!(before.outcome(), "processed");

    server.take_away(absence);
    // A completed message gets the same response as a new one, because the receiver cannot look it up.
    let answers = thread::scope(|scope| {
        let attempts =
            [0, 1, 2].map(|number| scope.spawn(move || attempt(url, &stage.message(number), PATIENCE)));
        attempts.map(|attempt| attempt.join().expect("the sender's thread panicked"))
    });
    for answer in answers {
        let answer = answer.expect("the receiver did not answer in time");
        assert_eq!((answer.status, answer.outcome().as_str()), (503, "store_unavailable"));
        assert!(answer.retry_after.is_some(), "{answer:?}");
    }
    assert_eq!(stage.history().count(Mark::Started), 1, "a handler ran without a claim");
    server.bring_back(absence);

    // The same check under load.
    let sender = Sender::new([url], Pace::default(), stage.seed);
    let messages = (0..MESSAGES).chain(0..MESSAGES).map(|number| stage.message(number)).collect();
    let report = thread::scope(|scope| {
        let sending = scope.spawn(|| sender.deliver(messages));
        let mut history = stage.history();
        eventually("enough acknowledged runs", || (history.refresh().settled() > MESSAGES / 4).then_some(()));
        let rejected = sender.answered("store_unavailable");
        server.take_away(absence);
        eventually("enough rejected deliveries", || {
            (sender.answered("store_unavailable") >= rejected + REJECTED).then_some(())
        });
        server.bring_back(absence);
        sending.join().expect("the sender's thread panicked")
    });

    say(&format!("{absence:?}: {report}"));
    assert!(report.undelivered().is_empty(), "{report}: {:?}", report.undelivered());
    stage.check(MESSAGES);
}
