//! When `Deduplicator` and `ExactlyOnce` claim, wait, renew and stop.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clerk_webhook_core::{Event, Handled, Outcome, Timestamp};
use clerk_webhook_store::{
    Claim, Deduplicator, DeliveryKey, DeliveryStore, ExactlyOnce, Lease, LeaseState, MAX_LEASE, MIN_LEASE,
    MemoryStore, PostgresStore,
};
use sqlx::postgres::PgPoolOptions;
use tokio::time::{Instant, sleep};

use crate::databases::{Engine as _, SqliteDatabase, key};

const LEASE: Duration = Duration::from_secs(30);

/// A memory store that records the leases of claims, and cannot be reached for a number of renewals.
#[derive(Clone, Default)]
struct Recording {
    store: MemoryStore,
    claims: Arc<Mutex<Vec<Duration>>>,
    failing_renewals: Arc<AtomicU32>,
}

impl Recording {
    fn claims(&self) -> Vec<Duration> {
        self.claims.lock().unwrap().clone()
    }
}

impl DeliveryStore for Recording {
    type Error = io::Error;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> io::Result<Claim> {
        self.claims.lock().unwrap().push(lease);
        self.store.claim(key, lease).await.map_err(io::Error::other)
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> io::Result<LeaseState> {
        let left = self.failing_renewals.load(Ordering::SeqCst);
        if left > 0 {
            self.failing_renewals.store(left - 1, Ordering::SeqCst);
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.store.renew(lease, by).await.map_err(io::Error::other)
    }

    async fn complete(&self, lease: &Lease) -> io::Result<LeaseState> {
        self.store.complete(lease).await.map_err(io::Error::other)
    }

    async fn release(&self, lease: &Lease) -> io::Result<LeaseState> {
        self.store.release(lease).await.map_err(io::Error::other)
    }

    async fn forget(&self, key: &DeliveryKey) -> io::Result<bool> {
        self.store.forget(key).await.map_err(io::Error::other)
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> io::Result<u64> {
        self.store.purge(older_than, limit).await.map_err(io::Error::other)
    }
}

fn event() -> Event {
    Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into()).unwrap()
}

/// Returns a store in which another client has claimed the delivery for an hour.
async fn claimed() -> Recording {
    let store = Recording::default();
    let claim = store.store.claim(&key("msg_1"), Duration::from_secs(3600)).await.unwrap();
    assert!(matches!(claim, Claim::Acquired(_)), "{claim:?}");
    store
}

#[tokio::test]
async fn clamps_the_lease_to_the_range_from_a_second_to_a_day() {
    assert_eq!([MIN_LEASE, MAX_LEASE], [1, 86_400].map(Duration::from_secs));
    for (set, expected) in [
        (None, Duration::from_secs(60)),
        (Some(Duration::ZERO), MIN_LEASE),
        (Some(LEASE), LEASE),
        (Some(Duration::MAX), MAX_LEASE),
    ] {
        let store = Recording::default();
        let default = Deduplicator::new(store.clone());
        let deduplicator = set.map_or(default.clone(), |lease| default.lease(lease));
        let answer = deduplicator.run(event(), async |_, _| Ok(Handled::Processed)).await;
        assert_eq!((answer.outcome(), store.claims()), (Outcome::Processed, vec![expected]));
    }
}

/// The pauses are 20, 40, 80, 160, 320, 500, 500 and 380 ms.
#[tokio::test(start_paused = true)]
async fn claims_again_with_growing_pauses_while_another_run_is_in_progress() {
    for (wait, claims) in [(Duration::ZERO, 1), (Duration::from_secs(2), 9)] {
        let store = claimed().await;
        let (deduplicator, began) = (Deduplicator::new(store.clone()).in_progress_wait(wait), Instant::now());
        let answer = deduplicator.run(event(), async |_, _| panic!("the handler started")).await;
        assert_eq!((answer.outcome(), store.claims().len()), (Outcome::InProgress, claims));
        assert_eq!(began.elapsed().as_millis(), wait.as_millis());
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_wait_for_another_run() {
    let deduplicator = Deduplicator::new(claimed().await).in_progress_wait(Duration::from_secs(600));
    let (waiting, began) = (deduplicator.clone(), Instant::now());
    let waiting =
        tokio::spawn(async move { waiting.run(event(), async |_, _| panic!("the handler started")).await });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(deduplicator.shutdown(Duration::ZERO).await, 1);
    assert_eq!(waiting.await.unwrap().outcome(), Outcome::InProgress);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_stops_handlers_and_no_later_event_reaches_the_store() {
    let store = Recording::default();
    let deduplicator = Deduplicator::new(store.clone());
    assert_eq!((deduplicator.shutdown(LEASE).await, deduplicator.in_flight()), (0, 0));
    let mut handling = Vec::new();
    for id in ["msg_1", "msg_2"] {
        let event =
            Event::from_trusted(id.parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into()).unwrap();
        let running = deduplicator.clone();
        handling.push(tokio::spawn(async move { running.run(event, |_, _| pending()).await.outcome() }));
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(deduplicator.in_flight(), 2);
    assert_eq!(deduplicator.shutdown(Duration::from_secs(1)).await, 2);
    for handling in handling {
        assert_eq!(handling.await.unwrap(), Outcome::Failed);
    }
    let answer = deduplicator.run(event(), async |_, _| panic!("the handler started")).await;
    assert_eq!((answer.outcome(), store.claims().len()), (Outcome::Failed, 2));
}

/// A renewal is tried again after a quarter of the time between two renewals.
#[tokio::test(start_paused = true)]
async fn continues_a_handler_after_a_renewal_that_failed() {
    let store = Recording { failing_renewals: Arc::new(AtomicU32::new(3)), ..Recording::default() };
    let deduplicator = Deduplicator::new(store).lease(LEASE).handler_timeout(LEASE * 10);
    let answer = deduplicator.run(event(), async |_, _| {
        sleep(LEASE * 2).await;
        Ok(Handled::Processed)
    });
    assert_eq!(answer.await.outcome(), Outcome::Processed);
}

#[tokio::test]
async fn an_ignored_event_can_be_handled_later() {
    let deduplicator = Deduplicator::new(MemoryStore::new());
    for (handled, outcome) in [
        (Handled::Ignored, Outcome::Ignored),
        (Handled::Processed, Outcome::Processed),
        (Handled::Processed, Outcome::Duplicate),
    ] {
        assert_eq!(deduplicator.run(event(), async move |_, _| Ok(handled)).await.outcome(), outcome);
    }
}

#[tokio::test]
async fn rolls_back_the_writes_of_a_handler_that_ignored_the_event() {
    let database = SqliteDatabase::create("ignored").await.unwrap();
    let once = ExactlyOnce::new(database.store());
    for (handled, outcome, effects) in
        [(Handled::Ignored, Outcome::Ignored, 0), (Handled::Processed, Outcome::Processed, 1)]
    {
        let given = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&given);
        let answer = once.run(event(), async move |_, transaction| {
            SqliteDatabase::write(&mut *transaction.lock().await.unwrap(), "msg_1").await.unwrap();
            *kept.lock().unwrap() = Some(transaction);
            Ok(handled)
        });
        assert_eq!(answer.await.outcome(), outcome);
        assert_eq!(database.effects().await.len(), effects);
        let outlived = given.lock().unwrap().take().unwrap();
        let ended = outlived.lock().await.unwrap_err();
        assert!(ended.to_string().contains("its handler has ended"), "{ended}");
    }
}

#[tokio::test]
async fn debug_names_each_type() {
    let database = SqliteDatabase::create("debug").await.unwrap();
    let store: Arc<dyn clerk_webhook_store::DynDeliveryStore> = Arc::new(MemoryStore::new());
    assert_eq!(format!("{store:?}"), "DynDeliveryStore { .. }");
    assert_eq!(format!("{:?}", MemoryStore::new()), "MemoryStore { .. }");
    let lazy = PgPoolOptions::new().connect_lazy("postgres://nobody:secret@127.0.0.1/nowhere").unwrap();
    let texts = [
        (format!("{:?}", PostgresStore::new(lazy)), r#"PostgresStore { table: TableName {"#),
        (format!("{:?}", database.store()), r#"SqliteStore { table: TableName {"#),
        (format!("{:?}", Deduplicator::new(MemoryStore::new())), "Deduplicator { runner: Runner {"),
        (format!("{:?}", ExactlyOnce::new(database.store())), "ExactlyOnce { runner: Runner {"),
    ];
    for (text, beginning) in texts {
        assert!(text.starts_with(beginning), "{text}");
    }
    let once = ExactlyOnce::new(database.store());
    let answer = once.run(event(), async |_, transaction| {
        assert_eq!(format!("{transaction:?}"), "SharedTransaction { .. }");
        let guard = transaction.lock().await.unwrap();
        assert_eq!(format!("{guard:?}"), "TransactionGuard { .. }");
        assert_eq!(format!("{:?}", *guard), "DeliveryTransaction { attempt: 1, .. }");
        drop(guard);
        Ok(Handled::Processed)
    });
    assert_eq!(answer.await.outcome(), Outcome::Processed);
}
