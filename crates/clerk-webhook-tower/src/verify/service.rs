use std::fmt;
use std::mem;
use std::task::{Context, Poll};

use bytes::Bytes;
use clerk_webhook_core::{PendingDelivery, ReceiveError, Verifier};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::body::ResponseBody;
use super::future::{BoxError, ResponseFuture};
use super::refusal::{DefaultRefusal, RefusalResponse};
use super::timeout::{NoTimeout, ReadTimeout};

/// Service that verifies a delivery before it calls the inner service.
///
/// See [`VerifyWebhookLayer`](crate::VerifyWebhookLayer).
#[derive(Clone)]
pub struct VerifyWebhook<S, R = DefaultRefusal, T = NoTimeout> {
    pub(super) inner: S,
    pub(super) verifier: Verifier,
    pub(super) body_limit: usize,
    pub(super) refusal: R,
    pub(super) timeout: T,
}

impl<S> VerifyWebhook<S> {
    /// Wraps a service with the default settings; see [`VerifyWebhookLayer`](crate::VerifyWebhookLayer).
    pub fn new(inner: S, verifier: Verifier) -> Self {
        let body_limit = verifier.body_limit();
        Self { inner, verifier, body_limit, refusal: DefaultRefusal, timeout: NoTimeout }
    }
}

impl<S, R, T> VerifyWebhook<S, R, T> {
    /// Sets how long a body may take to arrive; see
    /// [`VerifyWebhookLayer::read_timeout`](crate::VerifyWebhookLayer::read_timeout).
    pub fn read_timeout<T2>(self, timeout: T2) -> VerifyWebhook<S, R, T2> {
        let Self { inner, verifier, body_limit, refusal, timeout: _ } = self;
        VerifyWebhook { inner, verifier, body_limit, refusal, timeout }
    }

    /// Returns a reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Checks the headers, the timestamp and the announced length before the body is read.
    fn begin<B: Body>(&self, request: &Request<B>) -> Result<PendingDelivery, ReceiveError> {
        let delivery = self.verifier.begin_receive(request.headers())?.body_limit(self.body_limit);
        delivery.expect_content_length(request.headers())?;
        delivery.expect_length(request.body().size_hint().lower())?;
        Ok(delivery)
    }
}

impl<S, R, T, ReqBody, ResBody> Service<Request<ReqBody>> for VerifyWebhook<S, R, T>
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResBody>> + Clone,
    R: RefusalResponse + Clone,
    T: ReadTimeout,
    ReqBody: Body,
    ReqBody::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, R, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // Call the instance that was polled ready, and keep a clone for the next request. A rejection drops
        // the ready instance, which releases its resources, such as a permit from a concurrency limit.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        match self.begin(&request) {
            Err(error) => ResponseFuture::refused(&self.refusal, error),
            Ok(delivery) => {
                ResponseFuture::reading(request, delivery, ready, self.refusal.clone(), self.timeout.start())
            }
        }
    }
}

impl<S: fmt::Debug, R, T> fmt::Debug for VerifyWebhook<S, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyWebhook")
            .field("inner", &self.inner)
            .field("verifier", &self.verifier)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}
