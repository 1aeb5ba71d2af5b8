use std::future::poll_fn;
use std::pin::Pin;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::Version;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_web::rt::time::timeout;
use clerk_webhook_core::{Event, PendingDelivery, ReceiveError, Verifier};
use futures_core::Stream as _;

use crate::headers::Headers;

/// The advice in the log if other code has already read the body.
const BODY_IS_TAKEN: &str = "another extractor or a middleware has already read the body. Make `ClerkEvent` the first \
                             extractor and use its `raw_body`, or wrap the resource in `VerifyWebhook`";

/// Reads the body without decompressing it, because the signature covers the compressed bytes. Actix's
/// extractors would decompress it.
pub(crate) async fn receive(
    request: &HttpRequest,
    payload: Payload,
    verifier: &Verifier,
) -> Result<Event, ReceiveError> {
    let delivery = verifier.begin_receive(&Headers(request.headers()))?;
    let claimed = content_length(request.headers());
    if matches!(payload, Payload::None) && has_body(request, claimed) {
        return Err(ReceiveError::misconfigured(BODY_IS_TAKEN));
    }
    if let Some(bytes) = claimed {
        delivery.expect_length(bytes)?;
    }
    let collected = timeout(verifier.read_timeout(), collect(payload, delivery)).await;
    collected.unwrap_or_else(|_| Err(ReceiveError::body_timeout()))?.finish()
}

async fn collect(
    mut payload: Payload,
    mut delivery: PendingDelivery,
) -> Result<PendingDelivery, ReceiveError> {
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut payload).poll_next(cx)).await {
        delivery.push(frame.map_err(of_payload)?)?;
    }
    Ok(delivery)
}

/// Returns whether the request may have a body (RFC 9112, section 6).
///
/// Returns `true` for every HTTP/2 request, because a body in HTTP/2 needs no header.
fn has_body(request: &HttpRequest, claimed: Option<u64>) -> bool {
    claimed.is_some_and(|bytes| bytes > 0)
        || request.headers().contains_key(TRANSFER_ENCODING)
        || request.version() == Version::HTTP_2
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn of_payload(error: PayloadError) -> ReceiveError {
    match error {
        PayloadError::Overflow => ReceiveError::body_too_large_upstream(),
        error => ReceiveError::body_failed(error),
    }
}
