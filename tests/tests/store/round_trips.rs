//! The number of round trips between a store and the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_store::{Claim, DeliveryStore as _, LeaseState, PostgresStore};
use clerk_webhook_sync::ClerkSync;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::databases::{Engine as _, PostgresDatabase, begin_new, key};

/// Forwards a connection to the server and counts round trips.
///
/// A round trip begins when the client sends data after it has received data from the server.
pub(crate) async fn counting(options: PgConnectOptions) -> (PgConnectOptions, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = (options.get_host().to_owned(), options.get_port());
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(server).await.unwrap();
        let (mut from_client, mut from_server) = ([0; 65536], [0; 65536]);
        let mut client_speaks = false;
        loop {
            tokio::select! {
                length = client.read(&mut from_client) => {
                    let Ok(length @ 1..) = length else { return };
                    if !client_speaks {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    client_speaks = true;
                    server.write_all(&from_client[..length]).await.unwrap();
                }
                length = server.read(&mut from_server) => {
                    let Ok(length @ 1..) = length else { return };
                    client_speaks = false;
                    client.write_all(&from_server[..length]).await.unwrap();
                }
            }
        }
    });
    let options = options.host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable);
    (options, asked)
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
async fn a_claim_takes_one_round_trip_and_a_transaction_two_more_than_an_empty_one() {
    let Some(trips) = trips("round_trips", 100).await else { return };
    // Each use of the pool ends with a connection check. A duplicate uses the pool twice.
    let expected =
        Trips { claim: 1 + 1, complete: 1 + 1, duplicate: 2 + 2, transaction: 5, empty_transaction: 3 };
    assert_eq!(trips, expected);
}

/// The documentation of `PostgresStore` states these numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_without_a_statement_cache_takes_four_round_trips() {
    let Some(trips) = trips("round_trips_pooler_safe", 0).await else { return };
    // BEGIN, two for each statement, COMMIT, and the pool's check. A transaction also removes statements.
    let expected =
        Trips { claim: 4 + 1, complete: 4 + 1, duplicate: 8 + 2, transaction: 8, empty_transaction: 3 };
    assert_eq!(trips, expected);
}

/// The documentation of `ClerkSync` states these numbers: for a query, an event with one statement, and an
/// event with two.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sync_query_without_a_statement_cache_takes_four_round_trips() {
    let event = |id: &str, event_type: &str, data: &str| {
        let body = format!(r#"{{"data":{data},"timestamp":1700000000000,"type":"{event_type}"}}"#);
        Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap()
    };
    let deleted = r#"{"deleted":true,"id":"org_1","object":"organization"}"#;
    let user = r#"{"email_addresses":[],"id":"user_1","object":"user","updated_at":1700000000000}"#;
    for (statements, query, one_statement, two_statements) in [(100, 1, 1, 2 + 2), (0, 4, 4, 2 + 2 * 2)] {
        let Some(database) = PostgresDatabase::empty(&format!("round_trips_sync_{statements}")).await else {
            return;
        };
        let (options, asked) = counting(database.options()).await;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .connect_with(options.statement_cache_capacity(statements))
            .await
            .unwrap();
        ClerkSync::new(database.pool().clone()).migrate().await.unwrap();
        let sync = ClerkSync::new(pool.clone());
        let trips = async || {
            while pool.num_idle() == 0 {
                tokio::task::yield_now().await;
            }
            asked.swap(0, Ordering::SeqCst) - 1
        };
        let mut last = (0, 0, 0);
        // The first update prepares the statements that replace the addresses.
        for round in 0..3 {
            sync.user("user_1").await.unwrap();
            let query = trips().await;
            sync.apply(&event("msg_1", "organization.deleted", deleted)).await.unwrap();
            let one_statement = trips().await;
            // One statement for the user's row, and one for its child rows.
            let user = user.replace("1700000000000", &format!("170000000000{round}"));
            sync.apply(&event("msg_2", "user.updated", &user)).await.unwrap();
            last = (query, one_statement, trips().await);
        }
        assert_eq!(last, (query, one_statement, two_statements), "with {statements} statements");
    }
}
