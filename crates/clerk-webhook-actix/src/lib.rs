//! An [Actix Web](https://docs.rs/actix-web) extractor, middleware and guard that receive
//! [Clerk](https://clerk.com) webhooks.
//!
//! Applications usually add the `clerk-webhook` crate with the `actix` feature, which re-exports this crate
//! as `clerk_webhook::actix`. For a complete program, see the Actix Web chapter of the guide in the
//! `clerk-webhook` crate.
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
//! A handler that the middleware wraps can extract the body in any form:
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
//! The verifier's limits apply to [`ClerkEvent`], [`OptionalClerkEvent`] and [`VerifyWebhook`]:
//!
//! - `body_limit`, 2 MiB by default: a larger body is rejected, and no more than the limit is buffered.
//! - `read_timeout`, 15 s by default: a body that takes longer to arrive is rejected.
//!
//! `web::PayloadConfig` does not change these limits. It applies to Actix's extractors, such as `web::Bytes`
//! in a handler that the middleware wraps. Those extractors have a limit of 256 KiB by default.
//!
//! # Compressed bodies
//!
//! The signature covers the bytes of the request before decompression, so this crate does not decompress
//! bodies. A compressed body passes verification, and is then rejected with the `not_an_event` outcome. Clerk
//! does not send compressed bodies.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `metrics` | | delivery metrics, for the recorder of the `metrics` crate |
//! | `chrono`, `jiff`, `time` | | conversion of [`Timestamp`](clerk_webhook_core::Timestamp) into these crates' types |
//!
//! Log lines for deliveries, which need the `tracing` feature in the other crates, are always enabled here.

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
