//! How the application and the sender see a rejected delivery, with and without a filter that handles it.

use std::error::Error as _;

use clerk_webhook_core::{Event, Outcome, ReceiveErrorKind, VerifyErrorKind};
use clerk_webhook_tests::request::{BODY, verifier};
use clerk_webhook_tests::secrecy::{PRIVATE, assert_shows_nothing_private, texts};
use clerk_webhook_warp::{ClerkEventRejection, clerk_event, clerk_event_or_reply, handle_rejection};
use warp::http::StatusCode;
use warp::{Filter, Rejection, Reply as _};

use super::support::{assert_accepted, assert_rejected, delivery, event_type, forged, head, stale, unsigned};

#[tokio::test]
async fn a_rejection_has_a_kind_an_outcome_and_a_source() {
    let rejection = forged().filter(&clerk_event(verifier())).await.unwrap_err();
    let rejection = rejection.find::<ClerkEventRejection>().unwrap();
    assert_eq!(rejection.kind(), ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature));
    assert_eq!((rejection.outcome(), rejection.status().as_u16()), (Outcome::InvalidSignature, 400));
    // The text does not repeat its source's text.
    assert_eq!(rejection.to_string(), "the delivery could not be verified");
    let source = rejection.source().unwrap().to_string();
    assert!(source.starts_with("no signature in svix-signature matches"), "{source}");

    let event = delivery(BODY).filter(&clerk_event(verifier())).await.unwrap();
    assert_eq!(event.event_type(), "user.deleted");
}

#[tokio::test]
async fn an_application_can_replace_the_answer() {
    async fn handle(rejection: Rejection) -> Result<warp::reply::Response, Rejection> {
        match rejection.find::<ClerkEventRejection>() {
            Some(_) => Ok(StatusCode::UNAUTHORIZED.into_response()),
            None => Err(rejection),
        }
    }

    let routes = clerk_event(verifier()).map(event_type).recover(handle);
    assert_eq!(forged().reply(&routes).await.status(), StatusCode::UNAUTHORIZED);
    assert_accepted(&delivery(BODY).reply(&routes).await, "user.deleted");
}

#[tokio::test]
async fn an_unhandled_rejection_does_not_reveal_the_reason() {
    let routes = clerk_event(verifier()).map(event_type);
    let mut bodies = Vec::new();
    for request in [unsigned(), stale(), forged(), delivery("{")] {
        let response = request.reply(&routes).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        bodies.push(response.into_body());
    }
    bodies.dedup();
    assert_eq!(
        bodies,
        ["Unhandled rejection: ClerkEventRejection (add `.recover(clerk_webhook::warp::handle_rejection)`)"]
    );
}

#[tokio::test]
async fn answers_misconfigured_if_an_earlier_filter_has_taken_the_body() {
    let taken = || warp::body::bytes().map(drop).untuple_one();
    let rejecting = taken().and(clerk_event(verifier())).map(event_type).recover(handle_rejection);
    assert_rejected(&delivery(BODY).reply(&rejecting).await, Outcome::Misconfigured);

    let answering = taken().and(clerk_event_or_reply(verifier(), async |_: Event| StatusCode::OK));
    assert_rejected(&delivery(BODY).reply(&answering).await, Outcome::Misconfigured);
    let falling_through = answering.or(warp::any().map(|| "everything"));
    assert_rejected(&delivery(BODY).reply(&falling_through).await, Outcome::Misconfigured);
}

#[tokio::test]
async fn debug_shows_no_secret_and_no_payload() {
    for request in [head(b"another body").body(PRIVATE), delivery(&PRIVATE[..100])] {
        let rejection = request.filter(&clerk_event(verifier())).await.unwrap_err();
        let ours = rejection.find::<ClerkEventRejection>().unwrap().clone();
        assert_shows_nothing_private(&format!("{rejection:?} {} {:?}", texts(&ours), ours.into_response()));
    }
}
