//! What a refused delivery looks like to the application, to the sender, and where nobody handles it.

use std::error::Error as _;

use clerk_webhook_core::{Event, Outcome, ReceiveErrorKind, VerifyErrorKind};
use clerk_webhook_tests::{SECRET, sign};
use clerk_webhook_warp::{ClerkEventRejection, clerk_event, clerk_event_or_reply, handle_rejection};
use warp::http::StatusCode;
use warp::{Filter, Rejection, Reply as _};

use super::support::{
    BODY, assert_accepted, assert_refused, assert_told, delivery, event_type, forged, head, stale, unsigned,
    verifier,
};

#[tokio::test]
async fn a_rejection_is_typed() {
    let rejection = forged().filter(&clerk_event(verifier())).await.unwrap_err();
    let rejection = rejection.find::<ClerkEventRejection>().unwrap();
    assert_eq!(rejection.kind(), ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature));
    assert_eq!((rejection.outcome(), rejection.status().as_u16()), (Outcome::InvalidSignature, 400));
    // The text does not repeat its source.
    assert_eq!(rejection.to_string(), "the delivery could not be verified");
    let source = rejection.source().unwrap().to_string();
    assert!(source.starts_with("no signature in svix-signature matches"), "{source}");

    let event = delivery(BODY).filter(&clerk_event(verifier())).await.unwrap();
    assert_eq!(event.event_type(), "user.deleted");
}

#[tokio::test]
async fn answers_keep_the_reason_for_whoever_counts() {
    for (request, outcome) in [
        (unsigned(), Outcome::MissingHeader),
        (stale(), Outcome::ExpiredTimestamp),
        (forged(), Outcome::InvalidSignature),
        (delivery("[]"), Outcome::NotAnEvent),
    ] {
        let rejection = request.filter(&clerk_event(verifier())).await.unwrap_err();
        assert_told(&handle_rejection(rejection).await.unwrap(), outcome);
    }
    for (request, outcome) in [(forged(), Outcome::InvalidSignature), (stale(), Outcome::ExpiredTimestamp)] {
        let route = clerk_event_or_reply(verifier(), async |_| StatusCode::OK);
        assert_told(&request.filter(&route).await.unwrap(), outcome);
    }
}

#[tokio::test]
async fn an_application_may_answer_in_its_own_way() {
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
async fn a_rejection_that_nobody_handles_tells_the_sender_no_reason() {
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
        ["Unhandled rejection: ClerkEventRejection (add `.recover(clerk_webhook_warp::handle_rejection)`)"]
    );
}

#[tokio::test]
async fn a_body_that_an_earlier_filter_has_taken_is_the_fault_of_the_application() {
    let taken = || warp::body::bytes().map(drop).untuple_one();
    let rejecting = taken().and(clerk_event(verifier())).map(event_type).recover(handle_rejection);
    assert_refused(&delivery(BODY).reply(&rejecting).await, Outcome::Misconfigured);

    let answering = taken().and(clerk_event_or_reply(verifier(), async |_: Event| StatusCode::OK));
    assert_refused(&delivery(BODY).reply(&answering).await, Outcome::Misconfigured);
    let falling_through = answering.or(warp::any().map(|| "everything"));
    assert_refused(&delivery(BODY).reply(&falling_through).await, Outcome::Misconfigured);
}

#[tokio::test]
async fn nothing_shows_a_secret_a_signature_or_a_payload() {
    const PRIVATE: &str = r#"{"data":{"id":"user_private","first_name":"private"},"type":"user.created"}"#;
    let signature = sign(PRIVATE.as_bytes()).to_pairs()[2].1["v1,".len()..].to_owned();
    for request in [head(b"another body").body(PRIVATE), delivery(&PRIVATE[..60])] {
        let rejection = request.filter(&clerk_event(verifier())).await.unwrap_err();
        let ours = rejection.find::<ClerkEventRejection>().unwrap().clone();
        let mut text = format!("{rejection:?} {ours:?} {ours}");
        let mut next = ours.source();
        while let Some(error) = next {
            text.push_str(&format!(" {error} {error:?}"));
            next = error.source();
        }
        text.push_str(&format!("{:?}", ours.into_response()));
        for hidden in ["private", &signature, &SECRET["whsec_".len()..]] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
}
