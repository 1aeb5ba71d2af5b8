//! The lock timeout applies to the store's statements, not to the application's statements.

use std::time::Duration;

use clerk_webhook_store::{Begin, Claim, DeliveryStore as _, PostgresStore, TransactionalStore as _};
use sqlx::PgConnection;
use sqlx::postgres::PgPoolOptions;

use crate::databases::{Engine as _, PATIENCE, PostgresDatabase, begin_new, key};

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn does_not_change_the_lock_timeout_of_the_application() {
    let Some(database) = PostgresDatabase::create("own_limit").await else { return };
    for limit in ["0", "7s"] {
        let options = database.options().options([("lock_timeout", limit)]);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        // The store must restore the session's current value, which may differ from the connection options.
        for of_session in [limit, "9s"] {
            let set = sqlx::query("SELECT set_config('lock_timeout', $1, false)").bind(of_session);
            set.execute(&pool).await.unwrap();
            let store = PostgresStore::new(pool.clone()).lock_timeout(PATIENCE);
            let mut transaction = begin_new(&store, &format!("msg_{limit}_{of_session}")).await;
            assert_eq!(setting(&mut transaction, "lock_timeout").await, of_session);
            transaction.commit().await.unwrap();
            assert!(matches!(store.claim(&key("msg_1"), Duration::ZERO).await.unwrap(), Claim::Acquired(_)));
            assert_eq!(setting(&mut pool.acquire().await.unwrap(), "lock_timeout").await, of_session);
        }
    }
}

#[tokio::test]
async fn returns_an_error_if_the_row_of_a_lease_stays_locked() {
    let Some(database) = PostgresDatabase::create("row").await else { return };
    let store = database.store();
    let Claim::Acquired(lease) = store.claim(&key("msg_1"), Duration::ZERO).await.unwrap() else {
        panic!("the delivery could not be claimed");
    };
    let open = begin_new(&store, "msg_1").await;
    // Until the transaction ends, it is unknown whether the owner keeps its lease.
    for error in [
        store.complete(&lease).await.map(drop),
        store.release(&lease).await.map(drop),
        store.renew(&lease, Duration::from_secs(60)).await.map(drop),
        store.forget(&key("msg_1")).await.map(drop),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("55P03"));
    }
    assert_eq!(store.purge(Duration::ZERO, 10).await.unwrap(), 0, "purged a locked row");
    drop(open);
}

/// Transactions at these levels see the snapshot of their first statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conflicts_at_higher_isolation_levels_mean_in_progress() {
    let Some(database) = PostgresDatabase::create("isolation").await else { return };
    for level in ["repeatable read", "serializable"] {
        let options = database.options().options([("default_transaction_isolation", level)]);
        let pool = PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
        let store = PostgresStore::new(pool).lock_timeout(Duration::from_secs(5));
        let id = format!("msg_{}", level.len());
        let handling = (0..8).map(|number| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move {
                loop {
                    if number % 2 == 0 {
                        match store.begin(&key(&id)).await.unwrap() {
                            Begin::Acquired(mut transaction) => {
                                assert_ne!(
                                    setting(&mut transaction, "transaction_isolation").await,
                                    "read committed"
                                );
                                transaction.commit().await.unwrap();
                                return 1;
                            }
                            Begin::Duplicate { .. } => return 0,
                            Begin::InProgress { .. } => {}
                        }
                    } else {
                        match store.claim(&key(&id), Duration::from_secs(60)).await.unwrap() {
                            Claim::Acquired(lease) => {
                                let _ = store.complete(&lease).await.unwrap();
                                return 1;
                            }
                            Claim::Duplicate { .. } => return 0,
                            Claim::InProgress { .. } => {}
                        }
                    }
                    tokio::task::yield_now().await;
                }
            })
        });
        let mut handled = 0;
        for task in handling.collect::<Vec<_>>() {
            handled += task.await.unwrap();
        }
        assert_eq!(handled, 1, "{level}");
    }
}
