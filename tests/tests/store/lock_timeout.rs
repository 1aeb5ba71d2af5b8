//! How long a delivery waits for another one is a matter of the store, and not of the application's statements.

use std::time::Duration;

use clerk_webhook_store::{Begin, Claim, DeliveryStore as _, PostgresStore, TransactionalStore as _};
use sqlx::PgConnection;
use sqlx::postgres::PgPoolOptions;

use crate::databases::{Engine as _, PATIENCE, PostgresDatabase, begin_new, key};

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn the_applications_statements_have_their_own_limit() {
    let Some(database) = PostgresDatabase::create("own_limit").await else { return };
    for limit in ["0", "7s"] {
        let options = database.options().options([("lock_timeout", limit)]);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        // That of the session, and not that of the connection's beginning.
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
async fn what_waits_too_long_for_a_row_is_not_completed() {
    let Some(database) = PostgresDatabase::create("row").await else { return };
    let store = database.store();
    let Claim::Acquired(lease) = store.claim(&key("msg_1"), Duration::ZERO).await.unwrap() else {
        panic!("it is free");
    };
    let open = begin_new(&store, "msg_1").await;
    // Whether the owner is overtaken is not known until the transaction ends.
    for error in [
        store.complete(&lease).await.map(drop),
        store.release(&lease).await.map(drop),
        store.renew(&lease, Duration::from_secs(60)).await.map(drop),
        store.forget(&key("msg_1")).await.map(drop),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("55P03"));
    }
    assert_eq!(store.purge(Duration::ZERO, 10).await.unwrap(), 0, "what somebody has is passed over");
    drop(open);
}

/// A database whose transactions see only what was there when they began.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_isolation_levels_tell_of_progress() {
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
