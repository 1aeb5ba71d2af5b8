//! The service that calls typed handlers.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clerk_webhook_core::{Answer, Event, Handlers, Observation, ReceiveError, Verifier};
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

use crate::answer::{AnswerResponse, DefaultAnswer, respond};
use crate::verify::VerifyWebhook;

/// The advice in the log for a request without an event.
const ADVICE: &str = "the request has no verified event. Call `.verified(verifier)` on the `WebhookService`, or \
                      wrap it in `VerifyWebhookLayer`";

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Service that calls typed handlers and responds to the sender.
///
/// Mount it on the webhook route. Call [`verified`](Self::verified) to verify each request before the
/// handlers run. The constructor determines what happens if a message is delivered again:
///
/// | constructor | what happens on a further delivery of the same message |
/// |---|---|
/// | [`new`](Self::new) | the handler runs again |
/// | `deduplicated` (`deduplicate` feature) | the handler runs again only if no earlier run completed |
/// | `exactly_once` (`deduplicate` feature) | the same, and the writes of failed runs are rolled back |
/// | `queued` (`queue` feature) | the event is not enqueued again; a worker runs the handlers after the response |
///
/// All clones of the service share the handlers and the store. Each handler run receives a clone of the
/// state.
///
/// ```
/// use clerk_webhook_core::event::marker::UserCreated;
/// use clerk_webhook_core::{Handlers, Verifier};
/// use clerk_webhook_tower::WebhookService;
/// # use bytes::Bytes;
/// # use http::Request;
/// # use http_body_util::Full;
/// # use tower::ServiceExt;
///
/// # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
/// # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
/// # let mut delivery = Request::new(Full::<Bytes>::from(body));
/// # *delivery.headers_mut() = http::HeaderMap::from(&signed);
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let handlers = Handlers::builder()
///     .on(UserCreated, |user, _cx| async move {
///         println!("{} joined", user.id);
///         Ok(())
///     })
///     .build()?;
/// let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
///
/// // In axum: Router::new().route("/webhooks/clerk", post_service(webhook))
/// let webhook = WebhookService::new(handlers, ()).verified(verifier);
/// assert_eq!(webhook.oneshot(delivery).await?.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct WebhookService<A = DefaultAnswer> {
    answering: Arc<dyn Fn(Event) -> Answering + Send + Sync>,
    answer: A,
}

