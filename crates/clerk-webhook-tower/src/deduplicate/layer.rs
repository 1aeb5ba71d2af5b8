use std::fmt;

use clerk_webhook_store::{Deduplicator, DeliveryStore};
use tower_layer::Layer;

use super::service::Deduplicate;
use crate::answer::DefaultAnswer;

/// Layer that applies [`Deduplicate`].
///
/// Typed handlers do not need this layer: [`WebhookService::deduplicated`](crate::WebhookService::deduplicated) runs them once.
///
/// [`DeduplicateLayer`] is for a service that does not use `Handlers`. Put it behind
/// [`VerifyWebhookLayer`](crate::VerifyWebhookLayer), in front of your service. It answers duplicates with 200 and deliveries
/// that are in progress with 409. It passes every other delivery to your service, in a task that continues if the sender closes
/// the connection.
///
/// The layer looks only at the status of the response. A 2xx response completes the delivery, so a response that means "try
/// again" must have another status. After any other response, an error or a panic, the sender's next attempt reaches your service again. The
/// layer passes the response on as it is.
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
/// The store decides how far "once" reaches: see the crate `clerk-webhook-store` for the engines, and for
/// the settings of a [`Deduplicator`](clerk_webhook_store::Deduplicator), from which you can create the layer.
///
/// All services of a layer and of its clones share the store and the tasks.
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
    /// Replaces the responses that the layer gives itself: to duplicates, to what is in progress elsewhere, where the handler
    /// took too long or panicked, and where the store cannot be reached.
    ///
    /// It takes anything that implements [`AnswerResponse`](crate::AnswerResponse), such as a closure from
    /// `Answer` to `Response<Bytes>`.
    pub fn on_answer<A2>(self, answer: A2) -> DeduplicateLayer<S, A2> {
        DeduplicateLayer { deduplicator: self.deduplicator, answer }
    }

    /// Returns what runs the handlers, to [wait](Deduplicator::shutdown) for them when the application ends.
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
