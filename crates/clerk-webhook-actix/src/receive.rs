use std::future::poll_fn;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_web::rt::time::timeout;
use actix_web::{FromRequest as _, HttpRequest, web};
use clerk_webhook_core::{Event, PendingDelivery, ReceiveError, Verifier};
use futures_core::Stream as _;

use crate::headers::Headers;

/// What to do about a signature that was made over a body which is no longer there.
const BODY_IS_TAKEN: &str = "another extractor of the handler, or a middleware, has taken the body; ask for \
                             `ClerkEvent` first and read its `raw_body`, or wrap the resource in `VerifyWebhook`";

/// Reads the bytes of the wire: Actix's own extractors hand over what is left after decompression, and no
/// signature was made over that.
pub(crate) async fn receive(
    request: &HttpRequest,
    payload: Payload,
    verifier: &Verifier,
) -> Result<Event, ReceiveError> {
    let delivery = verifier.begin_delivery(&Headers(request.headers()))?;
    let claimed = content_length(request.headers());
    if matches!(payload, Payload::None) && has_body(request.headers(), claimed) {
        return Err(ReceiveError::misconfigured(BODY_IS_TAKEN));
    }
    if let Some(bytes) = claimed {
        delivery.expect_length(bytes)?;
        expect_payload_config(request, Payload::None).await?;
    }
    let collecting = timeout(verifier.read_timeout(), collect(payload, delivery));
    let event = collecting.await.map_err(|_| ReceiveError::body_timeout())??.finish()?;
    if claimed.is_none() {
        expect_payload_config(request, Payload::from(event.raw_body().clone())).await?;
    }
    Ok(event)
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

/// Returns whether the head announces a body (RFC 9112, section 6).
fn has_body(headers: &HeaderMap, claimed: Option<u64>) -> bool {
    claimed.is_some_and(|bytes| bytes > 0) || headers.contains_key(TRANSFER_ENCODING)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses what is larger than the `PayloadConfig` of the application allows.
///
/// It does not tell its limit, so Actix's own extractor has to be asked: it looks at the claimed length before it
/// reads, and where there is none it gets the body that has arrived.
async fn expect_payload_config(request: &HttpRequest, mut payload: Payload) -> Result<(), ReceiveError> {
    let configured = request.app_data::<web::PayloadConfig>().is_some()
        || request.app_data::<web::Data<web::PayloadConfig>>().is_some();
    if !configured {
        return Ok(());
    }
    match web::Bytes::from_request(request, &mut payload).await {
        Err(error) if matches!(error.as_error(), Some(PayloadError::Overflow)) => {
            Err(ReceiveError::body_too_large(None))
        }
        // Whatever else it has against this body concerns its own extractors.
        _ => Ok(()),
    }
}

fn of_payload(error: PayloadError) -> ReceiveError {
    match error {
        PayloadError::Overflow => ReceiveError::body_too_large(None),
        error => ReceiveError::body_failed(error),
    }
}
