//! Handling each delivery once.
//!
//! [`DeduplicateLayer`] stands behind [`VerifyWebhookLayer`](crate::VerifyWebhookLayer) and in front of whatever handles
//! events: typed [handlers](crate::HandlersExt) or a service of your own. What was handled before is answered by 200 and goes
//! no further, and so does, by 409, what somebody else is handling at the moment. Everything else is handed on, in a task
//! that goes on when the sender hangs up, with its [`Attempt`] in the extensions. Where it is answered by 2xx it is handled for
//! good, unless typed handlers ignored it; after any other response the sender's next attempt is handed on again.
//!
//! ```
//! use clerk_webhook_store::MemoryStore;
//! use clerk_webhook_core::event::marker::UserCreated;
//! use clerk_webhook_core::{Handlers, Verifier};
//! use clerk_webhook_tower::{DeduplicateLayer, HandlersExt, VerifyWebhookLayer};
//! # use bytes::Bytes;
//! # use clerk_webhook_core::Outcome;
//! # use http::Request;
//! # use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
//! # let mut delivery = Request::new(Full::<Bytes>::from(body));
//! # *delivery.headers_mut() = http::HeaderMap::from(&signed);
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let handlers = Handlers::builder()
//!     .on(UserCreated, |user, _cx| async move {
//!         println!("{} has joined", user.id);
//!         Ok(())
//!     })
//!     .build()?;
//! let service = ServiceBuilder::new()
//!     .layer(VerifyWebhookLayer::new(Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?))
//!     .layer(DeduplicateLayer::new(MemoryStore::new()))
//!     .service(handlers.into_service(()));
//!
//! for outcome in [Outcome::Processed, Outcome::Duplicate] {
//!     let response = service.clone().oneshot(delivery.clone()).await?;
//!     assert_eq!(response.extensions().get(), Some(&outcome));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The store decides how far "once" reaches: see the crate `clerk-webhook-store` for the engines, and for
//! the [`Deduplicator`](clerk_webhook_store::Deduplicator) whose settings the layer can be given.

mod layer;
mod service;

pub use layer::DeduplicateLayer;
pub use service::{Attempt, Deduplicate, DeduplicateFuture};
