//! A [Rocket](https://docs.rs/rocket) data guard, fairing and responder that receive
//! [Clerk](https://clerk.com) webhooks.
//!
//! Applications usually add the `clerk-webhook` crate with the `rocket` feature, which re-exports this crate as
//! `clerk_webhook::rocket`. For a complete program, see the Rocket chapter of the guide in the `clerk-webhook`
//! crate.
//!
//! - [`ClerkEvent`] is a data guard. A route with this guard runs only for verified deliveries.
//! - [`ClerkFairing`] contains the verifier, and answers the deliveries that the guard rejects.
//! - [`ClerkAnswer`] is a responder. Return it from a handler that passes the event to typed
//!   [`Handlers`](clerk_webhook_core::Handlers).
//! - [`OptionalClerkEvent`] is a data guard for a route that also receives requests that are not deliveries.
//! - [`outcome`] and [`receive_error`] tell other fairings what happened to a delivery.
//!
//! ```
//! use clerk_webhook_core::{EventData, Verifier};
//! use clerk_webhook_rocket::{ClerkEvent, ClerkFairing};
//! use rocket::http::{Header, Status};
//! use rocket::local::asynchronous::Client;
//! use rocket::{post, routes};
//!
//! #[post("/webhooks/clerk", data = "<event>")]
//! fn webhook(event: ClerkEvent) {
//!     match event.data() {
//!         EventData::UserCreated(user) => println!("{} joined", user.id),
//!         EventData::UserDeleted(user) => println!("{:?} left", user.id),
//!         _ => {}
//!     }
//! }
//!
//! # #[rocket::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
//! # let secret = clerk_webhook_core::SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let signed = secret.sign(&"msg_1".parse()?, clerk_webhook_core::Timestamp::now(), body.as_bytes());
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let rocket = rocket::build().attach(ClerkFairing::new(verifier)).mount("/", routes![webhook]);
//!
//! let app = Client::untracked(rocket).await?;
//! # let mut delivery = app.post("/webhooks/clerk").body(body);
//! # for (name, value) in signed.to_pairs() {
//! #     delivery.add_header(Header::new(name, value));
//! # }
//! assert_eq!(delivery.dispatch().await.status(), Status::Ok);
//! let forged = app.post("/webhooks/clerk").body("{}");
//! assert_eq!(forged.dispatch().await.status(), Status::BadRequest);
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! The verifier's limits apply. Rocket's `limits` do not change them:
//!
//! - `body_limit`, 2 MiB by default: a larger body is rejected, and no more than the limit is buffered.
//! - `read_timeout`, 15 s by default: a body that takes longer to arrive is rejected. The time starts when the
//!   first 14 bytes have arrived, because Rocket waits for them before it calls the guard.
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
mod error;
mod fairing;
mod guard;
mod receive;
mod record;

pub use answer::ClerkAnswer;
pub use clerk_webhook_core as core;
pub use error::ClerkEventError;
pub use fairing::ClerkFairing;
pub use guard::{ClerkEvent, OptionalClerkEvent};
pub use record::{outcome, receive_error};
