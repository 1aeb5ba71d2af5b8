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

/// What to do about a signature that was made over a body which is no longer there.
const BODY_IS_TAKEN: &str = "an earlier filter has taken the body; put it behind `clerk_event`, and read the \
                             `raw_body` of the event";

/// Creates a filter that extracts the event of a verified delivery.
///
/// What cannot be verified is rejected with a [`ClerkEventRejection`], which [`handle_rejection`] turns into the
/// answer: put that into a `recover`, or Warp answers 500 to what it does not know.
///
/// In an `or`, the next filter still has the body where the headers alone were refused. Once it has been read it is
/// gone: a next filter that wants it rejects as well, so several secrets go into one verifier and not into several
/// filters. Whatever matches in an `or` answers in place of the rejection: if that is a 2xx, the sender takes the
/// delivery for received. Use [`clerk_event_or_reply`] where that could happen, and [`optional_clerk_event`] where
/// requests that are no deliveries come to the same path.
///
/// Behind `clerk_webhook_tower::VerifyWebhookLayer` round `warp::service` the event is taken from the layer and
/// nothing is done twice.
///
/// # Panics
///
/// Like all of Tokio's time, reading a body panics on a runtime that was built without `enable_time`.
///
/// [`handle_rejection`]: crate::handle_rejection
pub fn clerk_event(verifier: Verifier) -> impl Filter<Extract = (Event,), Error = Rejection> + Clone {
    verified().or(received(verifier)).unify()
}

/// Creates a filter that extracts the event of a delivery where the request is meant to be one.
///
/// It extracts `None` only for a request that has no signature header at all, and leaves its body alone. One that
/// has them and is forged is rejected as by [`clerk_event`].
///
/// # Panics
///
/// As [`clerk_event`], on a runtime without timers.
pub fn optional_clerk_event(
    verifier: Verifier,
) -> impl Filter<Extract = (Option<Event>,), Error = Rejection> + Clone {
    let unsigned = warp::header::headers_cloned().and_then(|headers: HeaderMap| {
        ready(if headers.has_signature_headers() { Err(warp::reject::not_found()) } else { Ok(None) })
    });
    verified().map(Some).or(unsigned).unify().or(received(verifier).map(Some)).unify()
}

/// Creates a filter that calls a handler with the event, and answers itself what cannot be verified.
///
/// It never rejects, so a refusal never falls through to another filter: put method and path in front of it. What
/// the handler needs besides the event it captures.
///
/// # Panics
///
/// As [`clerk_event`], on a runtime without timers.
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

/// Extracts the event that the Tower layer has verified, and leaves all other requests to the next filter.
fn verified() -> impl Filter<Extract = (Event,), Error = Rejection> + Copy {
    let or_next = |event: Option<Event>| ready(event.ok_or_else(warp::reject::not_found));
    warp::ext::optional().and_then(or_next)
}

/// Verifies a delivery: its headers before the body is taken, so that it is left where they are refused.
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