impl WebhookService {
    /// Creates a service that runs the handler for every delivery, as part of the request.
    ///
    /// If the sender closes the connection, most servers drop the request, and the running handler with it.
    /// To handle each message once, use `deduplicated` or `exactly_once`. Do not wrap this service in a
    /// `DeduplicateLayer`: that layer cannot distinguish ignored events from processed events.
    pub fn new<S: Clone + Send + Sync + 'static>(handlers: Handlers<S>, state: S) -> Self {
        Self::with_scope(handlers, state, Observation::DEFAULT_SCOPE)
    }

    /// Creates a service like [`new`](Self::new), with `scope` as the endpoint's name in the log and the
    /// metrics.
    ///
    /// `new` uses the scope `clerk`. Give each endpoint its own scope. `deduplicated` and `exactly_once` use
    /// the scope of the `Deduplicator` or `ExactlyOnce` that you pass.
    pub fn with_scope<S: Clone + Send + Sync + 'static>(
        handlers: Handlers<S>,
        state: S,
        scope: impl Into<String>,
    ) -> Self {
        let scope = scope.into();
        Self::from_fn(move |event| handlers.answer_in_scope(event, state.clone(), &scope))
    }

    /// Creates a service that calls a function for each event and sends the [`Answer`] that the function
    /// returns.
    ///
    /// Use it if you handle events without [`Handlers`].
    pub fn from_fn<F, R>(answer: F) -> Self
    where
        F: Fn(Event) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        Self { answering: Arc::new(move |event| Box::pin(answer(event))), answer: DefaultAnswer }
    }

    /// Creates a service that runs the handlers once per message; see
    /// [`Deduplicator`](clerk_webhook_store::Deduplicator).
    #[cfg(feature = "deduplicate")]
    pub fn deduplicated<S, D>(
        handlers: Handlers<S>,
        state: S,
        deduplicator: clerk_webhook_store::Deduplicator<D>,
    ) -> Self
    where
        S: Clone + Send + Sync + 'static,
        D: clerk_webhook_store::DeliveryStore,
    {
        Self::from_fn(move |event| {
            let (deduplicator, handlers, state) = (deduplicator.clone(), handlers.clone(), state.clone());
            async move { deduplicator.handle(&handlers, event, state).await }
        })
    }

    /// Creates a service that runs the handlers once per message, in a transaction that also marks the
    /// message as handled; see [`ExactlyOnce`](clerk_webhook_store::ExactlyOnce).
    ///
    /// `state_with` converts the transaction into the handlers' state. Return the transaction itself
    /// (`|transaction| transaction`), or a struct that contains the transaction and a clone of your
    /// application state.
    #[cfg(feature = "deduplicate")]
    pub fn exactly_once<S, D, F>(
        handlers: Handlers<S>,
        exactly_once: clerk_webhook_store::ExactlyOnce<D>,
        state_with: F,
    ) -> Self
    where
        S: Send + 'static,
        D: clerk_webhook_store::TransactionalStore,
        F: Fn(clerk_webhook_store::SharedTransaction<D::Transaction>) -> S + Send + Sync + 'static,
    {
        let state_with = Arc::new(state_with);
        Self::from_fn(move |event| {
            let (exactly_once, handlers) = (exactly_once.clone(), handlers.clone());
            let state_with = Arc::clone(&state_with);
            async move { exactly_once.handle(&handlers, event, move |transaction| state_with(transaction)).await }
        })
    }

    /// Creates a service that stores each event in a durable queue and runs no handler, see
    /// [`DeliveryQueue`](clerk_webhook_queue::DeliveryQueue).
    ///
    /// The service answers as soon as the event is durable. A [`Worker`](clerk_webhook_queue::Worker) runs the
    /// handlers afterwards, in this process or in another one.
    #[cfg(feature = "queue")]
    pub fn queued<Q: clerk_webhook_queue::DeliveryQueue>(queue: Q) -> Self {
        let queue = Arc::new(queue);
        Self::from_fn(move |event| {
            let queue = Arc::clone(&queue);
            async move { queue.answer(event).await }
        })
    }
}

impl<A> WebhookService<A> {
    /// Replaces the default responses.
    ///
    /// Pass a value that implements [`AnswerResponse`], such as a closure from `Answer` to `Response<Bytes>`.
    pub fn on_answer<A2>(self, answer: A2) -> WebhookService<A2> {
        WebhookService { answering: self.answering, answer }
    }

    /// Wraps the service in a [`VerifyWebhook`], so that only verified deliveries reach the handlers.
    ///
    /// The verifier's `body_limit` applies. Its `read_timeout` does not, because this crate has no timer:
    /// call [`read_timeout`](crate::VerifyWebhook::read_timeout) on the returned service. To replace the
    /// responses to rejected deliveries, use [`VerifyWebhookLayer`](crate::VerifyWebhookLayer) instead of
    /// this method.
    pub fn verified(self, verifier: Verifier) -> VerifyWebhook<Self> {
        VerifyWebhook::new(self, verifier)
    }
}

impl<A, B> Service<Request<B>> for WebhookService<A>
where
    A: AnswerResponse + Clone,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = WebhookFuture<A>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> WebhookFuture<A> {
        let answering = match request.extensions_mut().remove::<Event>() {
            Some(event) => (self.answering)(event),
            None => {
                let error = ReceiveError::misconfigured(ADVICE);
                Observation::refused(&error);
                Box::pin(std::future::ready(Answer::from(&error)))
            }
        };
        WebhookFuture { answering, answer: self.answer.clone() }
    }
}

/// Response future of [`WebhookService`].
///
/// The response extensions contain the [`Outcome`](clerk_webhook_core::Outcome) for outer layers, such as a
/// logging or metrics layer.
#[must_use = "futures do nothing unless polled"]
pub struct WebhookFuture<A = DefaultAnswer> {
    answering: Answering,
    answer: A,
}

// `answer` is never pinned.
impl<A> Unpin for WebhookFuture<A> {}

impl<A: AnswerResponse> Future for WebhookFuture<A> {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.answering.as_mut().poll(cx));
        Poll::Ready(Ok(respond(&self.answer, answer).map(Full::new)))
    }
}

impl<A> fmt::Debug for WebhookService<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookService").finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for WebhookFuture<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookFuture").finish_non_exhaustive()
    }
}
