//! Whoever stops to wait leaves nothing open behind.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use clerk_webhook_store::{DeliveryStore as _, PostgresStore, SqliteStore, TransactionalStore as _};
use sqlx::postgres::PgPoolOptions;

use crate::databases::{Engine as _, PostgresDatabase, SqliteDatabase, begin_again, begin_new, key};
use crate::round_trips::counting;

/// Polls a future so often, and drops it; returns whether it was done.
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

/// The connection of a pool with a single one is not inside a transaction when it is given back.
#[tokio::test]
async fn a_begin_that_is_dropped_does_not_leave_its_transaction_in_the_pool() {
    let Some(database) = PostgresDatabase::create("dropped_begin").await else { return };
    // What passes answers on runs on the same thread, so that none can come while a future is polled.
    let (options, _) = counting(database.options()).await;
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = PostgresStore::new(pool.clone());
    // Statements are prepared, as they are in the course of time.
    drop(begin_new(&store, "msg_0").await);
    for times in 1.. {
        // Waiting for the connection would be a poll more than the last time.
        while pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
        let done = polled(times, store.begin(&key("msg_1"))).await;
        let id = format!("msg_written_{times}");
        sqlx::query("INSERT INTO effect VALUES ($1)").bind(&id).execute(&pool).await.unwrap();
        assert!(database.effects().await.contains(&id), "what came after {times} polls is not committed");
        assert!(!store.forget(&key("msg_1")).await.unwrap(), "the mark is undone");
        if done {
            assert!(times > 3, "it asks three times");
            break;
        }
    }
}

#[tokio::test]
async fn a_begin_that_is_dropped_does_not_lock_the_file() {
    let database = SqliteDatabase::create("dropped_begin").await.unwrap();
    let store = SqliteStore::open(database.file()).await.unwrap();
    drop(begin_new(&store, "msg_0").await);
    for times in 1.. {
        let done = polled(times, store.begin(&key("msg_1"))).await;
        // By the same connection, and then by another.
        assert_eq!(store.purge(Duration::from_secs(60), 1).await.unwrap(), 0);
        begin_again(&database.store(), "msg_1").await.rollback().await.unwrap();
        if done {
            break;
        }
    }
}
