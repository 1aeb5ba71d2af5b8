//! An [Axum](https://docs.rs/axum) extractor that receives [Clerk](https://clerk.com) webhooks.
//!
//! Applications usually add the `clerk-webhook` crate with the `axum` feature, which re-exports this crate as
//! `clerk_webhook::axum`. For a complete program, see the Axum chapter of the guide in the `clerk-webhook`
//! crate.
//!
//! Choose one of three ways to receive events:
//!
//! - [`ClerkEvent`] is an extractor. Use it if you match on the events yourself.
//! - [`ClerkAnswer`] is a response. Return it from a handler that passes the event to typed
//!   [`Handlers`](clerk_webhook_core::Handlers).
//! - `WebhookService` from the `clerk-webhook-tower` crate is a service for `post_service`. It calls typed
//!   handlers, and it can handle each message once. You need no extractor.
//!
//! A handler that takes a [`ClerkEvent`] runs only for verified deliveries:
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
//!         EventData::UserCreated(user) => println!("{} joined", user.id),
//!         EventData::UserDeleted(user) => println!("{:?} left", user.id),
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
//! # Your own state
//!
//! If the router's state is not the verifier itself, the state must provide the
//! [`Verifier`](clerk_webhook_core::Verifier):
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
//! - **Body size.** Two limits apply: the verifier's `body_limit` (2 MiB by default) and Axum's
//!   `DefaultBodyLimit` (2 MB by default). A delivery whose body exceeds one of them is answered with 413.
//! - **Time to read the body.** The verifier's `read_timeout` does not apply, because this crate has no
//!   timer. Add a timeout to the route, such as `TimeoutLayer` from tower-http. The sender closes the
//!   connection after 15 s.
//!
//! # With the Tower layer
//!
//! If `VerifyWebhookLayer` from the `clerk-webhook-tower` crate wraps the handler, [`ClerkEvent`] takes the
//! event from the layer and does not verify the delivery a second time.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `tracing` | yes | a log line for each delivery |
//! | `metrics` | | delivery metrics, for the recorder of the `metrics` crate |
//! | `chrono`, `jiff`, `time` | | conversion of [`Timestamp`](clerk_webhook_core::Timestamp) into these crates' types |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod extract;
mod rejection;

pub use answer::ClerkAnswer;
pub use clerk_webhook_core as core;
pub use extract::ClerkEvent;
pub use rejection::ClerkEventRejection;
