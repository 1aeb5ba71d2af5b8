use std::fmt;
use std::future::{Future, ready};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use clerk_webhook_core::{Answer, Event, Failure, Handled, Observation, Outcome, ReceiveError};
use clerk_webhook_store::{Deduplicator, DeliveryStore};
use http::{Request, Response};
use tower_service::Service;

use crate::answer::{AnswerResponse, DefaultAnswer, respond};
use crate::verify::ResponseBody;

/// The advice in the log for a request without an event.
const ADVICE: &str = "the request has no verified event. Add `VerifyWebhookLayer` outside `DeduplicateLayer`";

/// Service that passes each message to the inner service once.
///
/// See [`DeduplicateLayer`](crate::DeduplicateLayer).
pub struct Deduplicate<I, S, A = DefaultAnswer> {
    pub(super) inner: I,
    pub(super) deduplicator: Deduplicator<S>,
    pub(super) answer: A,
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Call the instance that was polled ready, and keep a clone for the next request.
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
            let returned = Arc::new(Mutex::new(None));
            let by_service = Arc::clone(&returned);
            let handler = move |event, _attempt| {
                // After this drop, the request extensions hold the only clone of the event, so the service
                // can move the payload out of it.
                drop(event);
                let calling = ready_inner.call(request);
                async move {
                    let result = calling.await;
                    let judged = judge(&result);
                    *lock(&by_service) = Some(result);
                    judged
                }
            };
            let answer = deduplicator.run(event, handler).await;
            let result = lock(&returned).take();
            match (result, answer.outcome()) {
                (Some(result), Outcome::Processed | Outcome::Failed) => {
                    result.map(|response| response.map(ResponseBody::inner))
                }
                // The service did not return a response, or its completion could not be stored.
                _ => Ok(respond(&answer_response, answer).map(ResponseBody::refusal)),
            }
        };
        DeduplicateFuture { future: Box::pin(future) }
    }
}

/// Converts a response status into a handler's result.
fn judge<B, E>(result: &Result<Response<B>, E>) -> Result<Handled, Failure> {
    match result {
        Ok(response) if response.status().is_success() => Ok(Handled::Processed),
        Ok(response) => {
            Err(Failure::retry(format!("the service returned status {}", response.status().as_u16())))
        }
        Err(_) => Err(Failure::retry("the service returned an error")),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
