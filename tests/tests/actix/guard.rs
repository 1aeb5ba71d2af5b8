//! The guard selects a route. It does not verify the delivery.

use actix_web::guard::{Guard as _, GuardContext};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, web};
use clerk_webhook_actix::{ClerkEvent, guard};
use clerk_webhook_core::Outcome;
use clerk_webhook_tests::request::{BODY, PATH, verifier};

use super::support::{delivery, forged, send, unsigned};

fn is_chosen(request: TestRequest) -> bool {
    let request = request.to_srv_request();
    let context: GuardContext<'_> = request.guard_ctx();
    guard::signature_headers().check(&context)
}

#[actix_web::test]
async fn matches_if_all_three_signature_headers_exist() {
    assert!(is_chosen(delivery(BODY)));
    assert!(is_chosen(
        unsigned()
            .insert_header(("Webhook-Id", "a"))
            .insert_header(("WEBHOOK-TIMESTAMP", "b"))
            .insert_header(("webhook-signature", "c"))
    ));
    // An extra header of the other family must not make the guard skip a delivery.
    assert!(is_chosen(delivery(BODY).insert_header(("webhook-id", "a"))));
    assert!(!is_chosen(unsigned()));
    for missing in ["svix-id", "svix-timestamp", "svix-signature"] {
        let others =
            ["svix-id", "svix-timestamp", "svix-signature"].into_iter().filter(|name| *name != missing);
        assert!(!is_chosen(others.fold(unsigned(), |request, name| request.insert_header((name, "x")))));
    }
}

#[actix_web::test]
async fn the_guard_accepts_a_forged_body_that_the_extractor_rejects() {
    let unprotected = web::resource("/unprotected")
        .route(web::post().guard(guard::signature_headers()).to(async |body: String| body));
    let webhook = web::resource(PATH)
        .route(
            web::post()
                .guard(guard::signature_headers())
                .to(async |event: ClerkEvent| event.event_type().to_string()),
        )
        .route(web::post().to(async || "something else"));
    let app = init_service(App::new().app_data(verifier()).service(unprotected).service(webhook)).await;

    // The guard alone accepts a forged body, so its documentation says that it does not verify.
    send(&app, forged().uri("/unprotected").to_request()).await.assert_accepted(BODY);

    send(&app, forged().to_request()).await.assert_rejected(Outcome::InvalidSignature);
    send(&app, delivery(BODY).to_request()).await.assert_accepted("user.deleted");
    send(&app, unsigned().to_request()).await.assert_accepted("something else");
}
