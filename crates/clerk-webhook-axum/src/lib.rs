//! An [Axum](https://docs.rs/axum) extractor for [Clerk](https://clerk.com) webhooks.
//!
//! A handler that takes a [`ClerkEvent`] is called with verified, typed events only:
//!
//! ```
//! use axum::Router;
//! use axum::routing::post;
//! use clerk_webhook_core::{EventData, Verifier};
//! use clerk_webhook_axum::ClerkEvent;
//! use http::{Request, StatusCode};
//!
//! async fn webhook(ClerkEvent(event): ClerkEvent) -> StatusCode {
//!     match event.data() {
//!         EventData::UserCreated(user) => println!("{} has joined", user.id),
//!         EventData::UserDeleted(user) => println!("{:?} has left", user.id),
//!         _ => {}
//!     }
//!     StatusCode::OK
//! }
//!
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
//! # let mut delivery = Request::post("/webhooks/clerk").body(axum::body::Body::from(body))?;
//! # *delivery.headers_mut() = http::HeaderMap::from(&signed);
//! # use tower::ServiceExt as _;
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let app = Router::new().route("/webhooks/clerk", post(webhook)).with_state(verifier);
//!
//! assert_eq!(app.clone().oneshot(delivery).await?.status(), 200);
//! let forged = Request::post("/webhooks/clerk").body("{}".to_owned())?;
//! assert_eq!(app.oneshot(forged).await?.status(), 400);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! If an application has its own state, the state must provide the [`Verifier`](clerk_webhook_core::Verifier):
//!
//! ```
//! use axum::extract::FromRef;
//! use clerk_webhook_core::Verifier;
//!
//! #[derive(Clone)]
//! struct AppState {
//!     verifier: Verifier,
//! }
//!
//! impl FromRef<AppState> for Verifier {
//!     fn from_ref(state: &AppState) -> Self {
//!         state.verifier.clone()
//!     }
//! }
//! ```
//!
//! # Limits
//!
//! A body may have as many bytes as the verifier allows (2 MiB unless it was built otherwise) and as axum's
//! `DefaultBodyLimit` allows (2 MB unless it was set otherwise): the smaller limit counts.
//!
//! It may take as long as a timeout over the route allows, such as tower-http's `TimeoutLayer`: axum runs without a
//! timer too, so the `read_timeout` of the verifier is not kept here. The sender itself gives up after 15 s.
//!
//! # Behind the Tower layer
//!
//! Where `clerk_webhook_tower::VerifyWebhookLayer` stands in front of the handler, the event is taken from it
//! and nothing is done twice.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod extract;
mod rejection;

pub use answer::ClerkAnswer;
pub use clerk_webhook_core as core;
pub use extract::ClerkEvent;
pub use rejection::ClerkEventRejection;
