use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clerk_webhook_core::{Answer, Event, Observation, PendingDelivery, ReceiveError};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Full, LengthLimitError};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::ResponseBody;
use super::refusal::RefusalResponse;
use super::timeout::ReadTimeout;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

pin_project! {
    /// Response future of [`VerifyWebhook`](super::VerifyWebhook).
    pub struct ResponseFuture<S, B, R, T>
    where
        S: Service<Request<Full<Bytes>>>,
        T: ReadTimeout,
    {
        #[pin]
        state: State<S, B, R, T>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, R, T>
    where
        S: Service<Request<Full<Bytes>>>,
        T: ReadTimeout,
    {
        Refused {
            response: Option<Response<Bytes>>,
        },
        Reading {
            #[pin]
            body: B,
            #[pin]
            sleep: T::Sleep,
            delivery: Option<PendingDelivery>,
            then: Option<Then<S, R>>,
        },
        Calling {
            #[pin]
            future: S::Future,
        },
    }
}

/// The values that are needed after the body has arrived.
struct Then<S, R> {
    parts: Parts,
    ready: S,
    refusal: R,
}

impl<S, B, R, T> ResponseFuture<S, B, R, T>
where
    S: Service<Request<Full<Bytes>>>,
    R: RefusalResponse,
    T: ReadTimeout,
{
    pub(super) fn refused(refusal: &R, error: ReceiveError) -> Self {
        Self { state: State::Refused { response: Some(refuse(refusal, error)) } }
    }

    pub(super) fn reading(
        request: Request<B>,
        delivery: PendingDelivery,
        ready: S,
        refusal: R,
        sleep: T::Sleep,
    ) -> Self {
        let (parts, body) = request.into_parts();
        let then = Some(Then { parts, ready, refusal });
        Self { state: State::Reading { body, sleep, delivery: Some(delivery), then } }
    }
}

impl<S, B, R, T, ResBody> Future for ResponseFuture<S, B, R, T>
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResBody>>,
    B: Body,
    B::Error: Into<BoxError>,
    R: RefusalResponse,
    T: ReadTimeout,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Refused { response } => {
                    // If the future is polled again after completion, it stays pending, so that it never
                    // produces a 2xx response.
                    let Some(response) = response.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(response.map(ResponseBody::refusal)));
                }
                StateProj::Reading { body, sleep, delivery, then } => {
                    let received = ready!(poll_event(body, sleep, delivery, cx));
                    // `then` is missing only if the future is polled again after completion.
                    let Some(Then { parts, ready, refusal }) = then.take() else { return Poll::Pending };
                    state.set(match received {
                        Ok(event) => call(parts, event, ready),
                        Err(error) => State::Refused { response: Some(refuse(&refusal, error)) },
                    });
                }
                StateProj::Calling { future } => {
                    let response = ready!(future.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
            }
        }
    }
}

/// Reads frames until the body ends, exceeds the limit, or takes too long.
fn poll_event<B>(
    mut body: Pin<&mut B>,
    sleep: Pin<&mut impl Future<Output = ()>>,
    delivery: &mut Option<PendingDelivery>,
    cx: &mut Context<'_>,
) -> Poll<Result<Event, ReceiveError>>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    while let Some(pending) = delivery {
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                // Trailers are not signed. They are treated as empty frames.
                let pushed = match frame.into_data() {
                    Ok(data) => pending.push(data),
                    Err(_trailers) => pending.push(Bytes::new()),
                };
                if let Err(error) = pushed {
                    return Poll::Ready(Err(error));
                }
            }
            Poll::Ready(Some(Err(error))) => {
                return Poll::Ready(Err(ReceiveError::from_body_error::<LengthLimitError>(error)));
            }
            Poll::Ready(None) => break,
            Poll::Pending => {
                // The timeout is checked only if no frame is available: a body that has already arrived is
                // not late.
                return sleep.poll(cx).map(|()| Err(ReceiveError::body_timeout()));
            }
        }
    }
    match delivery.take() {
        Some(pending) => Poll::Ready(pending.finish()),
        None => Poll::Pending,
    }
}

fn call<S, B, R, T>(mut parts: Parts, event: Event, mut ready: S) -> State<S, B, R, T>
where
    S: Service<Request<Full<Bytes>>>,
    T: ReadTimeout,
{
    let body = Full::new(event.raw_body().clone());
    parts.extensions.insert(event);
    State::Calling { future: ready.call(Request::from_parts(parts, body)) }
}

fn refuse(refusal: &impl RefusalResponse, error: ReceiveError) -> Response<Bytes> {
    Observation::refused(&error);
    let mut response = refusal.response(&error);
    response.extensions_mut().insert(Answer::from(&error).outcome());
    response.extensions_mut().insert(error);
    response
}

impl<S, B, R, T> fmt::Debug for ResponseFuture<S, B, R, T>
where
    S: Service<Request<Full<Bytes>>>,
    T: ReadTimeout,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
