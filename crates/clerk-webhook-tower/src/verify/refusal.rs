use bytes::Bytes;
use clerk_webhook_core::{Answer, ReceiveError};
use http::Response;

/// Makes the response to a delivery that is refused.
///
/// Closures from `&ReceiveError` to `Response<Bytes>` implement it.
pub trait RefusalResponse {
    /// Returns the response; the error is put into its extensions afterwards.
    fn response(&self, error: &ReceiveError) -> Response<Bytes>;
}

/// The answers of [`Answer`].
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
