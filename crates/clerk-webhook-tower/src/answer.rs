use bytes::Bytes;
use clerk_webhook_core::Answer;
use http::Response;

/// Creates the response to a verified delivery.
///
/// Closures from [`Answer`] to `Response<Bytes>` implement this trait. If the response is 2xx although the
/// outcome is not [acknowledged](clerk_webhook_core::Outcome::is_acknowledged), the service sends the default
/// response instead. Otherwise the sender would not retry, and the event would be lost.
pub trait AnswerResponse {
    /// Returns the response.
    ///
    /// The service then adds the [`Outcome`](clerk_webhook_core::Outcome) to the response extensions.
    fn response(&self, answer: Answer) -> Response<Bytes>;
}

/// The default responses: the status, headers and body of the [`Answer`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultAnswer;

impl AnswerResponse for DefaultAnswer {
    fn response(&self, answer: Answer) -> Response<Bytes> {
        answer.into()
    }
}

impl<F> AnswerResponse for F
where
    F: Fn(Answer) -> Response<Bytes>,
{
    fn response(&self, answer: Answer) -> Response<Bytes> {
        self(answer)
    }
}

/// Creates the response, with the outcome in its extensions for outer layers.
pub(crate) fn respond(response: &impl AnswerResponse, answer: Answer) -> Response<Bytes> {
    let mut response = response.response(answer);
    if response.status().is_success() && !answer.outcome().is_acknowledged() {
        response = answer.into();
    }
    // The default response already contains the outcome.
    if response.extensions().get() != Some(&answer.outcome()) {
        response.extensions_mut().insert(answer.outcome());
    }
    response
}
