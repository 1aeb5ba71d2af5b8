//! The errors if a database cannot be reached or used.

use std::error::Error as _;
use std::time::Duration;

use clerk_webhook_store::{Begin, DeliveryStore as _, PostgresStore, SqliteStore, TransactionalStore as _};
use clerk_webhook_tests::servers;
use sqlx::postgres::PgPoolOptions;

use crate::databases::{Engine, PostgresDatabase, SqliteDatabase, begin_new, key, on_every_engine};

const LEASE: Duration = Duration::from_secs(60);

on_every_engine!(the_error_of_a_missing_table_advises_to_migrate);

async fn the_error_of_a_missing_table_advises_to_migrate<E: Engine>(database: E) {
    let store = database.store();
    database.drop_table().await;
    for error in [
        store.claim(&key("msg_1"), LEASE).await.map(drop),
        store.begin(&key("msg_1")).await.map(drop),
        store.forget(&key("msg_1")).await.map(drop),
        store.purge(LEASE, 1).await.map(drop),
    ] {
        let error = error.unwrap_err();
        for text in [error.to_string(), format!("{error:?}")] {
            assert_eq!(text.matches("clerk_webhook_delivery").count(), 1, "{text}");
            let advice = "Call `migrate()` when the application starts";
            assert_eq!(text.matches(advice).count(), 1, "{text}");
        }
        assert!(error.source().is_some_and(|source| source.source().is_none()));
    }
}

#[tokio::test]
async fn returns_an_error_if_the_pool_is_closed() {
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
async fn returns_an_error_if_the_server_is_down() {
    // The listener is closed, so nothing is listening on this port.
    let port = servers::free_port();
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
async fn the_error_of_a_file_that_cannot_be_created_advises_what_to_check() {
    let database = SqliteDatabase::empty("cannot_be_created").await;
    let file = database.file().with_file_name("no").join("folder.db");
    let error = SqliteStore::open(&file).await.unwrap_err();
    let text = format!(
        "could not open the SQLite file {}: error returned from database: (code: 14) unable to open database file. Check that \
         the folder exists, and that this process can write to the folder and to the file",
        file.display()
    );
    assert_eq!((error.to_string(), format!("{error:?}")), (text.clone(), text));
}

#[tokio::test]
async fn connects_to_a_url() {
    let Some(database) = PostgresDatabase::empty("connects").await else { return };
    let url = format!("{}?options[search_path]={}", database.url(), database.schema());
    let store = PostgresStore::connect(&url).await.unwrap();
    assert_eq!(store.pool().options().get_acquire_timeout(), Duration::from_secs(5));
    store.migrate().await.unwrap();
    begin_new(&store, "msg_1").await.commit().await.unwrap();
    assert!(matches!(store.begin(&key("msg_1")).await.unwrap(), Begin::Duplicate { .. }));
}

/// The clock is paused, so that the pool's connection attempts take no time.
#[tokio::test(start_paused = true)]
async fn a_connection_error_advises_what_to_check() {
    let port = servers::free_port();
    for (url, what, advice) in [
        (
            "postgres://app:secret@127.0.0.1:99999/app".to_owned(),
            "the URL of the Postgres database is invalid: ",
            "as %XX",
        ),
        (
            format!("postgres://app:secret@127.0.0.1:{port}/app"),
            "could not connect to Postgres at 127.0.0.1:",
            "Check that the server is running, and that the host and the port in the URL are correct",
        ),
    ] {
        let error = PostgresStore::connect(&url).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(what) && text.ends_with(advice), "{text}");
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(format!("{error:?}"), text);
    }
}

#[tokio::test]
async fn a_rejected_connection_advises_what_to_change() {
    let Some(url) = servers::postgres("a_rejected_connection_advises_what_to_change") else { return };
    let (server, _) = url.rsplit_once('/').unwrap();
    let rejected = async |database: &str| {
        PostgresStore::connect(&format!("{server}/{database}")).await.unwrap_err().to_string()
    };
    let text = rejected("no_such_database").await;
    assert!(text.ends_with("Create the database, or correct its name in the URL"), "{text}");

    let text = rejected("postgres?user=no_such_user").await;
    assert!(text.ends_with("Check the user and the password in the URL"), "{text}");

    let text = rejected("postgres?sslmode=require").await;
    let advice = if text.contains("without TLS support") {
        "The URL requires TLS. Enable the `tls-rustls` feature of clerk-webhook"
    } else {
        "Check that the server supports TLS, and set sslrootcert in the URL if its certificate is not from a \
         public authority"
    };
    assert!(text.ends_with(advice), "{text}");
}
