//! A [Tower](https://docs.rs/tower) service and layers that receive [Clerk](https://clerk.com) webhooks.
//!
//! Use this crate with hyper, with Axum, or with any other server that runs Tower services. Applications
//! usually add the `clerk-webhook` crate with the `tower` feature, which re-exports this crate as
//! `clerk_webhook::tower`. For a complete program, see the Tower chapter of the guide in the `clerk-webhook`
//! crate.
//!
//! There are two ways to receive events:
//!
//! - [`WebhookService`] calls typed handlers and responds to the sender. It can verify each request first,
//!   and it can run the handlers once per message. Use it unless you handle events in your own service.
//! - [`VerifyWebhookLayer`] wraps your own service. It reads and verifies the body, adds the typed
//!   [`Event`](clerk_webhook_core::Event) to the request extensions, and passes the same bytes on. It rejects
//!   a request that fails verification, so that your service never receives it.
//!
//! # A service for typed handlers
//!
//! ```
//! use bytes::Bytes;
//! use clerk_webhook_core::event::marker::UserCreated;
//! use clerk_webhook_core::{Handlers, Verifier};
//! use clerk_webhook_tower::WebhookService;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::ServiceExt;
//!
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
//! # let mut delivery = Request::new(Full::<Bytes>::from(body));
//! # *delivery.headers_mut() = http::HeaderMap::from(&signed);
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let handlers = Handlers::builder()
//!     .on(UserCreated, |user, _cx| async move {
//!         println!("{} joined", user.id);
//!         Ok(())
//!     })
//!     .build()?;
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let service = WebhookService::new(handlers, ()).verified(verifier);
//!
//! assert_eq!(service.clone().oneshot(delivery).await?.status(), 200);
//! assert_eq!(service.oneshot(Request::new(Full::<Bytes>::from("forged"))).await?.status(), 400);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A layer for your own service
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
//!     // Every request that reaches the service has an event.
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
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `deduplicate` | | the constructors and the layer that handle each message once; needs Tokio |
//! | `queue` | | the constructor that stores each event in a durable queue |
//! | `tracing` | yes | a log line for each delivery |
//! | `metrics` | | delivery metrics, for the recorder of the `metrics` crate |
//! | `chrono`, `jiff`, `time` | | conversion of [`Timestamp`](clerk_webhook_core::Timestamp) into these crates' types |

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
