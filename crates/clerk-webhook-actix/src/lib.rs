//! An [Actix Web](https://docs.rs/actix-web) extractor, middleware and guard that receive the webhooks of
//! [Clerk](https://clerk.com).
//!
//! Applications usually add the crate `clerk-webhook` with the feature `actix`, which re-exports this crate
//! as `clerk_webhook::actix`. For a complete program, see the chapter of the guide about Actix Web in the
//! crate `clerk-webhook`.
//!
//! - [`ClerkEvent`] is an extractor for handlers that need only the event.
//! - [`ClerkAnswer`] is a response. Return it from a handler that passes the event to typed
//!   [`Handlers`](clerk_webhook_core::Handlers).
//! - [`VerifyWebhook`] is a middleware for handlers that also extract the body with another extractor.
//! - [`OptionalClerkEvent`] is an extractor for a route that also receives requests that are not deliveries.
//! - [`guard::signature_headers`] selects the route for deliveries if other requests use the same path.
//!
//! # The extractor
//!
//! A handler that takes a [`ClerkEvent`] runs only for verified deliveries. The verifier is in the
//! application data:
//!
//! ```
//! use actix_web::{App, HttpResponse, test, web};
//! use clerk_webhook_core::{EventData, Verifier};
//! use clerk_webhook_actix::ClerkEvent;
//!
//! async fn webhook(ClerkEvent(event): ClerkEvent) -> HttpResponse {
//!     match event.data() {
//!         EventData::UserCreated(user) => println!("{} joined", user.id),
//!         EventData::UserDeleted(user) => println!("{:?} left", user.id),
//!         _ => {}
//!     }
//!     HttpResponse::Ok().finish()
//! }
//!
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
//! # let mut delivery = test::TestRequest::post().uri("/webhooks/clerk").set_payload(body);
//! # for header in signed.to_pairs() {
//! #     delivery = delivery.insert_header(header);
//! # }
//! # let delivery = delivery.to_request();
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let route = web::resource("/webhooks/clerk").route(web::post().to(webhook));
//! let app = App::new().app_data(verifier).service(route);
//!
//! let app = test::init_service(app).await;
//! assert_eq!(test::call_service(&app, delivery).await.status(), 200);
//! let forged = test::TestRequest::post().uri("/webhooks/clerk").set_payload("{}").to_request();
//! assert_eq!(test::call_service(&app, forged).await.status(), 400);
//! # Ok(())
//! # }
//! ```
//!
//! # The middleware
//!
//! Handlers that the middleware wraps can extract the body in any form:
//!
//! ```
//! use actix_web::{App, web};
//! use clerk_webhook_core::{Event, Verifier};
//! use clerk_webhook_actix::VerifyWebhook;
//!
//! async fn webhook(event: web::ReqData<Event>, body: web::Json<serde_json::Value>) -> String {
//!     format!("{} of {}", event.event_type(), body["instance_id"])
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let app = App::new().service(
//!     web::resource("/webhooks/clerk")
//!         .route(web::post().to(webhook))
//!         .wrap(VerifyWebhook::new(verifier)),
//! );
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! The limits of the verifier apply to [`ClerkEvent`], [`OptionalClerkEvent`] and [`VerifyWebhook`]:
//!
//! - `body_limit`, 2 MiB by default: a longer body is rejected, and no more than this is buffered.
//! - `read_timeout`, 15 s by default: a body that takes longer to arrive is rejected.
//!
//! `web::PayloadConfig` does not apply to them. It applies to the extractors of Actix, such as `web::Bytes`
//! in a handler that the middleware wraps. Their limit is 256 KiB by default.
//!
//! # Compressed bodies
//!
//! The signature covers the bytes of the request before decompression, so this crate does not decompress
//! bodies. A compressed body passes verification, and is then rejected with the outcome `not_an_event`.
//! Clerk does not send compressed bodies.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `metrics` | | metrics of deliveries, for the recorder of the crate `metrics` |
//! | `chrono`, `jiff`, `time` | | conversions of [`Timestamp`](clerk_webhook_core::Timestamp) |
//!
//! The log line for each delivery, which is the feature `tracing` in other crates, is always on.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod error;
mod extract;
pub mod guard;
mod headers;
mod middleware;
mod receive;

pub use answer::ClerkAnswer;
pub use clerk_webhook_core as core;
pub use error::ClerkEventError;
pub use extract::{ClerkEvent, OptionalClerkEvent};
pub use middleware::{VerifyWebhook, VerifyWebhookMiddleware};
