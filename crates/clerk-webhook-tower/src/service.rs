//! Typed handlers as a service.

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

/// What to do about a request that has no event.
const ADVICE: &str = "the request has no event. Call `.verified(verifier)` on the `WebhookService`, or put \
                      `VerifyWebhookLayer` in front of it";

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A service that calls your handlers and answers the sender: the route of a webhook.
///
/// The constructor says how the handlers run. [`verified`](Self::verified) puts the verification in front of them, and makes a
/// service that takes any request:
///
/// | constructor | if a delivery arrives again |
/// |---|---|
/// | [`new`](Self::new) | the handler runs again |
/// | `deduplicated` (feature `deduplicate`) | the handler runs again only if it failed, or if the process crashed |
/// | `exactly_once` (feature `deduplicate`) | the same, and the database keeps the writes of the completed run only |
///
/// A clone shares everything. Each run of a handler gets a clone of the state.
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
///         println!("{} has joined", user.id);
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
    /// Creates a service that runs the handlers in the request, once for each delivery that arrives.
    ///
    /// If the sender closes the connection, most servers drop the request and the handler with it. To handle each delivery once,
    /// use `deduplicated` or `exactly_once`, and not a `DeduplicateLayer` in front: that layer does not see which events no handler
    /// wants.
    pub fn new<S: Clone + Send + Sync + 'static>(handlers: Handlers<S>, state: S) -> Self {
        Self::with_scope(handlers, state, Observation::DEFAULT_SCOPE)
    }

    /// Does what [`new`](Self::new) does, and names the endpoint in the log and in the metrics.
    ///
    /// Give each endpoint its own scope. The other constructors use the scope of the `Deduplicator` or of `ExactlyOnce`.
    pub fn with_scope<S: Clone + Send + Sync + 'static>(
        handlers: Handlers<S>,
        state: S,
        scope: impl Into<String>,
    ) -> Self {
        let scope = scope.into();
        Self::from_fn(move |event| handlers.answer_in_scope(event, state.clone(), &scope))
    }

    /// Creates a service that calls a function for each event and sends the [`Answer`] that it returns.
    ///
    /// Use it if you handle events without [`Handlers`].
    pub fn from_fn<F, R>(answer: F) -> Self
    where
        F: Fn(Event) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        Self { answering: Arc::new(move |event| Box::pin(answer(event))), answer: DefaultAnswer }
    }

    /// Creates a service that runs the handlers once for each message, see [`Deduplicator`](clerk_webhook_store::Deduplicator).
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

    /// Creates a service that runs the handlers in a transaction for each message, see
    /// [`ExactlyOnce`](clerk_webhook_store::ExactlyOnce).
    ///
    /// `state_with` turns the transaction into the state of the handlers. Return the transaction itself
    /// (`|transaction| transaction`), or a struct that holds the transaction and a clone of your application's state.
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
}

impl<A> WebhookService<A> {
    /// Replaces the responses.
    ///
    /// It takes anything that implements [`AnswerResponse`], such as a closure from `Answer` to `Response<Bytes>`.
    pub fn on_answer<A2>(self, answer: A2) -> WebhookService<A2> {
        WebhookService { answering: self.answering, answer }
    }

    /// Puts the verification in front of the service: only deliveries that Clerk signed reach the handlers.
    ///
    /// The verifier's `body_limit` applies, its `read_timeout` does not: call
    /// [`read_timeout`](crate::VerifyWebhook::read_timeout) on the result. To replace the responses to rejected deliveries, use
    /// [`VerifyWebhookLayer`](crate::VerifyWebhookLayer) instead.
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
/// The extensions of the response hold the [`Outcome`](clerk_webhook_core::Outcome), for a layer outside that logs or counts.
#[must_use = "futures do nothing unless polled"]
pub struct WebhookFuture<A = DefaultAnswer> {
    answering: Answering,
    answer: A,
}

/// The answer is never pinned.
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
