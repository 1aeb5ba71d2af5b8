use std::ops::Deref;

use axum_core::RequestExt as _;
use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequest, OptionalFromRequest, Request};
use clerk_webhook_core::{Event, HeaderFields as _, Observation, PendingDelivery, ReceiveError, Verifier};
use http_body_util::{BodyExt as _, LengthLimitError};

use crate::rejection::ClerkEventRejection;

/// Extractor for the event of a verified delivery.
///
/// It reads the body, so it must be the handler's last argument. The router's state must provide a
/// [`Verifier`]; see the [crate documentation](crate). A delivery that fails verification is answered with a
/// [`ClerkEventRejection`], and the handler does not run.
///
/// `Option<ClerkEvent>` is `None` only if the request has no signature header. A forged delivery is still
/// rejected.
///
/// If a handler does not compile, add `#[axum::debug_handler]` to it. The compiler then names the argument or
/// the state that causes the error.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClerkEvent(pub Event);

impl Deref for ClerkEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

impl<S> FromRequest<S> for ClerkEvent
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ClerkEventRejection;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Self::Rejection> {
        // `VerifyWebhookLayer` has already verified the delivery.
        if let Some(event) = request.extensions_mut().remove() {
            return Ok(Self(event));
        }
        let received = receive(request, &Verifier::from_ref(state)).await;
        Ok(Self(received.inspect_err(Observation::refused)?))
    }
}

impl<S> OptionalFromRequest<S> for ClerkEvent
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ClerkEventRejection;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Self::Rejection> {
        if !request.headers().has_signature_headers() && request.extensions().get::<Event>().is_none() {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

async fn receive(request: Request, verifier: &Verifier) -> Result<Event, ReceiveError> {
    let delivery = verifier.begin_receive(request.headers())?;
    delivery.expect_content_length(request.headers())?;
    collect(request.into_limited_body(), delivery).await?.finish()
}

async fn collect(mut body: Body, mut delivery: PendingDelivery) -> Result<PendingDelivery, ReceiveError> {
    while let Some(frame) = body.frame().await {
        // Trailers are not signed. They are treated as empty frames.
        let data = frame.map_err(ReceiveError::from_body_error::<LengthLimitError>)?.into_data();
        delivery.push(data.unwrap_or_default())?;
    }
    Ok(delivery)
}
