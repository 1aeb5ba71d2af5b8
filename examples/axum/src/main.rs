//! Receives Clerk's webhooks with Axum and applies each event exactly once, in SQLite.
//! CLERK_WEBHOOK_SIGNING_SECRET must be set. DATABASE, HOST, PORT and MAIL_SENDER have defaults.

use std::{env, error::Error, process, time::Duration};

use axum::{Router, routing::post_service};
use clerk_webhook::event::marker::{UserCreated, UserDeleted};
use clerk_webhook::event::payload::{DeletedObject, User};
use clerk_webhook::store::{DEFAULT_RETENTION, ExactlyOnce, SqliteStore, SqliteTransaction, purge};
use clerk_webhook::tower::WebhookService;
use clerk_webhook::{Context, Failure, Handlers, Verifier};
use sqlx::{query, raw_sql};
use tokio::{net::TcpListener, signal, time};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, email TEXT, deleted INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS welcome_mails (message_id TEXT, sender TEXT, user_id TEXT);";

/// The state of each handler: a value from the application, and the delivery's transaction.
struct State {
    sender: String,
    transaction: SqliteTransaction,
}

/// Any error that `?` returns rolls the transaction back, and the sender retries.
async fn joined(user: User, cx: Context<State>) -> Result<(), Failure> {
    let mut transaction = cx.state().transaction.lock().await?;
    let email = user.primary_email_address().and_then(|email| email.email_address.as_deref());
    // The sender does not preserve the order of events: `user.deleted` may have arrived first.
    let insert = query("INSERT INTO users (id, email) VALUES (?, ?) ON CONFLICT (id) DO NOTHING");
    if insert.bind(&user.id).bind(email).execute(&mut **transaction).await?.rows_affected() > 0 {
        let welcome = query("INSERT INTO welcome_mails (message_id, sender, user_id) VALUES (?, ?, ?)");
        let welcome = welcome.bind(cx.message_id().as_str()).bind(&cx.state().sender).bind(&user.id);
        welcome.execute(&mut **transaction).await?;
    }
    Ok(())
}

async fn left(user: DeletedObject, cx: Context<State>) -> Result<(), Failure> {
    let id = user.id.ok_or_else(|| Failure::abort_message("the deleted user has no id"))?;
    let mut transaction = cx.state().transaction.lock().await?;
    let delete = "INSERT INTO users (id, deleted) VALUES (?, 1)
                  ON CONFLICT (id) DO UPDATE SET email = NULL, deleted = 1";
    query(delete).bind(&id).execute(&mut **transaction).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let verifier = Verifier::from_env()?; // Reads CLERK_WEBHOOK_SIGNING_SECRET.
    let store = SqliteStore::open(variable("DATABASE", "app.db")).await?;
    store.migrate().await?;
    raw_sql(TABLES).execute(store.pool()).await?;
    tokio::spawn(purge_daily(store.clone()));

    let handlers = Handlers::builder().on(UserCreated, joined).on(UserDeleted, left).build()?;
    let exactly_once = ExactlyOnce::new(store);
    let sender = variable("MAIL_SENDER", "hello@example.com");
    let state = move |transaction| State { sender: sender.clone(), transaction };
    let webhook = WebhookService::exactly_once(handlers, exactly_once.clone(), state)
        .verified(verifier)
        .read_timeout(|| time::sleep(Duration::from_secs(10)));
    let app = Router::new().route("/webhooks/clerk", post_service(webhook));

    let address = format!("{}:{}", variable("HOST", "127.0.0.1"), variable("PORT", "3000"));
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(stop()).await?;
    // The server does not wait for handlers whose sender has closed the connection, so wait for them here.
    exactly_once.shutdown(Duration::from_secs(13)).await;
    Ok(())
}

fn variable(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

async fn purge_daily(store: SqliteStore) {
    loop {
        if let Err(error) = purge(&store, DEFAULT_RETENTION).await {
            tracing::error!(%error, "could not delete old deliveries");
        }
        time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    }
}

/// Waits for Ctrl-C or SIGTERM. 20 s later, a task terminates the process even if handlers are still running.
async fn stop() {
    #[cfg(unix)]
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate()).expect("SIGTERM handler");
    #[cfg(unix)]
    tokio::select!(_ = signal::ctrl_c() => {}, _ = terminate.recv() => {});
    #[cfg(not(unix))]
    signal::ctrl_c().await.expect("Ctrl-C handler");
    tokio::spawn(async {
        time::sleep(Duration::from_secs(20)).await;
        process::exit(1);
    });
}
