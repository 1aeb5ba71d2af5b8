//! How much of a payload is read, and for how long: never more than the smallest limit says.

use std::io;
use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Payload, Service, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::web::{self, PayloadConfig};
use bytes::Bytes;
use clerk_webhook_actix::ClerkEvent;
use clerk_webhook_core::{Outcome, Verifier, VerifierBuilder};
use clerk_webhook_tests::{event_of, secret};

use super::support::{BODY, Frames, Request, Then, app, delivery, head, send, streamed, verifier};

const LENGTH: usize = 1000;

fn builder() -> VerifierBuilder {
    Verifier::builder().secret(secret())
}

async fn length(event: ClerkEvent) -> String {
    event.raw_body().len().to_string()
}

/// The same body as it may come over the wire.
fn shapes(body: &[u8]) -> Vec<Request> {
    let claimed = || head(body).insert_header(("content-length", body.len()));
    vec![
        delivery(body.to_vec()).to_request(),
        claimed().set_payload(body.to_vec()).to_request(),
        streamed(claimed(), Frames::of(body, 100)),
        streamed(head(body), Frames::of(body, 100)),
        streamed(head(body), Frames::of(body, 7)),
        streamed(head(body), Frames::of(body, body.len())),
    ]
}

async fn assert_fits<S, B>(app: S, length: usize, fits: bool)
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    for request in shapes(&event_of(length)) {
        let reply = send(&app, request).await;
        if fits {
            reply.assert_accepted(&length.to_string());
        } else {
            reply.assert_refused(Outcome::BodyTooLarge);
        }
    }
}

#[actix_web::test]
async fn the_limit_of_the_verifier_is_inclusive() {
    for (limit, fits) in [(LENGTH - 1, false), (LENGTH, true), (LENGTH + 1, true), (0, false)] {
        let app = app!(length, builder().body_limit(limit).build().unwrap());
        assert_fits(app, LENGTH, fits).await;
    }
}

#[actix_web::test]
async fn a_payload_config_neither_lowers_nor_raises_the_limit_of_the_verifier() {
    let json = || "application/json".parse().unwrap();
    for actix in [0, LENGTH - 1, LENGTH, usize::MAX] {
        // A delivery has no content type here, so that Actix's own extractors would refuse it.
        for config in [PayloadConfig::new(actix), PayloadConfig::new(actix).mimetype(json())] {
            for (ours, fits) in [(LENGTH - 1, false), (LENGTH, true)] {
                let verifier = || builder().body_limit(ours).build().unwrap();
                assert_fits(app!(length, verifier(), config.clone()), LENGTH, fits).await;
                assert_fits(app!(length, verifier(), web::Data::new(config.clone())), LENGTH, fits).await;
            }
        }
    }
}

#[actix_web::test]
async fn reading_stops_at_the_limit_of_the_verifier_whatever_a_payload_config_allows() {
    for config in [PayloadConfig::new(10), PayloadConfig::new(usize::MAX)] {
        let app = app!(length, builder().body_limit(LENGTH).build().unwrap(), config);
        for size in [1, 7, 100, LENGTH + 1] {
            let body = event_of(LENGTH + size);
            let frames = body.chunks(size).map(|frame| Ok(Bytes::copy_from_slice(frame)));
            let frames = Frames::new(frames.take(LENGTH / size + 1), Then::Panic);
            // With the signature of another body, only the limit can be the reason.
            send(&app, streamed(head(b"another body"), frames)).await.assert_refused(Outcome::BodyTooLarge);
        }
    }
}

#[actix_web::test]
async fn without_a_configuration_actix_has_no_say() {
    // It would assume 256 KiB for its own extractors.
    assert_fits(app!(length, verifier()), 300 * 1024, true).await;
    assert_fits(app!(length, verifier()), 2_097_152, true).await;
    assert_fits(app!(length, verifier()), 2_097_153, false).await;
}

#[actix_web::test]
async fn what_can_be_refused_by_the_head_leaves_the_payload_alone() {
    let app = app!(length, verifier());
    for claimed in ["2097153", "1099511627776", "18446744073709551615"] {
        let head = head(b"").insert_header(("content-length", claimed));
        send(&app, streamed(head, Frames::untouchable())).await.assert_refused(Outcome::BodyTooLarge);
    }
    let stale = head(b"").insert_header(("svix-timestamp", "1700000000"));
    send(&app, streamed(stale, Frames::untouchable())).await.assert_refused(Outcome::ExpiredTimestamp);
    let repeated = head(b"").append_header(("svix-id", "msg_2"));
    send(&app, streamed(repeated, Frames::untouchable())).await.assert_refused(Outcome::Malformed);
}

#[actix_web::test]
async fn a_payload_that_fails_is_told_apart() {
    let app = app!(length, verifier());
    let half = || Ok(Bytes::from(&BODY[..20]));
    for (error, outcome) in [
        (PayloadError::Overflow, Outcome::BodyTooLarge),
        (PayloadError::Incomplete(None), Outcome::BodyFailed),
        (PayloadError::EncodingCorrupted, Outcome::BodyFailed),
        (PayloadError::Io(io::ErrorKind::ConnectionReset.into()), Outcome::BodyFailed),
    ] {
        let frames = Frames::new([half(), Err(error)], Then::Panic);
        send(&app, streamed(head(BODY.as_bytes()), frames)).await.assert_refused(outcome);
    }
    let endless = Frames::new(std::iter::repeat_with(|| Ok(Bytes::new())).take(2000), Then::End);
    send(&app, streamed(head(b""), endless)).await.assert_refused(Outcome::BodyFailed);
    let sparse = Frames::new([Ok(Bytes::new()), Ok(Bytes::from(BODY)), Ok(Bytes::new())], Then::End);
    send(&app, streamed(head(BODY.as_bytes()), sparse)).await.assert_accepted(&BODY.len().to_string());
}

#[actix_web::test]
async fn a_payload_that_does_not_come_is_not_waited_for() {
    let app = app!(length, builder().read_timeout(Duration::from_millis(20)).build().unwrap());
    for frames in [vec![], vec![Ok(Bytes::from(&BODY[..20]))]] {
        let request = streamed(head(BODY.as_bytes()), Frames::new(frames, Then::Stall));
        send(&app, request).await.assert_refused(Outcome::BodyTimeout);
    }
    // What is there is not too late, whatever the limit.
    let app = app!(length, builder().read_timeout(Duration::ZERO).build().unwrap());
    send(&app, delivery(BODY).to_request()).await.assert_accepted(&BODY.len().to_string());
}

#[actix_web::test]
async fn a_body_that_another_extractor_has_taken_is_the_fault_of_the_application() {
    let app = app!(async |_: Bytes, _: ClerkEvent| "called", verifier());
    for announced in [("content-length", "77"), ("transfer-encoding", "chunked")] {
        let request = delivery(BODY).insert_header(announced).to_request();
        send(&app, request).await.assert_refused(Outcome::Misconfigured);
    }
    // The other way round it is the other one that finds nothing.
    let app = app!(async |event: ClerkEvent, _: Bytes| event.event_type().to_string(), verifier());
    let request = delivery(BODY).insert_header(("content-length", "77")).to_request();
    send(&app, request).await.assert_accepted("user.deleted");
}

#[actix_web::test]
async fn a_body_that_was_never_there_is_the_empty_one() {
    let app = app!(length, verifier());
    for head in [head(BODY.as_bytes()), head(BODY.as_bytes()).insert_header(("content-length", "0"))] {
        let request = head.to_request().replace_payload(Payload::None).0;
        send(&app, request).await.assert_refused(Outcome::InvalidSignature);
    }
}
