//! No answer and no `Debug` shows a secret, an expected signature or a payload.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};

use axum::body::Body;
use axum::extract::FromRequest as _;
use bytes::Bytes;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::EventData;
use clerk_webhook_core::ReceiveError;
use clerk_webhook_tests::{SECRET, sign};
use clerk_webhook_tower::VerifyWebhookLayer;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::answers::{limited, refusals};
use super::support::{Step, Steps, delivery, every_way, verifier, whole};

/// Personal data in every place that a payload has.
const PRIVATE: &str = r#"{
    "data": { "id": "user_private", "first_name": "private", "private": "private" },
    "event_attributes": { "http_request": { "client_ip": "private" } },
    "type": "user.created"
}"#;

#[track_caller]
fn assert_opaque(text: &str) {
    let signature = sign(PRIVATE.as_bytes()).to_pairs()[2].1["v1,".len()..].to_owned();
    for hidden in ["private", &signature, &SECRET["whsec_".len()..]] {
        assert!(!text.contains(hidden), "{text}");
    }
}

/// Returns everything that can be read off a refusal, down to the last cause.
fn all_of(response: &Response<Bytes>) -> String {
    let mut text = format!("{response:?} {}", String::from_utf8_lossy(response.body()));
    let error = response.extensions().get::<ReceiveError>().unwrap();
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        text.push_str(&format!(" {error} {error:?}"));
        next = error.source();
    }
    text
}

#[tokio::test]
async fn no_refusal_shows_anything() {
    let forged = || delivery(b"another body", Body::from(PRIVATE));
    let cut = || delivery(PRIVATE.as_bytes(), Body::from(&PRIVATE[..100]));
    // Authentic, so that the reason is in the text itself.
    let undecodable = || whole(&PRIVATE[..100]);
    let requests: [fn() -> Request<Body>; 3] = [forged, cut, undecodable];
    for request in requests {
        for exchange in every_way(&verifier(), request).await {
            assert_opaque(&all_of(&exchange.refused()));
        }
    }
    for index in 0..refusals().len() {
        for exchange in every_way(&limited(), || refusals().remove(index).1).await {
            let text = all_of(&exchange.refused());
            assert_opaque(&text);
            assert!(!text.contains("user_1") && !text.contains("user.deleted"), "{text}");
        }
    }
}

#[tokio::test]
async fn no_debug_of_the_layer_shows_anything() {
    let layer = VerifyWebhookLayer::new(verifier());
    let mut service = layer.layer(service_fn(async |request: Request<Full<Bytes>>| {
        assert_opaque(&format!("{:?}", request.extensions()));
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    let text = format!("{layer:?} {service:?}");
    assert!(text.contains("VerifyWebhookLayer") && text.contains("VerifyWebhook "), "{text}");
    assert_opaque(&text);

    let body = Steps::new([Step::Data(PRIVATE.into()), Step::Stalled]);
    let request = delivery(PRIVATE.as_bytes(), body);
    let mut future = pin!(service.call(request));
    assert_opaque(&format!("{future:?}"));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_opaque(&format!("{future:?}"));

    let response = layer.layer(service.clone()).oneshot(whole(PRIVATE)).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn no_debug_of_the_extractor_shows_anything() {
    let event = ClerkEvent::from_request(whole(PRIVATE), &verifier()).await.unwrap();
    assert_opaque(&format!("{event:?}"));
    // Nor once the data was decoded.
    assert!(matches!(event.data(), EventData::UserCreated(_)));
    assert_opaque(&format!("{event:?}"));

    let forged = delivery(b"another body", Body::from(PRIVATE));
    let rejection = ClerkEvent::from_request(forged, &verifier()).await.unwrap_err();
    assert_opaque(&format!("{rejection:?} {rejection} {}", rejection.body_text()));
}
