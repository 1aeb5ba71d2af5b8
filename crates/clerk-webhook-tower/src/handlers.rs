//! Typed handlers as a service.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use clerk_webhook_core::{Answer, Event, Failure, Handled, Handlers, Observation, ReceiveError};
use http::{Extensions, Request, Response};
use http_body_util::Full;
use tower_service::Service;

use crate::answer::{AnswerResponse, DefaultAnswer, respond};

/// What to do about a request that has no event.
const ADVICE: &str = "the request has no event; put `VerifyWebhookLayer` in front of the handlers";

/// Makes a service of [`Handlers`].
pub trait HandlersExt<S> {
    /// Makes a service that calls the handler for the event of a request, and answers by what it returns.
    ///
    /// It stands behind [`VerifyWebhookLayer`](crate::VerifyWebhookLayer), which leaves the event in the request. Each
    /// call gets a clone of the state.
    ///
    /// ```
    /// use clerk_webhook_core::{Handlers, Verifier};
    /// use clerk_webhook_tower::{HandlersExt, VerifyWebhookLayer};
    /// use clerk_webhook_core::event::marker::UserCreated;
    /// # use bytes::Bytes;
    /// # use http::Request;
    /// # use http_body_util::Full;
    /// use tower::{Layer, ServiceExt};
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
    /// let service = VerifyWebhookLayer::new(verifier).layer(handlers.into_service(()));
    ///
    /// assert_eq!(service.oneshot(delivery).await?.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn into_service(self, state: S) -> HandlersService<S>;
}

impl<S> HandlersExt<S> for Handlers<S> {
    fn into_service(self, state: S) -> HandlersService<S> {
        HandlersService { handlers: self, state, answer: DefaultAnswer }
    }
}

/// Service that calls the handler for the event of a request, see [`HandlersExt::into_service`].
///
/// The extensions of the response hold the [`Outcome`](clerk_webhook_core::Outcome), and an `Arc<Failure>` where the handler
/// failed, for a layer outside that logs or counts.
#[derive(Clone)]
pub struct HandlersService<S, A = DefaultAnswer> {
    handlers: Handlers<S>,
    state: S,
    answer: A,
}

impl<S, A> HandlersService<S, A> {
    /// Replaces the responses to deliveries that were handled, or could not be.
    ///
    /// It takes anything that implements [`AnswerResponse`], such as a closure from `Answer` to `Response<Bytes>`.
    pub fn on_answer<A2>(self, answer: A2) -> HandlersService<S, A2> {
        HandlersService { handlers: self.handlers, state: self.state, answer }
    }
}

impl<S, A, B> Service<Request<B>> for HandlersService<S, A>
where
    S: Clone + Send + 'static,
    A: AnswerResponse + Clone + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = HandlersFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> HandlersFuture {
        let answer_response = self.answer.clone();
        let Some(event) = request.extensions_mut().remove::<Event>() else {
            let error = ReceiveError::misconfigured(ADVICE);
            Observation::refused(&error);
            let response = respond(&answer_response, Answer::from(&error)).map(Full::new);
            return HandlersFuture { future: Box::pin(std::future::ready(response)) };
        };
        let attempt = attempt(request.extensions());
        // Where duplicates are recognised, the layer outside tells of the delivery.
        let observation = attempt.is_none().then(|| Observation::begin(&event, Observation::DEFAULT_SCOPE));
        let handling = handle(&self.handlers, event, self.state.clone(), attempt);
        HandlersFuture {
            future: Box::pin(async move {
                let result = match &observation {
                    Some(observation) => observation.instrument(handling).await,
                    None => handling.await,
                };
                let answer = Answer::from(&result);
                if let Some(observation) = observation {
                    if let Err(failure) = &result {
                        observation.record_failure(failure);
                    }
                    observation.finish(answer);
                }
                let mut response = respond(&answer_response, answer).map(Full::new);
                if let Err(failure) = result {
                    response.extensions_mut().insert(Arc::new(failure));
                }
                response
            }),
        }
    }
}

fn handle<S: Send + 'static>(
    handlers: &Handlers<S>,
    event: Event,
    state: S,
    attempt: Option<u32>,
) -> Pin<Box<dyn Future<Output = Result<Handled, Failure>> + Send>> {
    match attempt {
        Some(attempt) => Box::pin(handlers.handle_attempt(event, state, attempt)),
        None => Box::pin(handlers.handle(event, state)),
    }
}

#[cfg(feature = "deduplicate")]
fn attempt(extensions: &Extensions) -> Option<u32> {
    extensions.get::<crate::deduplicate::Attempt>().map(|attempt| attempt.get())
}

#[cfg(not(feature = "deduplicate"))]
fn attempt(_extensions: &Extensions) -> Option<u32> {
    None
}

/// Response future of [`HandlersService`].
#[must_use = "futures do nothing unless polled"]
pub struct HandlersFuture {
    future: Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>,
}

impl Future for HandlersFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx).map(Ok)
    }
}

impl<S, A> fmt::Debug for HandlersService<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlersService").field("handlers", &self.handlers).finish_non_exhaustive()
    }
}

impl fmt::Debug for HandlersFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlersFuture").finish_non_exhaustive()
    }
}
