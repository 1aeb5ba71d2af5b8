use std::io;

use bytes::Bytes;
use clerk_webhook_core::{Event, Observation, PendingDelivery, ReceiveError, Verifier};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, LengthLimitError};
use poem::{Request, RequestBody};
use tokio::time::timeout;

use crate::error::to_poem;

/// The advice in the log if the request has no verifier.
const NO_VERIFIER: &str =
    "the request has no `Verifier`. Add `.data(verifier)` to the route, or use `ClerkEndpoint`";

/// The advice in the log if other code has already read the body.
const BODY_IS_TAKEN: &str = "another extractor has already read the body. Make `ClerkEvent` the first extractor, and use \
                             its `raw_body`";

/// Verifies a delivery, and writes the log line for a rejected one.
pub(crate) async fn receive(
    request: &Request,
    body: &mut RequestBody,
    verifier: Option<&Verifier>,
) -> poem::Result<Event> {
    let received = match verifier {
        Some(verifier) => verify(request, body, verifier).await,
        None => Err(ReceiveError::misconfigured(NO_VERIFIER)),
    };
    received.inspect_err(Observation::refused).map_err(to_poem)
}

async fn verify(
    request: &Request,
    body: &mut RequestBody,
    verifier: &Verifier,
) -> Result<Event, ReceiveError> {
    let delivery = verifier.begin_receive(request.headers())?;
    delivery.expect_content_length(request.headers())?;
    let body = body.take().map_err(|_| ReceiveError::misconfigured(BODY_IS_TAKEN))?;
    let collected = timeout(verifier.read_timeout(), collect(body.into(), delivery)).await;
    collected.unwrap_or_else(|_| Err(ReceiveError::body_timeout()))?.finish()
}

async fn collect(
    mut body: BoxBody<Bytes, io::Error>,
    mut delivery: PendingDelivery,
) -> Result<PendingDelivery, ReceiveError> {
    while let Some(frame) = body.frame().await {
        // Trailers are not signed. They are treated as empty frames.
        let data = frame.map_err(body_error)?.into_data();
        delivery.push(data.unwrap_or_default())?;
    }
    Ok(delivery)
}

/// Converts an error of Poem's bodies. Their `source` skips the error that they contain.
fn body_error(error: io::Error) -> ReceiveError {
    let kind = error.kind();
    let contained = error.into_inner().unwrap_or_else(|| io::Error::from(kind).into());
    ReceiveError::from_body_error::<LengthLimitError>(contained)
}
