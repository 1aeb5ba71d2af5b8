//! A [Poem](https://docs.rs/poem) extractor and endpoint that receive [Clerk](https://clerk.com) webhooks.
//!
//! Applications usually add the `clerk-webhook` crate with the `poem` feature, which re-exports this crate as
//! `clerk_webhook::poem`. For a complete program, see the Poem chapter of the guide in the `clerk-webhook`
//! crate.
//!
//! - [`ClerkEndpoint`] is an endpoint that calls a function with the event. It needs no extractor.
//! - [`ClerkEvent`] is an extractor for handlers that also use other extractors.
//! - [`ClerkAnswer`] is a response. Return it from a handler that passes the event to typed
//!   [`Handlers`](clerk_webhook_core::Handlers).
//! - [`OptionalClerkEvent`] is an extractor for a route that also receives requests that are not deliveries.
//!
//! A handler that takes a [`ClerkEvent`] runs only for verified deliveries:
//!
//! ```
//! use clerk_webhook_core::{EventData, Verifier};
//! use clerk_webhook_poem::ClerkEvent;
//! use poem::http::Method;
//! use poem::{Endpoint as _, EndpointExt as _, Request, Route, handler, post};
//!
//! #[handler]
//! async fn webhook(ClerkEvent(event): ClerkEvent) {
//!     match event.data() {
//!         EventData::UserCreated(user) => println!("{} joined", user.id),
//!         EventData::UserDeleted(user) => println!("{:?} left", user.id),
//!         _ => {}
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let app = Route::new().at("/webhooks/clerk", post(webhook)).data(verifier);
//!
//! # let request = || Request::builder().method(Method::POST).uri_str("/webhooks/clerk");
//! # let signed = signed.to_pairs().into_iter();
//! # let delivery = signed.fold(request(), |request, (name, value)| request.header(name, value)).body(body);
//! assert_eq!(app.get_response(delivery).await.status(), 200);
//! let forged = request().body("{}");
//! assert_eq!(app.get_response(forged).await.status(), 400);
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! The verifier's limits apply:
//!
//! - `body_limit`, 2 MiB by default: a larger body is rejected, and no more than the limit is buffered.
//! - `read_timeout`, 15 s by default: a body that takes longer to arrive is rejected.
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
mod endpoint;
mod error;
mod extract;
mod receive;

pub use answer::ClerkAnswer;
pub use clerk_webhook_core as core;
pub use endpoint::ClerkEndpoint;
pub use error::ClerkEventError;
pub use extract::{ClerkEvent, OptionalClerkEvent};
