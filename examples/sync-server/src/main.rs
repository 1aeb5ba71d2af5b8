//! Keeps Clerk's users and organizations in the database of an application that has its own tables.
//!
//! One transaction marks a message as handled, writes the rows of the sync, and gives a new user 10 credits in the
//! application's table `credits`. If the application only reads the tables, `clerk-webhook serve` needs no Rust code.
//!
//! Start it with `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p sync-server`. DATABASE is `sync-server.db` by
//! default, HOST is 127.0.0.1, and PORT is 3000. With CLERK_SECRET_KEY, it also imports the users that exist already,
//! and repairs rows whose events were lost. Then send it an event, with the same signing secret:
//!
//! ```text
//! cargo run -p clerk-webhook-cli -- trigger user.created --to http://127.0.0.1:3000/webhooks/clerk
//! ```

use std::{env, error::Error, time::Duration};

use axum::http::StatusCode;
use axum::routing::{Router, get, post_service};
use clerk_webhook::store::{DEFAULT_RETENTION, ExactlyOnce, SqliteStore, purge};
use clerk_webhook::sync::{BackendApi, Change, ClerkSync, HyperTransport, Origin, Sweeper};
use clerk_webhook::tower::WebhookService;
use clerk_webhook::{Handlers, Verifier};
use sqlx::{Sqlite, SqlitePool};
use tokio::{net::TcpListener, time};
use tokio_util::sync::CancellationToken;

const TABLES: &str =
    "CREATE TABLE IF NOT EXISTS credits (user_id TEXT NOT NULL PRIMARY KEY, credits INTEGER NOT NULL) STRICT";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let verifier = Verifier::from_env()?; // Reads CLERK_WEBHOOK_SIGNING_SECRET.
    let address = example_support::address()?;
    let database = env::var("DATABASE").unwrap_or_else(|_| "sync-server.db".to_owned());
    let store = SqliteStore::open(database).await?;
    store.migrate().await?;
    sqlx::raw_sql(TABLES).execute(store.pool()).await?;
    let sync = syncing(store.pool().clone());
    sync.migrate().await?;
    tokio::spawn(purge_daily(store.clone()));
    let shutdown = CancellationToken::new();
    let sweeping =
        sweeper(&sync)?.map(|sweeper| tokio::spawn(sweeper.run(shutdown.clone().cancelled_owned())));

    // To run your own handlers in the transaction too, use `ClerkSync::transactional_handler_with`.
    let handlers = Handlers::builder().otherwise(sync.transactional_handler()).build()?;
    let exactly_once = ExactlyOnce::new(store);
    let webhook = WebhookService::exactly_once(handlers, exactly_once.clone(), |transaction| transaction)
        .verified(verifier)
        .read_timeout(|| time::sleep(Duration::from_secs(10)));
    let readyz = async move || match sync.check().await {
        Ok(()) => (StatusCode::OK, "ready".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason.to_string()),
    };
    let app = Router::new().route("/webhooks/clerk", post_service(webhook)).route("/readyz", get(readyz));

    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(example_support::stop_signal()).await?;
    // The server does not wait for handlers whose sender has closed the connection, so wait for them here.
    exactly_once.shutdown(Duration::from_secs(13)).await;
    shutdown.cancel();
    if let Some(sweeping) = sweeping {
        sweeping.await?; // An import or a comparison stops between two pages.
    }
    Ok(())
}

/// Returns the sweeper, which imports once and then compares every 24 h; `None` without a secret key.
fn sweeper(sync: &ClerkSync<Sqlite>) -> Result<Option<Sweeper<Sqlite>>, Box<dyn Error>> {
    let Ok(key) = env::var("CLERK_SECRET_KEY") else { return Ok(None) };
    Ok(Some(Sweeper::new(sync, BackendApi::new(&key, HyperTransport::new()?)?)))
}

/// Returns the sync, which gives each new user credits in the transaction that inserts the user.
fn syncing(pool: SqlitePool) -> ClerkSync<Sqlite> {
    ClerkSync::new(pool).on_change(|change, connection| {
        Box::pin(async move {
            if let Change::User(user) = change
                && user.origin != Origin::Backfill // not a user who existed before an import
                && user.before.is_none()
                && user.after.is_some()
            {
                let give = sqlx::query("INSERT INTO credits (user_id, credits) VALUES (?, 10)");
                give.bind(user.id).execute(connection).await?;
            }
            Ok(())
        })
    })
}

async fn purge_daily(store: SqliteStore) {
    loop {
        if let Err(error) = purge(&store, DEFAULT_RETENTION).await {
            tracing::error!(%error, "could not delete old deliveries");
        }
        time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    }
}
