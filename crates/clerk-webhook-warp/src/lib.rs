//! [Warp](https://docs.rs/warp) filters for [Clerk](https://clerk.com) webhooks.
//!
//! What comes after [`clerk_event`] sees verified, typed events only:
//!
//! ```
//! use clerk_webhook_core::{Event, EventData, Verifier};
//! use clerk_webhook_warp::{clerk_event, handle_rejection};
//! use warp::Filter;
//! use warp::http::StatusCode;
//!
//! fn webhook(event: Event) -> StatusCode {
//!     match event.data() {
//!         EventData::UserCreated(user) => println!("{} has joined", user.id),
//!         EventData::UserDeleted(user) => println!("{:?} has left", user.id),
//!         _ => {}
//!     }
//!     StatusCode::OK
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
//! # let mut delivery = warp::test::request().method("POST").path("/webhooks/clerk").body(body);
//! # for (name, value) in signed.to_pairs() {
//! #     delivery = delivery.header(name, value);
//! # }
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let routes = warp::path!("webhooks" / "clerk")
//!     .and(warp::post())
//!     .and(clerk_event(verifier))
//!     .map(webhook)
//!     .recover(handle_rejection);
//!
//! assert_eq!(delivery.reply(&routes).await.status(), 200);
//! let forged = warp::test::request().method("POST").path("/webhooks/clerk").body("{}");
//! assert_eq!(forged.reply(&routes).await.status(), 400);
//! # Ok(())
//! # }
//! ```
//!
//! # Rejections and other routes
//!
//! In Warp a request that one filter rejects goes to the next one in an `or`. A refused delivery that another filter
//! then answers with 200 is lost, as the sender believes it to be received. [`clerk_event_or_reply`] answers by itself
//! and never rejects.
//!
//! # Limits
//!
//! A body may have as many bytes as the verifier allows, 2 MiB unless it was built otherwise, whether it comes with a
//! length or in chunks, and may take as long as its `read_timeout`, 15 s unless it was built otherwise. Warp itself
//! has no limit, and `warp::body::content_length_limit` would answer 411 to chunks.
//!
//! # Behind the Tower layer
//!
//! Where `clerk_webhook_tower::VerifyWebhookLayer` stands round `warp::service(routes)`, `warp::ext::get::<Event>()`
//! is the event, [`clerk_event`] takes it from there, and `warp::body` filters still see the identical bytes.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod filters;
mod rejection;

pub use answer::ClerkAnswer;
pub use clerk_webhook_core as core;
pub use filters::{clerk_event, clerk_event_or_reply, optional_clerk_event};
pub use rejection::{ClerkEventRejection, handle_rejection};
