//! Receives Clerk webhooks in a Poem handler.
//!
//! Run with: `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p example-poem`

use std::error::Error;

use clerk_webhook::poem::ClerkEvent;
use clerk_webhook::{EventData, Verifier};
use poem::listener::TcpAcceptor;
use poem::{EndpointExt as _, Route, Server, handler, post};
use tokio::net::TcpListener;
use tracing::info;

/// Receives only verified events. The sender retries after any status that is not 2xx.
#[handler]
async fn webhook(ClerkEvent(event): ClerkEvent) {
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
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let verifier = Verifier::from_env()?;
    let routes = Route::new().at("/webhooks/clerk", post(webhook).data(verifier));

    let listener = TcpListener::bind(example_support::address()?).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?);
    server.run_with_graceful_shutdown(routes, example_support::stop_signal(), None).await?;
    Ok(())
}
