//! A [Tower](https://docs.rs/tower) layer that verifies [Clerk](https://clerk.com) webhooks.
//!
//! [`WebhookService`] is the route for typed handlers: it calls them and answers. It can verify each request first and run
//! the handlers once for each message.
//!
//! [`VerifyWebhookLayer`] stands in front of any service that takes HTTP requests. It reads the body,
//! verifies it, and hands the request on with the identical bytes and the typed [`Event`](clerk_webhook_core::Event) in its extensions.
//! It rejects a request that is not authentic, and the service never sees that request.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use clerk_webhook_core::{Event, EventData, Verifier};
//! use clerk_webhook_tower::VerifyWebhookLayer;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt};
//!
//! async fn handle(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     // The layer has put it there, else this would not be reached.
//!     if let Some(EventData::UserCreated(user)) = request.extensions().get().map(Event::data) {
//!         assert_eq!(user.id, "user_1");
//!     }
//!     Ok(Response::default())
//! }
//!
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
//! # let mut delivery = Request::new(Full::<Bytes>::from(body));
//! # *delivery.headers_mut() = http::HeaderMap::from(&signed);
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let service = VerifyWebhookLayer::new(verifier).layer(tower::service_fn(handle));
//!
//! assert_eq!(service.clone().oneshot(delivery).await?.status(), 200);
//! assert_eq!(service.oneshot(Request::new(Full::<Bytes>::from("forged"))).await?.status(), 400);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
#[cfg(feature = "deduplicate")]
mod deduplicate;
mod service;
mod verify;

pub use answer::{AnswerResponse, DefaultAnswer};
pub use clerk_webhook_core as core;
#[cfg(feature = "deduplicate")]
pub use deduplicate::{Deduplicate, DeduplicateFuture, DeduplicateLayer};
pub use service::{WebhookFuture, WebhookService};
pub use verify::{
    DefaultRefusal, NoTimeout, ReadTimeout, RefusalResponse, ResponseBody, ResponseFuture, VerifyWebhook,
    VerifyWebhookLayer,
};
