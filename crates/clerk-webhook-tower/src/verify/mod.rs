//! Verification of deliveries in front of a service.
//!
//! # What it does
//!
//! 1. Looks at the signature headers and at the claimed length. What can be refused by them is answered
//!    before a byte of the body is read.
//! 2. Reads the body up to the limit and hashes it while it arrives. A body that comes in one frame is never
//!    copied; nothing is allocated for a length that is only claimed.
//! 3. Decides, and either calls the service with the identical bytes and an [`Event`](crate::Event) in the
//!    extensions, or answers.
//!
//! Every request is treated so, whatever its method and path: put the layer on the route of the webhook and
//! not round the whole application.
//!
//! # How it refuses
//!
//! With the [`Answer`](clerk_webhook_core::Answer) for the reason: status 400, 408 or 413 and a constant
//! body. The extensions of the response hold the [`ReceiveError`](crate::ReceiveError) and the
//! [`Outcome`](clerk_webhook_core::Outcome), for a layer outside that logs or counts.
//! [`on_refusal`](VerifyWebhookLayer::on_refusal) replaces the answer.
//!
//! # Where it stands
//!
//! Layers outside of it must leave the request as it is: authentication and CSRF protection have to let the
//! route pass, and a layer that decompresses the body or parses it makes every signature wrong. A limit on the
//! body outside is fine; the smaller one counts, and exceeding either is answered by 413.
//!
//! # Slow senders
//!
//! The inner service is ready, and holds what it has reserved for that (a place under a concurrency limit, for
//! example), while the body of a delivery arrives that is not verified yet. A limit on concurrency therefore
//! belongs outside of this layer, together with a timeout.
//!
//! The layer knows no timer, so it does not keep the `read_timeout` of the verifier. Set that of the
//! [layer](VerifyWebhookLayer::read_timeout) to the timer of the runtime, so that a sender that drips cannot hold a
//! connection for ever:
//!
//! ```
//! use std::time::Duration;
//!
//! use clerk_webhook_core::Verifier;
//! use clerk_webhook_tower::VerifyWebhookLayer;
//!
//! # fn example(verifier: Verifier) {
//! let layer = VerifyWebhookLayer::new(verifier)
//!     .body_limit(256 * 1024)
//!     .read_timeout(|| tokio::time::sleep(Duration::from_secs(10)));
//! # }
//! ```

mod body;
mod future;
mod layer;
mod refusal;
mod service;
mod timeout;

pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use layer::VerifyWebhookLayer;
pub use refusal::{DefaultRefusal, RefusalResponse};
pub use service::VerifyWebhook;
pub use timeout::{NoTimeout, ReadTimeout};
