use std::future::{Future, ready};
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use clerk_webhook_core::{Event, HeaderFields as _, Observation, ReceiveError, Verifier};

use crate::error::ClerkEventError;
use crate::headers::Headers;
use crate::receive::receive;

/// What an operator has to do who reads that nothing can be received.
const ADVICE: &str = "there is no verifier; add `.app_data(verifier.clone())` to the `App`, or wrap the resource \
                      in `VerifyWebhook`";

/// The future of an extractor, boxed as Actix advises: an `async` block has no name that the trait could be given.
type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, ClerkEventError>>>>;

/// Extractor for the event of a verified delivery.
///
/// It reads the body, so no other extractor of the same handler can, unless [`VerifyWebhook`](crate::VerifyWebhook)
/// has verified it before. Without that, the application's data has to hold a [`Verifier`], plain or in
/// [`web::Data`]; where it holds both, the plain one counts. What cannot be verified is answered by
/// [`ClerkEventError`], and the handler is not called.
///
/// `Result<ClerkEvent, ClerkEventError>` hands the error to the handler. `Option<ClerkEvent>` is not what it is
/// elsewhere: Actix makes `None` of *every* error, that of a forged delivery included. Use [`OptionalClerkEvent`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClerkEvent(pub Event);

/// Extractor for an event that may be absent.
///
/// It holds `None` only for a request that has no signature header at all: one that has them and is forged is
/// answered by [`ClerkEventError`].
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
        // The body is then another extractor's to read.
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
    // Actix looks for what configures its own extractors in both forms, too.
    let shared = || request.app_data::<web::Data<Verifier>>().map(|shared| &***shared);
    request.app_data().or_else(shared)
}
