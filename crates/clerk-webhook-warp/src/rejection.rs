use std::error::Error;
use std::fmt;

use bytes::Bytes;
use clerk_webhook_core::{Answer, Outcome, ReceiveError, ReceiveErrorKind};
use http::StatusCode;
use warp::reject::Reject;
use warp::reply::Response;
use warp::{Rejection, Reply};

/// Converts a [`ClerkEventRejection`] into a response.
///
/// Pass this function to `recover`.
///
/// # Errors
///
/// Returns every other rejection unchanged.
///
/// # Examples
///
/// ```
/// use warp::Filter;
/// use clerk_webhook_core::{Event, Verifier};
/// use clerk_webhook_warp::{clerk_event, handle_rejection};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let routes = warp::path!("webhooks" / "clerk")
///     .and(warp::post())
///     .and(clerk_event(verifier))
///     .map(|event: Event| event.event_type().to_string())
///     .recover(handle_rejection);
/// # drop(routes);
/// # Ok(())
/// # }
/// ```
pub async fn handle_rejection(rejection: Rejection) -> Result<Response, Rejection> {
    match rejection.find::<ClerkEventRejection>() {
        Some(rejection) => Ok(rejection.clone().into_response()),
        None => Err(rejection),
    }
}

/// Converts a rejection into a response. At this point, every rejection is a `ClerkEventRejection`.
pub(crate) fn answer(rejection: &Rejection) -> Response {
    match rejection.find::<ClerkEventRejection>() {
        Some(rejection) => rejection.clone().into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Rejection of [`clerk_event`](crate::clerk_event).
///
/// The response is the [`Answer`] for the error. Its extensions contain the [`ReceiveError`] and the
/// [`Outcome`]. In your own `recover` function, find the rejection with
/// `rejection.find::<ClerkEventRejection>()`.
#[derive(Clone)]
pub struct ClerkEventRejection {
    error: ReceiveError,
}

impl ClerkEventRejection {
    /// Returns the reason why the delivery was rejected.
    #[must_use]
    pub fn kind(&self) -> ReceiveErrorKind {
        self.error.kind()
    }

    /// Returns the outcome that appears in answers, logs and metrics.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Answer::from(&self.error).outcome()
    }

    /// Returns the response status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response().status()
    }

    fn response(&self) -> http::Response<Bytes> {
        Answer::from(&self.error).into()
    }
}

impl Reject for ClerkEventRejection {}

impl Reply for ClerkEventRejection {
    fn into_response(self) -> Response {
        let mut response = self.response().into_response();
        response.extensions_mut().insert(self.error);
        response
    }
}

impl From<ReceiveError> for ClerkEventRejection {
    fn from(error: ReceiveError) -> Self {
        Self { error }
    }
}

/// Shows only advice, because Warp sends the `Debug` text of an unhandled rejection to the client.
impl fmt::Debug for ClerkEventRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClerkEventRejection (add `.recover(clerk_webhook::warp::handle_rejection)`)")
    }
}

impl fmt::Display for ClerkEventRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl Error for ClerkEventRejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
