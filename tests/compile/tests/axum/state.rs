use axum::Router;
use axum::routing::post;
use clerk_webhook_axum::ClerkEvent;

#[derive(Clone)]
struct AppState;

async fn webhook(_event: ClerkEvent) {}

fn main() {
    let _ = Router::<AppState>::new().route("/", post(webhook));
}
