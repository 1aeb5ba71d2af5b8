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

/// Middleware that verifies a delivery before it calls what it wraps.
///
/// What is verified is handed on with the identical bytes, so that `web::Bytes`, `web::Json<T>` and `String` still
/// work, and with the [`Event`](clerk_webhook_core::Event) in the extensions: [`ClerkEvent`](crate::ClerkEvent) and
/// `web::ReqData<Event>` take it from there. What is not is answered and goes no further.
///
/// Every request is treated so, whatever its method: wrap the resource of the webhook and not the whole
/// application. Middleware that is wrapped later stands further outside and must leave the body as it is.
///
/// The verifier's limits apply to the body. Actix's own extractors behind the middleware keep their own limits: for
/// `web::Bytes` and `String` this is 256 KiB, unless a `PayloadConfig` sets another one.
#[derive(Clone)]
#[must_use]
pub struct VerifyWebhook {
    verifier: Verifier,
    refusal: Option<Refusal>,
}

type Refusal = Arc<dyn Fn(&ReceiveError) -> HttpResponse + Send + Sync>;

impl VerifyWebhook {
    /// Creates a middleware with the limits of the verifier and the default answers.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, refusal: None }
    }

    /// Replaces the answers to deliveries that are refused.
    ///
    /// The error and its outcome get into the extensions of the response either way. Anything but 2xx makes the sender
    /// try again.
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

/// Service that [`VerifyWebhook`] makes of the one that it wraps.
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
