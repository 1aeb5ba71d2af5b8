//! Rocket, with the data guard.

use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use clerk_webhook_rocket::{ClerkAnswer, ClerkEvent, ClerkFairing, outcome};
use rocket::config::{Ident, LogLevel, Shutdown};
use rocket::fairing::AdHoc;
use rocket::shield::Shield;
use rocket::{Config, State, post, routes};

use super::super::handling::{Handling, OUTCOME};
use super::super::inbox::Inbox;
use super::Parts;

#[post("/webhooks/clerk", data = "<event>")]
fn webhook(inbox: &State<Inbox>, event: ClerkEvent) {
    inbox.push(&event);
}

#[post("/webhooks/clerk", data = "<event>")]
async fn handle_first(handling: &State<Handling>, event: ClerkEvent) -> ClerkAnswer {
    handle(handling, 0, event).await
}

#[post("/webhooks/mail", data = "<event>")]
async fn handle_second(handling: &State<Handling>, event: ClerkEvent) -> ClerkAnswer {
    handle(handling, 1, event).await
}

async fn handle(handling: &Handling, endpoint: usize, ClerkEvent(event): ClerkEvent) -> ClerkAnswer {
    let Handling { handlers, app, endpoints } = handling;
    ClerkAnswer(endpoints[endpoint].deduplicator.handle(handlers, event, app.clone()).await)
}

/// Serves until the future is dropped. Rocket opens its own socket, whose address it sends to `ready`.
pub async fn serve(parts: Parts, handles: bool, ready: Sender<SocketAddr>) {
    let Parts { verifier, inbox, handling } = parts;
    let config = Config {
        port: 0,
        // The other frameworks send neither a `server` header nor the headers that `Shield` adds.
        ident: Ident::none(),
        log_level: LogLevel::Off,
        // The test process handles its signals.
        shutdown: Shutdown { ctrlc: false, signals: Default::default(), ..Shutdown::default() },
        ..Config::debug_default()
    };
    let add_outcome_header = AdHoc::on_response("outcome", |request, response| {
        Box::pin(async move {
            if let Some(outcome) = outcome(request) {
                response.set_raw_header(OUTCOME, outcome.as_str());
            }
        })
    });
    let send_address = AdHoc::on_liftoff("address", move |rocket| {
        let config = rocket.config();
        ready.send(SocketAddr::new(config.address, config.port)).unwrap();
        Box::pin(async {})
    });
    let rocket = rocket::custom(config)
        .attach(Shield::new())
        .attach(ClerkFairing::new(verifier))
        .attach(add_outcome_header)
        .attach(send_address)
        .manage(inbox)
        .manage(handling);
    let routes = if handles { routes![handle_first, handle_second] } else { routes![webhook] };
    rocket.mount("/", routes).launch().await.unwrap();
}
