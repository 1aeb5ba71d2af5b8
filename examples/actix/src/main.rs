//! Receives Clerk webhooks in an Actix handler.
//!
//! Run with: `CLERK_WEBHOOK_SIGNING_SECRET=whsec_… cargo run -p example-actix`

use std::error::Error;

use actix_web::{App, HttpResponse, HttpServer, web};
use clerk_webhook::actix::ClerkEvent;
use clerk_webhook::{EventData, Verifier};
use tracing::info;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// Receives only verified events.
async fn webhook(ClerkEvent(event): ClerkEvent) -> HttpResponse {
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
    HttpResponse::Ok().finish()
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Actix logs an error for every request that is not valid HTTP. Any client can send such requests.
    let filter = Targets::new().with_default(LevelFilter::INFO).with_target("actix_http", LevelFilter::OFF);
    tracing_subscriber::registry().with(tracing_subscriber::fmt::layer()).with(filter).init();
    let verifier = Verifier::from_env()?;
    let server = HttpServer::new(move || {
        // Each worker has its own application. All of them share the verifier.
        let route = web::resource("/webhooks/clerk").route(web::post().to(webhook));
        App::new().app_data(verifier.clone()).service(route)
    })
    .shutdown_timeout(20)
    .bind(example_support::address()?)?;
    for address in server.addrs() {
        println!("listening on http://{address}/webhooks/clerk");
    }
    // Stops on Ctrl-C and SIGTERM.
    server.run().await?;
    Ok(())
}
