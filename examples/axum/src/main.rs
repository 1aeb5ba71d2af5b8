//! Receives Clerk webhooks in an Axum handler.
//!
//! Run with: `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p example-axum`

use std::{env, error::Error, time::Duration};

use axum::{Router, extract::FromRef, http::StatusCode, routing::post};
use clerk_webhook::axum::ClerkEvent;
use clerk_webhook::{EventData, Verifier};
use tokio::net::TcpListener;
use tower_http::{timeout::TimeoutLayer, trace::TraceLayer};
use tracing::info;

/// The state of the application; handlers would find a database in it, too.
#[derive(Clone)]
struct AppState {
    verifier: Verifier,
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.verifier.clone()
    }
}

/// Is called with verified events only, so it says what happens and nothing else.
async fn webhook(ClerkEvent(event): ClerkEvent) -> StatusCode {
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
    tracing_subscriber::fmt().init();
    let verifier = Verifier::from_env().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1);
    });
    let app = Router::new()
        .route("/webhooks/clerk", post(webhook))
        // The sender gives up after 15 s, so neither a slow body nor a slow handler is worth more.
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(14)))
        .layer(TraceLayer::new_for_http())
        .with_state(AppState { verifier });

    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}/webhooks/clerk", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(shutdown()).await?;
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
