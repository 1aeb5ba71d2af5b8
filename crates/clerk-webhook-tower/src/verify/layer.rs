use std::fmt;

use clerk_webhook_core::Verifier;
use tower_layer::Layer;

use super::refusal::DefaultRefusal;
use super::service::VerifyWebhook;
use super::timeout::NoTimeout;

/// Layer that verifies deliveries before the inner service receives them.
///
/// For each request, the [`VerifyWebhook`] service:
///
/// 1. checks the signature headers, the timestamp and the announced length. If a check fails, it rejects the
///    delivery without reading the body;
/// 2. reads the body up to the limit and hashes it as it arrives. It does not copy a body that arrives in one
///    frame, and it does not allocate the announced length in advance;
/// 3. calls the inner service with the same bytes and with an [`Event`](clerk_webhook_core::Event) in the
///    request extensions, or rejects the delivery if verification fails.
///
/// The layer verifies every request, with any method and path. Add it to the webhook route, not to the entire
/// application.
///
/// # Rejected deliveries
///
/// The response is the [`Answer`](clerk_webhook_core::Answer) for the error, with status 400, 408 or 413 and
/// a constant body. To replace it, call [`on_refusal`](VerifyWebhookLayer::on_refusal). The response
/// extensions contain the [`ReceiveError`](clerk_webhook_core::ReceiveError) and the
/// [`Outcome`](clerk_webhook_core::Outcome) for outer layers, such as a logging or metrics layer.
///
/// # Order of layers
///
/// Outer layers must not change or block the request:
///
/// - Exclude the route from authentication and CSRF protection. The signature authenticates the sender.
/// - Do not decompress or parse the body in an outer layer. The signature covers the original bytes, so
///   verification would fail.
/// - An outer limit for the body size is allowed. The smaller limit applies, and a delivery whose body
///   exceeds it is answered with 413.
///
/// # Slow senders
///
/// The inner service becomes ready before the layer reads the body. While a slow body is arriving, the
/// service holds the resources that it has reserved, such as a permit from a concurrency limit. Therefore add
/// a concurrency limit outside this layer, together with a timeout.
///
/// The layer has no timer, so the verifier's `read_timeout` does not apply. Set
/// [`read_timeout`](VerifyWebhookLayer::read_timeout) with your runtime's timer, so that a slow sender cannot
/// keep a connection open without limit:
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
    /// Creates a layer with the verifier's body limit, the default responses and no read timeout.
    pub fn new(verifier: Verifier) -> Self {
        let body_limit = verifier.body_limit();
        Self { verifier, body_limit, refusal: DefaultRefusal, timeout: NoTimeout }
    }
}

impl<R, T> VerifyWebhookLayer<R, T> {
    /// Sets the maximum size of a body in bytes; the verifier's `body_limit` by default.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Replaces the responses to rejected deliveries.
    ///
    /// Pass a value that implements [`RefusalResponse`](crate::RefusalResponse), such as a closure from
    /// `&ReceiveError` to `Response<Bytes>`. The layer adds the error to the response extensions. The sender
    /// retries after every response that is not 2xx.
    pub fn on_refusal<R2>(self, refusal: R2) -> VerifyWebhookLayer<R2, T> {
        let Self { verifier, body_limit, refusal: _, timeout } = self;
        VerifyWebhookLayer { verifier, body_limit, refusal, timeout }
    }

    /// Sets how long a body may take to arrive; no limit by default.
    ///
    /// A delivery whose body takes longer is answered with 408. Pass a value that implements
    /// [`ReadTimeout`](crate::ReadTimeout), such as a closure that returns the runtime's sleep future. The
    /// timer starts when the service is called and stops when the body is complete. The time that the inner
    /// service takes does not count. The sender closes the connection after 15 s.
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
