//! Handling each delivery once.
//!
//! Typed handlers do not need this layer: [`WebhookService::deduplicated`](crate::WebhookService::deduplicated) runs them once.
//!
//! [`DeduplicateLayer`] is for services that are not ours. Put it behind [`VerifyWebhookLayer`](crate::VerifyWebhookLayer), in front
//! of your service. It answers duplicates with 200 and deliveries that are in progress with 409. It passes every other delivery
//! to your service, in a task that goes on if the sender hangs up.
//!
//! The layer judges by the status alone. A 2xx response completes the delivery: a response that means "try again" must have
//! another status. After any other response, an error or a panic, the sender's next attempt reaches your service again. The
//! layer passes the response on as it is.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use clerk_webhook_core::{Outcome, Verifier};
//! use clerk_webhook_store::MemoryStore;
//! use clerk_webhook_tower::{DeduplicateLayer, VerifyWebhookLayer};
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! async fn handle(_request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     Ok(Response::new(Full::from("handled")))
//! }
//!
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
//! # let mut delivery = Request::new(Full::<Bytes>::from(body));
//! # *delivery.headers_mut() = http::HeaderMap::from(&signed);
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let service = ServiceBuilder::new()
//!     .layer(VerifyWebhookLayer::new(Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?))
//!     .layer(DeduplicateLayer::new(MemoryStore::new()))
//!     .service(tower::service_fn(handle));
//!
//! let first = service.clone().oneshot(delivery.clone()).await?;
//! let second = service.oneshot(delivery).await?;
//! assert_eq!(first.extensions().get::<Outcome>(), None);
//! assert_eq!(second.extensions().get(), Some(&Outcome::Duplicate));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The store decides how far "once" reaches: see the crate `clerk-webhook-store` for the engines, and for
//! the [`Deduplicator`](clerk_webhook_store::Deduplicator) whose settings the layer can be given.

mod layer;
mod service;

pub use layer::DeduplicateLayer;
pub use service::{Deduplicate, DeduplicateFuture};
