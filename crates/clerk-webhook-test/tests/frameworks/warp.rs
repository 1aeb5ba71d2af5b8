//! Tests `Delivery::warp_request` with a Warp filter.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

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
async fn accepts_every_fixture() {
    for fixture in AnyFixture::all() {
        let response = Delivery::of(fixture).warp_request().reply(&routes()).await;
        assert_eq!(response.body(), fixture.event_type().as_str(), "{fixture:?}");
    }
}

#[tokio::test]
async fn rejects_broken_deliveries() {
    let right = || Delivery::of(fixture::user_created());
    for broken in super::broken() {
        assert_eq!(broken.warp_request().reply(&routes()).await.status(), 400, "{broken:?}");
    }
    for (path, status) in [("/hooks?from=test", 200), ("/elsewhere", 404)] {
        assert_eq!(right().path(path).warp_request().reply(&routes()).await.status(), status);
    }
}

#[tokio::test]
async fn an_explicit_content_length_replaces_the_actual_one() {
    let delivery = Delivery::of(fixture::user_created()).header("content-length", "3000000");
    assert_eq!(delivery.warp_request().reply(&routes()).await.status(), 413);
}

#[cfg(feature = "http")]
#[tokio::test]
async fn sends_a_repeated_header_through_the_service() {
    use tower::ServiceExt as _;

    let repeated = Delivery::of(fixture::user_created()).repeated("svix-id");
    let response = warp::service(routes()).oneshot(repeated.http_request()).await.unwrap();
    assert_eq!(response.status(), 400);
}

#[test]
#[should_panic(expected = "cannot repeat svix-id")]
fn panics_on_a_repeated_header() {
    let _ = Delivery::of(fixture::user_created()).repeated("svix-id").warp_request();
}
