//! Verify and type the webhooks of [Clerk](https://clerk.com), independent of any framework and runtime.
//!
//! Clerk delivers events through Svix: a POST request whose headers carry an HMAC-SHA256 over id, timestamp
//! and body. A [`Verifier`] decides whether a delivery is authentic and of late, and makes an [`Event`] of it.
//! The adapters for Tower and for web frameworks are crates of their own on top of this one.
//!
//! ```
//! use clerk_webhook_core::{Answer, EventData, MessageId, SigningSecret, Timestamp, Verifier};
//!
//! # let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let id: MessageId = "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa".parse()?;
//! # let body = r#"{"data":{"id":"user_1"},"object":"event","type":"user.created"}"#;
//! # let headers = secret.sign(&id, Timestamp::now(), body.as_bytes()).to_pairs();
//! let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//!
//! let event = verifier.receive(&headers, body.into())?;
//! assert_eq!(event.event_type(), "user.created");
//! assert!(matches!(event.data(), EventData::UserCreated(user) if user.id == "user_1"));
//!
//! let error = verifier.receive(&headers, "forged".into()).unwrap_err();
//! assert_eq!(Answer::from(&error).status(), 400);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `http` | yes | [`HeaderFields`] for the `HeaderMap` of http 1, [`Answer`] into its `Response` |
//! | `jiff`, `chrono`, `time` | | conversions of [`Timestamp`] |
//! | `tracing` | yes | a span and a log line for each delivery that is handled, and a log line for each that is refused |
//! | `metrics` | | counts and durations for the application's recorder of the crate `metrics` |
//!
//! See [`Observation`] for the names.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
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
