//! A database that goes away, says nothing for a while, and comes back.

use std::thread;
use std::time::Duration;

use clerk_webhook_tests::process::eventually;
use clerk_webhook_tests::say;
use clerk_webhook_tests::sender::{Pace, Sender, attempt};
use clerk_webhook_tests_once::record::Mark;

use crate::server::{Absence, Proxy, Redis, Server};
use crate::stage::{Engine, Stage, Variant};

const MESSAGES: usize = 200;

/// How many deliveries have to be refused before the database comes back.
const REFUSED: usize = 20;

/// Far more than the time limit of the store: whoever waits for the database longer than that is not answered in time.
const PATIENCE: Duration = Duration::from_secs(5);
const VARIABLES: [(&str, &str); 3] = [("STORE_TIMEOUT", "500"), ("LEASE", "3000"), ("DELAY", "20")];

#[test]
fn postgres_leases_without_connections() {
    with_proxy(Variant::Leases, Absence::Gone);
}

#[test]
fn postgres_leases_without_an_answer() {
    with_proxy(Variant::Leases, Absence::Mute);
}

#[test]
fn postgres_transactions_without_connections() {
    with_proxy(Variant::Transactions, Absence::Gone);
}

#[test]
fn postgres_transactions_without_an_answer() {
    with_proxy(Variant::Transactions, Absence::Mute);
}

#[test]
fn redis_leases_after_a_kill() {
    with_redis(Absence::Gone);
}

#[test]
fn redis_leases_without_an_answer() {
    with_redis(Absence::Mute);
}

fn with_proxy(variant: Variant, absence: Absence) {
    let Some(stage) = Stage::alone("a database that goes away", Engine::Postgres, variant) else { return };
    let proxy = Proxy::to(&stage.address());
    nothing_is_lost_while_the_database_is_away(&stage, proxy, absence);
}

fn with_redis(absence: Absence) {
    let Some(stage) = Stage::alone("a database that goes away", Engine::Redis, Variant::Leases) else {
        return;
    };
    let Some(redis) = Redis::start(stage.folder()) else { return };
    nothing_is_lost_while_the_database_is_away(&stage, redis, absence);
}

fn nothing_is_lost_while_the_database_is_away(stage: &Stage, mut server: impl Server, absence: Absence) {
    let receiver = stage.start_on(&server.address(), &VARIABLES);
    let url = receiver.url();
    let before = attempt(url, &stage.message(0), PATIENCE).expect("the receiver answers");
    assert_eq!(before.outcome(), "processed");

    server.take_away(absence);
    // Also what was handled before: nobody knows.
    let answers = thread::scope(|scope| {
        let attempts =
            [0, 1, 2].map(|number| scope.spawn(move || attempt(url, &stage.message(number), PATIENCE)));
        attempts.map(|attempt| attempt.join().expect("the attempt ends"))
    });
    for answer in answers {
        let answer = answer.expect("the receiver answers before the sender hangs up");
        assert_eq!((answer.status, answer.outcome().as_str()), (503, "store_unavailable"));
        assert!(answer.retry_after.is_some(), "{answer:?}");
    }
    assert_eq!(stage.history().count(Mark::Started), 1, "something ran that was not claimed");
    server.bring_back(absence);

    // The same in the midst of a load.
    let sender = Sender::new([url], Pace::default(), stage.seed);
    let messages = (0..MESSAGES).chain(0..MESSAGES).map(|number| stage.message(number)).collect();
    let report = thread::scope(|scope| {
        let sending = scope.spawn(|| sender.deliver(messages));
        let mut history = stage.history();
        eventually("enough that is handled", || (history.refresh().settled() > MESSAGES / 4).then_some(()));
        let refused = sender.answered("store_unavailable");
        server.take_away(absence);
        eventually("enough that is refused", || {
            (sender.answered("store_unavailable") >= refused + REFUSED).then_some(())
        });
        server.bring_back(absence);
        sending.join().expect("the sender ends")
    });

    say(&format!("{absence:?}: {report}"));
    assert!(report.undelivered().is_empty(), "{report}: {:?}", report.undelivered());
    stage.check(MESSAGES);
}
