use std::sync::OnceLock;

use clerk_webhook_core::{Answer, Outcome, ReceiveError};
use rocket::Request;

/// Returns the outcome of the delivery that a request contains, for other fairings.
///
/// The outcome exists if a guard has rejected the delivery, or if the handler has responded with a
/// [`ClerkAnswer`](crate::ClerkAnswer). Call this function in `on_response`.
///
/// ```
/// use rocket::fairing::AdHoc;
///
/// let header = AdHoc::on_response("outcome", |request, response| {
///     Box::pin(async move {
///         if let Some(outcome) = clerk_webhook_rocket::outcome(request) {
///             response.set_raw_header("x-outcome", outcome.as_str());
///         }
///     })
/// });
/// # drop(header);
/// ```
#[must_use]
pub fn outcome(request: &Request<'_>) -> Option<Outcome> {
    Record::of(request).outcome.get().copied()
}

/// Returns the error because of which a guard has rejected a request's delivery, for catchers and other
/// fairings.
#[must_use]
pub fn receive_error<'r>(request: &'r Request<'_>) -> Option<&'r ReceiveError> {
    Record::of(request).error.get()
}

/// What is known about a request's delivery. Rocket's responses have no extensions.
#[derive(Default)]
pub(crate) struct Record {
    outcome: OnceLock<Outcome>,
    error: OnceLock<ReceiveError>,
}

impl Record {
    pub(crate) fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(Self::default)
    }

    pub(crate) fn answered(&self, answer: Answer) {
        self.outcome.get_or_init(|| answer.outcome());
    }

    pub(crate) fn refused(&self, error: &ReceiveError) {
        self.answered(error.into());
        self.error.get_or_init(|| error.clone());
    }
}
