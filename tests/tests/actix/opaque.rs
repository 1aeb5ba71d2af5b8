//! Nothing shows a secret, a signature or a payload.

use std::error::Error;

use actix_web::dev::Payload;
use actix_web::{FromRequest as _, ResponseError as _};
use clerk_webhook_actix::{ClerkEvent, OptionalClerkEvent, VerifyWebhook};
use clerk_webhook_tests::{SECRET, sign};

use super::support::{delivery, head, verifier};

const PRIVATE: &str = r#"{"data":{"id":"user_private","first_name":"private"},"type":"user.created"}"#;

#[track_caller]
fn assert_opaque(text: &str) {
    let signature = sign(PRIVATE.as_bytes()).to_pairs()[2].1["v1,".len()..].to_owned();
    for hidden in ["private", &signature, &SECRET["whsec_".len()..]] {
        assert!(!text.contains(hidden), "{text}");
    }
}

#[actix_web::test]
async fn no_error_shows_anything() {
    let undecodable = delivery(&PRIVATE[..60]);
    let forged = head(b"another body").set_payload(PRIVATE);
    for request in [undecodable, forged] {
        let (request, mut payload) = request.app_data(verifier()).to_http_parts();
        let error = ClerkEvent::from_request(&request, &mut payload).await.unwrap_err();
        let mut text = format!("{error:?} {:?}", error.error_response());
        let mut next: Option<&dyn Error> = Some(&error);
        while let Some(error) = next {
            text.push_str(&format!(" {error}"));
            next = error.source();
        }
        assert_opaque(&text);
    }
}

#[actix_web::test]
async fn no_debug_shows_anything() {
    let middleware = format!("{:?}", VerifyWebhook::new(verifier()));
    assert!(middleware.starts_with("VerifyWebhook { verifier: Verifier"), "{middleware}");
    assert_opaque(&middleware);
    let (request, mut payload) = delivery(PRIVATE).app_data(verifier()).to_http_parts();
    let event = OptionalClerkEvent::from_request(&request, &mut payload).await.unwrap();
    assert!(matches!(payload, Payload::None));
    assert_opaque(&format!("{event:?} {:?}", ClerkEvent(event.0.clone().unwrap())));
}
