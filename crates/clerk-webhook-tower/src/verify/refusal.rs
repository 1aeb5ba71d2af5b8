use bytes::Bytes;
use clerk_webhook_core::{Answer, ReceiveError};
use http::Response;

/// Creates the response to a rejected delivery.
///
/// Closures from `&ReceiveError` to `Response<Bytes>` implement this trait.
pub trait RefusalResponse {
    /// Returns the response.
    ///
    /// The service then adds the error and its [`Outcome`](clerk_webhook_core::Outcome) to the response
    /// extensions.
    fn response(&self, error: &ReceiveError) -> Response<Bytes>;
}

/// The default responses: the status, headers and body of the [`Answer`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultRefusal;

impl RefusalResponse for DefaultRefusal {
    fn response(&self, error: &ReceiveError) -> Response<Bytes> {
        Answer::from(error).into()
    }
}

impl<F> RefusalResponse for F
where
    F: Fn(&ReceiveError) -> Response<Bytes>,
{
    fn response(&self, error: &ReceiveError) -> Response<Bytes> {
        self(error)
    }
}
