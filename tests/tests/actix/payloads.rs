//! Behavior of Actix's payloads: limits, errors, and payloads that another extractor has taken.

use std::io;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::{self, PayloadConfig};
use bytes::Bytes;
use clerk_webhook_actix::ClerkEvent;
use clerk_webhook_core::{Outcome, Verifier};
use clerk_webhook_tests::request::{BODY, verifier};
use clerk_webhook_tests::{event_of, secret};

use super::support::{app, delivery, frames, head, send, streamed};

const LENGTH: usize = 1000;

fn limited(bytes: usize) -> Verifier {
    Verifier::builder().secret(secret()).body_limit(bytes).build().unwrap()
}

async fn length(event: ClerkEvent) -> String {
    event.raw_body().len().to_string()
}

#[actix_web::test]
async fn a_payload_config_does_not_change_the_limit_of_the_verifier() {
    let body = event_of(LENGTH);
    let json = || "application/json".parse().unwrap();
    for actix in [0, LENGTH - 1, LENGTH, usize::MAX] {
        // A delivery has no content type here, so Actix's extractors would reject it.
        for config in [PayloadConfig::new(actix), PayloadConfig::new(actix).mimetype(json())] {
            for ours in [LENGTH - 1, LENGTH] {
                let plain = app!(length, limited(ours), config.clone());
                let shared = app!(length, limited(ours), web::Data::new(config.clone()));
                for reply in [
                    send(&plain, streamed(head(&body), frames(&body, 100), None)).await,
                    send(&plain, delivery(body.clone()).to_request()).await,
                    send(&shared, streamed(head(&body), frames(&body, 7), None)).await,
                    send(&shared, delivery(body.clone()).to_request()).await,
                ] {
                    if ours < LENGTH {
                        reply.assert_rejected(Outcome::BodyTooLarge);
                    } else {
                        reply.assert_accepted(&LENGTH.to_string());
                    }
                }
            }
        }
    }
}

#[actix_web::test]
async fn stops_reading_at_the_limit_of_the_verifier() {
    for config in [PayloadConfig::new(10), PayloadConfig::new(usize::MAX)] {
        let app = app!(length, limited(LENGTH), config);
        for size in [1, 7, 100, LENGTH + 1] {
            let body = event_of(LENGTH + size);
            let frames = frames(&body, size).take(LENGTH / size + 1);
            // The signature is invalid and the body fails after the frames, so only the limit can cause this
            // response.
            let request = streamed(head(b"another body"), frames, Some(PayloadError::EncodingCorrupted));
            send(&app, request).await.assert_rejected(Outcome::BodyTooLarge);
        }
    }
}

#[actix_web::test]
async fn maps_payload_errors_to_outcomes() {
    let app = app!(length, verifier());
    for (error, outcome) in [
        (PayloadError::Overflow, Outcome::BodyTooLarge),
        (PayloadError::Incomplete(None), Outcome::BodyFailed),
        (PayloadError::EncodingCorrupted, Outcome::BodyFailed),
        (PayloadError::Io(io::ErrorKind::ConnectionReset.into()), Outcome::BodyFailed),
    ] {
        let request = streamed(head(BODY.as_bytes()), frames(&BODY.as_bytes()[..20], 20), Some(error));
        send(&app, request).await.assert_rejected(outcome);
    }
}

#[actix_web::test]
async fn answers_misconfigured_if_another_extractor_has_taken_the_body() {
    let app = app!(async |_: Bytes, _: ClerkEvent| "called", verifier());
    for announced in [("content-length", "77"), ("transfer-encoding", "chunked")] {
        let request = delivery(BODY).insert_header(announced).to_request();
        send(&app, request).await.assert_rejected(Outcome::Misconfigured);
    }
    // In the opposite order, the other extractor finds no body.
    let app = app!(async |event: ClerkEvent, _: Bytes| event.event_type().to_string(), verifier());
    let request = delivery(BODY).insert_header(("content-length", "77")).to_request();
    send(&app, request).await.assert_accepted("user.deleted");
}

#[actix_web::test]
async fn treats_a_missing_payload_as_an_empty_body() {
    let app = app!(length, verifier());
    for head in [head(BODY.as_bytes()), head(BODY.as_bytes()).insert_header(("content-length", "0"))] {
        let request = head.to_request().replace_payload(Payload::None).0;
        send(&app, request).await.assert_rejected(Outcome::InvalidSignature);
    }
}
