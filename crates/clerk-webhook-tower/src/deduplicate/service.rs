use std::fmt;
use std::future::{Future, ready};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use clerk_webhook_core::{Answer, Event, Failure, Observation, Outcome, ReceiveError};
use clerk_webhook_store::{Deduplicator, DeliveryStore};
use http::{Request, Response};
use tower_service::Service;

use crate::answer::{AnswerResponse, DefaultAnswer, respond};
use crate::verify::ResponseBody;

/// What to do about a request that has no event.
const ADVICE: &str = "the request has no event; put `VerifyWebhookLayer` in front of `DeduplicateLayer`";

/// Service that hands each delivery on once.
///
/// See the [module](super) for what it does and where it stands.
pub struct Deduplicate<I, S, A = DefaultAnswer> {
    pub(super) inner: I,
    pub(super) deduplicator: Deduplicator<S>,
    pub(super) answer: A,
}

/// How often a delivery has been handed on, in the extensions of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u32);

impl Attempt {
    /// Returns the number, counted from 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<I, S, A, B, ResBody> Service<Request<B>> for Deduplicate<I, S, A>
where
    I: Service<Request<B>, Response = Response<ResBody>, Future: Send + 'static, Error: Send + 'static>
        + Clone
        + Send
        + 'static,
    S: DeliveryStore,
    A: AnswerResponse + Clone + Send + 'static,
    B: Send + 'static,
    ResBody: Send + 'static,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = I::Error;
    type Future = DeduplicateFuture<ResBody, I::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one to call, and a clone takes its place.
        let clone = self.inner.clone();
        let mut ready_inner = mem::replace(&mut self.inner, clone);
        let answer_response = self.answer.clone();
        let Some(event) = request.extensions().get::<Event>().cloned() else {
            let error = ReceiveError::misconfigured(ADVICE);
            Observation::refused(&error);
            let response = respond(&answer_response, Answer::from(&error)).map(ResponseBody::refusal);
            return DeduplicateFuture { future: Box::pin(ready(Ok(response))) };
        };
        let deduplicator = self.deduplicator.clone();
        let future = async move {
            let handler = move |event, attempt| {
                // Whoever takes the event out of the extensions has the only one.
                drop(event);
                request.extensions_mut().insert(Attempt(attempt));
                ready_inner.call(request)
            };
            match deduplicator.run_judged(event, handler, judge::<ResBody, I::Error>).await {
                Ok(result) => result.map(|response| response.map(ResponseBody::inner)),
                Err(answer) => Ok(respond(&answer_response, answer).map(ResponseBody::refusal)),
            }
        };
        DeduplicateFuture { future: Box::pin(future) }
    }
}

/// Takes the outcome that a response has in its extensions, and otherwise goes by its status.
fn judge<B, E>(result: &Result<Response<B>, E>, observation: &Observation) -> Answer {
    let Ok(response) = result else { return Answer::from(Outcome::Failed) };
    if let Some(failure) = response.extensions().get::<Arc<Failure>>() {
        observation.record_failure(failure);
    }
    let by_status = if response.status().is_success() { Outcome::Processed } else { Outcome::Failed };
    Answer::from(response.extensions().get().copied().unwrap_or(by_status))
}

impl<I: Clone, S, A: Clone> Clone for Deduplicate<I, S, A> {
    fn clone(&self) -> Self {
        let Self { inner, deduplicator, answer } = self;
        Self { inner: inner.clone(), deduplicator: deduplicator.clone(), answer: answer.clone() }
    }
}

impl<I: fmt::Debug, S, A> fmt::Debug for Deduplicate<I, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplicate")
            .field("inner", &self.inner)
            .field("deduplicator", &self.deduplicator)
            .finish_non_exhaustive()
    }
}

/// Response future of [`Deduplicate`].
#[must_use = "futures do nothing unless polled"]
pub struct DeduplicateFuture<B, E> {
    future: Pin<Box<dyn Future<Output = DeduplicateResult<B, E>> + Send>>,
}

type DeduplicateResult<B, E> = Result<Response<ResponseBody<B>>, E>;

impl<B, E> Future for DeduplicateFuture<B, E> {
    type Output = DeduplicateResult<B, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl<B, E> fmt::Debug for DeduplicateFuture<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeduplicateFuture").finish_non_exhaustive()
    }
}
