use std::future::{Future, ready};
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use clerk_webhook_core::{Event, HeaderFields as _, Observation, ReceiveError, Verifier};

use crate::error::ClerkEventError;
use crate::headers::Headers;
use crate::receive::receive;

/// The advice in the log if the application data has no verifier.
const ADVICE: &str = "the application data has no `Verifier`. Add `.app_data(verifier.clone())` to the `App`, or wrap \
                      the resource in `VerifyWebhook`";

/// An extractor's future. It is boxed, because the trait needs a type that can be named.
type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, ClerkEventError>>>>;

/// Extractor for the event of a verified delivery.
///
/// It reads the body, so no other extractor in the same handler can read the body. If a handler needs both,
/// use the [`VerifyWebhook`](crate::VerifyWebhook) middleware.
///
/// Without the middleware, the application data must contain a [`Verifier`], either directly or in
/// [`web::Data`]. If it contains both, the extractor uses the one that is stored directly. A delivery that
/// fails verification is answered with a [`ClerkEventError`], and the handler does not run. To receive the
/// error in the handler, extract `Result<ClerkEvent, ClerkEventError>`.
///
/// **Do not extract `Option<ClerkEvent>`.** Actix converts *every* error into `None`, so a forged delivery
/// would also call the handler. Use [`OptionalClerkEvent`] instead.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClerkEvent(pub Event);

/// Extractor for a route that also receives requests that are not deliveries.
///
/// It contains `None` only if the request has no signature header. A forged delivery is still answered with a
/// [`ClerkEventError`].
#[derive(Clone, Debug)]
#[must_use]
pub struct OptionalClerkEvent(pub Option<Event>);

impl Deref for ClerkEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

impl FromRequest for ClerkEvent {
    type Error = ClerkEventError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // The middleware has already verified the delivery. Leave the body to other extractors.
        if let Some(event) = verified(request) {
            return Box::pin(ready(Ok(Self(event))));
        }
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { Ok(Self(event(&request, payload).await?)) })
    }
}

impl FromRequest for OptionalClerkEvent {
    type Error = ClerkEventError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !Headers(request.headers()).has_signature_headers() && verified(request).is_none() {
            return Box::pin(async { Ok(Self(None)) });
        }
        let extracting = ClerkEvent::from_request(request, payload);
        Box::pin(async move { Ok(Self(Some(extracting.await?.0))) })
    }
}

async fn event(request: &HttpRequest, payload: Payload) -> Result<Event, ClerkEventError> {
    let received = match verifier(request) {
        Some(verifier) => receive(request, payload, verifier).await,
        None => Err(ReceiveError::misconfigured(ADVICE)),
    };
    received.inspect_err(Observation::refused).map_err(ClerkEventError::from)
}

/// Returns the event that the middleware has verified.
fn verified(request: &HttpRequest) -> Option<Event> {
    request.extensions().get().cloned()
}

fn verifier(request: &HttpRequest) -> Option<&Verifier> {
    // Actix's own extractors also accept their configuration in both forms: as a plain value and in
    // `web::Data`.
    let shared = || request.app_data::<web::Data<Verifier>>().map(|shared| &***shared);
    request.app_data().or_else(shared)
}
