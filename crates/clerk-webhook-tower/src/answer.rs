use bytes::Bytes;
use clerk_webhook_core::Answer;
use http::Response;

/// Makes the response to a delivery that is authentic.
///
/// Closures from [`Answer`] to `Response<Bytes>` implement it. A response of 2xx to what is not
/// [acknowledged](clerk_webhook_core::Outcome::is_acknowledged) would lose the event, so the default response takes its place.
pub trait AnswerResponse {
    /// Returns the response; the outcome is put into its extensions afterwards.
    fn response(&self, answer: Answer) -> Response<Bytes>;
}

/// The responses of [`Answer`] itself.
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

/// Makes the response and leaves the outcome in its extensions, for a layer outside that logs or counts.
pub(crate) fn respond(response: &impl AnswerResponse, answer: Answer) -> Response<Bytes> {
    let mut response = response.response(answer);
    if response.status().is_success() && !answer.outcome().is_acknowledged() {
        response = answer.into();
    }
    // The default response has it already.
    if response.extensions().get() != Some(&answer.outcome()) {
        response.extensions_mut().insert(answer.outcome());
    }
    response
}
