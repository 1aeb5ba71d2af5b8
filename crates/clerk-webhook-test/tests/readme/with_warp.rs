use clerk_webhook_core::{Event, EventData, Verifier};
use clerk_webhook_test::{Delivery, SECRET, fixture};
use clerk_webhook_warp::{clerk_event, handle_rejection};
use warp::Filter;

fn webhook(event: Event) -> String {
    match event.data() {
        EventData::UserCreated(user) => format!("welcome, {}", user.first_name.as_deref().unwrap_or("you")),
        _ => "noted".to_owned(),
    }
}

#[tokio::test]
async fn users_are_welcomed() -> Result<(), Box<dyn std::error::Error>> {
    let routes = warp::path!("webhooks" / "clerk")
        .and(warp::post())
        .and(clerk_event(Verifier::new(SECRET)?))
        .map(webhook)
        .recover(handle_rejection);

    let delivery = Delivery::of(fixture::user_created()).set("/data/first_name", "Ada");
    let response = delivery.warp_request().reply(&routes).await;
    assert_eq!(response.body(), "welcome, Ada");

    let forged = delivery.wrong_secret();
    assert_eq!(forged.warp_request().reply(&routes).await.status(), 400);
    Ok(())
}
