//! The number of round trips between a store and the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clerk_webhook_store::{Claim, DeliveryStore as _, LeaseState, PostgresStore};
use clerk_webhook_tests::round_trips::forward;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};

use crate::databases::{Engine as _, PostgresDatabase, begin_new, key};

/// Returns options with which one connection reaches the server, and its number of round trips.
pub(crate) async fn counting(options: PgConnectOptions) -> (PgConnectOptions, Arc<AtomicU32>) {
    let (port, asked) = forward(options.get_host().to_owned(), options.get_port()).await;
    (options.host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable), asked)
}

/// The round trips of each operation, after its statements are prepared.
#[derive(Debug, PartialEq, Eq)]
struct Trips {
    claim: u32,
    complete: u32,
    /// A claim of a completed delivery.
    duplicate: u32,
    /// A transaction of `ExactlyOnce` in which the application writes nothing.
    transaction: u32,
    /// BEGIN, COMMIT, and the pool's check when the connection is returned.
    empty_transaction: u32,
}

async fn trips(test: &str, statements: usize) -> Option<Trips> {
    let database = PostgresDatabase::create(test).await?;
    let (options, asked) = counting(database.options()).await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect_with(options.statement_cache_capacity(statements))
        .await
        .unwrap();
    let store = PostgresStore::new(pool.clone());
    let trips = async || {
        // The pool checks a returned connection. After that, the connection is idle.
        while pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
        asked.swap(0, Ordering::SeqCst)
    };
    let mut last = None;
    for round in 0..2 {
        let id = format!("msg_{round}");
        trips().await;
        let Claim::Acquired(lease) = store.claim(&key(&id), Duration::from_secs(60)).await.unwrap() else {
            panic!("the delivery is already claimed");
        };
        let claim = trips().await;
        assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
        let complete = trips().await;
        let again = store.claim(&key(&id), Duration::from_secs(60)).await.unwrap();
        assert!(matches!(again, Claim::Duplicate { .. }), "{again:?}");
        let duplicate = trips().await;
        pool.begin().await.unwrap().commit().await.unwrap();
        let empty_transaction = trips().await;
        begin_new(&store, &format!("msg_t{round}")).await.commit().await.unwrap();
        let transaction = trips().await;
        last = Some(Trips { claim, complete, duplicate, transaction, empty_transaction });
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_takes_one_round_trip_and_a_transaction_one_more_than_an_empty_one() {
    let Some(trips) = trips("round_trips", 100).await else { return };
    // Each use of the pool ends with a connection check. A duplicate uses the pool twice.
    let expected =
        Trips { claim: 1 + 1, complete: 1 + 1, duplicate: 2 + 2, transaction: 4, empty_transaction: 3 };
    assert_eq!(trips, expected);
}

/// The documentation of `PostgresStore` states these numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_without_a_statement_cache_takes_four_round_trips() {
    let Some(trips) = trips("round_trips_pooler_safe", 0).await else { return };
    // BEGIN, two for each statement, COMMIT, and the pool's check. A transaction also removes statements.
    let expected =
        Trips { claim: 4 + 1, complete: 4 + 1, duplicate: 8 + 2, transaction: 6, empty_transaction: 3 };
    assert_eq!(trips, expected);
}
