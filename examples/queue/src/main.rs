//! Acknowledges Clerk's webhooks as soon as they are in a durable queue, and handles them afterwards.
//!
//! Without arguments, the process is both the server and the worker. With `--server` or `--worker`, it is
//! only one of them, so that they can run as two processes.
//!
//! The queue is a SQLite file, whose path is in DATABASE (default: queue.db). With DATABASE_URL, it is in
//! Postgres, and with NATS_URL in NATS JetStream: servers and workers can then run on different machines. The
//! NATS server needs the setting `max_payload: 2113536`.
//!
//! CLERK_WEBHOOK_SIGNING_SECRET (server), SMTP_SERVER and CHAT_URL (worker) must be set. `cargo run -p
//! example-queue --bin services` starts a mail server and a chat service for this example. HOST, PORT,
//! MAX_ATTEMPTS and FIRST_RETRY_MS have defaults.

mod handlers;

use std::{env, error::Error, str::FromStr, time::Duration};

use axum::{Router, routing::post_service};
use clerk_webhook::event::marker::{OrganizationCreated, UserCreated};
use clerk_webhook::queue::{JobQueue, NatsQueue, PostgresQueue, RunningWorker, SqliteQueue, Worker, purge};
use clerk_webhook::tower::WebhookService;
use clerk_webhook::{Handlers, Verifier, store::DEFAULT_RETENTION};
use example_support::{address, stop_signal};
use tokio::{net::TcpListener, time};

use crate::handlers::{Services, announce, welcome};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    if let Ok(url) = env::var("NATS_URL") {
        let queue = NatsQueue::connect(&url).await?;
        queue.migrate().await?;
        return run(queue).await;
    }
    if let Ok(url) = env::var("DATABASE_URL") {
        let queue = PostgresQueue::connect(&url).await?;
        queue.migrate().await?;
        return run(queue.listen().await?).await;
    }
    let queue = SqliteQueue::open(variable("DATABASE", "queue.db".to_owned())?).await?;
    queue.migrate().await?;
    run(queue).await
}

async fn run<Q: JobQueue + Clone>(queue: Q) -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        None => {
            let worker = start_worker(&queue)?;
            serve(queue).await?;
            worker.shutdown(Duration::from_secs(15)).await;
        }
        Some("--server") => serve(queue).await?,
        Some("--worker") => {
            let worker = start_worker(&queue)?;
            stop_signal().await;
            worker.shutdown(Duration::from_secs(15)).await;
        }
        Some(argument) => return Err(format!("{argument} is not --server or --worker").into()),
    }
    Ok(())
}

async fn serve<Q: JobQueue>(queue: Q) -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::from_env()?; // Reads CLERK_WEBHOOK_SIGNING_SECRET.
    let webhook = WebhookService::queued(queue)
        .verified(verifier)
        .read_timeout(|| time::sleep(Duration::from_secs(10)));
    let app = Router::new().route("/webhooks/clerk", post_service(webhook));
    let listener = TcpListener::bind(address()?).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    Ok(axum::serve(listener, app).with_graceful_shutdown(stop_signal()).await?)
}

fn start_worker<Q: JobQueue + Clone>(queue: &Q) -> Result<RunningWorker, Box<dyn Error>> {
    let handlers = Handlers::builder().on(UserCreated, welcome).on(OrganizationCreated, announce).build()?;
    tokio::spawn(purge_daily(queue.clone()));
    let first_retry = Duration::from_millis(variable("FIRST_RETRY_MS", 5000)?);
    Ok(Worker::new(queue.clone(), handlers, Services::from_env()?)
        .max_attempts(variable("MAX_ATTEMPTS", 12)?)
        .backoff(first_retry, Duration::from_secs(60 * 60))
        .start())
}

fn variable<T: FromStr>(name: &str, default: T) -> Result<T, String> {
    let Ok(text) = env::var(name) else { return Ok(default) };
    text.parse().map_err(|_| format!("{name}={text} is invalid"))
}

async fn purge_daily<Q: JobQueue>(queue: Q) {
    loop {
        if let Err(error) = purge(&queue, DEFAULT_RETENTION).await {
            tracing::error!(%error, "could not delete old messages");
        }
        time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    }
}
