use std::fmt;

use clerk_webhook_store::{Deduplicator, DeliveryStore};
use tower_layer::Layer;

use super::service::Deduplicate;
use crate::answer::DefaultAnswer;

/// Layer that passes each message to the inner service once.
///
/// Use it for your own service that does not use `Handlers`. For typed handlers, use
/// [`WebhookService::deduplicated`](crate::WebhookService::deduplicated) instead.
///
/// Add the layer between [`VerifyWebhookLayer`](crate::VerifyWebhookLayer) and your service. It answers a
/// duplicate with 200. If another delivery of the same message is in progress, it answers with 409. It passes
/// every other delivery to your service, in a task that continues even if the sender closes the connection.
///
/// The layer passes your service's response on unchanged, unless the completion cannot be stored. The
/// response status determines what happens to the delivery:
///
/// - 2xx completes the delivery. Further deliveries of the message are treated as duplicates.
/// - After any other status, an error or a panic, the sender retries, and the layer then calls your service
///   again.
///
/// Therefore, if your service cannot handle an event now, it must return a status that is not 2xx.
///
/// ```
/// use std::convert::Infallible;
///
/// use bytes::Bytes;
/// use clerk_webhook_core::{Outcome, Verifier};
/// use clerk_webhook_store::MemoryStore;
/// use clerk_webhook_tower::{DeduplicateLayer, VerifyWebhookLayer};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// async fn handle(_request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
///     Ok(Response::new(Full::from("handled")))
/// }
///
/// # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
/// # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
/// # let mut delivery = Request::new(Full::<Bytes>::from(body));
/// # *delivery.headers_mut() = http::HeaderMap::from(&signed);
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let service = ServiceBuilder::new()
///     .layer(VerifyWebhookLayer::new(Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?))
///     .layer(DeduplicateLayer::new(MemoryStore::new()))
///     .service(tower::service_fn(handle));
///
/// let first = service.clone().oneshot(delivery.clone()).await?;
/// let second = service.oneshot(delivery).await?;
/// assert_eq!(first.extensions().get::<Outcome>(), None);
/// assert_eq!(second.extensions().get(), Some(&Outcome::Duplicate));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The store determines whether "once" applies to a process, a machine or several machines; see the
/// `clerk-webhook-store` crate. To change settings, such as the lease, create the layer from a
/// [`Deduplicator`](clerk_webhook_store::Deduplicator).
///
/// Clones of the layer, and the services that it creates, share the store and the running tasks.
#[must_use]
pub struct DeduplicateLayer<S, A = DefaultAnswer> {
    deduplicator: Deduplicator<S>,
    answer: A,
}

impl<S: DeliveryStore> DeduplicateLayer<S> {
    /// Creates a layer with the default settings of a [`Deduplicator`].
    pub fn new(store: S) -> Self {
        Self::from(Deduplicator::new(store))
    }
}

impl<S, A> DeduplicateLayer<S, A> {
    /// Replaces the responses that the layer creates.
    ///
    /// The layer creates a response if the message has already been handled or is being handled, if the
    /// service times out or panics, if the lease is lost, if the store is unreachable, or if the request has
    /// no verified event. Pass a value that implements [`AnswerResponse`](crate::AnswerResponse), such as a
    /// closure from `Answer` to `Response<Bytes>`.
    pub fn on_answer<A2>(self, answer: A2) -> DeduplicateLayer<S, A2> {
        DeduplicateLayer { deduplicator: self.deduplicator, answer }
    }

    /// Returns the `Deduplicator`, for example to [wait](Deduplicator::shutdown) for running tasks when the
    /// application shuts down.
    pub fn deduplicator(&self) -> &Deduplicator<S> {
        &self.deduplicator
    }
}

impl<S> From<Deduplicator<S>> for DeduplicateLayer<S> {
    fn from(deduplicator: Deduplicator<S>) -> Self {
        Self { deduplicator, answer: DefaultAnswer }
    }
}

impl<I, S, A: Clone> Layer<I> for DeduplicateLayer<S, A> {
    type Service = Deduplicate<I, S, A>;

    fn layer(&self, inner: I) -> Self::Service {
        Deduplicate { inner, deduplicator: self.deduplicator.clone(), answer: self.answer.clone() }
    }
}

impl<S, A: Clone> Clone for DeduplicateLayer<S, A> {
    fn clone(&self) -> Self {
        Self { deduplicator: self.deduplicator.clone(), answer: self.answer.clone() }
    }
}

impl<S, A> fmt::Debug for DeduplicateLayer<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeduplicateLayer").field("deduplicator", &self.deduplicator).finish_non_exhaustive()
    }
}
