//! Receives Clerk webhooks in a Rocket route.
//!
//! Run with: `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p example-rocket`

use std::error::Error;

use clerk_webhook::rocket::{ClerkEvent, ClerkFairing};
use clerk_webhook::{EventData, Verifier};
use rocket::config::LogLevel;
use rocket::fairing::AdHoc;
use rocket::{Config, post, routes};
use tracing::info;

/// Receives only verified events. The sender retries after any status that is not 2xx.
#[post("/webhooks/clerk", data = "<event>")]
fn webhook(event: ClerkEvent) {
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

#[rocket::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let verifier = Verifier::from_env()?;
    let (host, port) = example_support::address()?;
    // Without Rocket's own log, which has several lines for each request, even if it is forged.
    let config = Config { address: host.parse()?, port, log_level: LogLevel::Off, ..Config::default() };
    let print_address = AdHoc::on_liftoff("address", |rocket| {
        let Config { address, port, .. } = rocket.config();
        println!("listening on http://{address}:{port}/webhooks/clerk");
        Box::pin(async {})
    });
    let rocket = rocket::custom(config).attach(ClerkFairing::new(verifier)).attach(print_address);
    // Stops on Ctrl-C and SIGTERM.
    rocket.mount("/", routes![webhook]).launch().await?;
    Ok(())
}
