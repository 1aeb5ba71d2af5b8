use std::fmt;

use clerk_webhook_core::Verifier;
use tower_layer::Layer;

use super::refusal::DefaultRefusal;
use super::service::VerifyWebhook;
use super::timeout::NoTimeout;

/// Layer that applies [`VerifyWebhook`].
///
/// See the [module](super) for what it does and where it stands.
#[derive(Clone)]
#[must_use]
pub struct VerifyWebhookLayer<R = DefaultRefusal, T = NoTimeout> {
    verifier: Verifier,
    body_limit: usize,
    refusal: R,
    timeout: T,
}

impl VerifyWebhookLayer {
    /// Creates a layer with the verifier's body limit, the default answers, and no read timeout.
    pub fn new(verifier: Verifier) -> Self {
        let body_limit = verifier.body_limit();
        Self { verifier, body_limit, refusal: DefaultRefusal, timeout: NoTimeout }
    }
}

impl<R, T> VerifyWebhookLayer<R, T> {
    /// Sets the most bytes that a body may have, instead of the verifier's limit.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Replaces the answers to deliveries that are refused.
    ///
    /// It takes anything that implements [`RefusalResponse`](super::RefusalResponse), such as a closure from
    /// `&ReceiveError` to `Response<Bytes>`. The error gets into the extensions of the response either way.
    /// Anything but 2xx makes the sender try again.
    pub fn on_refusal<R2>(self, refusal: R2) -> VerifyWebhookLayer<R2, T> {
        let Self { verifier, body_limit, refusal: _, timeout } = self;
        VerifyWebhookLayer { verifier, body_limit, refusal, timeout }
    }

    /// Sets how long a body may take to arrive; after that it is answered by 408.
    ///
    /// It takes anything that implements [`ReadTimeout`](super::ReadTimeout), such as a closure that returns
    /// the runtime's sleep. It starts when the service is called and ends with the body; the time of the
    /// inner service does not count. The sender itself gives up after 15 s.
    pub fn read_timeout<T2>(self, timeout: T2) -> VerifyWebhookLayer<R, T2> {
        let Self { verifier, body_limit, refusal, timeout: _ } = self;
        VerifyWebhookLayer { verifier, body_limit, refusal, timeout }
    }
}

impl<S, R: Clone, T: Clone> Layer<S> for VerifyWebhookLayer<R, T> {
    type Service = VerifyWebhook<S, R, T>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { verifier, body_limit, refusal, timeout } = self.clone();
        VerifyWebhook { inner, verifier, body_limit, refusal, timeout }
    }
}

impl<R, T> fmt::Debug for VerifyWebhookLayer<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyWebhookLayer")
            .field("verifier", &self.verifier)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}
