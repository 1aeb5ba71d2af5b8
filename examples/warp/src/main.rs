//! Receives Clerk webhooks in a Warp route.
//!
//! Run with: `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p example-warp`

use std::{env, error::Error, time::Duration};

use clerk_webhook::warp::{clerk_event, handle_rejection};
use clerk_webhook::{Event, EventData, Verifier};
use tokio::net::TcpListener;
use tracing::info;
use warp::Filter;
use warp::http::StatusCode;

/// Is called with verified events only, so it says what happens and nothing else.
async fn webhook(event: Event) -> StatusCode {
    match event.data() {
        EventData::UserCreated(user) => {
            let verified = user.primary_email_address().is_some_and(|email| email.is_verified());
            info!(id = %event.message_id(), user = user.id, verified, "a user has joined");
        }
        EventData::UserDeleted(user) => info!(id = %event.message_id(), user = user.id, "a user has left"),
        EventData::Unrecognized(data) => {
            info!(id = %event.message_id(), reason = %data.reason(), "an unknown event")
        }
        _ => info!(id = %event.message_id(), event_type = %event.event_type(), "nothing to do"),
    }
    // Anything but 2xx makes the sender try again.
    StatusCode::OK
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Warp logs an error for every connection that breaks off, which anybody can make happen.
    tracing_subscriber::fmt().with_env_filter("info,warp::server=off").init();
    let verifier = Verifier::from_env().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1);
    });
    let routes = warp::path!("webhooks" / "clerk")
        .and(warp::post())
        .and(clerk_event(verifier))
        .then(webhook)
        .recover(handle_rejection);

    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    warp::serve(routes).incoming(listener).graceful(shutdown()).run().await;
    Ok(())
}

/// Ends on Ctrl-C and on the SIGTERM of a process manager, 20 s later at the latest.
async fn shutdown() {
    signal().await;
    tokio::spawn(async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        // Somebody who never finishes a request must not hold up the end.
        std::process::exit(0);
    });
}

async fn signal() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select!(_ = tokio::signal::ctrl_c() => {}, _ = terminate.recv() => {});
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}
