use std::ops::Deref;

use clerk_webhook_core::{Event, HeaderFields as _};
use poem::{FromRequest, Request, RequestBody};

use crate::receive::receive;

/// Extractor for the event of a verified delivery.
///
/// It reads the body, so no other extractor in the same handler can read the body. A handler that needs the
/// bytes of the body calls [`Event::raw_body`].
///
/// The request must have a [`Verifier`](clerk_webhook_core::Verifier), which `.data(verifier)` adds to a route.
/// A delivery that fails verification is answered with a [`ClerkEventError`](crate::ClerkEventError), and the
/// handler does not run. To receive the error in the handler, extract `poem::Result<ClerkEvent>`.
///
/// **Do not extract `Option<ClerkEvent>`.** Poem converts *every* error into `None`, so a forged delivery
/// would also call the handler. Use [`OptionalClerkEvent`] instead.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClerkEvent(pub Event);

/// Extractor for a route that also receives requests that are not deliveries.
///
/// It contains `None` only if the request has no signature header. A forged delivery is still answered with a
/// [`ClerkEventError`](crate::ClerkEventError).
#[derive(Clone, Debug)]
#[must_use]
pub struct OptionalClerkEvent(pub Option<Event>);

impl Deref for ClerkEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

impl<'a> FromRequest<'a> for ClerkEvent {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        receive(request, body, request.data()).await.map(Self)
    }
}

impl<'a> FromRequest<'a> for OptionalClerkEvent {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        if !request.headers().has_signature_headers() {
            return Ok(Self(None));
        }
        receive(request, body, request.data()).await.map(Some).map(Self)
    }
}
