//! The writes in a delivery's transaction are committed once or rolled back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use clerk_webhook_store::{
    Begin, Claim, DeliveryKey, DeliveryStore as _, SqliteStore, TransactionalStore as _,
};
use sqlx::sqlite::SqlitePoolOptions;

use crate::databases::{
    Engine, PostgresDatabase, SqliteDatabase, begin_again, begin_new, key, on_every_engine,
};

on_every_engine!(
    commits_each_of_thirty_concurrent_deliveries_once,
    rolls_back_a_transaction_that_is_not_committed,
    a_committed_delivery_is_a_duplicate,
    a_delivery_with_an_open_transaction_is_in_progress,
    scopes_are_separate,
);

async fn commits_each_of_thirty_concurrent_deliveries_once<E: Engine>(database: E) {
    const DELIVERIES: usize = 30;
    let database = Arc::new(database);
    let (runs, commits) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let senders = (0..DELIVERIES * 8).map(|sender| {
        let (database, runs, commits) = (Arc::clone(&database), Arc::clone(&runs), Arc::clone(&commits));
        tokio::spawn(async move {
            let (store, id) = (database.store(), format!("msg_{:02}", sender % DELIVERIES));
            loop {
                match store.begin(&key(&id)).await.unwrap() {
                    Begin::Acquired(mut transaction) => {
                        E::write(&mut transaction, &id).await.unwrap();
                        // 30 % of the runs fail after they have written.
                        if runs.fetch_add(1, Ordering::Relaxed) * 7 % 10 >= 7 {
                            continue;
                        }
                        transaction.commit().await.unwrap();
                        commits.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    Begin::Duplicate { .. } => return,
                    // Retries, as a sender does.
                    Begin::InProgress { .. } => tokio::task::yield_now().await,
                }
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    let expected: Vec<_> = (0..DELIVERIES).map(|id| format!("msg_{id:02}")).collect();
    assert_eq!(database.effects().await, expected);
    assert_eq!(commits.load(Ordering::Relaxed), 30);
    assert!(runs.load(Ordering::Relaxed) > 30, "no run failed");
}

/// The test drops the transaction, panics, and calls `rollback`.
async fn rolls_back_a_transaction_that_is_not_committed<E: Engine>(database: E) {
    let begin_and_write = async |store: &E::Store| {
        let mut transaction = begin_again(store, "msg_1").await;
        assert_eq!(transaction.attempt(), 1, "a transaction that was rolled back was counted as an attempt");
        E::write(&mut transaction, "msg_1").await.unwrap();
        transaction
    };
    let store = database.store();
    drop(begin_and_write(&store).await);

    let transaction = begin_and_write(&store).await;
    let panicking = tokio::spawn(async move {
        let _transaction = transaction;
        panic!("intended");
    });
    assert!(panicking.await.unwrap_err().is_panic());

    begin_and_write(&store).await.rollback().await.unwrap();
    drop(begin_new(&database.other_store().await, "msg_1").await);
    assert!(database.effects().await.is_empty());
}

#[tokio::test]
async fn a_rollback_waits_until_other_connections_can_begin() {
    let Some(database) = PostgresDatabase::create("waiting_rollback").await else { return };
    begin_new(&database.store(), "msg_1").await.rollback().await.unwrap();
    // Blocks the only thread of this runtime, so that a rollback in the background cannot finish.
    let address = database.address();
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            drop(begin_new(&PostgresDatabase::find(&address).await.store(), "msg_1").await);
        });
    });
    other.join().unwrap();
}

/// Postgres rolls back a transaction with a failed statement, and its COMMIT reports success.
#[tokio::test]
async fn commit_fails_after_an_ignored_error_of_a_statement() {
    let Some(database) = PostgresDatabase::create("ignored_error").await else { return };
    let store = database.store();
    let mut transaction = begin_new(&store, "msg_1").await;
    PostgresDatabase::write(&mut transaction, "msg_1").await.unwrap();
    let error = sqlx::query("SELECT 1 / 0").execute(&mut *transaction).await.unwrap_err();
    assert!(error.as_database_error().is_some());
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "25P02");
    assert_eq!(database.effects().await, [""; 0]);

    // The commit also fails if the application has ended the transaction.
    let mut transaction = begin_new(&store, "msg_1").await;
    sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert!(error.to_string().contains("the application has ended the transaction"), "{error}");

    let mut transaction = begin_new(&store, "msg_1").await;
    PostgresDatabase::write(&mut transaction, "msg_1").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(database.effects().await, ["msg_1"]);
}

async fn a_committed_delivery_is_a_duplicate<E: Engine>(database: E) {
    let store = database.store();
    let before = Timestamp::now();
    let mut transaction = begin_new(&store, "msg_1").await;
    E::write(&mut transaction, "msg_1").await.unwrap();
    store.commit(transaction).await.unwrap();
    let Begin::Duplicate { completed_at: Some(at) } = store.begin(&key("msg_1")).await.unwrap() else {
        panic!("the delivery is not a duplicate");
    };
    // Postgres stores microseconds, which the store truncates to milliseconds.
    assert!(
        (before.as_millis() - 1..=Timestamp::now().as_millis()).contains(&at.as_millis()),
        "{at:?} {before:?}"
    );
    assert_eq!(database.effects().await, ["msg_1"]);
}

async fn a_delivery_with_an_open_transaction_is_in_progress<E: Engine>(database: E) {
    let store = database.other_store().await;
    let transaction = begin_new(&database.store(), "msg_1").await;
    let Begin::InProgress { retry_after } = store.begin(&key("msg_1")).await.unwrap() else {
        panic!("the delivery is not in progress");
    };
    assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&retry_after), "{retry_after:?}");
    drop(transaction);
    begin_again(&store, "msg_1").await.commit().await.unwrap();
}

/// A pool as `SqliteStore::open` creates it, but with a shorter timeout.
#[tokio::test]
async fn a_timeout_of_the_pool_means_in_progress() {
    let database = SqliteDatabase::create("only_connection").await.unwrap();
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(1));
    let pool = pool.connect(&format!("sqlite://{}", database.address())).await.unwrap();
    let store = SqliteStore::new(pool);
    let transaction = begin_new(&store, "msg_1").await;
    for id in ["msg_1", "msg_2"] {
        assert!(matches!(store.begin(&key(id)).await.unwrap(), Begin::InProgress { .. }));
        let claim = store.claim(&key(id), Duration::from_secs(60)).await.unwrap();
        assert!(matches!(claim, Claim::InProgress { .. }));
    }
    transaction.commit().await.unwrap();
    assert!(matches!(store.begin(&key("msg_1")).await.unwrap(), Begin::Duplicate { .. }));
}

async fn scopes_are_separate<E: Engine>(database: E) {
    for scope in ["sync", "mail"] {
        let key = DeliveryKey::new(scope.parse().unwrap(), "msg_1".parse().unwrap());
        let Begin::Acquired(transaction) = database.store().begin(&key).await.unwrap() else {
            panic!("the delivery in the scope {scope} is not new");
        };
        transaction.commit().await.unwrap();
    }
}
