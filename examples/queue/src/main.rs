//! Acknowledges Clerk's webhooks as soon as they are in a durable queue, and handles them afterwards.
//!
//! Without arguments, the process is both the server and the worker. With `--server` or `--worker`, it is
//! only one of them, so that they can run as two processes on the same machine.
//!
//! CLERK_WEBHOOK_SIGNING_SECRET (server) and MAIL_URL (worker) must be set. DATABASE, HOST, PORT,
//! MAX_ATTEMPTS and FIRST_RETRY_MS have defaults.

use std::{env, error::Error, str::FromStr, time::Duration};

use axum::{Router, routing::post_service};
use bytes::Bytes;
use clerk_webhook::event::{marker::UserCreated, payload::User};
use clerk_webhook::queue::{RunningWorker, SqliteQueue, Worker, purge};
use clerk_webhook::tower::WebhookService;
use clerk_webhook::{Context, Failure, Handlers, Verifier, store::DEFAULT_RETENTION};
use example_support::{address, stop_signal};
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::{net::TcpListener, time};

/// A client of the service that sends emails.
#[derive(Clone)]
struct Mail {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
}

/// Sends a welcome email. The mail service may be slow or unavailable, so this must not be part of the
/// request.
async fn welcome(user: User, cx: Context<Mail>) -> Result<(), Failure> {
    // The mail service sends only one email for each key, even if the worker crashes and this handler runs
    // again.
    let request = Request::post(cx.state().url.clone())
        .header("idempotency-key", cx.message_id().as_str())
        .body(Full::from(format!("welcome, {}", user.id)))?;
    let response = time::timeout(Duration::from_secs(30), cx.state().client.request(request)).await??;
    match response.status().as_u16() {
        200..300 => Ok(()),
        429 => Err(Failure::retry_after(Duration::from_secs(60), "the mail service is overloaded")),
        status @ 400..500 => {
            Err(Failure::abort_message(format!("the mail service rejected the email: {status}")))
        }
        status => Err(Failure::retry(format!("the mail service failed: {status}"))),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let queue = SqliteQueue::open(variable("DATABASE", "queue.db".to_owned())?).await?;
    queue.migrate().await?;
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

async fn serve(queue: SqliteQueue) -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::from_env()?; // Reads CLERK_WEBHOOK_SIGNING_SECRET.
    let webhook = WebhookService::queued(queue)
        .verified(verifier)
        .read_timeout(|| time::sleep(Duration::from_secs(10)));
    let app = Router::new().route("/webhooks/clerk", post_service(webhook));
    let listener = TcpListener::bind(address()?).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    Ok(axum::serve(listener, app).with_graceful_shutdown(stop_signal()).await?)
}

fn start_worker(queue: &SqliteQueue) -> Result<RunningWorker, Box<dyn Error>> {
    let url =
        env::var("MAIL_URL").map_err(|_| "MAIL_URL is not set. Set it to the URL of the mail service")?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let handlers = Handlers::builder().on(UserCreated, welcome).build()?;
    tokio::spawn(purge_daily(queue.clone()));
    let first_retry = Duration::from_millis(variable("FIRST_RETRY_MS", 5000)?);
    Ok(Worker::new(queue.clone(), handlers, Mail { client, url: url.parse()? })
        .max_attempts(variable("MAX_ATTEMPTS", 12)?)
        .backoff(first_retry, Duration::from_secs(60 * 60))
        .start())
}

fn variable<T: FromStr>(name: &str, default: T) -> Result<T, String> {
    let Ok(text) = env::var(name) else { return Ok(default) };
    text.parse().map_err(|_| format!("{name}={text} is invalid"))
}

async fn purge_daily(queue: SqliteQueue) {
    loop {
        if let Err(error) = purge(&queue, DEFAULT_RETENTION).await {
            tracing::error!(%error, "could not delete old messages");
        }
        time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    }
}
