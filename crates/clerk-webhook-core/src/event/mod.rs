//! Typed events.
//!
//! An [`Event`] is made by a [`Verifier`](crate::Verifier) from a delivery that it verified. Its envelope is
//! read at once; its data when somebody asks for it:
//!
//! ```
//! # use clerk_webhook_core::{Event, Timestamp};
//! # let body = r#"{"data":{"id":"user_1","first_name":"Ada","last_name":"Lovelace"},"type":"user.created"}"#;
//! # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
//! use clerk_webhook_core::EventData;
//!
//! match event.data() {
//!     EventData::UserCreated(user) => assert_eq!(user.full_name().as_deref(), Some("Ada Lovelace")),
//!     EventData::UserDeleted(user) => println!("{:?} has left", user.id),
//!     EventData::Unrecognized(data) => println!("{}: {}", data.event_type(), data.reason()),
//!     _ => {}
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Clerk adds fields and types about once a month. Fields that a payload type lacks are in
//! [`Event::data_as`], unknown strings are `Other`, and an event that is unknown or does not have the form
//! that it should have is [`EventData::Unrecognized`], with the reason: it is authentic, so it is not refused.

mod catalogue;
pub(crate) mod data;
mod decode;
mod decode_error;
mod envelope;
mod error;
#[expect(clippy::module_inception, reason = "it holds `Event`")]
pub(crate) mod event;
pub(crate) mod event_type;
mod metadata;
mod named;
mod object_only;
pub(crate) mod open_enum;
pub mod payload;
mod sensitive;
mod track;
mod unrecognized;

pub(crate) use data::EventData;
pub use data::{EventMarker, marker};
pub(crate) use decode::DecodeHints;
pub use decode_error::DecodeError;
pub use envelope::HttpRequest;
pub use error::{EventError, EventErrorKind};
pub(crate) use event::Event;
pub(crate) use event_type::EventType;
pub use unrecognized::{Unrecognized, UnrecognizedReason};
