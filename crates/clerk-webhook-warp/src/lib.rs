//! [Warp](https://docs.rs/warp) filters that receive [Clerk](https://clerk.com) webhooks.
//!
//! Applications usually add the `clerk-webhook` crate with the `warp` feature, which re-exports this crate as
//! `clerk_webhook::warp`. For a complete program, see the Warp chapter of the guide in the `clerk-webhook`
//! crate.
//!
//! There are three filters:
//!
//! - [`clerk_event_or_reply`] calls a handler for a verified delivery and responds to every other request
//!   itself. Use it unless you need one of the others.
//! - [`clerk_event`] extracts the event and rejects a delivery that fails verification. Combine it with your
//!   own filters, and pass [`handle_rejection`] to `recover`.
//! - [`optional_clerk_event`] does the same, and extracts `None` for a request without signature headers.
//!
//! [`ClerkAnswer`] is a reply. Return it from a handler that passes the event to typed
//! [`Handlers`](clerk_webhook_core::Handlers).
//!
//! Filters and handlers after [`clerk_event`] run only for verified deliveries:
//!
//! ```
//! use clerk_webhook_core::{Event, EventData, Verifier};
//! use clerk_webhook_warp::{clerk_event, handle_rejection};
//! use warp::Filter;
//! use warp::http::StatusCode;
//!
//! fn webhook(event: Event) -> StatusCode {
//!     match event.data() {
//!         EventData::UserCreated(user) => println!("{} joined", user.id),
//!         EventData::UserDeleted(user) => println!("{:?} left", user.id),
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
//! If a filter rejects a request, Warp tries the next filter in an `or`. If that filter responds to a
//! rejected delivery with 2xx, the sender does not retry, and the event is lost. With
//! [`clerk_event_or_reply`] this cannot happen, because it never rejects.
//!
//! # Limits
//!
//! The verifier's limits apply to the body:
//!
//! - `body_limit`, 2 MiB by default: a larger body is rejected, with or without a `Content-Length`.
//! - `read_timeout`, 15 s by default: a body that takes longer to arrive is rejected.
//!
//! Warp itself has no limit. Do not add `warp::body::content_length_limit`: it rejects a request without a
//! `Content-Length` with 411.
//!
//! # With the Tower layer
//!
//! If `VerifyWebhookLayer` from the `clerk-webhook-tower` crate wraps `warp::service(routes)`,
//! [`clerk_event`] takes the event from the layer and does not verify the delivery a second time.
//! `warp::ext::get::<Event>()` also extracts the event, and the `warp::body` filters receive the same bytes.
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
mod filters;
mod rejection;

pub use answer::ClerkAnswer;
pub use clerk_webhook_core as core;
pub use filters::{clerk_event, clerk_event_or_reply, optional_clerk_event};
pub use rejection::{ClerkEventRejection, handle_rejection};
