//! Keeps Clerk's users, organizations and memberships in a database: each delivery is verified and handled once, and what
//! it changes is committed together with the mark "handled".
//!
//! Run with: `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p sync-server`, which writes to the file `sync-server.db`, or with
//! `DATABASE_URL=postgres://…` for Postgres, where any number of instances can run. `PORT` is 3000 unless set. What is in
//! the tables is shown at <http://127.0.0.1:3000>.
//!
//! Then send it a history, out of order and twice, and compare the tables with what is true in the end:
//! `cargo run -p clerk-webhook-cli --features sync -- scenario all --shuffle --duplicate 2 --retry --to
//! http://127.0.0.1:3000/webhooks/clerk --expect-sync sqlite:sync-server.db`, with the same secret.
//!
//! `one-instance.sh` and `two-instances.sh` do both, and kill instances meanwhile.

mod page;

use std::{env, error::Error, time::Duration};

use axum::{Router, http::StatusCode, routing::post};
use clerk_webhook_axum::{ClerkAnswer, ClerkEvent, Handlers, Verifier};
use clerk_webhook_store::{DEFAULT_RETENTION, DeliveryStore, PostgresStore, SqliteStore, purge};
use clerk_webhook_store::{DeliveryTransaction, ExactlyOnce, TransactionalStore};
use clerk_webhook_sync::{ClerkSync, SyncDatabase};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use tokio::{net::TcpListener, time};
use tower_http::timeout::TimeoutLayer;
use tracing::{error, info};

use crate::page::Tables;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let verifier = Verifier::from_env().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1);
    });
    let database = env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite:sync-server.db".to_owned());
    if database.starts_with("sqlite:") {
        let file: SqliteConnectOptions = database.parse()?;
        let store = SqliteStore::open(file.get_filename()).await?;
        store.migrate().await?;
        let sync = ClerkSync::new(store.pool().clone());
        serve(verifier, store, sync, || Tables::sqlite(&file)).await
    } else if database.starts_with("postgres:") || database.starts_with("postgresql:") {
        // A database that does not answer is a 503, long before the sender gives up.
        let options: PgConnectOptions = database.parse()?;
        let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(5));
        let pool = pool.connect_with(options.clone()).await?;
        let store = PostgresStore::new(pool.clone());
        store.migrate().await?;
        serve(verifier, store, ClerkSync::new(pool), || Tables::postgres(&options)).await
    } else {
        Err("DATABASE_URL begins with postgres:// or sqlite:".into())
    }
}

/// Serves with any database: the transaction of a delivery is one in which the sync can write.
async fn serve<S, DB>(
    verifier: Verifier,
    store: S,
    sync: ClerkSync<DB>,
    tables: impl Fn() -> Tables,
) -> Result<(), Box<dyn Error>>
where
    S: TransactionalStore<Transaction = DeliveryTransaction<DB>> + DeliveryStore + Clone,
    DB: SyncDatabase,
{
    sync.migrate().await?;
    tokio::spawn(purge_daily(store.clone()));

    // Handlers of your own go here, and get the same transaction; see also `ClerkSync::before`.
    let handlers = Handlers::builder().otherwise(sync.handler_in_transaction()).build()?;
    let exactly_once = ExactlyOnce::new(store);
    let once = exactly_once.clone();
    let webhook = async move |ClerkEvent(event): ClerkEvent| {
        ClerkAnswer(once.handle(&handlers, event, |transaction| transaction).await)
    };
    let app = Router::new()
        .route("/webhooks/clerk", post(webhook))
        // For slow bodies. What is being handled goes on.
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(14)))
        .with_state(verifier)
        .merge(page::router(tables));

    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}/webhooks/clerk\nwhat is in the tables is at http://{address}");
    axum::serve(listener, app).with_graceful_shutdown(shutdown_signal()).await?;
    // Handlers run on when their sender has hung up, so the server has not waited for all of them.
    let stopped = exactly_once.shutdown(Duration::from_secs(13)).await;
    info!(stopped, "the end");
    Ok(())
}

async fn purge_daily(store: impl DeliveryStore) {
    loop {
        match purge(&store, DEFAULT_RETENTION).await {
            Ok(purged) => info!(purged, "forgot old deliveries"),
            Err(error) => error!(%error, "could not forget old deliveries"),
        }
        time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    }
}

/// Waits for Ctrl-C, or the SIGTERM of a process manager.
async fn shutdown_signal() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select!(_ = tokio::signal::ctrl_c() => {}, _ = terminate.recv() => {});
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}
