//! Verifies [Clerk](https://clerk.com) webhooks and decodes their events, without a web framework or an async
//! runtime.
//!
//! **Applications use the `clerk-webhook` crate.** It re-exports this crate. Its features add support for web
//! frameworks, stores and SQL tables. Use `clerk-webhook-core` directly if you write an adapter for another
//! web framework.
//!
//! Clerk sends its events through Svix. Each delivery is a POST request with an HMAC-SHA256 signature that
//! covers the message id, the timestamp and the body. The main types are:
//!
//! - [`Verifier`] checks the signature and the timestamp of a delivery and returns an [`Event`].
//! - [`Event`] contains the event type, the decoded data ([`EventData`]) and the signed bytes.
//! - [`Handlers`] calls an application function for each event type.
//! - [`Answer`] is the HTTP response to the sender: status, headers and body.
//! - [`Observation`] writes the span, the log lines and the metrics for a delivery.
//!
//! ```
//! use clerk_webhook_core::{Answer, EventData, SigningSecret, Timestamp, Verifier};
//!
//! // Sign a delivery as Clerk does.
//! let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let body = r#"{"data":{"id":"user_1"},"object":"event","type":"user.created"}"#;
//! let headers = secret.sign(&"msg_1".parse()?, Timestamp::now(), body.as_bytes()).to_pairs();
//!
//! // Verify the delivery and decode its event.
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let event = verifier.receive(&headers, body.into())?;
//! assert_eq!(event.event_type(), "user.created");
//! assert!(matches!(event.data(), EventData::UserCreated(user) if user.id == "user_1"));
//!
//! // Reject a body that was not signed.
//! let error = verifier.receive(&headers, "forged".into()).unwrap_err();
//! assert_eq!(Answer::from(&error).status(), 400);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Writing an adapter
//!
//! This crate performs no I/O. The adapter reads the request, enforces the read timeout, and sends the
//! response:
//!
//! 1. Call [`Verifier::begin_receive`] with the headers. It rejects a delivery whose headers are missing or
//!    invalid or whose timestamp has expired, before the adapter reads the body. Implement [`HeaderFields`]
//!    for the framework's header type, or pass a slice of name-value pairs.
//! 2. Call [`PendingDelivery::expect_length`] with the `Content-Length`. It rejects a body that is too large
//!    before the adapter reads it.
//! 3. Pass each frame of the body to [`PendingDelivery::push`]. If reading takes longer than
//!    [`Verifier::read_timeout`], stop with [`ReceiveError::body_timeout`].
//! 4. Call [`PendingDelivery::finish`], and pass the [`Event`] to the application or to [`Handlers::answer`].
//! 5. After an error, call [`Observation::refused`] and send the [`Answer`] that `Answer::from(&error)`
//!    returns.
//!
//! If the framework has already read the complete body, [`Verifier::receive`] replaces steps 1 to 4.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `http` | yes | [`HeaderFields`] for the `HeaderMap` of http 1, and conversion of [`Answer`] into its `Response` |
//! | `tracing` | yes | a span and a log line for each handled delivery, and log lines for rejected deliveries |
//! | `metrics` | no | counters and durations, for the recorder of the `metrics` crate |
//! | `jiff`, `chrono`, `time` | no | conversion of [`Timestamp`] into these crates' types |
//!
//! [`Observation`] lists the names of spans, fields and metrics.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod clock;
mod error_text;
pub mod event;
pub mod handler;
mod message_id;
mod observe;
mod receive;
pub mod sender;
mod timestamp;
mod verify;

pub use answer::{Answer, Failure, Handled, Outcome, Stopped};
pub use event::data::EventData;
pub use event::event::Event;
pub use event::event_type::EventType;
pub use handler::context::Context;
pub use handler::handlers::Handlers;
pub use message_id::{InvalidMessageId, MessageId};
pub use observe::Observation;
pub use receive::{PendingDelivery, ReceiveError, ReceiveErrorKind};
pub use timestamp::{Timestamp, TimestampOutOfRange};
pub use verify::{
    AcceptedHeaders, HeaderFamily, HeaderFields, SecretError, SecretErrorKind, SignatureHeader,
    SignedHeaders, SigningSecret, Verification, Verified, Verifier, VerifierBuilder, VerifyError,
    VerifyErrorKind,
};
