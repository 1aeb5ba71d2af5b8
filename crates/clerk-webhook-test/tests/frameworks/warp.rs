//! Deliveries as a `RequestBuilder` reach a Warp filter.
#![expect(clippy::unwrap_used, reason = "it fails where a test shall fail")]

use clerk_webhook_core::{Event, Verifier};
use clerk_webhook_test::{
    Delivery, SECRET,
    fixture::{self, AnyFixture},
};
use clerk_webhook_warp::{clerk_event, handle_rejection};
use warp::{Filter, Reply};

fn routes() -> impl Filter<Extract = (impl Reply,), Error = std::convert::Infallible> + Clone {
    let clerk = warp::path!("webhooks" / "clerk").or(warp::path!("hooks")).unify();
    let event = clerk.and(warp::post()).and(clerk_event(Verifier::new(SECRET).unwrap()));
    event
        .map(|event: Event| event.event_type().to_string())
        .recover(async |rejection: warp::Rejection| {
            if rejection.is_not_found() {
                return Ok(warp::http::StatusCode::NOT_FOUND.into_response());
            }
            handle_rejection(rejection).await.map(Reply::into_response)
        })
        .recover(async |_| Ok::<_, std::convert::Infallible>(warp::http::StatusCode::IM_A_TEAPOT))
}

#[tokio::test]
async fn every_fixture_is_accepted() {
    for fixture in AnyFixture::all() {
        let response = Delivery::of(fixture).warp_request().reply(&routes()).await;
        assert_eq!(response.body(), fixture.event_type().as_str(), "{fixture:?}");
    }
}

#[tokio::test]
async fn what_breaks_a_delivery_arrives_too() {
    let right = || Delivery::of(fixture::user_created());
    for broken in super::broken() {
        assert_eq!(broken.warp_request().reply(&routes()).await.status(), 400, "{broken:?}");
    }
    for (path, status) in [("/hooks?from=test", 200), ("/elsewhere", 404)] {
        assert_eq!(right().path(path).warp_request().reply(&routes()).await.status(), status);
    }
}

#[tokio::test]
async fn a_length_can_be_claimed() {
    let delivery = Delivery::of(fixture::user_created()).header("content-length", "3000000");
    assert_eq!(delivery.warp_request().reply(&routes()).await.status(), 413);
}

#[cfg(feature = "http")]
#[tokio::test]
async fn what_is_repeated_goes_to_the_service() {
    use tower::ServiceExt as _;

    let repeated = Delivery::of(fixture::user_created()).repeated("svix-id");
    let response = warp::service(routes()).oneshot(repeated.http_request()).await.unwrap();
    assert_eq!(response.status(), 400);
}

#[test]
#[should_panic(expected = "cannot repeat svix-id")]
fn what_is_repeated_cannot_be_said() {
    let _ = Delivery::of(fixture::user_created()).repeated("svix-id").warp_request();
}
