use std::fmt;

use clerk_webhook_core::Verifier;
use tower_layer::Layer;

use super::refusal::DefaultRefusal;
use super::service::VerifyWebhook;
use super::timeout::NoTimeout;

/// Layer that applies [`VerifyWebhook`].
///
/// # What it does
///
/// 1. Looks at the signature headers and at the claimed length. What can be refused by them is answered
///    before a byte of the body is read.
/// 2. Reads the body up to the limit and hashes it while it arrives. A body that comes in one frame is never
///    copied; nothing is allocated for a length that is only claimed.
/// 3. Decides, and either calls the service with the identical bytes and an [`Event`](clerk_webhook_core::Event) in the
///    extensions, or answers.
///
/// Every request is treated so, whatever its method and path: put the layer on the route of the webhook and
/// not round the whole application.
///
/// # How it refuses
///
/// With the [`Answer`](clerk_webhook_core::Answer) for the reason: status 400, 408 or 413 and a constant
/// body. The extensions of the response hold the [`ReceiveError`](clerk_webhook_core::ReceiveError) and the
/// [`Outcome`](clerk_webhook_core::Outcome), for a layer outside that logs or counts.
/// [`on_refusal`](VerifyWebhookLayer::on_refusal) replaces the answer.
///
/// # Where it stands
///
/// Layers outside of it must leave the request as it is: authentication and CSRF protection have to let the
/// route pass, and a layer that decompresses the body or parses it makes every signature wrong. A limit on the
/// body outside is fine; the smaller one counts, and exceeding either is answered by 413.
///
/// # Slow senders
///
/// The inner service is ready, and holds what it has reserved for that (a place under a concurrency limit, for
/// example), while the body of a delivery arrives that is not verified yet. A limit on concurrency therefore
/// belongs outside of this layer, together with a timeout.
///
/// The layer knows no timer, so it does not keep the `read_timeout` of the verifier. Set that of the
/// [layer](VerifyWebhookLayer::read_timeout) to the timer of the runtime, so that a sender that drips cannot hold a
/// connection for ever:
///
/// ```
/// use std::time::Duration;
///
/// use clerk_webhook_core::Verifier;
/// use clerk_webhook_tower::VerifyWebhookLayer;
///
/// # fn example(verifier: Verifier) {
/// let layer = VerifyWebhookLayer::new(verifier)
///     .body_limit(256 * 1024)
///     .read_timeout(|| tokio::time::sleep(Duration::from_secs(10)));
/// # }
/// ```
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
    /// It takes anything that implements [`RefusalResponse`](crate::RefusalResponse), such as a closure from
    /// `&ReceiveError` to `Response<Bytes>`. The error gets into the extensions of the response either way.
    /// Anything but 2xx makes the sender try again.
    pub fn on_refusal<R2>(self, refusal: R2) -> VerifyWebhookLayer<R2, T> {
        let Self { verifier, body_limit, refusal: _, timeout } = self;
        VerifyWebhookLayer { verifier, body_limit, refusal, timeout }
    }

    /// Sets how long a body may take to arrive; after that it is answered by 408.
    ///
    /// It takes anything that implements [`ReadTimeout`](crate::ReadTimeout), such as a closure that returns
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
