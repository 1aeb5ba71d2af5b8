use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError as _};
use clerk_webhook_core::{Answer, Observation, ReceiveError, Verifier};

use crate::error::ClerkEventError;
use crate::receive::receive;

/// Middleware that verifies a delivery before it calls the wrapped service.
///
/// It passes a verified request on with the same bytes, so that `web::Bytes`, `web::Json<T>` and `String`
/// still work. It adds the [`Event`](clerk_webhook_core::Event) to the request extensions, where
/// [`ClerkEvent`](crate::ClerkEvent) and `web::ReqData<Event>` find it. If a request fails verification, it
/// rejects the request, and the handler does not run.
///
/// The middleware verifies every request, with any method. Wrap the webhook resource, not the entire
/// application. Middleware that you add with a later call to `wrap` runs first and must not change the body.
///
/// The verifier's limits apply to the body. Actix's extractors have an additional limit: 256 KiB for
/// `web::Bytes` and `String`, unless a `PayloadConfig` sets a different limit.
#[derive(Clone)]
#[must_use]
pub struct VerifyWebhook {
    verifier: Verifier,
    refusal: Option<Refusal>,
}

type Refusal = Arc<dyn Fn(&ReceiveError) -> HttpResponse + Send + Sync>;

impl VerifyWebhook {
    /// Creates a middleware with the verifier's limits and the default responses.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, refusal: None }
    }

    /// Replaces the responses to rejected deliveries.
    ///
    /// The middleware adds the error and its outcome to the response extensions. The sender retries after
    /// every response that is not 2xx.
    pub fn on_refusal(
        mut self,
        refusal: impl Fn(&ReceiveError) -> HttpResponse + Send + Sync + 'static,
    ) -> Self {
        self.refusal = Some(Arc::new(refusal));
        self
    }

    fn refuse(&self, error: ReceiveError) -> HttpResponse {
        let Some(refusal) = &self.refusal else {
            return ClerkEventError::from(error).error_response();
        };
        let mut response = refusal(&error);
        response.extensions_mut().insert(Answer::from(&error).outcome());
        response.extensions_mut().insert(error);
        response
    }
}

impl fmt::Debug for VerifyWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyWebhook").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl<S, B> Transform<S, ServiceRequest> for VerifyWebhook
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = VerifyWebhookMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(VerifyWebhookMiddleware { service: Rc::new(service), settings: self.clone() }))
    }
}

/// Service that [`VerifyWebhook`] creates around the wrapped service.
#[derive(Debug)]
pub struct VerifyWebhookMiddleware<S> {
    service: Rc<S>,
    settings: VerifyWebhook,
}

impl<S, B> Service<ServiceRequest> for VerifyWebhookMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let (service, settings) = (Rc::clone(&self.service), self.settings.clone());
        Box::pin(async move {
            let payload = request.take_payload();
            let event = match receive(request.request(), payload, &settings.verifier).await {
                Ok(event) => event,
                Err(error) => {
                    Observation::refused(&error);
                    return Ok(request.into_response(settings.refuse(error)).map_into_right_body());
                }
            };
            request.set_payload(Payload::from(event.raw_body().clone()));
            request.extensions_mut().insert(event);
            Ok(service.call(request).await?.map_into_left_body())
        })
    }
}
