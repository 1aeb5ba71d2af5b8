use axum::routing::post;
use axum::{Json, Router};
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::Verifier;

async fn webhook(_body: Json<String>, _event: ClerkEvent) {}

fn main() {
    let _ = Router::<Verifier>::new().route("/", post(webhook));
}
