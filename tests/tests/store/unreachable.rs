//! A database that cannot be asked is an error, soon, and with its reason.

use std::error::Error as _;
use std::time::Duration;

use clerk_webhook_store::{DeliveryStore as _, PostgresStore, SqliteStore, TransactionalStore as _};
use sqlx::postgres::PgPoolOptions;

use crate::databases::{Engine, PostgresDatabase, SqliteDatabase, key, on_every_engine};

const LEASE: Duration = Duration::from_secs(60);

on_every_engine!(a_table_that_is_missing_is_named);

async fn a_table_that_is_missing_is_named<E: Engine>(database: E) {
    // Nobody can handle what cannot be remembered.
    let store = database.store();
    database.drop_table().await;
    for error in [
        store.claim(&key("msg_1"), LEASE).await.map(drop),
        store.begin(&key("msg_1")).await.map(drop),
        store.forget(&key("msg_1")).await.map(drop),
        store.purge(LEASE, 1).await.map(drop),
    ] {
        let error = error.unwrap_err();
        assert!(matches!(error, sqlx::Error::Database(_)), "{error:?}");
        assert!(error.source().is_some_and(|source| source.to_string().contains("clerk_webhook_delivery")));
    }
}

#[tokio::test]
async fn a_closed_pool_is_an_error() {
    let database = SqliteDatabase::create("closed").await.unwrap();
    let store = database.store();
    database.pool().close().await;
    assert!(matches!(store.claim(&key("msg_1"), LEASE).await, Err(sqlx::Error::PoolClosed)));
    assert!(matches!(store.begin(&key("msg_1")).await, Err(sqlx::Error::PoolClosed)));
    assert!(matches!(store.migrate().await, Err(sqlx::Error::PoolClosed)));

    let Some(database) = PostgresDatabase::create("closed").await else { return };
    let store = database.store();
    database.pool().close().await;
    assert!(matches!(store.claim(&key("msg_1"), LEASE).await, Err(sqlx::Error::PoolClosed)));
    assert!(matches!(store.begin(&key("msg_1")).await, Err(sqlx::Error::PoolClosed)));
    assert!(matches!(store.migrate().await, Err(sqlx::Error::PoolClosed)));
}

#[tokio::test]
async fn a_server_that_is_down_is_an_error() {
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(100))
        .connect_lazy(&format!("postgres://nobody:secret@127.0.0.1:{port}/nowhere"))
        .unwrap();
    let store = PostgresStore::new(pool);
    for error in [
        store.claim(&key("msg_1"), LEASE).await.map(drop).unwrap_err(),
        store.begin(&key("msg_1")).await.map(drop).unwrap_err(),
        store.migrate().await.unwrap_err(),
    ] {
        assert!(matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)), "{error:?}");
    }
    assert!(!format!("{store:?}").contains("secret"));
}

#[tokio::test]
async fn a_file_that_cannot_be_created_is_an_error() {
    let database = SqliteDatabase::empty("cannot_be_created").await;
    assert!(SqliteStore::open(database.file().with_file_name("no/such/folder.db")).await.is_err());
}
