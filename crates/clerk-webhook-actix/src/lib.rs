//! An [Actix Web](https://docs.rs/actix-web) extractor, middleware and guard for [Clerk](https://clerk.com) webhooks.
//!
//! A handler that takes a [`ClerkEvent`] is called with verified, typed events only:
//!
//! ```
//! use actix_web::{App, HttpResponse, test, web};
//! use clerk_webhook_core::{EventData, Verifier};
//! use clerk_webhook_actix::ClerkEvent;
//!
//! async fn webhook(ClerkEvent(event): ClerkEvent) -> HttpResponse {
//!     match event.data() {
//!         EventData::UserCreated(user) => println!("{} has joined", user.id),
//!         EventData::UserDeleted(user) => println!("{:?} has left", user.id),
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
//! In front of handlers that want the body in their own way stands the middleware:
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
//! Only the limits of the verifier apply to [`ClerkEvent`], [`OptionalClerkEvent`] and [`VerifyWebhook`]:
//!
//! - `body_limit`, 2 MiB by default: they reject a longer body, and never buffer more than that;
//! - `read_timeout`, 15 s by default: they reject a body that takes longer to arrive.
//!
//! A `web::PayloadConfig` does not apply to them. It limits Actix's own extractors, such as `web::Bytes` behind the
//! middleware, to 256 KiB by default.
//!
//! # Compressed bodies
//!
//! A signature is over the bytes on the wire, and so is verification. A body with a `Content-Encoding`, which Clerk
//! never sends, is verified as it came and is then not an event.

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
