//! Keeps users in Postgres: what an event changes there happens exactly once, in one transaction with the mark "handled".
//!
//! Run with: `DATABASE_URL=postgres://… CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p example-postgres-once`
//!
//! `two-instances.sh` runs two of them on one database, and kills one again and again.

use std::{env, error::Error, time::Duration};

use axum::extract::{FromRef, State};
use axum::{Router, http::StatusCode, routing::post};
use clerk_webhook_axum::event::marker::{UserCreated, UserDeleted, UserUpdated};
use clerk_webhook_axum::event::payload::{DeletedObject, User};
use clerk_webhook_axum::{ClerkAnswer, ClerkEvent, Context, Failure, Handlers, Verifier};
use clerk_webhook_store::{DEFAULT_RETENTION, PostgresStore, purge};
use clerk_webhook_store::{DeliveryTransaction, ExactlyOnce, SharedTransaction};
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{Postgres, query};
use tokio::{net::TcpListener, time};
use tower_http::timeout::TimeoutLayer;
use tracing::{error, info};

/// What handlers are given. Whatever they write by it is there once they have returned `Ok`, and otherwise never was.
type Transaction = SharedTransaction<DeliveryTransaction<Postgres>>;

async fn joined(user: User, cx: Context<Transaction>) -> Result<(), Failure> {
    let mut transaction = cx.state().lock().await?;
    save(&user, &mut transaction).await?;
    // No mail can be sent in a transaction, but it can be written down there that it has to be.
    query("INSERT INTO welcome_mails (message_id, user_id) VALUES ($1, $2)")
        .bind(cx.message_id().as_str())
        .bind(&user.id)
        .execute(&mut **transaction)
        .await?;
    info!(user = user.id, "somebody has joined");
    Ok(())
}

async fn changed(user: User, cx: Context<Transaction>) -> Result<(), Failure> {
    Ok(save(&user, &mut *cx.state().lock().await?).await?)
}

async fn save(user: &User, connection: &mut PgConnection) -> sqlx::Result<()> {
    const SAVE: &str = "INSERT INTO users AS known (id, email, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email, updated_at = EXCLUDED.updated_at
        WHERE known.updated_at < EXCLUDED.updated_at AND NOT known.deleted";
    query(SAVE)
        .bind(&user.id)
        .bind(user.primary_email_address().and_then(|email| email.email_address.as_deref()))
        .bind(user.updated_at.map_or(0, |at| at.as_millis()))
        .execute(connection)
        .await
        .map(drop)
}

async fn left(user: DeletedObject, cx: Context<Transaction>) -> Result<(), Failure> {
    let id = user.id.ok_or_else(|| Failure::abort_message("nobody can be deleted without an id"))?;
    const DELETE: &str = "INSERT INTO users (id, updated_at, deleted) VALUES ($1, 0, TRUE)
        ON CONFLICT (id) DO UPDATE SET email = NULL, deleted = TRUE";
    query(DELETE).bind(&id).execute(&mut **cx.state().lock().await?).await?;
    info!(user = id, "a user has left");
    Ok(())
}

#[derive(Clone)]
struct App {
    verifier: Verifier,
    handlers: Handlers<Transaction>,
    exactly_once: ExactlyOnce<PostgresStore>,
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

async fn webhook(State(app): State<App>, ClerkEvent(event): ClerkEvent) -> ClerkAnswer {
    ClerkAnswer(app.exactly_once.handle(&app.handlers, event, |transaction| transaction).await)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let verifier = Verifier::from_env().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1);
    });
    let database = env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set")?;
    // A database that does not answer is a 503, long before the sender gives up.
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(5)).connect(&database).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&pool).await?;
    let store = PostgresStore::new(pool);
    store.migrate().await?;
    tokio::spawn(purge_daily(store.clone()));

    let handlers =
        Handlers::builder().on(UserCreated, joined).on(UserUpdated, changed).on(UserDeleted, left).build()?;
    let exactly_once = ExactlyOnce::new(store);
    let app = Router::new()
        .route("/webhooks/clerk", post(webhook))
        // For slow bodies. What is being handled goes on.
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(14)))
        .with_state(App { verifier, handlers, exactly_once: exactly_once.clone() });

    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(shutdown_signal()).await?;
    // Handlers run on when their sender has hung up, so the server has not waited for all of them.
    let stopped = exactly_once.shutdown(Duration::from_secs(13)).await;
    info!(stopped, "the end");
    Ok(())
}

async fn purge_daily(store: PostgresStore) {
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
