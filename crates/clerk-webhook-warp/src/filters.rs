use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;

use clerk_webhook_core::{Event, HeaderFields as _, Observation, PendingDelivery, ReceiveError, Verifier};
use http::HeaderMap;
use http_body_util::LengthLimitError;
use tokio::time::timeout;
use warp::reply::Response;
use warp::{Buf, Filter, Rejection, Reply, Stream};

use crate::rejection::{ClerkEventRejection, answer};

/// The advice in the log if another filter has already read the body.
const BODY_IS_TAKEN: &str = "an earlier filter has already read the body. Remove that filter, and use the \
                             event's `raw_body` instead";

/// Creates a filter that extracts the event of a verified delivery.
///
/// If a delivery fails verification, the filter rejects it with a [`ClerkEventRejection`]. Add
/// `.recover(handle_rejection)`, so that [`handle_rejection`] converts the rejection into a response. Without
/// it, Warp responds with 500.
///
/// # In an `or`
///
/// After a rejection, Warp tries the next filter in an `or`:
///
/// - If that filter responds with 2xx, the sender does not retry, and the event is lost. To avoid this, use
///   [`clerk_event_or_reply`], which never rejects.
/// - If that filter also reads the body, it rejects the request too, unless the first filter rejected the
///   headers before it read the body. Therefore do not combine one `clerk_event` per signing secret with
///   `or`. Add all secrets to one verifier.
/// - If other requests use the same path, use [`optional_clerk_event`].
///
/// # Panics
///
/// Reading a body panics on a Tokio runtime without a timer (`enable_time`).
///
/// [`handle_rejection`]: crate::handle_rejection
pub fn clerk_event(verifier: Verifier) -> impl Filter<Extract = (Event,), Error = Rejection> + Clone {
    verified().or(received(verifier)).unify()
}

/// Creates a filter for a path that also receives requests that are not deliveries.
///
/// It extracts `None` only if the request has no signature header, and it does not read the body of such a
/// request. It rejects a forged delivery in the same way as [`clerk_event`].
///
/// # Panics
///
/// Reading a body panics on a Tokio runtime without a timer (`enable_time`).
pub fn optional_clerk_event(
    verifier: Verifier,
) -> impl Filter<Extract = (Option<Event>,), Error = Rejection> + Clone {
    let unsigned = warp::header::headers_cloned().and_then(|headers: HeaderMap| {
        ready(if headers.has_signature_headers() { Err(warp::reject::not_found()) } else { Ok(None) })
    });
    verified().map(Some).or(unsigned).unify().or(received(verifier).map(Some)).unify()
}

/// Creates a filter that calls a handler with the event, or responds itself if verification fails.
///
/// The filter never rejects, so Warp never passes a delivery that fails verification to another filter in an
/// `or`. Add the filters for path and method before it. The handler can be a closure that captures everything
/// else that it needs.
///
/// # Panics
///
/// Reading a body panics on a Tokio runtime without a timer (`enable_time`).
///
/// # Examples
///
/// ```
/// use warp::Filter;
/// use clerk_webhook_core::{Event, Verifier};
/// use clerk_webhook_warp::clerk_event_or_reply;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let routes = warp::path!("webhooks" / "clerk")
///     .and(warp::post())
///     .and(clerk_event_or_reply(verifier, async |event: Event| event.event_type().to_string()))
///     .or(warp::any().map(|| "not a webhook"));
/// # drop(routes);
/// # Ok(())
/// # }
/// ```
pub fn clerk_event_or_reply<F, Handling>(
    verifier: Verifier,
    handler: F,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone
where
    F: Fn(Event) -> Handling + Clone + Send + Sync + 'static,
    Handling: Future<Output: Reply> + Send,
{
    clerk_event(verifier)
        .then(move |event| {
            let handling = handler(event);
            async { handling.await.into_response() }
        })
        .recover(|rejection| ready(Ok::<_, Infallible>(answer(&rejection))))
        .unify()
}

/// Extracts the event that the Tower layer has verified, or rejects the request so that the next filter runs.
fn verified() -> impl Filter<Extract = (Event,), Error = Rejection> + Copy {
    let or_next = |event: Option<Event>| ready(event.ok_or_else(warp::reject::not_found));
    warp::ext::optional().and_then(or_next)
}

/// Verifies a delivery. Checks the headers before it reads the body, so that the next filter can still read
/// the body if the headers are rejected.
fn received(verifier: Verifier) -> impl Filter<Extract = (Event,), Error = Rejection> + Clone {
    let read_timeout = verifier.read_timeout();
    warp::header::headers_cloned()
        .and_then(move |headers| ready(begin(&verifier, &headers).map_err(reject)))
        .and(warp::body::stream().or_else(|_| ready(Err(reject(ReceiveError::misconfigured(BODY_IS_TAKEN))))))
        .and_then(move |delivery, body| async move {
            let collected = timeout(read_timeout, collect(delivery, body)).await;
            let delivery = collected.unwrap_or_else(|_| Err(ReceiveError::body_timeout()));
            delivery.and_then(PendingDelivery::finish).map_err(reject)
        })
}

fn begin(verifier: &Verifier, headers: &HeaderMap) -> Result<PendingDelivery, ReceiveError> {
    let delivery = verifier.begin_receive(headers)?;
    delivery.expect_content_length(headers)?;
    Ok(delivery)
}

async fn collect<B: Buf, E: Error + Send + Sync + 'static>(
    mut delivery: PendingDelivery,
    body: impl Stream<Item = Result<B, E>>,
) -> Result<PendingDelivery, ReceiveError> {
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        delivery.push(frame.map_err(ReceiveError::from_body_error::<LengthLimitError>)?)?;
    }
    Ok(delivery)
}

fn reject(error: ReceiveError) -> Rejection {
    Observation::refused(&error);
    warp::reject::custom(ClerkEventRejection::from(error))
}
