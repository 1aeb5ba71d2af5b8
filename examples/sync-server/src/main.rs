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

/// How long a delivery waits for the database: what does not answer is a 503, long before the sender gives up.
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
    let port = port.parse().map_err(|_| "PORT is a number from 0 to 65535, where 0 is any that is free")?;
    let database = variable("DATABASE_URL", "sqlite:sync-server.db")?;
    if database.starts_with("sqlite:") {
        let file = sqlite_file(&database)?;
        let path = file.get_filename();
        let store = SqliteStore::open(path).await.map_err(|error| {
            format!("DATABASE_URL: the file {} cannot be opened or created: {error}", path.display())
        })?;
        store.migrate().await.map_err(no_tables)?;
        let sync = ClerkSync::new(store.pool().clone());
        serve(port, verifier, store, sync, || Tables::sqlite(&file)).await
    } else if database.starts_with("postgres://") || database.starts_with("postgresql://") {
        let options: PgConnectOptions = database.parse().map_err(|error| {
            let encode =
                "what is special in a password is percent-encoded there, # as %23, / as %2F, @ as %40";
            format!("DATABASE_URL is no address of a Postgres: {error}; {encode}")
        })?;
        // A pool would try again and again, and then not say why.
        let connecting = time::timeout(PATIENCE, PgConnection::connect_with(&options)).await;
        let connected = connecting.map_err(|_| "DATABASE_URL: Postgres does not answer")?;
        connected
            .map_err(|error| format!("DATABASE_URL: no connection to Postgres: {error}"))?
            .close()
            .await?;

        let pool = PgPoolOptions::new().acquire_timeout(PATIENCE).connect_lazy_with(options.clone());
        let store = PostgresStore::new(pool.clone());
        store.migrate().await.map_err(no_tables)?;
        serve(port, verifier, store, ClerkSync::new(pool), || Tables::postgres(&options)).await
    } else {
        Err("DATABASE_URL begins with postgres:// or sqlite:".into())
    }
}

/// Returns what a variable of the environment is set to.
fn variable(name: &str, default: &str) -> Result<String, String> {
    match env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        Err(VarError::NotPresent) => Ok(default.to_owned()),
        _ => Err(format!("{name} is empty or not UTF-8: set it, or unset it for {default}")),
    }
}

/// Returns the options of a plain file: the store sets its own, and each connection to memory would have another database.
fn sqlite_file(url: &str) -> Result<SqliteConnectOptions, &'static str> {
    const REFUSED: &str = "DATABASE_URL names a file of SQLite, as sqlite:app.db does: nothing in memory, and no settings after a ?";
    let options: SqliteConnectOptions = url.parse().map_err(|_| REFUSED)?;
    let path = options.get_filename().to_string_lossy();
    if url.contains('?') || path.is_empty() || path.starts_with(":memory:") || path.starts_with("file:") {
        return Err(REFUSED);
    }
    Ok(options)
}

fn no_tables(error: impl Error) -> String {
    format!("DATABASE_URL: the tables cannot be created there: {error}")
}

/// Serves with any database: the transaction of a delivery is one in which the sync can write.
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

    // The sync does not receive event types that have a handler here. To run your own handlers as well, use
    // `ClerkSync::transactional_handler_with`.
    let handlers = Handlers::builder().otherwise(sync.transactional_handler()).build()?;
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

    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| format!("PORT={port} cannot be listened on: {error}"))?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}/webhooks/clerk\nwhat is in the tables is at http://{address}");
    axum::serve(listener, app).with_graceful_shutdown(example_support::stop_signal()).await?;
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
