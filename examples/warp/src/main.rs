//! Receives Clerk webhooks in a Warp route.
//!
//! Run with: `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p example-warp`

use std::error::Error;

use clerk_webhook::warp::{clerk_event, handle_rejection};
use clerk_webhook::{Event, EventData, Verifier};
use tokio::net::TcpListener;
use tracing::info;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use warp::Filter;
use warp::http::StatusCode;

/// Receives only verified events.
async fn webhook(event: Event) -> StatusCode {
    match event.data() {
        EventData::UserCreated(user) => {
            let verified = user.primary_email_address().is_some_and(|email| email.is_verified());
            info!(id = %event.message_id(), user = user.id, verified, "a user has joined");
        }
        EventData::UserDeleted(user) => info!(id = %event.message_id(), user = user.id, "a user has left"),
        EventData::Unrecognized(data) => {
            info!(id = %event.message_id(), reason = %data.reason(), "the data was not recognized")
        }
        _ => info!(id = %event.message_id(), event_type = %event.event_type(), "nothing to do"),
    }
    // The sender retries after any status that is not 2xx.
    StatusCode::OK
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Warp logs an error for every connection that is interrupted. Any client can cause that.
    let filter = Targets::new().with_default(LevelFilter::INFO).with_target("warp::server", LevelFilter::OFF);
    tracing_subscriber::registry().with(tracing_subscriber::fmt::layer()).with(filter).init();
    let verifier = Verifier::from_env()?;
    let routes = warp::path!("webhooks" / "clerk")
        .and(warp::post())
        .and(clerk_event(verifier))
        .then(webhook)
        .recover(handle_rejection);

    let listener = TcpListener::bind(example_support::address()?).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    warp::serve(routes).incoming(listener).graceful(example_support::stop_signal()).run().await;
    Ok(())
}
