//! Receives Clerk's webhooks in an AWS Lambda function and handles each message once, with a store in Postgres.
//!
//! The events may come from an HTTP API or a REST API of API Gateway, or from a function URL. The variables
//! CLERK_WEBHOOK_SIGNING_SECRET and DATABASE_URL must be set. Set the function's timeout to 30 s: the default of 3 s would
//! interrupt handlers.

use std::env;

use clerk_webhook::event::marker::UserCreated;
use clerk_webhook::event::payload::User;
use clerk_webhook::store::{Deduplicator, PostgresStore};
use clerk_webhook::tower::WebhookService;
use clerk_webhook::{Context, Failure, Handlers, Verifier};
use lambda_http::Error;
use tracing::info;

/// Lambda freezes the process as soon as it has the response. Await everything here, and spawn nothing.
async fn joined(user: User, cx: Context<()>) -> Result<(), Failure> {
    info!(id = %cx.message_id(), user = user.id, "a user has joined");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().without_time().init(); // Lambda adds the time.
    // All of this runs once for each instance of the function, before its first event.
    let verifier = Verifier::from_env()?; // Reads CLERK_WEBHOOK_SIGNING_SECRET.
    let database = env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set")?;
    // A store in memory would forget the messages with each instance, and instances would not share it.
    let store = PostgresStore::connect(&database).await?;
    store.migrate().await?;
    let handlers = Handlers::builder().on(UserCreated, joined).build()?;
    let webhook = WebhookService::deduplicated(handlers, (), Deduplicator::new(store)).verified(verifier);
    lambda_http::run(webhook).await
}
