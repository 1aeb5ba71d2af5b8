//! A dropped future leaves no transaction open.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use clerk_webhook_store::{DeliveryStore as _, PostgresStore, SqliteStore, TransactionalStore as _};
use sqlx::postgres::PgPoolOptions;

use crate::databases::{Engine as _, PostgresDatabase, SqliteDatabase, begin_again, begin_new, key};
use crate::round_trips::counting;

/// Polls a future up to `times` times, drops it, and returns whether it was ready.
async fn polled(times: u32, future: impl Future) -> bool {
    let (mut future, mut left) = (pin!(future), times);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(cx).map(|_| true)
    })
    .await
}

/// The pool has a single connection, which must not be inside a transaction after the future has been
/// dropped.
#[tokio::test]
async fn a_dropped_begin_does_not_leave_a_transaction_in_the_pool() {
    let Some(database) = PostgresDatabase::create("dropped_begin").await else { return };
    // The proxy runs on the same thread, so that no response can arrive during a poll.
    let (options, _) = counting(database.options()).await;
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = PostgresStore::new(pool.clone());
    // Prepares the statements.
    drop(begin_new(&store, "msg_0").await);
    for times in 1.. {
        // Otherwise the future would need an additional poll to wait for the connection.
        while pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
        let done = polled(times, store.begin(&key("msg_1"))).await;
        let id = format!("msg_written_{times}");
        sqlx::query("INSERT INTO effect VALUES ($1)").bind(&id).execute(&pool).await.unwrap();
        assert!(database.effects().await.contains(&id), "a write after {times} polls was not committed");
        assert!(!store.forget(&key("msg_1")).await.unwrap(), "the mark was not rolled back");
        if done {
            assert!(times > 3, "the future was ready after {times} polls");
            break;
        }
    }
}

#[tokio::test]
async fn a_dropped_begin_does_not_lock_the_file() {
    let database = SqliteDatabase::create("dropped_begin").await.unwrap();
    let store = SqliteStore::open(database.file()).await.unwrap();
    drop(begin_new(&store, "msg_0").await);
    for times in 1.. {
        let done = polled(times, store.begin(&key("msg_1"))).await;
        // With the same connection, and then with another one.
        assert_eq!(store.purge(Duration::from_secs(60), 1).await.unwrap(), 0);
        begin_again(&database.store(), "msg_1").await.rollback().await.unwrap();
        if done {
            break;
        }
    }
}
