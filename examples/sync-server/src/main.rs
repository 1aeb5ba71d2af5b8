//! Syncs Clerk's users, organizations and memberships into SQLite or Postgres.
//!
//! The server verifies each delivery and handles each message once. One commit writes the changed rows and
//! marks the message as handled.
//!
//! Start it with `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p sync-server`. It writes to the file
//! `sync-server.db`. Set `DATABASE_URL=postgres://…` to use Postgres, which any number of instances can
//! share. The port is 3000, or the value of `PORT`. The page <http://127.0.0.1:3000> shows the contents of
//! the tables without personal data.
//!
//! Then send it a history, with the events out of order and each event twice. Use the same secret:
//!
//! ```text
//! cargo run -p clerk-webhook-cli -- scenario all --seed 7 --events 1000 --shuffle --duplicate 2 --retry \
//!     --to http://127.0.0.1:3000/webhooks/clerk
//! ```
//!
//! `clerk-webhook api --seed 7 --events 1000` serves the objects at the end of this history as Clerk's Backend API
//! does, and `clerk-webhook reconcile --dry-run --api-url http://127.0.0.1:4011/v1` compares the tables with them.
//!
//! `one-instance.sh` and `two-instances.sh` do both. While they send the history, they kill and restart
//! instances.

mod page;

use std::env::{self, VarError};
use std::{error::Error, process::ExitCode, time::Duration};

use axum::{Router, http::StatusCode, routing::post};
use clerk_webhook::axum::{ClerkAnswer, ClerkEvent};
use clerk_webhook::store::{DEFAULT_RETENTION, DeliveryStore, PostgresStore, SqliteStore, purge};
use clerk_webhook::store::{DeliveryTransaction, ExactlyOnce, TransactionalStore};
use clerk_webhook::sync::{ClerkSync, SyncDatabase};
use clerk_webhook::{Handlers, Verifier};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Connection as _, sqlite::SqliteConnectOptions};
use tokio::{net::TcpListener, time};
use tower_http::timeout::TimeoutLayer;
use tracing::{error, info};

use crate::page::Tables;

/// How long a delivery waits for the database. After that, the delivery is answered with 503, before the
/// sender's timeout of 15 s.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::from_env()?;
    let port = variable("PORT", "3000")?;
    let port = port.parse().map_err(|_| "PORT must be a number from 0 to 65535. 0 selects a free port")?;
    let database = variable("DATABASE_URL", "sqlite:sync-server.db")?;
    if database.starts_with("sqlite:") {
        let file = sqlite_file(&database)?;
        let path = file.get_filename();
        let store = SqliteStore::open(path).await.map_err(|error| {
            format!("DATABASE_URL: cannot open or create the file {}: {error}", path.display())
        })?;
        store.migrate().await.map_err(no_tables)?;
        let sync = ClerkSync::new(store.pool().clone());
        serve(port, verifier, store, sync, || Tables::sqlite(&file)).await
    } else if database.starts_with("postgres://") || database.starts_with("postgresql://") {
        let options: PgConnectOptions = database.parse().map_err(|error| {
            let encode = "Percent-encode special characters in the password: # as %23, / as %2F, @ as %40";
            format!("DATABASE_URL is not a valid Postgres URL: {error}. {encode}")
        })?;
        // Connect without a pool first: a pool retries until its timeout and then does not report the cause.
        let connecting = time::timeout(PATIENCE, PgConnection::connect_with(&options)).await;
        let connected =
            connecting.map_err(|_| "DATABASE_URL: Postgres does not answer. Check the host and the port")?;
        connected
            .map_err(|error| format!("DATABASE_URL: cannot connect to Postgres: {error}"))?
            .close()
            .await?;

        let pool = PgPoolOptions::new().acquire_timeout(PATIENCE).connect_lazy_with(options.clone());
        let store = PostgresStore::new(pool.clone());
        store.migrate().await.map_err(no_tables)?;
        serve(port, verifier, store, ClerkSync::new(pool), || Tables::postgres(&options)).await
    } else {
        Err("DATABASE_URL must begin with postgres:// or sqlite:".into())
    }
}

/// Returns the value of an environment variable, or its default if it is not set.
fn variable(name: &str, default: &str) -> Result<String, String> {
    match env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        Err(VarError::NotPresent) => Ok(default.to_owned()),
        _ => Err(format!("{name} is empty or not UTF-8. Set it, or unset it to use {default}")),
    }
}

/// Returns the options for a SQLite file.
///
/// Rejects parameters, because the store sets its own, and databases in memory, because each connection would
/// open a different one.
fn sqlite_file(url: &str) -> Result<SqliteConnectOptions, &'static str> {
    const INVALID: &str = "DATABASE_URL must name a SQLite file, such as sqlite:app.db, without parameters after a ? and not in memory";
    let options: SqliteConnectOptions = url.parse().map_err(|_| INVALID)?;
    let path = options.get_filename().to_string_lossy();
    if url.contains('?') || path.is_empty() || path.starts_with(":memory:") || path.starts_with("file:") {
        return Err(INVALID);
    }
    Ok(options)
}

fn no_tables(error: impl Error) -> String {
    format!("DATABASE_URL: cannot create the tables: {error}")
}

/// Runs the server on either database. The sync writes in each delivery's transaction.
async fn serve<S, DB>(
    port: u16,
    verifier: Verifier,
    store: S,
    sync: ClerkSync<DB>,
    tables: impl Fn() -> Tables,
) -> Result<(), Box<dyn Error>>
where
    S: TransactionalStore<Transaction = DeliveryTransaction<DB>> + DeliveryStore + Clone,
    DB: SyncDatabase,
{
    sync.migrate().await.map_err(no_tables)?;
    tokio::spawn(purge_daily(store.clone()));

    // The sync does not receive events whose type has a handler here. To add your own handlers, use
    // `ClerkSync::transactional_handler_with`.
    let handlers = Handlers::builder().otherwise(sync.transactional_handler()).build()?;
    let exactly_once = ExactlyOnce::new(store);
    let once = exactly_once.clone();
    let webhook = async move |ClerkEvent(event): ClerkEvent| {
        ClerkAnswer(once.handle(&handlers, event, |transaction| transaction).await)
    };
    let app = Router::new()
        .route("/webhooks/clerk", post(webhook))
        // Stops waiting for slow bodies. A handler that is running continues.
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(14)))
        .with_state(verifier)
        .merge(page::router(tables));

    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| format!("cannot listen on PORT={port}: {error}"))?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}/webhooks/clerk\nthe tables are shown at http://{address}");
    axum::serve(listener, app).with_graceful_shutdown(example_support::stop_signal()).await?;
    // The server has not waited for handlers whose sender has closed the connection, so wait for them here.
    let stopped = exactly_once.shutdown(Duration::from_secs(13)).await;
    info!(stopped, "the server has stopped");
    Ok(())
}

async fn purge_daily(store: impl DeliveryStore) {
    loop {
        match purge(&store, DEFAULT_RETENTION).await {
            Ok(purged) => info!(purged, "purged old deliveries"),
            Err(error) => error!(%error, "cannot purge old deliveries"),
        }
        time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    }
}
