//! The Tower layer round `warp::service`.

use bytes::Bytes;
use clerk_webhook_core::{Event, Outcome, Verifier};
use clerk_webhook_tests::{OTHER_SECRET, fixture, sign};
use clerk_webhook_tower::VerifyWebhookLayer;
use clerk_webhook_warp::{clerk_event, clerk_event_or_reply, optional_clerk_event};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _};
use warp::{Filter, Reply};

use super::support::{BODY, PATH, assert_accepted, assert_refused, assert_told, event_type, verifier};

fn request(signed: &[u8], body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::post(PATH).body(Full::new(body)).unwrap();
    *request.headers_mut() = HeaderMap::from(&sign(signed));
    request
}

/// Sends a request through the layer to a filter.
async fn send<F>(filter: F, request: Request<Full<Bytes>>) -> Response<Bytes>
where
    F: Filter<Error = warp::Rejection, Extract: Reply> + Clone,
{
    let service = VerifyWebhookLayer::new(verifier()).layer(warp::service(filter));
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn the_event_is_in_the_extensions_and_the_body_is_the_same() {
    let filter = warp::path!("webhooks" / "clerk")
        .and(warp::post())
        .and(warp::ext::get::<Event>())
        .and(warp::body::bytes())
        .map(|event: Event, body: Bytes| {
            assert_eq!(event.raw_body().as_ptr(), body.as_ptr());
            body.to_vec()
        });
    let body = Bytes::from(fixture("user.created"));
    let response = send(filter, request(&body, body.clone())).await;
    assert_eq!((response.status().as_u16(), response.body()), (200, &body));
    let refused = send(filter, request(b"another body", body)).await;
    assert_refused(&refused, Outcome::InvalidSignature);
    assert_told(&refused, Outcome::InvalidSignature);
}

#[tokio::test]
async fn nothing_is_verified_twice() {
    // With the filters' own verifier the delivery would be refused.
    let other = || Verifier::new(OTHER_SECRET).unwrap();
    let signed = || request(BODY.as_bytes(), BODY.into());
    assert_accepted(&send(clerk_event(other()).map(event_type), signed()).await, "user.deleted");
    let optional = optional_clerk_event(other()).map(|event: Option<Event>| event_type(event.unwrap()));
    assert_accepted(&send(optional, signed()).await, "user.deleted");
    let answering = clerk_event_or_reply(other(), async |event: Event| event_type(event));
    let service = VerifyWebhookLayer::new(verifier()).layer(warp::service(answering));
    assert_eq!(service.oneshot(signed()).await.unwrap().status(), 200);
}
