use actix_web::test::{call_and_read_body, call_service, init_service};
use actix_web::{App, web};
use clerk_webhook_actix::ClerkEvent;
use clerk_webhook_core::{EventData, Verifier};
use clerk_webhook_test::{Delivery, SECRET, fixture};

async fn webhook(ClerkEvent(event): ClerkEvent) -> String {
    match event.data() {
        EventData::UserCreated(user) => format!("welcome, {}", user.first_name.as_deref().unwrap_or("you")),
        _ => "noted".to_owned(),
    }
}

#[actix_web::test]
async fn users_are_welcomed() -> Result<(), Box<dyn std::error::Error>> {
    let app = App::new().app_data(Verifier::new(SECRET)?).route("/webhooks/clerk", web::post().to(webhook));
    let app = init_service(app).await;

    let delivery = Delivery::of(fixture::user_created()).set("/data/first_name", "Ada");
    let body = call_and_read_body(&app, delivery.actix_request().to_request()).await;
    assert_eq!(body, "welcome, Ada");

    let forged = delivery.wrong_secret();
    assert_eq!(call_service(&app, forged.actix_request().to_request()).await.status(), 400);
    Ok(())
}
