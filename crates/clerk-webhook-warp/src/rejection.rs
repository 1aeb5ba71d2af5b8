use std::error::Error;
use std::fmt;

use bytes::Bytes;
use clerk_webhook_core::{Answer, Outcome, ReceiveError, ReceiveErrorKind};
use http::StatusCode;
use warp::reject::Reject;
use warp::reply::Response;
use warp::{Rejection, Reply};

/// Turns a [`ClerkEventRejection`] into its answer, and passes every other rejection on.
///
/// # Errors
///
/// Returns the rejection where it is not one of [`clerk_event`](crate::clerk_event).
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

/// Answers every rejection; there is none but ours.
pub(crate) fn answer(rejection: &Rejection) -> Response {
    match rejection.find::<ClerkEventRejection>() {
        Some(rejection) => rejection.clone().into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Rejection of [`clerk_event`](crate::clerk_event).
///
/// It answers as the [`Answer`] for the reason says, and leaves the [`ReceiveError`] and the [`Outcome`] in the
/// extensions of the response. Find it in a [`Rejection`] by `rejection.find::<ClerkEventRejection>()`.
#[derive(Clone)]
pub struct ClerkEventRejection {
    error: ReceiveError,
}

impl ClerkEventRejection {
    /// Returns what was wrong with the delivery.
    #[must_use]
    pub fn kind(&self) -> ReceiveErrorKind {
        self.error.kind()
    }

    /// Returns the outcome, in the words of answers and logs.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Answer::from(&self.error).outcome()
    }

    /// Returns the status of the response.
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

/// Warp sends the `Debug` of a rejection that nobody handles to whoever made the request, so this gives advice and
/// no reason.
impl fmt::Debug for ClerkEventRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClerkEventRejection (add `.recover(clerk_webhook_warp::handle_rejection)`)")
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
