use axum::Router;
use axum::routing::post;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::{EventData, Verifier};
use clerk_webhook_test::{Delivery, SECRET, fixture};
use tower::ServiceExt as _; // the tower crate with the `util` feature

async fn webhook(ClerkEvent(event): ClerkEvent) -> String {
    match event.data() {
        EventData::UserCreated(user) => format!("welcome, {}", user.first_name.as_deref().unwrap_or("you")),
        _ => "noted".to_owned(),
    }
}

#[tokio::test]
async fn users_are_welcomed() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/webhooks/clerk", post(webhook)).with_state(Verifier::new(SECRET)?);

    let delivery = Delivery::of(fixture::user_created()).set("/data/first_name", "Ada");
    let response = app.clone().oneshot(delivery.http_request()).await?;
    assert_eq!(response.status(), 200);
    assert_eq!(axum::body::to_bytes(response.into_body(), 100).await?, "welcome, Ada");

    let forged = delivery.wrong_secret();
    assert_eq!(app.oneshot(forged.http_request()).await?.status(), 400);
    Ok(())
}
